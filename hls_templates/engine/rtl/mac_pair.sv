/// Two products for one multiplier: w0*a and w1*a, from `(w1 << 18) + w0` times `a`.
///
/// The low product borrows from the high one when it is negative; adding its sign back corrects that. Maps to one DSP48E2 (27x18,
/// pre-adder, M and P registers). Latency: three clocks from the weights (pre-adder register first), two from the activation:
/// show `a_i` one clock after `w0_i` and `w1_i`.
module mac_pair #(
    parameter int WW = 8  ///< bits of a weight, 2..8
) (
    input  logic                 clk_i,
    input  logic                 en_w_i,  ///< weights are valid
    input  logic                 en_a_i,  ///< activation is valid (one clock later)
    input  logic                 en_m_i,  ///< and the clock after
    input  logic signed [WW-1:0] w0_i,
    input  logic signed [WW-1:0] w1_i,
    input  logic signed [   8:0] a_i,
    output logic signed [  16:0] p0_o,
    output logic signed [  16:0] p1_o
);
  if (WW < 2 || WW > 8) begin : g_illegal
    $fatal(1, "mac_pair: WW=%0d must be 2..8", WW);
  end
  logic signed [26:0] pack_q;
  logic signed [35:0] product_q, p_q;
  always_ff @(posedge clk_i) begin
    if (en_w_i) pack_q <= (27'(w1_i) <<< 18) + 27'(w0_i);
    if (en_a_i) product_q <= 36'(pack_q) * 36'(a_i);
    if (en_m_i) p_q <= product_q;
  end
  assign p0_o = p_q[16:0];
  assign p1_o = p_q[34:18] + 17'(p_q[17]);
  logic unused;
  assign unused = p_q[35];
endmodule
