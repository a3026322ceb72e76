"""What place and route gets, the netlist behind all passes, does what the RTL does: golden vectors under cocotb."""

import pytest

from hwgen.build import ecp5, verilate
from tests.rtl.ecp5 import netlist
from tests.rtl.runner import run_bench
from tests.sim import designs
from tests.support import ROOT

pytestmark = [pytest.mark.rtl, pytest.mark.full]


def test_netlist_of_a_whole_accelerator(tmp_path, rng, seed):
    """Yosys' cells, registers moved into blocks and copies, with models of the ECP5's cells."""
    folder, work = tmp_path / "design", tmp_path / "ecp5"
    designs.make(folder, rng, 8, 8, board="ulx3s")
    work.mkdir()
    said: list[str] = []
    ecp5.synthesize(folder / "rtl", work, verilate.TOP, "small", said.append)
    assert any("registers moved" in line for line in said) and any("copies" in line for line in said)
    (work / "netlist.sv").write_text(netlist.verilog(work / "small.json", verilate.TOP))
    env = {"HWGEN_DIR": folder, "VECTORS": 4, "COCOTB_TEST_FILTER": "golden_vectors"}
    sources = [ROOT / "tests/rtl/ecp5/cells.sv", work / "netlist.sv"]
    ran = run_bench(
        tmp_path, sources, verilate.TOP, "tests.rtl.top.bench_top", env, build_args=("-Wno-fatal",), seed=seed
    )
    assert ran == 2
