"""Registers and gates that go to many places are copied, so that each copy drives a few, near to each other.

nextpnr copies nothing, and yosys merges whatever is equal: a bit that goes to the whole array would have to lie in the
middle of the chip. Those whom a copy drives follow each other by name, hence mostly in one module. Nothing changes in
any clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hwgen.build.reports import LARGEST_NETLIST, read_json
from hwgen.errors import ToolError

MOST = 64  # places that one copy drives
DRIVERS = {"LUT4": "Z", "TRELLIS_FF": "Q"}  # what is copied, gates first: their copies are more places for a register


def spread(netlist: Path, top: str, most: int = MOST) -> int:
    """Rewrite yosys' JSON netlist of the module `top` in place; returns the number of copies. Raises ToolError."""
    again = "yosys did not get that far; make the bitstream again"
    design = read_json(netlist, again, LARGEST_NETLIST)
    try:
        module = design["modules"][top]
        copies = sum(_Fanout(module).spread(kind, port, most) for kind, port in DRIVERS.items())
    except (KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"{netlist} is no netlist of {top} ({error!r}): {again}") from error
    netlist.write_text(json.dumps(design))
    return copies


@dataclass(frozen=True, order=True)
class _Place:
    """An input of a cell."""

    cell: str
    port: str
    index: int


class _Fanout:
    """The cells of a flat module, and the inputs that each wire goes to."""

    def __init__(self, module: dict) -> None:
        self.cells = module["cells"]
        self.places: dict[int, list[_Place]] = {}
        highest = 1
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                highest = max([highest, *(bit for bit in bits if isinstance(bit, int))])
                if cell["port_directions"].get(port) == "input":
                    for index, bit in enumerate(bits):
                        self.places.setdefault(bit, []).append(_Place(name, port, index))
        ports = (bit for port in module.get("ports", {}).values() for bit in port["bits"] if isinstance(bit, int))
        self.next = max([highest, *ports]) + 1

    def spread(self, kind: str, port: str, most: int) -> int:
        """Copy each cell of this kind whose output goes to more than `most` inputs."""
        wide = [
            (name, cell)
            for name, cell in self.cells.items()
            if cell["type"] == kind and len(self.places.get(cell["connections"][port][0], ())) > most
        ]
        return sum(self._copy(name, cell, port, most) for name, cell in wide)

    def _copy(self, name: str, cell: dict, port: str, most: int) -> int:
        places = sorted(self.places[cell["connections"][port][0]])
        parts = -(-len(places) // most)
        for part in range(1, parts):
            wires = {p: list(bits) for p, bits in cell["connections"].items()} | {port: [self.next]}
            self.cells[f"{name}$copy{part}"] = cell | {"connections": wires}
            for place in places[part * len(places) // parts : (part + 1) * len(places) // parts]:
                self.cells[place.cell]["connections"][place.port][place.index] = self.next
            self.next += 1
        return parts - 1
