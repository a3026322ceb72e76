"""Yosys' JSON netlist of an ECP5 as SystemVerilog over the models of cells.sv, with the top's own port names."""

import json
from pathlib import Path

PARAMETERS = {
    "LUT4": ("INIT",), "PFUMX": (), "L6MUX21": (), "TRELLIS_DPR16X4": (),
    "CCU2C": ("INIT0", "INIT1", "INJECT1_0", "INJECT1_1"),
    "TRELLIS_FF": ("CEMUX", "LSRMUX", "REGSET", "SRMODE"),
    "DP16KD": ("DATA_WIDTH_A", "DATA_WIDTH_B", "REGMODE_A", "REGMODE_B"),
    "MULT18X18D": ("REG_OUTPUT_CLK",),
}  # fmt: skip
NUMBERS = ("INIT", "INIT0", "INIT1", "DATA_WIDTH_A", "DATA_WIDTH_B")
# What the models do not follow has to be so.
FIXED = {
    "CLKMUX": "CLK", "CLKAMUX": "CLKA", "CLKBMUX": "CLKB", "WCKMUX": "WCK", "WREMUX": "WRE", "LSRMODE": "LSR",
    "CSDECODE_A": "0b000", "CSDECODE_B": "0b000",
}  # fmt: skip
# The blocks' pins: single ones, and those that the models have as buses (inputs, outputs).
BLOCKS = {
    "DP16KD": (
        ("CLKA", "CEA", "WEA", "CLKB", "CEB", "OCEB", "RSTB"),
        {"ADA": 14, "ADB": 14, "DIA": 18, "DIB": 18},
        {"DOA": 18, "DOB": 18},
    ),
    "MULT18X18D": (("CLK0", "CE0", "SIGNEDA", "SIGNEDB"), {"A": 18, "B": 18}, {"P": 36}),
}


def verilog(file: Path, top: str) -> str:
    """The module `top` of a flat netlist. Fails on a cell or a way of using it that has no model."""
    module = json.loads(file.read_text())["modules"][top]
    ports, lines, wires = [], [], set()
    for name, port in module["ports"].items():
        size = len(port["bits"])
        ports.append(f"  {port['direction']} wire {f'[{size - 1}:0] ' if size > 1 else ''}{name}")
        for i, bit in enumerate(port["bits"]):
            pin = f"{name}[{i}]" if size > 1 else name
            lines.append(
                f"  assign n{bit} = {pin};" if port["direction"] == "input" else f"  assign {pin} = {_wire(bit)};"
            )
    for number, cell in enumerate(module["cells"].values()):
        if cell["type"] != "$scopeinfo":
            lines.append(_instance(f"c{number}", cell, wires))
    wires |= {f"n{bit}" for port in module["ports"].values() for bit in port["bits"] if isinstance(bit, int)}
    names = "\n".join(f"  wire {wire};" for wire in sorted(wires))
    return f"module {top} (\n" + ",\n".join(ports) + f"\n);\n{names}\n" + "\n".join(lines) + "\nendmodule\n"


def _wire(bit: int | str) -> str:
    """A number is a wire's, a letter a constant; what is longer is the name of a wire that goes nowhere."""
    return f"n{bit}" if isinstance(bit, int) else bit if len(bit) > 1 else "1'b1" if bit == "1" else "1'b0"


def _value(parameter: str, text: str) -> str:
    """A parameter as yosys writes it, binary or text."""
    return f"{len(text)}'b{text}" if parameter in NUMBERS else f'"{text.strip()}"'


def _instance(name: str, cell: dict, wires: set[str]) -> str:
    """The cell's text; `wires` grows by what it uses."""
    kind, connections, given = cell["type"], cell["connections"], cell["parameters"]
    for parameter, value in FIXED.items():
        assert given.get(parameter, value) == value, (name, parameter, given[parameter])
    wires |= {_wire(bit) for bits in connections.values() for bit in bits if isinstance(bit, int)}
    if kind in BLOCKS:
        single, inputs, outputs = BLOCKS[kind]
        pins = {pin: [connections[pin][0]] for pin in single if pin in connections}
        pins |= {bus: [connections.get(f"{bus}{i}", "0")[0] for i in range(size)] for bus, size in inputs.items()}
        for bus, size in outputs.items():
            open_pins = [f"{name}_{bus}{i}" for i in range(size)]
            pins[bus] = [connections.get(f"{bus}{i}", [pin])[0] for i, pin in enumerate(open_pins)]
            wires |= {bit for bit in pins[bus] if isinstance(bit, str)}
    else:
        pins = {pin: bits for pin, bits in connections.items() if (kind, pin) != ("TRELLIS_FF", "M")}
    ports = ", ".join(f".{pin}({{{', '.join(_wire(bit) for bit in reversed(bits))}}})" for pin, bits in pins.items())
    values = ", ".join(f".{p}({_value(p, given[p])})" for p in PARAMETERS[kind] if p in given)
    return f"  {kind} #({values}) {name} ({ports});"
