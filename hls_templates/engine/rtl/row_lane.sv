/// One lane of the row unit: the element's part of the statistics, and its normalization.
///
/// Contract: an element `x_i` in clock c. For the statistics, `x_o` and `square_o` show it in c + 1 (0 when `keep_i` is low).
/// For the normalization, `y_o` shows clamp(round_half_even((z * mult + bias) / 2**shift)) in c + 8, where
/// z = round((x * D - S1) * scale / 2**(8 * (group + 1))), half up; `scale_i` is sampled in c + 1, mult, shift, bias, lo and hi in
/// c + 3; `sum_i` and `group_i` belong to the row and hold from c to c + 2. The enables say when a step has work,
/// for power and simulation speed.
module row_lane (
    input  logic               clk_i,
    input  logic               en_i,        ///< in c: an element
    input  logic        [ 1:0] en_norm_i,   ///< in c + 1 and c + 2: it is to be normalized
    input  logic               norm_i,      ///< in c: multiply by D; otherwise square
    input  logic        [ 7:0] x_i,
    input  logic               x_signed_i,
    input  logic               keep_i,
    input  logic        [15:0] length_i,    ///< D
    output logic signed [ 8:0] x_o,
    output logic        [15:0] square_o,
    input  logic signed [24:0] sum_i,
    input  logic        [30:0] scale_i,
    input  logic        [ 1:0] group_i,
    input  logic signed [17:0] mult_i,
    input  logic        [ 5:0] shift_i,
    input  logic signed [47:0] bias_i,
    input  logic signed [ 8:0] lo_i,
    input  logic signed [ 8:0] hi_i,
    output logic        [ 7:0] y_o
);
  // 1: one multiplier for x * x and x * D
  logic signed [8:0] x;
  logic signed [16:0] factor;
  logic signed [25:0] product_q;
  assign x = keep_i ? {x_signed_i && x_i[7], x_i} : '0;
  assign factor = norm_i ? {1'b0, length_i} : 17'(x);
  always_ff @(posedge clk_i)
    if (en_i) begin
      x_o <= x;
      product_q <= 26'(x) * 26'(factor);
    end
  assign square_o = product_q[15:0];

  // 2: n times the scale, in two halves (the subtraction is a multiplier's pre-adder); 3: their sum, and one half for the rounding
  logic signed [24:0] sum_q;  // copies of what goes to every lane
  logic [1:0] group_q;
  logic signed [25:0] n;
  logic signed [42:0] low_q;
  logic signed [39:0] high_q;
  logic signed [59:0] q, q_q;
  assign n = product_q - 26'(sum_q);
  assign q = (60'(high_q) <<< 17) + 60'(low_q) + (60'sd128 <<< {group_q, 3'b0});
  always_ff @(posedge clk_i) begin
    sum_q   <= sum_i;
    group_q <= group_i;
    if (en_norm_i[0]) begin
      low_q  <= 43'(n) * 43'(signed'({1'b0, scale_i[16:0]}));
      high_q <= 40'(n) * 40'(signed'({1'b0, scale_i[30:17]}));
    end
    if (en_norm_i[1]) q_q <= q;
  end

  // 4..8
  logic signed [31:0] z, y;
  always_comb begin
    unique case (group_q)
      2'd0: z = q_q[39:8];
      2'd1: z = q_q[47:16];
      2'd2: z = q_q[55:24];
      default: z = 32'(signed'(q_q[59:32]));
    endcase
  end
  requantize #(
      .RESIDUAL(0)
  ) u_requantize (
      .clk_i,
      .acc_i(z),
      .mult_i,
      .shift_i,
      .bias_i,
      .rmult_i('0),
      .r_i('0),
      .relu_i(1'b0),
      .wide_i(1'b0),
      .lo_i,
      .hi_i,
      .y_o(y)
  );
  assign y_o = y[7:0];
  logic unused;
  assign unused = &{1'b0, y[31:8], q_q[7:0]};
endmodule
