"""The shell under cocotb: made-up cores with odd streams, stalls on all channels and streams, all failures."""

import numpy as np
import pytest

from hwgen.backends.shell import CoreDescription
from hwgen.build import verilate
from tests.rtl.runner import run_bench
from tests.rtl.shell import cores
from tests.support import cases

pytestmark = pytest.mark.rtl
STALL = 110  # of 256: how often the core's streams wait


def run(tmp_path, rng: np.random.Generator, seed: int, core: CoreDescription) -> None:
    """Run bench_shell on a made-up core."""
    folder = tmp_path / "design"
    cores.make(folder, core, rng)
    stand_in = folder / "sim" / "rtl" / f"{core.top}.sv"
    text = stand_in.read_text()
    assert "STALL   = 0" in text
    stand_in.write_text(text.replace("STALL   = 0", f"STALL   = {STALL}"))
    args = ("--assert", "-Wno-fatal", str(folder / "model.cpp"))
    env = {"HWGEN_DIR": folder, "VECTORS": cases(4, cores.VECTORS)}
    sources = verilate.sources(folder)
    bench = "tests.rtl.shell.bench_shell"
    ran = run_bench(tmp_path, sources, verilate.TOP, bench, env, build_args=args, seed=seed, optimize=False)
    assert ran >= 17, "cocotb tests are missing"


@pytest.mark.parametrize("io, inputs, outputs", [("parallel", 2, 2), ("stream", 2, 2)])
def test_random_cores(tmp_path, rng, seed, io, inputs, outputs):
    run(tmp_path, rng, seed, cores.random_core(rng, io, inputs, outputs))


@pytest.mark.full
@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("attempt", range(4))
def test_more_random_cores(tmp_path, rng, seed, io, attempt):
    run(tmp_path, rng, seed, cores.random_core(rng, io, int(rng.integers(1, 4)), int(rng.integers(1, 4))))


@pytest.mark.full
@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_one_wide_beat(tmp_path, rng, seed, io):
    run(tmp_path, rng, seed, cores.one_beat(io, 1059, 24, 19))
