"""`hwgen-board run`: a control loop at a fixed rate, on recorded observations or a robot of the user's own."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable

import numpy as np

from hwgen.runtime.board_cli import samples
from hwgen.runtime.board_cli.devices import open_accelerator
from hwgen.runtime.board_cli.packages import open_package
from hwgen.runtime.control.chunks import ExecuteChunk, TemporalEnsemble
from hwgen.runtime.control.health import health_line
from hwgen.runtime.control.loop import OVERRUNS, ControlLoop
from hwgen.runtime.driver import Accelerator
from hwgen.runtime.engines import Engines
from hwgen.runtime.engines_package import EnginesPackage
from hwgen.runtime.errors import UsageError
from hwgen.runtime.package import Package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--rate", type=float, metavar="HZ", help="actions a second (default: the package's)")
    parser.add_argument("--ticks", type=int, help="how many; without it and --seconds: 100")
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--observations", metavar="FILE", help=".npz of recorded observations (default: golden ones)")
    parser.add_argument("--observe", metavar="MODULE:FUNCTION", help="your function () -> observation")
    parser.add_argument("--act", metavar="MODULE:FUNCTION", help="your function (action) that moves the robot")
    parser.add_argument("--execute", type=int, help="actions of a chunk before the next look (default: the package's)")
    parser.add_argument("--ensemble", type=float, metavar="M", help="temporal ensembling instead, with this m")
    parser.add_argument("--watchdog", type=float, metavar="SECONDS", help="without an action: the safe one")
    parser.add_argument("--overrun", choices=OVERRUNS, default="skip", help="what a late tick does (default: skip)")
    parser.add_argument("--max-misses", type=int, help="exit code 1 beyond so many missed deadlines")


def run(options: argparse.Namespace) -> tuple[int, dict, str]:
    """The command."""
    package = open_package(options.package)
    ticks = 100 if options.ticks is None and options.seconds is None else options.ticks
    for name, value in (("ticks", ticks), ("seconds", options.seconds)):
        if value is not None and not 0 < value < 1e9:
            raise UsageError(f"--{name} is {value}; give a number above 0")
    if options.max_misses is not None and options.max_misses < 0:
        raise UsageError(f"--max-misses is {options.max_misses}; give 0 or more")
    given = samples.endless(package, options.observations)
    observe = _function(options.observe) if options.observe else lambda: next(given)
    act = _function(options.act) if options.act else lambda action: None
    with open_accelerator(package, options.device, options.timeout) as accelerator:
        loop = ControlLoop(
            accelerator if package.policy else _first_output(accelerator), observe, act, rate_hz=options.rate,
            chunks=_chunks(options, package), watchdog=options.watchdog, overrun=options.overrun,
        )  # fmt: skip
        with loop:
            stats = loop.run(ticks, options.seconds)
            health = accelerator.health(loop)
            trips = dict(loop.watchdog.trips) if loop.watchdog else None
    facts = {**stats.summary(), "watchdog": trips, "health": health, "error": _text(loop.last_error)}
    lines = [f"{package.path.name} at {1 / loop.period:g} Hz: {stats}"]
    lines += [health_line(one) for one in health.get("engines", [health])]
    lines += [f"watchdog: {', '.join(f'{name} late {count} times' for name, count in trips.items())}"] if trips else []
    lines += [f"last fault: {facts['error']}"] if loop.last_error else []
    over = options.max_misses is not None and stats.misses > options.max_misses
    return int(over), facts, "\n".join(lines)


def _chunks(options: argparse.Namespace, package: Package | EnginesPackage) -> ExecuteChunk | TemporalEnsemble | None:
    policy = package.policy
    if options.ensemble is not None:
        return TemporalEnsemble(policy.chunk if policy else 1, options.ensemble)
    if options.execute is not None:
        return ExecuteChunk(options.execute)
    return None if policy else ExecuteChunk(1)


def _first_output(accelerator: Accelerator | Engines) -> Callable[[object], np.ndarray]:
    """An accelerator alone as a policy: its first output is one action."""
    name = accelerator.package.outputs[0].name
    return lambda observation: accelerator.infer(observation)[name].reshape(1, -1)


def _function(text: str) -> Callable:
    """MODULE:FUNCTION, from the working directory or the installed packages."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise UsageError(f"{text!r}: write MODULE:FUNCTION, such as robot:observe for observe() in robot.py")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # the user's own code
        raise UsageError(f"{text}: {module} cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        sys.path.remove("")
    if not callable(found):
        raise UsageError(f"{text}: {module} has no function {name}")

    def call(*arguments: object) -> object:
        try:
            return found(*arguments)
        except Exception as error:
            raise UsageError(f"{text} raised {type(error).__name__}: {error}") from error

    return call


def _text(error: Exception | None) -> str | None:
    return None if error is None else str(error)
