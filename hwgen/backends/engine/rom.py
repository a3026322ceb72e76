"""The tables of the row unit's reciprocals as SystemVerilog, from the kernels that golden uses.

`python -m hwgen.backends.engine.rom` rewrites the files in a checkout; a test fails when one is stale.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.runtime.host.kernels import NORM_ROM, SOFTMAX_ROM

FIRST = 256
"""First index that is read: m is at least 1, so its top ten bits are at least 256."""

_TEXT = """\
/// First guess of 1/sqrt(m), Q16, by the top 10 bits of m (Q24, 1 <= m < 4), and its square, Q18.
/// Made from hwgen/runtime/host/kernels.py by `python -m hwgen.backends.engine.rom`; change that, not this file.
///
/// Latency: the entries show one clock after `en_i` and stay. One block RAM. Entries below 256 are never read.
module rsqrt_rom (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [ 9:0] index_i,
    output logic [15:0] r0_o,      ///< r0
    output logic [17:0] square_o   ///< (r0 * r0) >> 14
);
  (* rom_style = "block" *) logic [33:0] entry_q;
  always_ff @(posedge clk_i)
    if (en_i) begin
      case (index_i)
%s
        default: entry_q <= '0;
      endcase
    end
  assign {square_o, r0_o} = entry_q;
endmodule
"""


_RECIPROCAL = """\
/// The line from 1/m at m = 1 + i/256 to the next corner: its height at the beginning, Q20, and how far it drops.
/// Made from hwgen/runtime/host/kernels.py by `python -m hwgen.backends.engine.rom`; change that, not this file.
///
/// Latency: the entry shows one clock after `en_i` and stays. One BRAM18.
module reciprocal_rom (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [ 7:0] index_i,
    output logic [20:0] base_o,
    output logic [11:0] drop_o
);
  (* rom_style = "block" *) logic [32:0] entry_q;
  always_ff @(posedge clk_i)
    if (en_i) begin
      unique case (index_i)
%s
      endcase
    end
  assign {drop_o, base_o} = entry_q;
endmodule
"""


def entries() -> dict[int, int]:
    """Index -> 34-bit entry: r0 in the low 16 bits, (r0 * r0) >> 14 above."""
    out = {}
    for i in range(FIRST, len(NORM_ROM)):
        r0 = int(NORM_ROM[i])
        square = (r0 * r0) >> 14
        if r0 >> 16 or square >> 18:
            raise ValueError(f"NORM_ROM[{i}] = {r0} does not fit the table's 16 and 18 bits")
        out[i] = square << 16 | r0
    return out


def rsqrt_rom() -> str:
    """Text of rsqrt_rom.sv."""
    return _TEXT % "\n".join(f"        10'd{i}: entry_q <= 34'h{entry:09X};" for i, entry in entries().items())


def reciprocal_rom() -> str:
    """Text of reciprocal_rom.sv."""
    lines = []
    for i, base in enumerate(SOFTMAX_ROM[:-1].tolist()):
        drop = base - int(SOFTMAX_ROM[i + 1])
        if base >> 21 or drop >> 12:
            raise ValueError(f"SOFTMAX_ROM[{i}] = {base}, dropping by {drop}, does not fit the table's 21 and 12 bits")
        lines.append(f"        8'd{i}: entry_q <= 33'h{drop << 21 | base:09X};")
    return _RECIPROCAL % "\n".join(lines)


def write(root: Path) -> None:
    """Write the files below the checkout `root`."""
    rtl = root / "hls_templates/engine/rtl"
    (rtl / "rsqrt_rom.sv").write_text(rsqrt_rom())
    (rtl / "reciprocal_rom.sv").write_text(reciprocal_rom())


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[3])
