/// Statistics of a row: S1 = sum x, V = D * sum x**2 - S1**2 + eps, and the reciprocal square root of V.
///
/// Contract: words of elements and their squares arrive with `valid_i`, `first_i` and `last_i` mark the row's ends (both for a row of one
/// word); the next row may follow at once. With the last word in clock c: `sum_o` from c + 10, `scale_o` and `group_o` (see `rsqrt`) from
/// c + 11 on, each until the next row's. With `alone_i` a word's sums come from outside, two clocks after its `valid_i`. `length_i`, `eps_i` and `rms_i` must hold from the first word to c + 4.
module row_stats #(
    parameter int V      = 32,  ///< elements of a word
    parameter bit GROUPS = 0    ///< sums of channels can come in place of words
) (
    input  logic                              clk_i,
    input  logic                              rst_ni,
    input  logic                              clear_i,
    input  logic                              valid_i,
    input  logic                              first_i,
    input  logic                              last_i,
    input  logic               [V-1:0][ 8:0]  x_i,       ///< signed
    input  logic               [V-1:0][15:0]  square_i,
    input  logic                      [15:0]  length_i,  ///< D
    input  logic                      [39:0]  eps_i,
    input  logic                              rms_i,     ///< takes S1 as 0
    input  logic                              alone_i,
    input  logic signed               [24:0]  alone_sum_i,
    input  logic                      [31:0]  alone_squares_i,
    output logic signed               [24:0]  sum_o,
    output logic                      [30:0]  scale_o,
    output logic                      [ 1:0]  group_o
);
  logic [9:0] last;
  logic [4:0] valid;
  logic [3:0] first;
  delay_valid #(
      .L(4)
  ) u_valid (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(valid_i),
      .q_o(valid)
  );
  delay_valid #(
      .L(9)
  ) u_last (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(valid_i && last_i),
      .q_o(last)
  );
  delay_valid #(
      .L(3)
  ) u_first (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(first_i),
      .q_o(first)
  );

  // 1, 2: sums of the word
  localparam int X_W = 9 + $clog2(V);
  localparam int SQUARE_W = 17 + $clog2(V);
  logic [V-1:0][16:0] square;
  logic signed [X_W-1:0] word_sum;
  logic signed [SQUARE_W-1:0] word_squares;
  for (genvar i = 0; i < V; i++) begin : g_square
    assign square[i] = {1'b0, square_i[i]};
  end
  sum_tree #(
      .V(V),
      .W(9)
  ) u_sum (
      .clk_i,
      .en_i (valid[1:0]),
      .x_i,
      .sum_o(word_sum)
  );
  sum_tree #(
      .V(V),
      .W(17)
  ) u_squares (
      .clk_i,
      .en_i (valid[1:0]),
      .x_i  (square),
      .sum_o(word_squares)
  );

  // 3: S1 of the row, and D times the word's squares; 4: S1**2 in two products, and the row's D * S2 + eps; 5: V
  logic signed [24:0] sum_q, sum9;
  localparam int PART_W = GROUPS ? 33 : SQUARE_W;
  logic signed [24:0] part_sum;
  logic signed [PART_W-1:0] part_squares;
  localparam int SCALED_W = GROUPS ? 49 : PART_W + 17;  // D * S2 is below 2**49
  logic signed [SCALED_W-1:0] scaled_q;
  assign part_sum     = GROUPS && alone_i ? alone_sum_i : 25'(word_sum);
  assign part_squares = GROUPS && alone_i ? PART_W'({1'b0, alone_squares_i}) : PART_W'(word_squares);
  logic signed [42:0] low_q;
  logic signed [32:0] high_q;
  logic [48:0] scaled_sum_q, v_q;
  logic valid5_q;
  always_ff @(posedge clk_i) begin
    if (valid[2]) begin
      sum_q <= rms_i ? '0 : (first[2] ? '0 : sum_q) + part_sum;
      scaled_q <= SCALED_W'(part_squares) * SCALED_W'(signed'({1'b0, length_i}));
    end
    if (valid[3]) scaled_sum_q <= (first[3] ? 49'(eps_i) : scaled_sum_q) + 49'(scaled_q);
    if (last[3]) begin
      low_q  <= 43'(sum_q) * 43'(signed'({1'b0, sum_q[16:0]}));
      high_q <= 33'(sum_q) * 33'(signed'(sum_q[24:17]));
    end
    if (last[4]) v_q <= scaled_sum_q - 49'(low_q) - {high_q[31:0], 17'b0};
    valid5_q <= rst_ni && !clear_i && last[4];
    if (last[9]) sum_o <= sum9;
  end
  delay #(
      .W(25),
      .L(6)
  ) u_sum9 (
      .clk_i,
      .d_i(sum_q),
      .q_o(sum9)
  );

  rsqrt u_rsqrt (
      .clk_i,
      .rst_ni,
      .clear_i,
      .valid_i(valid5_q),
      .v_i(v_q),
      .scale_o,
      .group_o
  );
  logic unused;
  assign unused = &{1'b0, valid[4], last[8:5], last[2:0], first[1:0], high_q[32], alone_i, alone_sum_i, alone_squares_i};
endmodule
