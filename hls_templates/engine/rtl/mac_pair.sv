/// Two products of one activation, w0*a and w1*a, in the multipliers that the part has.
///
/// Latency: three clocks from the weights (a register before the multiplier), two from the activation: show `a_i` one clock after `w0_i`
/// and `w1_i`. Three ways, alike to the bit and the clock:
///   one multiplier for both, (w1 << 18) + w0 times `a`, where its wide operand has WW + 19 bits (DSP48E2: 27, DSP48E1: 25). The
///     low product borrows from the high one when it is negative; adding its sign back corrects that. Pre-adder, M and P registers;
///   a multiplier each (ECP5: 18);
///   IN_LUTS: adders of logic cells, where the multipliers are needed elsewhere. For short weights: a row of cells for every bit.
module mac_pair #(
    parameter int WW       = 8,   ///< bits of a weight, 2..8
    parameter int DSP_BITS = 27,  ///< wide operand of the part's multiplier: 18, 25 or 27
    parameter bit IN_LUTS  = 0    ///< take no multiplier
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
  if (WW < 2 || WW > 8 || DSP_BITS < 18) begin : g_illegal
    $fatal(1, "mac_pair: WW=%0d must be 2..8, DSP_BITS=%0d at least 18", WW, DSP_BITS);
  end
  if (DSP_BITS >= WW + 19 && !IN_LUTS) begin : g_shared
    localparam int PACK_BITS = 19 + WW;
    logic signed [PACK_BITS-1:0] pack_q;
    logic signed [35:0] product_q, p_q;
    always_ff @(posedge clk_i) begin
      if (en_w_i) pack_q <= (PACK_BITS'(w1_i) <<< 18) + PACK_BITS'(w0_i);
      if (en_a_i) product_q <= 36'(pack_q) * 36'(a_i);
      if (en_m_i) p_q <= product_q;
    end
    assign p0_o = p_q[16:0];
    assign p1_o = p_q[34:18] + 17'(p_q[17]);
    logic unused;
    assign unused = p_q[35];
  end else begin : g_apart
    logic signed [1:0][WW-1:0] w_q;
    logic signed [1:0][16:0] product, product_q, p_q;
    for (genvar i = 0; i < 2; i++) begin : g_product
      if (IN_LUTS) begin : g_adders
        always_comb begin
          product[i] = '0;
          for (int b = 0; b < WW - 1; b++) product[i] += w_q[i][b] ? 17'(a_i) <<< b : '0;
          product[i] -= w_q[i][WW-1] ? 17'(a_i) <<< (WW - 1) : '0;
        end
      end else begin : g_multiplier
        assign product[i] = 17'(signed'(w_q[i])) * 17'(a_i);
      end
    end
    always_ff @(posedge clk_i) begin
      if (en_w_i) w_q <= {w1_i, w0_i};
      if (en_a_i || !IN_LUTS) product_q <= product;  // a multiplier's own register has no enable
      if (en_m_i) p_q <= product_q;
    end
    assign {p1_o, p0_o} = p_q;
  end
endmodule
