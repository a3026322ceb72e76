"""The whole accelerator under cocotb: every unit in it, random stalls on all channels, all failures."""

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hwgen.build import toolchain, verilate
from tests.sim import designs
from tests.support import ROOT, cases

pytestmark = pytest.mark.rtl


def run_bench(folder: Path, work: Path, seed: int) -> None:
    """Run bench_top on a generated folder; fail with what it printed. HWGEN_WAVES=1 writes a waveform into `work`."""
    from cocotb_tools.runner import get_runner

    waves = os.environ.get("HWGEN_WAVES", "") not in ("", "0")
    log, saved = work / "bench.log", dict(os.environ)
    os.environ.update(toolchain.environment())
    try:
        runner = get_runner("verilator")
        runner.build(
            sources=verilate.sources(folder),
            hdl_toplevel=verilate.TOP,
            build_dir=work / "build",
            # Memories and registers without a reset begin with random numbers.
            build_args=["-O3", "--assert", "--x-assign", "unique", "--x-initial", "unique", "-Wno-fatal"],
            waves=waves,
            log_file=work / "build.log",
        )
        results = runner.test(
            hdl_toplevel=verilate.TOP,
            test_module="tests.rtl.top.bench_top",
            test_dir=work,
            build_dir=work / "build",
            plusargs=["+verilator+rand+reset+2", f"+verilator+seed+{seed % 2**31}"],
            waves=waves,
            log_file=log,
            extra_env={
                "PYTHONPATH": str(ROOT),
                "HWGEN_DIR": str(folder),
                "SEED": str(seed),
                "VECTORS": str(cases(8, 32)),
            },
        )
    except SystemExit:  # how cocotb's runner reports a failure
        made = log if log.exists() else work / "build.log"
        raise AssertionError(made.read_text()[-6000:] if made.exists() else f"no simulation: {work}") from None
    finally:
        os.environ.clear()
        os.environ.update(saved)
    tree = ElementTree.parse(results)
    assert len(tree.findall(".//testcase")) >= 15, f"cocotb tests are missing: {log}"
    assert not tree.findall(".//failure") and not tree.findall(".//error"), log.read_text()[-6000:]


@pytest.mark.parametrize(
    "n, m", [(8, 8), pytest.param(16, 32, marks=pytest.mark.full), pytest.param(32, 16, marks=pytest.mark.full)]
)
def test_top(tmp_path, rng, seed, n, m):
    designs.make(tmp_path / "design", rng, n, m)
    run_bench(tmp_path / "design", tmp_path, seed)
