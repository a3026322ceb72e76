"""What place and route gets, yosys' cells behind the passes for registers and copies, does what the RTL does."""

import pytest

from hwgen.build import ecp5, verilate
from hwgen.runtime.simlib import SimLib
from tests.rtl.ecp5 import support
from tests.sim import designs
from tests.support import cases

pytestmark = pytest.mark.rtl
UNITS = ("ram_1r1w", "mac_pair", "rsqrt_rom")
ARRAY = ("ram_1r1w", "mac_pair", "wide_mem", "adder_tree", "delay", "delay_valid", "mac_array")


def of_kind(cells, kind, **parameters):
    """A cell of the kind with these parameters."""
    return next(
        cell
        for cell in cells.values()
        if cell["type"] == kind and all(cell["parameters"].get(name) == value for name, value in parameters.items())
    )


def enabled_early(cells):
    wires = of_kind(cells, "DP16KD", REGMODE_A="NOREG", REGMODE_B="OUTREG")["connections"]
    wires["OCEB"] = wires["CEB"]


def half_enabled(cells):
    of_kind(cells, "DP16KD", REGMODE_A="OUTREG")["connections"]["OCEA"] = ["0"]


def raised_too_far(cells):
    wires = of_kind(cells, "MULT18X18D", REG_OUTPUT_CLK="CLK0")["connections"]
    wires |= {f"A{i}": wires[f"A{i - 1}"] if i else ["0"] for i in range(18)}


def at_once(cells):
    of_kind(cells, "MULT18X18D", REG_OUTPUT_CLK="CLK0")["parameters"]["REG_OUTPUT_CLK"] = "NONE"


def another_s_copy(cells):
    wires = next(cell["connections"] for name, cell in cells.items() if "$copy" in name and "Q" in cell["connections"])
    wires["DI"] = next(cell["connections"]["DI"] for cell in cells.values()
                       if cell["type"] == "TRELLIS_FF" and cell["connections"]["DI"] != wires["DI"])  # fmt: skip


FAULTS = (enabled_early, half_enabled, raised_too_far, at_once, another_s_copy)


def test_units_and_planted_faults(tmp_path, seed):
    """Memories of every width, multipliers and a register with many listeners, beside netlists with a fault each."""
    netlist, said = support.synthesize(tmp_path, "units", *UNITS)
    assert "registers moved into 9 memories and 9 multipliers" in said[-1] and not said[-2].startswith("0 copies")
    faulty = [support.changed(netlist, "units", fault, netlist.with_name(f"{fault.__name__}.json")) for fault in FAULTS]
    right, *wrong = support.differing(
        tmp_path / "sim", [netlist, *faulty], "units", UNITS, 128, seed, cases(10_000, 1_000_000)
    )
    assert right == 0
    assert all(wrong), dict(zip((fault.__name__ for fault in FAULTS), wrong, strict=True))


@pytest.mark.full
def test_the_array_and_its_weights(tmp_path, seed):
    netlist, said = support.synthesize(tmp_path, "array8", *ARRAY)
    assert "64 multipliers" in said[-1]
    assert support.differing(tmp_path / "sim", [netlist], "array8", ARRAY, 256, seed, 1_000_000) == [0]


@pytest.mark.full
def test_a_whole_accelerator(tmp_path, rng):
    """Its netlist in the place of its RTL, in the simulator that the driver is tested on: golden, bit for bit."""
    small = designs.make(tmp_path / "design", rng, 8, 8, board="ulx3s")
    work = small.folder / "ecp5"
    work.mkdir()
    ecp5.synthesize(small.folder / "rtl", work, verilate.TOP, support.NETLIST, print)
    made = support.verilog(work / f"{support.NETLIST}.json", verilate.TOP, verilate.TOP)
    for file in (small.folder / "rtl").iterdir():
        file.unlink()
    text = "\n".join(file.read_text() for file in (*support.cells(), made))
    (small.folder / "rtl" / f"{verilate.TOP}.sv").write_text(f"`define NO_INCLUDES\n{text}")
    verilate.build(small.folder)
    with SimLib.open(small.folder) as sim:
        sim.load(small.image)
        result = sim.run_frames(small.inputs, small.out_bytes)
        assert small.same(result.outputs) and set(result.latency) == {small.predicted}
        assert sim.protocol_error is None
