"""The SystemVerilog package and docs/abi.md, made from the one table in `hwgen.runtime.abi`.

`python -m hwgen.backends.engine.svpkg` rewrites both files in a checkout; a test fails when they are stale.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.runtime import abi

_HEADER = """\
/// Constants and types of the binary interface: registers, status codes, load image, instructions.
/// Made from hwgen/runtime/abi.py; change that table, not this file.
package hwgen_pkg;
  // A package offers constants; no module takes all of them.
  // verilator lint_off UNUSEDPARAM
"""


def _struct(name: str, fields: tuple[tuple[str, int, int], ...]) -> str:
    """A packed struct whose least significant field is the first of the table."""
    lines = []
    for field, _, size, levels in reversed(_merge_levels(fields)):
        dims = (f"[{levels - 1}:0]" if levels else "") + (f"[{size - 1}:0]" if size > 1 else "")
        lines.append("    logic " + (f"{dims} " if dims else "") + f"{field};")
    return "  typedef struct packed {\n" + "\n".join(lines) + f"\n  }} {name};\n"


def _merge_levels(fields: tuple[tuple[str, int, int], ...]) -> list[tuple[str, int, int, int]]:
    """count0..count5 become one packed array `[5:0][13:0] count`, which the loop nest indexes by level."""
    out: list[tuple[str, int, int, int]] = []
    for name, lsb, size in fields:
        stem = name.rstrip("0123456789")
        if stem != name:
            if name.endswith("0"):
                out.append((stem, lsb, size, abi.LEVELS))
        else:
            out.append((name, lsb, size, 0))
    return out


def package() -> str:
    """Text of hwgen_pkg.sv."""
    out = [_HEADER]
    constant = "  localparam logic [{w}:0] {n} = {v};".format
    out.append(constant(w=31, n="MAGIC", v=f"32'h{abi.MAGIC:08X}"))
    out.append(constant(w=31, n="ABI_VERSION", v=f"32'd{abi.ABI_VERSION}"))
    out.append(constant(w=31, n="IMAGE_MAGIC", v=f"32'h{abi.IMAGE_MAGIC:08X}"))
    out.append(constant(w=15, n="SECTION_MAGIC", v=f"16'h{abi.SECTION_MAGIC:04X}"))
    out += [f"  localparam int {n} = {v};" for n, v in _INTS.items()]
    out.append("\n  // registers (byte offsets)")
    out += [constant(w=11, n=f"REG_{r.name}", v=f"12'h{r.offset:03X}") for r in abi.REGISTERS]
    out.append("\n  // error codes")
    out += [constant(w=7, n=f"ERR_{name}", v=f"8'd{code}") for code, (name, _) in abi.ERRORS.items()]
    out.append("\n  // targets of image sections")
    out += [constant(w=7, n=f"TGT_{name}", v=f"8'd{code}") for name, code in abi.TARGETS.items()]
    out.append("\n  // instruction words")
    out += [constant(w=3, n=f"OP_{name}", v=f"4'd{code}") for name, code in abi.OPCODES.items()]
    out += [constant(w=3, n=f"ROWOP_{name}", v=f"4'd{code}") for name, code in abi.ROW_OPS.items()]
    out += [constant(w=3, n=f"VECOP_{name}", v=f"4'd{code}") for name, code in abi.VEC_OPS.items()]
    out += [f"  localparam logic W_{name} = 1'd{code};" for name, code in abi.W_BANKS.items()]
    out += [constant(w=1, n=f"O_{name}", v=f"2'd{code}") for name, code in abi.O_KINDS.items()]
    out += [constant(w=2, n=f"UNIT_{name}", v=f"3'd{code}") for name, code in abi.UNITS.items()]
    out += [constant(w=1, n=f"DIN_{name}", v=f"2'd{code}") for name, code in abi.DIN_KINDS.items()]
    out += [f"  localparam int {name}_BEATS = {abi.beats(fields)};" for name, fields in abi.INSTRUCTIONS.items()]
    out += ["", f"  typedef logic [{abi.NEED_BITS - 1}:0] count_t;", ""]
    out += ["  /// Octets (8 bytes) written by each unit in this run; of stream: weight words."]
    counts = "".join(f"    count_t {lane};\n" for lane in reversed(abi.LANES))
    out += [f"  typedef struct packed {{\n{counts}  }} progress_t;\n"]
    out.append("  /// One channel's requantization: v = acc * mult + bias (+ residual * rmult), then shifted right.")
    out.append(_struct("param_t", abi.PARAM))
    out += [_struct(f"{name.lower()}_instr_t", fields) for name, fields in abi.INSTRUCTIONS.items()]
    out.append(_PROGRESS)
    out.append("  // verilator lint_on UNUSEDPARAM\nendpackage\n")
    return "\n".join(out)


_INTS = {
    "BEAT_BITS": abi.BEAT_BYTES * 8,
    "LEVELS": abi.LEVELS,
    "COUNT_BITS": abi.COUNT_BITS,
    "ADDR_BITS": abi.ADDR_BITS,
    "PADDR_BITS": abi.PADDR_BITS,
    "NEED_BITS": abi.NEED_BITS,
    "BANK_BITS": abi.BANK_BITS,
    "COORD_BITS": abi.COORD_BITS,
    "V_BITS": abi.V_BITS,
    "DIN_PLAIN_BITS": abi.width(abi.DIN_PLAIN),
    "PARAM_BITS": abi.width(abi.PARAM),
    "PARAM_BITS_PLAIN": abi.PARAM[2][1] + abi.PARAM[2][2],  # without the residual's multiplier
}

_PROGRESS = """\
  /// What `unit` has counted; 0 for UNIT_NONE.
  function automatic count_t counted(progress_t progress, logic [2:0] unit);
    unique case (unit)
      UNIT_DIN: return progress.din;
      UNIT_MM: return progress.mm;
      UNIT_ROW: return progress.row;
      UNIT_DOUT: return progress.dout;
      UNIT_VEC: return progress.vec;
      UNIT_STREAM: return progress.stream;
      default: return '0;
    endcase
  endfunction

  /// Whether `unit` has written at least `need` octets; UNIT_NONE never waits.
  function automatic logic reached(progress_t progress, logic [2:0] unit, count_t need);
    unique case (unit)
      UNIT_DIN: return progress.din >= need;
      UNIT_MM: return progress.mm >= need;
      UNIT_ROW: return progress.row >= need;
      UNIT_DOUT: return progress.dout >= need;
      UNIT_VEC: return progress.vec >= need;
      UNIT_STREAM: return progress.stream >= need;
      default: return 1'b1;
    endcase
  endfunction
"""


def document() -> str:
    """Text of docs/abi.md."""
    out = [
        "# ABI\n",
        f"Version {abi.ABI_VERSION}. Made from `hwgen/runtime/abi.py` by `python -m hwgen.backends.engine.svpkg`.\n",
    ]
    out += ["## Registers (AXI4-Lite, 32 bits each)\n", "| offset | name | access | meaning |", "|---|---|---|---|"]
    for reg in abi.REGISTERS:
        out.append(f"| 0x{reg.offset:03X} | {reg.name} | {reg.access} | {reg.doc} |")
        out += [f"| | · [{lsb + size - 1}:{lsb}] {name} | | {doc} |" for name, lsb, size, doc in reg.fields]
    out.append(_POINTER_TEXT)
    out += ["\n## Error codes\n", "| code | name | meaning |", "|---|---|---|"]
    out += [f"| {code} | {name} | {doc} |" for code, (name, doc) in abi.ERRORS.items()]
    out += ["\n## Load image\n", _IMAGE_TEXT, "| target | code |", "|---|---|"]
    out += [f"| {name} | {code} |" for name, code in abi.TARGETS.items()]
    for title, fields in {
        "Image header": abi.IMAGE_HEADER,
        "Section header": abi.SECTION_HEADER,
        "Channel parameters": abi.PARAM,
    }.items():
        out += [f"\n### {title}\n", *_table(fields)]
    out += ["\n## Streamed weights\n", _STREAM_TEXT]
    out += ["\n## Instructions\n", _INSTRUCTION_TEXT]
    for name, fields in abi.INSTRUCTIONS.items():
        out += [f"\n### {name} ({abi.beats(fields)} beats)\n", *_table(fields)]
    return "\n".join(out) + "\n"


def _table(fields: tuple[tuple[str, int, int], ...]) -> list[str]:
    return ["| bits | field |", "|---|---|", *(f"| [{lsb + size - 1}:{lsb}] | {name} |" for name, lsb, size in fields)]


_POINTER_TEXT = """
The bus carries beats of 16 bytes, so the engine takes the low 4 bits of a pointer for 0; the register reads back as it
was written. The driver keeps to 64 bytes, the engine needs 16. Pointers and LOAD_BEATS are taken at START and
LOAD: those of the next run may be written while one is under way."""
_IMAGE_TEXT = """\
A header beat, then sections (a header beat and `words` words for memory `target` from word `first`), then an END
section.
The engine refuses an image whose magic, ABI version, design hash, section bounds or total length is wrong.
"""
_STREAM_TEXT = """\
Weights that stay in DDR lie in a buffer at STREAM_PTR, in beats of 16 bytes. A weight word is B = ceil(N*M*WW/128)
beats, as in the load image; with P ports and C = ceil(B/P), port p reads beats p*C to (p+1)*C of each; those from B on
are zero. The buffer is P regions, one behind the other; region p has port p's beats of every word. A STREAM instruction
brings `words` words to `word` and on: port p reads words*C beats from beat `offset` + p*`stride`. The engine checks
nothing of it but the answers of the bus.
"""
_INSTRUCTION_TEXT = (
    """\
Opcodes: """
    + ", ".join(f"{n} = {c}" for n, c in abi.OPCODES.items())
    + """. `last` ends a unit's program. Bits above the last field are reserved and zero.
docs/engine.md says what each field does.
"""
)


def write(root: Path) -> None:
    """Write both files below the checkout `root`."""
    (root / "hls_templates/engine/rtl/hwgen_pkg.sv").write_text(package())
    (root / "docs").mkdir(exist_ok=True)
    (root / "docs/abi.md").write_text(document())


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[3])
