/// Softmax's part of the row unit: the row's maximum, the exponentials from a table, and the reciprocal of their sum.
///
/// Contract, a word being V elements; times are those of the row's last word, and each result holds until the next row's:
///   pass 1: `x_i` with `valid_i` in clock c (`first_i`, `last_i` mark the row's ends) -> the maximum from c + 4 on, inside;
///   pass 2: `x_i` again with `again_i` in clock c -> `t_o` in c + 3, Q23 of exp((x - max) * step), 0 where `keep_again_i` is low;
///           `r_o`, `e_o` (see `reciprocal`) from c + 12 on; `mult_i` is sampled in c + 10, `keep_again_i` in c + 2.
/// A word a clock in both passes, a row's second pass not before its maximum is there; the passes of two rows go side by side.
/// Elements with `keep_i` low do not count. `x_i` is unsigned here: signed elements come with their highest bit inverted.
/// Cost: each lane has a copy of the tables, half a BRAM36 for two of them (256 x 24 bit each); everything else is logic, but for the
/// reciprocal's ROM and two multipliers.
/// Alternatives: fewer lanes than V save blocks and take more clocks a word; LUTRAM takes about 100 LUTs a table and lane.
module row_softmax #(
    parameter int V     = 32,  ///< lanes
    parameter int SLOTS = 1    ///< tables, 1..16
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,
    // loader bus: word = table, beat = entry
    input  logic                     ld_we_i,
    input  logic [      7:0]         ld_target_i,
    input  logic [     23:0]         ld_word_i,
    input  logic [      9:0]         ld_beat_i,
    input  logic [    127:0]         ld_data_i,
    // pass 1
    input  logic                     valid_i,
    input  logic                     first_i,
    input  logic                     last_i,
    input  logic [    V-1:0][7:0]    x_i,
    input  logic [    V-1:0]         keep_i,
    // pass 2
    input  logic                     again_i,
    input  logic                     again_first_i,
    input  logic                     again_last_i,
    input  logic [    V-1:0][7:0]    x_again_i,
    input  logic [    V-1:0]         keep_again_i,
    input  logic [      3:0]         slot_i,
    output logic [    V-1:0][23:0]   t_o,
    // reciprocal
    input  logic [     16:0]         mult_i,
    output logic [     16:0]         r_o,
    output logic [      3:0]         e_o
);
  if (SLOTS < 1 || SLOTS > 16) begin : g_illegal
    $fatal(1, "row_softmax: SLOTS=%0d must be 1..16", SLOTS);
  end
  localparam int AW = $clog2(SLOTS * 256);
  localparam int SUM_W = 25 + $clog2(V);

  // --- the row's maximum ---------------------------------------------------------------------------------------------------------------
  logic [3:0] valid, first, last;
  logic [V-1:0][7:0] kept;
  logic [7:0] word_max, most, most_q, max_q;
  delay_valid #(
      .L(3)
  ) u_valid (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(valid_i),
      .q_o(valid)
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
  delay_valid #(
      .L(3)
  ) u_last (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(last_i),
      .q_o(last)
  );
  for (genvar i = 0; i < V; i++) begin : g_kept
    assign kept[i] = keep_i[i] ? x_i[i] : '0;
  end
  max_tree #(
      .V(V)
  ) u_max (
      .clk_i,
      .en_i (valid[2:0]),
      .x_i  (kept),
      .max_o(word_max)
  );
  assign most = first[3] || most_q < word_max ? word_max : most_q;
  always_ff @(posedge clk_i)
    if (valid[3]) begin
      most_q <= most;
      if (last[3]) max_q <= most;
    end

  // --- exponentials: 1: the distance from it; 3: the table -----------------------------------------------------------------------------
  logic [5:0] again;
  logic [6:0] again_first, again_last;
  logic mine;
  delay_valid #(
      .L(5)
  ) u_again (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(again_i),
      .q_o(again)
  );
  delay_valid #(
      .L(6)
  ) u_again_first (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(again_first_i),
      .q_o(again_first)
  );
  delay_valid #(
      .L(6)
  ) u_again_last (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(again_i && again_last_i),
      .q_o(again_last)
  );
  assign mine = ld_we_i && ld_target_i == hwgen_pkg::TGT_SOFTMAX_TABLE;
  logic [V-1:0] keep_q;
  logic [V-1:0][24:0] terms;
  always_ff @(posedge clk_i) keep_q <= keep_again_i;
  for (genvar i = 0; i < V; i++) begin : g_lane
    logic [ 7:0] below_q;
    logic [23:0] entry;
    always_ff @(posedge clk_i) if (again_i) below_q <= max_q - x_again_i[i];
    ram_1r1w #(
        .W(24),
        .D(SLOTS * 256)
    ) u_table (
        .clk_i,
        .we_i   (mine),
        .waddr_i(AW'({ld_word_i[3:0], ld_beat_i[7:0]})),
        .wdata_i(ld_data_i[23:0]),
        .re_i   (again[1]),
        .raddr_i(AW'({slot_i, below_q})),
        .rdata_o(entry)
    );
    assign t_o[i]   = keep_q[i] ? entry : '0;
    assign terms[i] = {1'b0, t_o[i]};
  end

  // --- 5: the word's sum; 6: the row's; then its reciprocal ----------------------------------------------------------------------------
  logic signed [SUM_W-1:0] word_sum;
  logic [38:0] sum_q;
  sum_tree #(
      .V(V),
      .W(25)
  ) u_sum (
      .clk_i,
      .en_i (again[4:3]),
      .x_i  (terms),
      .sum_o(word_sum)
  );
  always_ff @(posedge clk_i) if (again[5]) sum_q <= (again_first[5] ? '0 : sum_q) + 39'(word_sum);
  reciprocal u_reciprocal (
      .clk_i,
      .rst_ni,
      .clear_i,
      .valid_i(again_last[6]),
      .s_i(sum_q),
      .mult_i,
      .r_o,
      .e_o
  );
  logic unused;
  assign unused = &{1'b0, ld_word_i, ld_beat_i, ld_data_i, first[2:0], last[2:0], again[0], again[2], again_first[4:0], again_first[6],
      again_last[5:0]};
endmodule
