"""The vector unit alone: values as golden's Mul, Requantize and MaxPool have them, and every clock the stated one."""

import pytest

from hwgen.build import toolchain
from tests.rtl.array.support import MEMORIES
from tests.rtl.runner import LINT, engine_sources
from tests.rtl.runner import run_bench as run

pytestmark = pytest.mark.rtl
MODULES = (*MEMORIES, "prog_queue", "need_wait", "mm_sequencer", "requantize", "vec_lane", "vec_unit")


@pytest.mark.parametrize("v, residual", [(16, 1), pytest.param(32, 0, marks=pytest.mark.full)])
def test_vec_unit(v, residual, tmp_path, seed):
    sizes = {"V": v, "PARAM_DEPTH": 8, "PROG_DEPTH": 4, "RESIDUAL": residual}
    run(tmp_path, engine_sources(*MODULES), "vec_unit", "tests.rtl.vec.bench_vec_unit", sizes, seed=seed, **sizes)


@pytest.mark.parametrize(
    "parameters", ["-GMUL=1'b0 -GRESIDUAL=1'b0", "-GMAXPOOL=1'b0", "-GV=64 -GRESIDUAL=1'b0"], ids=lambda text: text
)
def test_lint_clean(parameters):
    files = map(str, engine_sources(*MODULES))
    command = ["verilator", "--lint-only", *LINT, *parameters.split(), "--top-module", "vec_unit", *files]
    assert "Warning" not in toolchain.run(command)


def test_illegal_parameters_stop_elaboration():
    files = map(str, engine_sources(*MODULES))
    command = ["verilator", "--lint-only", *LINT, "-GV=12", "--top-module", "vec_unit", *files]
    with pytest.raises(toolchain.ToolError, match="V=12 must be at least 16"):
        toolchain.run(command)
