"""Copies of what goes to many places: how many, who drives whom, and that every input hears what it heard."""

import json

import pytest

from hwgen.build import ecp5_fanout
from hwgen.errors import ToolError

CLOCK = [2]


def cell(kind, inputs, outputs):
    ports = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"type": kind, "parameters": {}, "port_directions": ports, "connections": {**inputs, **outputs}}


def register(data, out):
    return cell("TRELLIS_FF", {"CLK": CLOCK, "DI": [data]}, {"Q": [out]})


@pytest.fixture
def spread(tmp_path):
    """(copies, the cells afterwards) of a netlist."""

    def run(cells, most=4, ports=None):
        file = tmp_path / "x.json"
        file.write_text(json.dumps({"modules": {"top": {"cells": cells, "ports": ports or {}}}}))
        found = ecp5_fanout.spread(file, "top", most)
        return found, json.loads(file.read_text())["modules"]["top"]["cells"]

    return run


def source(cells, wire):
    """What a wire carries: (kind, inputs) of its driver, through copies alike."""
    for one in cells.values():
        for port, bits in one["connections"].items():
            if one["port_directions"][port] == "output" and wire in bits:
                inputs = {p: b for p, b in one["connections"].items() if one["port_directions"][p] == "input"}
                return one["type"], inputs
    return wire


def test_a_register_is_copied_and_neighbours_share_a_copy(spread):
    cells = {"q": register(3, 10)} | {f"m{i:02}": register(10, 20 + i) for i in range(10)}
    copies, after = spread(cells)
    assert copies == 2 and set(after) == {*cells, "q$copy1", "q$copy2"}
    drivers = [after[f"m{i:02}"]["connections"]["DI"][0] for i in range(10)]
    assert len(set(drivers)) == 3 and drivers == sorted(drivers) and max(map(drivers.count, drivers)) <= 4
    assert all(source(after, wire) == source(after, 10) for wire in drivers)
    assert after["q"]["connections"]["Q"] == [10]


def test_a_gate_is_copied_before_the_register_behind_it(spread):
    gate = cell("LUT4", {"A": [10]}, {"Z": [11]})
    cells = {"q": register(3, 10), "g": gate} | {f"m{i:02}": register(11, 20 + i) for i in range(25)}
    copies, after = spread(cells)
    gates = [name for name, one in after.items() if one["type"] == "LUT4"]
    registers = [name for name in after if name.startswith("q")]
    assert len(gates) == 7 and len(registers) == 2 and copies == 7
    for i in range(25):
        kind, inputs = source(after, after[f"m{i:02}"]["connections"]["DI"][0])
        assert kind == "LUT4" and source(after, inputs["A"][0]) == ("TRELLIS_FF", {"CLK": CLOCK, "DI": [3]})


def test_little_is_left_alone_and_a_port_keeps_its_wire(spread):
    cells = {"q": register(3, 10)} | {f"m{i}": register(10, 20 + i) for i in range(4)}
    assert spread(cells) == (0, cells)
    cells |= {"m4": register(10, 24)}
    copies, after = spread(cells, ports={"led": {"direction": "output", "bits": [10, 99]}})
    assert copies == 1 and after["q"]["connections"]["Q"] == [10]
    assert after["q$copy1"]["connections"]["Q"] == [100], "a wire that nobody has"


def test_other_blocks_and_a_bus_of_several_bits(spread):
    """A memory's output is not copied; of a port with many bits only the one that is meant changes."""
    memory = cell("DP16KD", {"ADA": [10, 10, 11], "CLKA": CLOCK}, {"DOB0": [12]})
    cells = {"q": register(3, 10), "ram": memory} | {f"m{i}": register(12, 20 + i) for i in range(9)}
    copies, after = spread(cells, most=1)
    assert copies == 1
    one, other, third = after["ram"]["connections"]["ADA"]
    assert {one, other} == {10, after["q$copy1"]["connections"]["Q"][0]} and third == 11


def test_what_is_no_netlist_is_told(tmp_path):
    file = tmp_path / "x.json"
    for text in ("{}", '{"modules": {"top": {"cells": {"a": 3}}}}'):
        file.write_text(text)
        with pytest.raises(ToolError, match="x.json is no netlist of top"):
            ecp5_fanout.spread(file, "top")
