/// One lane of the vector unit: product of two elements, or the largest of a window, requantized.
///
/// Contract: the steps of a group come one a clock at most, data in clock c: `first_i` begins it, `en_i` says that there is a step. A step of
/// MUL takes a * b when it is the first; a second one brings the residual in `b_i`. A step of MAXPOOL takes a, or nothing when `pad_i`.
/// With the group's last step in clock c the parameters are sampled in c + 1, and `y_o` shows the result in c + 1 + LATENCY,
/// y = clamp(round_half_even((relu(u * mult + bias) + r * rmult) / 2**shift), lo, hi), LATENCY = 5 + RESIDUAL (see `requantize`).
module vec_lane #(
    parameter bit MUL      = 1,  ///< products exist
    parameter bit MAXPOOL  = 1,  ///< windows exist
    parameter bit RESIDUAL = 1,  ///< with the residual input
    parameter int DSP_BITS = 27  ///< wide operand of the part's multiplier
) (
    input  logic               clk_i,
    // a step, in c
    input  logic               en_i,
    input  logic               first_i,
    input  logic               max_i,       ///< MAXPOOL; otherwise MUL
    input  logic               pad_i,       ///< MAXPOOL: outside the tensor
    input  logic        [ 7:0] a_i,
    input  logic               a_signed_i,
    input  logic        [ 7:0] b_i,
    input  logic               b_signed_i,
    input  logic               residual_i,  ///< `b_i` is the residual
    // of the group, in c + 1
    input  logic signed [17:0] mult_i,
    input  logic        [ 5:0] shift_i,
    input  logic signed [47:0] bias_i,
    input  logic signed [26:0] rmult_i,
    input  logic               relu_i,
    input  logic signed [ 8:0] lo_i,
    input  logic signed [ 8:0] hi_i,
    output logic        [ 7:0] y_o
);
  logic signed [8:0] a, b, r_q;
  logic signed [17:0] u_q, u;
  logic signed [31:0] y;
  assign a = pad_i ? {a_signed_i, a_signed_i, 7'd0} : {a_signed_i & a_i[7], a_i};  // padding: the type's smallest
  assign b = {b_signed_i & b_i[7], b_i};
  always_comb begin
    u = u_q;
    if (MAXPOOL && max_i && (first_i || 18'(a) > u_q)) u = 18'(a);
    if (MUL && !max_i && first_i) u = 18'(a) * 18'(b);
  end
  always_ff @(posedge clk_i)
    if (en_i) begin
      u_q <= u;
      r_q <= residual_i ? b : '0;
    end
  requantize #(
      .RESIDUAL(RESIDUAL),
      .DSP_BITS(DSP_BITS),
      .ACC_BITS(18)
  ) u_requantize (
      .clk_i,
      .acc_i(32'(u_q)),
      .mult_i,
      .shift_i,
      .bias_i,
      .rmult_i,
      .r_i(r_q),
      .relu_i,
      .wide_i(1'b0),
      .lo_i,
      .hi_i,
      .y_o(y)
  );
  assign y_o = y[7:0];
  logic unused;
  assign unused = &{1'b0, y[31:8]};
endmodule
