/// Delay line of `L` >= 1 clocks for a valid bit; `clear_i` empties it. Every stage can be seen.
module delay_valid #(
    parameter int L = 1  ///< clocks
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       clear_i,
    input  logic       d_i,
    output logic [L:0] q_o       ///< q_o[k] is d_i k clocks ago
);
  if (L < 1) begin : g_illegal
    $fatal(1, "delay_valid: L=%0d must be at least 1", L);
  end
  logic [L-1:0] line_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) line_q <= '0;
    else line_q <= L'({line_q, d_i});
  end
  assign q_o = {line_q, d_i};
endmodule
