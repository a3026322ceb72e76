"""Build a module with Verilator and run a cocotb bench on it; shared by all benches."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from hwgen.build import toolchain
from tests.support import ROOT, cases

RTL = ROOT / "hls_templates" / "engine" / "rtl"
LINT = ("-Wall", "-Wno-UNUSEDPARAM", "-Wno-DECLFILENAME")  # no module uses all of the package's constants
RANDOM_STATE = ("--x-assign", "unique", "--x-initial", "unique")  # what has no reset begins with random numbers


def engine_sources(*names: str) -> list[Path]:
    """The package and these modules of the engine's library."""
    return [RTL / "hwgen_pkg.sv", *(RTL / f"{name}.sv" for name in names)]


def run_bench(
    work: Path,
    sources: Sequence[Path],
    top: str,
    bench: str,
    env: dict[str, object] | None = None,
    *,
    build_args: Sequence[str] = LINT,
    seed: int | None = None,
    optimize: bool = True,
    **parameters: object,
) -> int:
    """Run the cocotb tests of module `bench` on `top`; returns how many ran, fails with what they printed.

    `env` reaches the bench as environment variables, with SCALE, by which it multiplies its random cases. `seed` also
    draws the state that has no reset. `optimize` False is sooner done where little is
    simulated. HWGEN_WAVES=1 writes a waveform into `work`.
    """
    from cocotb_tools.runner import get_runner

    waves = os.environ.get("HWGEN_WAVES", "") not in ("", "0")
    log, saved = work / "bench.log", dict(os.environ)
    env_of_tools = toolchain.environment()
    os.environ.update(env_of_tools if optimize else toolchain.unoptimized(env_of_tools))
    os.environ["OBJCACHE"] = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.rtl.objcache"
    try:
        runner = get_runner("verilator")
        runner.build(
            sources=list(sources),
            hdl_toplevel=top,
            parameters=parameters,
            build_dir=work / "build",
            build_args=[*build_args, "-O3", *RANDOM_STATE],
            waves=waves,
            log_file=work / "build.log",
        )
        results = runner.test(
            hdl_toplevel=top,
            test_module=bench,
            test_dir=work,
            build_dir=work / "build",
            plusargs=[] if seed is None else ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"],
            waves=waves,
            log_file=log,
            extra_env={
                "PYTHONPATH": str(ROOT),
                "SCALE": str(cases(1, 10)),
                **({} if seed is None else {"SEED": str(seed)}),
                **{k: str(v) for k, v in (env or {}).items()},
            },
        )
    except (SystemExit, RuntimeError):  # how cocotb's runner reports a failed test, and a failed build
        made = log if log.exists() else work / "build.log"
        raise AssertionError(made.read_text()[-6000:] if made.exists() else f"no simulation: {work}") from None
    finally:
        os.environ.clear()
        os.environ.update(saved)
    tree = ElementTree.parse(results)
    ran = len(tree.findall(".//testcase"))
    assert ran, f"no cocotb test ran: {log}"
    assert not tree.findall(".//failure") and not tree.findall(".//error"), log.read_text()[-6000:]
    return ran
