/// Words of rows on their way from one pass to the next: first in, first out.
///
/// Latency: `rdata_o` two clocks after `re_i`, as of `ram_1r1w`; a word may be read from the clock after its write on.
/// Contract: no read without a word, at most D words inside; both follow from the row unit's clocks, so there is no flag.
module row_fifo #(
    parameter int W = 256,  ///< bits of a word
    parameter int D = 26    ///< words
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         clear_i,
    input  logic         we_i,
    input  logic [W-1:0] wdata_i,
    input  logic         re_i,
    output logic [W-1:0] rdata_o
);
  localparam int AW = $clog2(D);
  logic [AW-1:0] write_q, read_q;
  always_ff @(posedge clk_i) begin
    if (we_i) write_q <= write_q == AW'(D - 1) ? '0 : write_q + 1'b1;
    if (re_i) read_q <= read_q == AW'(D - 1) ? '0 : read_q + 1'b1;
    if (!rst_ni || clear_i) begin
      write_q <= '0;
      read_q  <= '0;
    end
  end
  ram_1r1w #(
      .W(W),
      .D(D),
      .STYLE(D <= 64 ? "distributed" : "auto")
  ) u_ram (
      .clk_i,
      .we_i,
      .waddr_i(write_q),
      .wdata_i,
      .re_i,
      .raddr_i(read_q),
      .rdata_o
  );
endmodule
