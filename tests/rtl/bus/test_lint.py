"""Every module of the bus side is clean in Verilator's lint, and yosys reads the whole."""

import pytest

from hwgen.build import toolchain
from tests.rtl.bus.support import ALL, RTL


@pytest.mark.rtl
def test_verilator_lint():
    for module in ALL:
        sources = [RTL / "hwgen_pkg.sv", RTL / f"{module}.sv"]
        toolchain.run(["verilator", "--lint-only", "-Wall", "-y", RTL, *sources, "--top-module", module])


@pytest.mark.rtl
@pytest.mark.parametrize(
    "module, parameter", [("din_unit", "-GV=24"), ("dout_unit", "-GV=8"), ("bus_fifo", "-GDEPTH=6")]
)
def test_illegal_parameters_fail_at_elaboration(module, parameter):
    sources = [RTL / "hwgen_pkg.sv", RTL / f"{module}.sv"]
    with pytest.raises(toolchain.ToolError, match=f"{module}: "):
        toolchain.run(["verilator", "--lint-only", "-y", RTL, *sources, "--top-module", module, parameter])


@pytest.mark.rtl
def test_yosys_reads_it():
    ys = pytest.importorskip("pyosys.libyosys")
    design = ys.Design()
    files = " ".join(str(RTL / f"{name}.sv") for name in ("hwgen_pkg", *ALL))
    ys.run_pass(f"tee -q read_slang --top engine_bus -G V=32 {files}", design)
    ys.run_pass("tee -q hierarchy -check -top engine_bus", design)
    assert design.top_module() is not None
