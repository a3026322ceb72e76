/// Simple dual-port RAM: one write port, one read port, one clock.
///
/// Latency: `rdata_o` shows the word at `raddr_i` two clocks after `re_i` (RAM, then its output register, which block RAM and
/// UltraRAM need above about 250 MHz). A word read in the clock in which it is written is the old one in simulation and undefined
/// on the chip: callers never rely on it.
/// Alternative: `ram_lut` for shallow memories that must answer in one clock.
module ram_1r1w #(
    parameter int    W     = 64,     ///< bits of a word
    parameter int    D     = 512,    ///< words
    // verilator lint_off UNUSEDPARAM
    parameter string STYLE = "auto"  ///< auto, block, ultra or distributed; only synthesis reads it
    // verilator lint_on UNUSEDPARAM
) (
    input  logic                 clk_i,
    input  logic                 we_i,
    input  logic [$clog2(D)-1:0] waddr_i,
    input  logic [        W-1:0] wdata_i,
    input  logic                 re_i,
    input  logic [$clog2(D)-1:0] raddr_i,
    output logic [        W-1:0] rdata_o
);
  if (W < 1 || D < 2) begin : g_illegal
    $fatal(1, "ram_1r1w: W=%0d D=%0d: at least 1 bit and 2 words", W, D);
  end

  (* ram_style = STYLE *) (* no_rw_check *)logic [W-1:0] mem[D];
  logic [W-1:0] read_q;
  logic re_q;

  always_ff @(posedge clk_i) begin
    if (we_i) mem[waddr_i] <= wdata_i;
    if (re_i) read_q <= mem[raddr_i];
    re_q <= re_i;
    if (re_q) rdata_o <= read_q;
  end
endmodule
