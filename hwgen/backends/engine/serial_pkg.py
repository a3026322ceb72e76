"""The SystemVerilog package of the serial line and the tables of docs/serial.md, made from the one table in
`hwgen.runtime.serial.protocol`.

`python -m hwgen.backends.engine.serial_pkg` rewrites both in a checkout; a test fails when they are stale.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.runtime.serial import protocol as p

BEGIN, FINISH = "<!-- protocol: made by hwgen.backends.engine.serial_pkg -->", "<!-- end of protocol -->"


def package() -> str:
    """Text of serial_pkg.sv."""
    lines = [
        "/// Constants of the serial line: frames, opcodes, addresses.",
        "/// Made from hwgen/runtime/serial/protocol.py; change that table, not this file.",
        "package serial_pkg;",
        "  // A package offers constants; no module takes all of them.",
        "  // verilator lint_off UNUSEDPARAM",
        f"  localparam logic [31:0] MAGIC = 32'h{p.MAGIC:08X};",
        f"  localparam logic [31:0] VERSION = 32'd{p.VERSION};",
        *(f"  localparam logic [7:0] {n} = 8'h{getattr(p, n):02X};" for n in ("END", "ESC", "TURN")),
        *(f"  localparam int unsigned {n} = {getattr(p, n)};" for n in ("MAX_WORDS", "FIFO_BYTES", "IDENTITY_WORDS")),
        f"  localparam int unsigned BRIDGE_WORDS = {len(p.BRIDGE)};",
        f"  localparam logic [31:0] CRC_RESIDUE = 32'h{p.CRC_RESIDUE:08X};",
        "",
        *(f"  localparam logic [7:0] OP_{name} = 8'h{code:02X};" for name, code in p.CODE.items()),
        "",
        "  // the top four bits of an address",
        *(f"  localparam logic [3:0] SPACE_{n} = 4'h{getattr(p, n + '_BASE') >> 28:X};"
          for n in ("BRIDGE", "ENGINE", "MEMORY")),
        "",
        "  // words of the bridge",
        *(f"  localparam int unsigned WORD_{name} = {i};" for i, (name, _) in enumerate(p.BRIDGE)),
        "",
        "  /// The first two words of a frame.",
        "  typedef struct packed {",
        "    logic [31:0] address;",
        "    logic [15:0] count;",
        "    logic [7:0]  number;",
        "    logic [7:0]  opcode;",
        "  } head_t;",
        "",
        "  /// The CRC-32 register (0xEDB88320, reflected) after one more byte.",
        "  function automatic logic [31:0] crc_next(logic [31:0] crc, logic [7:0] data);",
        "    logic [31:0] c;",
        "    c = crc ^ {24'b0, data};",
        "    for (int i = 0; i < 8; i++) c = {1'b0, c[31:1]} ^ (c[0] ? 32'hEDB88320 : 32'h0);",
        "    return c;",
        "  endfunction",
        "  // verilator lint_on UNUSEDPARAM",
        "endpackage",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def tables() -> str:
    """The part of docs/serial.md between its two marks."""
    out = [BEGIN, f"Version {p.VERSION}.", "", "| code | opcode | from | number | count | address | data | |"]
    out.append("|---|---|---|---|---|---|---|---|")
    out += [f"| 0x{row[0]:02X} | {name} | {' | '.join(row[1:])} |" for name, row in p.OPCODES.items()]
    out += ["", "| address | what lies there |", "|---|---|"]
    out += [
        f"| 0x{p.BRIDGE_BASE:08X} | the words of the bridge, {len(p.BRIDGE)} of 4 bytes, read only |",
        f"| 0x{p.ENGINE_BASE:08X} | the engine's registers ([abi.md](abi.md)), {p.ENGINE_BYTES} bytes |",
        f"| 0x{p.MEMORY_BASE:08X} | memory on the chip: MEMORY bytes; the engine reads and writes it |",
        f"| 0x{p.HOST_BASE:08X} | the host's window: the engine reads, the host serves; to the end of 32 bits |",
    ]
    out += ["", "| word | name | |", "|---|---|---|"]
    out += [f"| {i} | {name} | {text} |" for i, (name, text) in enumerate(p.BRIDGE)]
    return "\n".join([*out, FINISH])


def merged(document: str) -> str:
    """docs/serial.md with its tables renewed."""
    before, rest = document.split(BEGIN)
    return before + tables() + rest.split(FINISH)[1]


def write(root: Path) -> None:
    """Write both files below the checkout `root`."""
    (root / "hls_templates/serial/rtl/serial_pkg.sv").write_text(package())
    guide = root / "docs/serial.md"
    if guide.is_file():
        guide.write_text(merged(guide.read_text()))


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[3])
