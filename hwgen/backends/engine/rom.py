"""The table of the row unit's reciprocal square root as SystemVerilog, from the kernels that golden uses.

`python -m hwgen.backends.engine.rom` rewrites the file in a checkout; a test fails when it is stale.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.runtime.host.kernels import NORM_ROM

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


def write(root: Path) -> None:
    """Write the file below the checkout `root`."""
    (root / "hls_templates/engine/rtl/rsqrt_rom.sv").write_text(rsqrt_rom())


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[3])
