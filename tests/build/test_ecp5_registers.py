"""Registers that move into the ECP5's blocks: which do, what then drives whom, and that a product keeps its value."""

import json

import numpy as np
import pytest

from hwgen.build import ecp5_fanout, ecp5_registers, reports
from hwgen.errors import ToolError
from tests.support import cases

CLOCK = [2]
BITS = 18


def cell(kind, parameters=None, inputs=None, outputs=None):
    ports = {port: "input" for port in inputs or {}} | {port: "output" for port in outputs or {}}
    wires = {**(inputs or {}), **(outputs or {})}
    return {"type": kind, "parameters": parameters or {}, "port_directions": ports, "connections": wires}


def register(data, out, enable=None, **other):
    inputs = {"CLK": CLOCK, "DI": [data], "LSR": ["0"]} | ({"CE": [enable]} if enable else {})
    parameters = {"CLKMUX": "CLK", "CEMUX": "CE" if enable else "1 ", "REGSET": "RESET"} | other
    return cell("TRELLIS_FF", parameters, inputs, {"Q": [out]})


def memory(outputs, width=9):
    """A block whose outputs {port: wire} are read with the enable 3."""
    parameters = {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "DATA_WIDTH_B": f"{width:032b}"}
    inputs = {"CLKB": CLOCK, "CEB": [3], "RSTB": ["0"], "OCEB": ["1"]}
    inputs |= {"CLKA": CLOCK, "RSTA": ["0"], "OCEA": ["0"]}
    return cell("DP16KD", parameters, inputs, {port: [wire] for port, wire in outputs.items()})


def multiplier(a, b, product):
    inputs = {f"A{i}": [wire] for i, wire in enumerate(a)} | {f"B{i}": [wire] for i, wire in enumerate(b)}
    return cell("MULT18X18D", {}, inputs, {f"P{i}": [wire] for i, wire in enumerate(product)})


@pytest.fixture
def pack(tmp_path):
    """(what was packed, the cells afterwards) of a netlist."""

    def run(cells, ports=None):
        file = tmp_path / "x.json"
        file.write_text(json.dumps({"modules": {"top": {"cells": cells, "ports": ports or {}}}}))
        found = ecp5_registers.pack(file, "top")
        return found, json.loads(file.read_text())["modules"]["top"]["cells"]

    return run


def test_a_memory_takes_its_registers_and_their_enable(pack):
    found, cells = pack(
        {
            "ram": memory({"DOB0": 10, "DOB1": 11, "DOB2": 12}),
            "q0": register(10, 20, enable=4),
            "q1": register(11, 21, enable=4),
            "after": register(20, 30),
        }
    )
    assert found == ecp5_registers.Packed(memories=1, multipliers=0, registers=2)
    assert set(cells) == {"ram", "after"}
    assert cells["ram"]["parameters"]["REGMODE_B"] == "OUTREG"
    assert cells["ram"]["parameters"]["REGMODE_A"] == "NOREG"
    wires = cells["ram"]["connections"]
    assert (wires["DOB0"], wires["DOB1"], wires["DOB2"], wires["OCEB"]) == ([20], [21], [12], [4])
    assert wires["CEB"] == [3]


def test_a_wide_read_takes_the_outputs_of_both_ports(pack):
    before = {"ram": memory({"DOA0": 10, "DOB0": 11}, 36), "q0": register(10, 20, 4), "q1": register(11, 21, 4)}
    found, cells = pack(before)
    assert found.registers == 2
    assert cells["ram"]["connections"]["OCEA"] == cells["ram"]["connections"]["OCEB"] == [4]
    assert cells["ram"]["parameters"]["REGMODE_A"] == cells["ram"]["parameters"]["REGMODE_B"] == "OUTREG"
    for port, wire in {"CLKA": [9], "RSTA": [9]}.items():
        other = before["ram"] | {"connections": before["ram"]["connections"] | {port: wire}}
        assert pack(before | {"ram": other})[0].registers == 0


def test_what_a_pin_shows_stays(pack):
    """A block's output that leaves the chip as it is, besides going to a register."""
    seen = {"led": {"direction": "output", "bits": [10]}}
    before = {"ram": memory({"DOB0": 10}), "q": register(10, 20)}
    assert pack(before)[0].registers == 1 and pack(before, seen) == (ecp5_registers.Packed(0, 0, 0), before)
    short = multiplier(signed(100, 9), signed(200, 8), range(300, 336))
    _, cells = pack({"mult": short}, {"led": {"direction": "output", "bits": [335]}})
    assert cells["mult"]["connections"]["P35"] == [335]


@pytest.mark.parametrize(
    "other",
    [
        {"q1": register(11, 21, enable=5)},
        {"q1": register(11, 21, enable=4, REGSET="SET")},
        {"q1": register(11, 21, enable=4, CLKMUX="INV")},
        {"q1": register(11, 21, enable=4, CEMUX="INV")},
        {"q1": register(11, 21, enable=4) | {"connections": {"CLK": [9], "DI": [11], "CE": [4], "Q": [21]}}},
        {"q1": cell("LUT4", {}, {"A": [11]}, {"Z": [21]})},
        {"q1": register(11, 21, enable=4), "also": register(11, 22, enable=4)},
        {"q1": register(11, 21, enable=4), "also": cell("LUT4", {}, {"A": [10]}, {"Z": [22]})},
    ],
    ids=["enable", "set", "edge", "inverted", "clock", "logic", "two registers", "register and logic"],
)
def test_registers_that_differ_or_are_not_alone_stay(pack, other):
    before = {"ram": memory({"DOB0": 10, "DOB1": 11}), "q0": register(10, 20, enable=4), **other}
    found, cells = pack(before)
    assert found.registers == 0 and cells == before


def test_a_register_with_reset_stays(pack):
    with_reset = register(10, 20)
    with_reset["connections"]["LSR"] = [7]
    assert pack({"ram": memory({"DOB0": 10}), "q": with_reset})[0].registers == 0


def test_a_multiplier_s_register_has_no_enable(pack):
    a, b, product = range(100, 118), range(200, 218), range(300, 336)
    free = {f"q{i}": register(wire, 400 + i) for i, wire in enumerate(product)}
    found, cells = pack({"mult": multiplier(a, b, product), **free})
    assert found == ecp5_registers.Packed(memories=0, multipliers=1, registers=36)
    mult = cells["mult"]
    assert mult["parameters"]["REG_OUTPUT_CLK"] == "CLK0" and mult["connections"]["CLK0"] == CLOCK
    assert (mult["connections"]["CE0"], mult["connections"]["RST0"]) == (["1"], ["0"])
    assert [mult["connections"][f"P{i}"][0] for i in range(36)] == list(range(400, 436))
    held = {f"q{i}": register(wire, 400 + i, enable=5) for i, wire in enumerate(product)}
    assert pack({"mult": multiplier(a, b, product), **held})[0].registers == 0


def signed(value, bits):
    """The wires of a number of so many bits: its own, the sign again and again."""
    return [value + i for i in range(bits)] + [value + bits - 1] * (BITS - bits)


@pytest.mark.parametrize("seed", range(cases(20, 500)))
def test_a_product_keeps_its_value(pack, seed):
    """Operands of any length, one of them perhaps unsigned: the same product on the same wires."""
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, BITS + 1, 2).tolist()
    operands = [signed(100, widths[0]), signed(200, widths[1])]
    if unsigned := widths[0] < BITS:
        operands[0][widths[0] :] = ["0"] * (BITS - widths[0])
    used = sum(widths) + int(unsigned)
    product = list(range(300, 300 + 36))
    listeners = {f"q{i}": register(300 + i, 400 + i) for i in range(min(used, 36))}
    _, cells = pack({"mult": multiplier(*operands, product), **listeners})
    level = {"0": 0} | {wire: int(rng.integers(2)) for wire in (*range(100, 118), *range(200, 218))}

    def value(bits):
        number = sum(level[bit] << i for i, bit in enumerate(bits))
        return number - (level[bits[-1]] << len(bits))

    wires = cells["mult"]["connections"]
    raised = value([wires[f"A{i}"][0] for i in range(BITS)]) * value([wires[f"B{i}"][0] for i in range(BITS)])
    got = {wires[f"P{i}"][0]: raised >> i & 1 for i in range(36) if f"P{i}" in wires}
    wanted = value(operands[0]) * value(operands[1])
    assert all(got[400 + i] == wanted >> i & 1 for i in range(min(used, 36)))


def test_operands_stay_where_the_product_would_lose_a_bit_that_is_used(pack):
    before = multiplier(signed(100, 9), signed(200, 8), range(300, 336))
    found, cells = pack({"mult": before, "sign": cell("LUT4", {}, {"A": [335]}, {"Z": [1]})})
    assert found.registers == 0 and cells["mult"] == before | {"connections": cells["mult"]["connections"]}
    assert cells["mult"]["connections"]["A0"] == [100] and cells["mult"]["connections"]["P35"] == [335]


@pytest.mark.parametrize("change", [ecp5_registers.pack, ecp5_fanout.spread])
def test_a_netlist_may_be_larger_than_a_report(tmp_path, change):
    """A whole accelerator's has 90 MB."""
    file = tmp_path / "x.json"
    file.write_text('{"modules": {"top": {"cells": {}}}}' + " " * reports.LARGEST)
    change(file, "top")
    assert file.stat().st_size < 100


def test_what_is_no_netlist_is_told(tmp_path):
    file = tmp_path / "x.json"
    file.write_text('{"modules": {}}')
    with pytest.raises(ToolError, match="x.json is no netlist of top"):
        ecp5_registers.pack(file, "top")
    with pytest.raises(ToolError, match="missing.json is missing"):
        ecp5_registers.pack(tmp_path / "missing.json", "top")
