/// One lane of the row unit: the element's part of the statistics, its normalization, and the requantize lane that ends every operation.
///
/// Contract: for the statistics, an element `x_i` in clock c shows in `x_o` and `square_o` in c + 1 (0 when `keep_i` is low). Beside it
/// another row's element goes through the second pass: `x_again_i` in clock c, `y_o` in c + 8:
///   norms:   y = clamp(round_half_even((z * mult + bias) / 2**shift)), z = round((x * D - S1) * scale / 2**(8 * (group + 1))), half up;
///   softmax: y = clamp(round_half_even(t * mult / 2**shift)), with `exp_i` high; mult and shift are the row's.
/// `length_i` and `sum_i` are sampled in c, `scale_i` and `group_i` in c + 1, `exp_i`, t, mult, shift, bias, lo and hi in c + 3. The enables
/// say when a step has work, for power and simulation speed. Without NORM, or SOFTMAX, its part is not there.
module row_lane #(
    parameter bit NORM    = 1,
    parameter bit SOFTMAX = 0
) (
    input  logic               clk_i,
    // statistics
    input  logic               en_i,        ///< in c
    input  logic        [ 7:0] x_i,
    input  logic               x_signed_i,
    input  logic               keep_i,
    output logic signed [ 8:0] x_o,
    output logic        [15:0] square_o,
    // normalization
    input  logic        [ 2:0] en_again_i,  ///< in c, c + 1 and c + 2
    input  logic        [ 7:0] x_again_i,
    input  logic               x_again_signed_i,
    input  logic        [15:0] length_i,    ///< D
    input  logic signed [24:0] sum_i,       ///< S1
    input  logic        [30:0] scale_i,
    input  logic        [ 1:0] group_i,
    // softmax
    input  logic               exp_i,
    input  logic        [23:0] t_i,
    //
    input  logic signed [17:0] mult_i,
    input  logic        [ 5:0] shift_i,
    input  logic signed [47:0] bias_i,
    input  logic signed [ 8:0] lo_i,
    input  logic signed [ 8:0] hi_i,
    output logic        [ 7:0] y_o
);
  logic signed [31:0] z;
  if (NORM) begin : g_norm
    // the square (16 h + l)**2 from products of 4 bits, which synthesis makes of logic cells: a multiplier would be wasted on it
    logic signed [8:0] x;
    logic [7:0] size, high2, low2, mixed;
    assign x     = keep_i ? {x_signed_i && x_i[7], x_i} : '0;
    assign size  = x[8] ? 8'(-x) : x[7:0];
    assign high2 = 8'(size[7:4]) * 8'(size[7:4]);
    assign low2  = 8'(size[3:0]) * 8'(size[3:0]);
    assign mixed = 8'(size[7:4]) * 8'(size[3:0]);
    always_ff @(posedge clk_i)
      if (en_i) begin
        x_o      <= x;
        square_o <= {high2, low2} + {3'b0, mixed, 5'b0};
      end

    // 1: n = x * D - S1; 2: n times the scale, in two halves (the subtraction is a multiplier's pre-adder); 3: their sum, and one half
    // for the rounding
    logic signed [8:0] x_again;
    logic signed [25:0] product_q;
    logic signed [24:0] sum_q;  // copies of what goes to every lane
    logic [1:0] group_q, group3_q;
    logic signed [25:0] n;
    logic signed [42:0] low_q;
    logic signed [39:0] high_q;
    logic signed [59:0] q, q_q;
    assign x_again = {x_again_signed_i && x_again_i[7], x_again_i};
    assign n = product_q - 26'(sum_q);
    assign q = (60'(high_q) <<< 17) + 60'(low_q) + (60'sd128 <<< {group_q, 3'b0});
    always_ff @(posedge clk_i) begin
      sum_q    <= sum_i;
      group_q  <= group_i;
      group3_q <= group_q;
      if (en_again_i[0]) product_q <= 26'(x_again) * 26'(signed'({1'b0, length_i}));
      if (en_again_i[1]) begin
        low_q  <= 43'(n) * 43'(signed'({1'b0, scale_i[16:0]}));
        high_q <= 40'(n) * 40'(signed'({1'b0, scale_i[30:17]}));
      end
      if (en_again_i[2]) q_q <= q;
    end
    always_comb begin
      unique case (group3_q)
        2'd0: z = q_q[39:8];
        2'd1: z = q_q[47:16];
        2'd2: z = q_q[55:24];
        default: z = 32'(signed'(q_q[59:32]));
      endcase
    end
    logic unused;
    assign unused = &{1'b0, q_q[7:0]};
  end else begin : g_no_norm
    assign z        = '0;
    assign x_o      = '0;
    assign square_o = '0;
    logic unused;
    assign unused = &{1'b0, en_i, x_i, x_signed_i, keep_i, en_again_i, x_again_i, x_again_signed_i, length_i, sum_i, scale_i, group_i};
  end

  // 4..8
  logic signed [31:0] acc, y;
  assign acc = SOFTMAX && exp_i ? 32'(t_i) : z;
  requantize #(
      .RESIDUAL(0)
  ) u_requantize (
      .clk_i,
      .acc_i(acc),
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
  assign unused = &{1'b0, y[31:8], exp_i, t_i};
endmodule
