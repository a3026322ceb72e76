"""The window unit's modules are clean in Verilator's lint at other sizes, refuse illegal ones, and yosys reads them."""

import pytest

from hwgen.build import toolchain
from tests.rtl.runner import RTL
from tests.rtl.window.test_window import MODULES

pytestmark = pytest.mark.rtl


def lint(module, *parameters):
    sources = [RTL / "hwgen_pkg.sv", RTL / f"{module}.sv"]
    toolchain.run(["verilator", "--lint-only", "-Wall", "-y", RTL, *sources, "--top-module", module, *parameters])


@pytest.mark.parametrize("v, ports, ring", [(16, 1, 64), (64, 4, 65536)])
def test_verilator_lint(v, ports, ring):
    lint("din_unit", f"-GV={v}", f"-GWIN_PORTS={ports}", f"-GWIN_RING={ring}")


@pytest.mark.parametrize(
    "module, parameter",
    [("win_walk", "-GPORTS=5"), ("win_ring", "-GRING=96"), ("win_ring", "-GV=24")],
)
def test_illegal_parameters_fail_at_elaboration(module, parameter):
    with pytest.raises(toolchain.ToolError, match=f"{module}: "):
        lint(module, parameter)


def test_yosys_reads_it():
    ys = pytest.importorskip("pyosys.libyosys")
    design = ys.Design()
    files = " ".join(str(RTL / f"{name}.sv") for name in ("hwgen_pkg", *MODULES))
    ys.run_pass(f"tee -q read_slang --top din_unit -G V=32 -G WIN_RING=4096 -G WIN_PORTS=2 {files}", design)
    ys.run_pass("tee -q hierarchy -check -top din_unit", design)
    assert design.top_module() is not None
