"""The KV memory alone: every byte where its layout says, whatever N and M."""

import pytest

from hwgen.build import toolchain
from tests.rtl.runner import LINT, engine_sources
from tests.rtl.runner import run_bench as run

pytestmark = pytest.mark.rtl
MODULES = ("ram_1r1w", "kv_mem")


@pytest.mark.parametrize(
    "n, m, d", [(8, 8, 6), (8, 32, 8), (16, 8, 4), pytest.param(16, 32, 16, marks=pytest.mark.full)]
)
def test_kv_mem(n, m, d, tmp_path, seed):
    sizes = {"N": n, "M": m, "D": d}
    run(tmp_path, engine_sources(*MODULES), "kv_mem", "tests.rtl.kv.bench_kv_mem", sizes, seed=seed, **sizes)


def test_illegal_parameters_stop_elaboration():
    command = [
        "verilator",
        "--lint-only",
        *LINT,
        "-GD=5000",
        "--top-module",
        "kv_mem",
        *map(str, engine_sources(*MODULES)),
    ]
    with pytest.raises(toolchain.ToolError, match="D=5000 2..4096"):
        toolchain.run(command)
