"""`hwgen-board`: the accelerator from the board's command line.

    hwgen-board info [PKG]        the board, what is installed, a package
    hwgen-board selftest [PKG]    the package's golden vectors on the hardware
    hwgen-board bench [PKG]       how long an inference takes, and where the time goes
    hwgen-board run [PKG]         a control loop at a fixed rate

Without PKG the last three take the only .hwpkg file in the working directory.

Exit code: 0 done; 1 the hardware failed, computes wrong, or missed more deadlines than allowed; 2 the command line, the
package or an input is wrong; 130 interrupted; 141 the reader of its output left. An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from hwgen.runtime.board_cli import bench, devices, info, run
from hwgen.runtime.board_cli.devices import open_accelerator
from hwgen.runtime.board_cli.packages import open_package
from hwgen.runtime.errors import DeadlineMissed, DeviceFault, RuntimeFault

_PACKAGE = "a .hwpkg file; default: the only one in the working directory"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code, facts, text = options.command(options)
    except (DeviceFault, DeadlineMissed) as error:
        return _fail(error, 1)
    except (RuntimeFault, OSError, MemoryError) as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    print(json.dumps(facts, indent=1) if options.json else text)
    return code


def _fail(error: object, code: int) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"hwgen-board: {text}", file=sys.stderr)
    return code


def _selftest(options: argparse.Namespace) -> tuple[int, dict, str]:
    package = open_package(options.package)
    with open_accelerator(package, options.device, options.timeout) as accelerator:
        report = accelerator.selftest()
    text = f"{package.path.name}: {report['vectors']} vectors of the accelerator"
    text += f" and {report['policy_vectors']} of the policy" if report["policy_vectors"] else ""
    text += f" bit for bit, {report['latency_cycles']} clocks ({report['predicted_cycles']} predicted)"
    return 0, report, text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hwgen-board", description="Run an hwgen accelerator on this board.")
    commands = parser.add_subparsers(required=True, metavar="selftest|bench|run|info")
    add = _Adder(commands)
    info.add_arguments(add("info", info.info, "the board, what is installed, and a package", "a .hwpkg file"))
    add("selftest", _selftest, "run the package's golden vectors, compare every integer")
    bench.add_arguments(add("bench", bench.bench, "how long an inference takes, and where the time goes"))
    run.add_arguments(add("run", run.run, "a control loop at a fixed rate"))
    return parser


class _Adder:
    """Adds a command with what all of them take."""

    def __init__(self, commands) -> None:
        self._commands = commands

    def __call__(self, name: str, command, text: str, package: str = _PACKAGE) -> argparse.ArgumentParser:
        parser = self._commands.add_parser(name, help=text, description=text)
        parser.add_argument("package", metavar="PKG", nargs="?", help=package)
        parser.add_argument("--device", default="auto", metavar="DEVICE", help=devices.HELP)
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long one command may take")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(command=command)
        return parser
