"""The whole accelerator under cocotb: every unit in it, random stalls on all channels, all failures."""

from pathlib import Path

import pytest

from hwgen.build import verilate
from tests.rtl.runner import run_bench
from tests.sim import designs
from tests.support import cases

pytestmark = pytest.mark.rtl


def run(folder: Path, work: Path, seed: int) -> None:
    """Run bench_top on a generated folder."""
    env = {"HWGEN_DIR": folder, "VECTORS": cases(8, 32)}
    args = ("--assert", "-Wno-fatal")
    ran = run_bench(
        work, verilate.sources(folder), verilate.TOP, "tests.rtl.top.bench_top", env, build_args=args, seed=seed
    )
    assert ran >= 15, "cocotb tests are missing"


@pytest.mark.parametrize(
    "n, m", [(8, 8), pytest.param(16, 32, marks=pytest.mark.full), pytest.param(32, 16, marks=pytest.mark.full)]
)
def test_top(tmp_path, rng, seed, n, m):
    designs.make(tmp_path / "design", rng, n, m)
    run(tmp_path / "design", tmp_path, seed)
