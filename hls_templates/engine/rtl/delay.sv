/// Delay line of `L` clocks without reset (`L` = 0: a wire).
///
/// For data that travels beside a pipeline. For valid bits use `delay_valid`, which a flush clears.
module delay #(
    parameter int W = 1,  ///< bits
    parameter int L = 1   ///< clocks
) (
    input  logic         clk_i,
    input  logic [W-1:0] d_i,
    output logic [W-1:0] q_o
);
  if (L < 0 || W < 1) begin : g_illegal
    $fatal(1, "delay: W=%0d L=%0d", W, L);
  end
  if (L == 0) begin : g_wire
    assign q_o = d_i;
    logic unused;
    assign unused = clk_i;
  end else begin : g_line
    logic [L-1:0][W-1:0] line_q;
    always_ff @(posedge clk_i) begin
      line_q[0] <= d_i;
      for (int i = 1; i < L; i++) line_q[i] <= line_q[i-1];
    end
    assign q_o = line_q[L-1];
  end
endmodule
