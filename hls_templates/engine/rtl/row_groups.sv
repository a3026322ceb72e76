/// GroupNorm's statistics: sums of each channel over all positions, then those of each group of channels, kept for every channel.
///
/// Contract: words of elements and their squares arrive with `valid_i`, position after position; `last_i` marks a position's last
/// word, `first_i` the words of the first position. `combine_i` comes 1 clock or more after the last word. From the clock after it on,
/// a channel a clock, or four when `size_i` is a multiple of four: `stat_valid_o`, `stat_first_o` and `stat_last_o` (of a group) go to `row_stats`, `stat_sum_o` and `stat_squares_o` two
/// clocks later. What that makes of a group (`scale_i`, `group_i` 11 clocks after `stat_last_o`, `sum_i` one clock before them) is kept.
/// `ready_o` is high in one clock, (`size_i` + `channels_i`) / 1 or 4 + 11 after `combine_i`: all is kept from there on, until the next `combine_i`.
/// `read_word_i` in clock c -> `sum_o` in c + 1, `scale_o` and `group_o` in c + 2, for each lane.
/// Cost: 2 x 58 bits of LUTRAM a lane and 32 words, and two adders of 25 and 32 bits. Alternative: sums of each word's groups in a tree,
/// which wants groups of 2**n channels and a wide tree, and would save the clocks in which channels are combined.
module row_groups #(
    parameter int V     = 32,  ///< lanes
    parameter int WORDS = 4    ///< words of a position
) (
    input  logic                   clk_i,
    input  logic                   rst_ni,
    input  logic                   clear_i,
    // pass 1
    input  logic                   valid_i,
    input  logic                   first_i,
    input  logic                   last_i,
    input  logic [V-1:0][ 8:0]     x_i,             ///< signed
    input  logic [V-1:0][15:0]     square_i,
    // groups
    input  logic                   combine_i,
    input  logic [15:0]            channels_i,
    input  logic [13:0]            size_i,          ///< channels of a group; divides `channels_i`
    output logic                   stat_valid_o,
    output logic                   stat_first_o,
    output logic                   stat_last_o,
    output logic [24:0]            stat_sum_o,      ///< signed
    output logic [31:0]            stat_squares_o,
    input  logic [24:0]            sum_i,
    input  logic [30:0]            scale_i,
    input  logic [ 1:0]            group_i,
    output logic                   ready_o,
    // last pass
    input  logic [13:0]            read_word_i,
    output logic [V-1:0][24:0]     sum_o,
    output logic [V-1:0][30:0]     scale_o,
    output logic [V-1:0][ 1:0]     group_o
);
  localparam int AW = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int LOG = $clog2(V);
  localparam int STATS = 11;
  localparam int MANY = 4;  // channels of a clock
  localparam int PICK = $clog2(MANY);
  logic many;
  logic [2:0] step;
  assign many = size_i[PICK-1:0] == 0;
  assign step = many ? 3'(MANY) : 3'd1;

  // --- sums of the channels: read, add and write in one clock --------------------------------------------------------------------------
  logic [AW-1:0] word_q, at;
  logic [15:0] channel_q, left_q;  // next channel to be combined; how many are left
  logic [13:0] of_group_q;  // its place in the group
  logic [V-1:0][24:0] sums;
  logic [V-1:0][31:0] squares;
  assign at = left_q != 0 ? AW'(channel_q >> LOG) : word_q;
  for (genvar i = 0; i < V; i++) begin : g_channel
    (* ram_style = "distributed" *)logic [56:0] mem[2**AW];
    assign {sums[i], squares[i]} = mem[at];
    always_ff @(posedge clk_i)
      if (valid_i)
        mem[word_q] <= {
          (first_i ? '0 : sums[i]) + 25'(signed'(x_i[i])), (first_i ? '0 : squares[i]) + 32'(square_i[i])
        };
  end
  always_ff @(posedge clk_i) begin
    if (valid_i) word_q <= last_i ? '0 : word_q + 1'b1;
    if (!rst_ni || clear_i) word_q <= '0;
  end

  // --- channels, one or four a clock ---------------------------------------------------------------------------------------------------
  logic [MANY-1:0][24:0] sums1_q;
  logic [MANY-1:0][31:0] squares1_q;
  logic [PICK-1:0] pick1_q;
  assign stat_valid_o = left_q != 0;
  assign stat_first_o = of_group_q == 0;
  assign stat_last_o  = of_group_q == size_i - 14'(step);
  always_ff @(posedge clk_i) begin
    if (combine_i) begin
      left_q     <= channels_i;
      channel_q  <= '0;
      of_group_q <= '0;
    end else if (left_q != 0) begin
      left_q     <= left_q - 16'(step);
      channel_q  <= channel_q + 16'(step);
      of_group_q <= stat_last_o ? '0 : of_group_q + 14'(step);
    end
    if (!rst_ni || clear_i) left_q <= '0;
    sums1_q    <= sums[{channel_q[LOG-1:PICK], {PICK{1'b0}}}+:MANY];
    squares1_q <= squares[{channel_q[LOG-1:PICK], {PICK{1'b0}}}+:MANY];
    pick1_q    <= channel_q[PICK-1:0];
    stat_sum_o     <= many ? (sums1_q[0] + sums1_q[1]) + (sums1_q[2] + sums1_q[3]) : sums1_q[pick1_q];
    stat_squares_o <= many ? (squares1_q[0] + squares1_q[1]) + (squares1_q[2] + squares1_q[3]) : squares1_q[pick1_q];
  end

  // --- a group's results, written for each of its channels: in as many clocks as its sums took, STATS - 1 after the last of them ----------------------------
  logic [STATS-1:0] made;
  logic first_group_q, storing_q;
  logic [15:0] store_q;
  logic [24:0] sum_q;
  delay_valid #(
      .L(STATS - 1)
  ) u_made (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(stat_valid_o && stat_last_o && first_group_q),
      .q_o(made)
  );
  always_ff @(posedge clk_i) begin
    sum_q <= sum_i;
    if (combine_i) first_group_q <= 1'b1;
    else if (stat_valid_o && stat_last_o) first_group_q <= 1'b0;
    if (made[STATS-1]) begin
      storing_q <= 1'b1;
      store_q   <= '0;
    end else if (storing_q) begin
      store_q <= store_q + 16'(step);
      if (store_q == channels_i - 16'(step)) storing_q <= 1'b0;
    end
    ready_o <= rst_ni && !clear_i && storing_q && store_q == channels_i - 16'(step);
    if (!rst_ni || clear_i) storing_q <= 1'b0;
  end
  for (genvar i = 0; i < V; i++) begin : g_store
    (* ram_style = "distributed" *)logic [57:0] mem[2**AW];
    logic [32:0] scale_q;
    always_ff @(posedge clk_i) begin
      if (storing_q && store_q[LOG-1:PICK] == (LOG - PICK)'(i / MANY) && (many || store_q[PICK-1:0] == PICK'(i % MANY)))
        mem[AW'(store_q >> LOG)] <= {sum_q, scale_i, group_i};
      {sum_o[i], scale_q}      <= mem[AW'(read_word_i)];
      {scale_o[i], group_o[i]} <= scale_q;
    end
  end
  logic unused;
  assign unused = &{1'b0, read_word_i, made[STATS-2:0]};
endmodule
