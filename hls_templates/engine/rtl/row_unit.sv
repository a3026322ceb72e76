/// Row unit: LayerNorm, RMSNorm, GroupNorm and Softmax over rows in the activation memory, by its own program.
///
/// A row is read once, one word a clock, as soon as the other units have written each word. While it goes by, the first pass takes its
/// statistics or its maximum; the words wait in a FIFO for the next pass (softmax: the exponentials and their sum, which wait in
/// a second FIFO) and for the last one, which writes. The rows of an instruction follow each other without a gap: each pass
/// of a row goes beside the earlier passes of the next ones.
/// "go" is the clock in which a word is decided; its address shows one clock later, its data (`rd_data_i`) three after that.
/// Timing, for every V:
///   start     instruction at the head, run_i, gate reached, unit free: popped in that clock; first go from the next clock on
///   STATS = 11 clocks from a norm's go of a row's last word in pass 1 to the go of its first word in the last pass
///   MOST = 4   likewise from softmax's pass 1 to its pass 2, and
///   SUM = 9    from there to its last pass; both passes never wait
///   GroupNorm reads its rows (the positions) twice: GROUPS = 17 clocks, and one for each channel of a group and of a row (for each
///              four when a group's number is a multiple of four), from the last go of pass 1 to the first of the last pass
///   WRITE = 12 clocks from the go of a word in the last pass to its write request; `count_o` has counted it in that clock
///   the next instruction's start may be in the clock after the last go of the last pass
///   `done_o` one clock after the last write request of an instruction with `last`
/// Contract: words = ceil(length / V) <= ROW_WORDS; lanes beyond the length are written as 0. An instruction that is none, empty, or for
/// a part that was left out raises `bad_instr_o` until `clear_i` and stops the unit. `clear_i` or a low `run_i` empties the unit.
module row_unit
  import hwgen_pkg::*;
#(
    parameter int    V             = 32,     ///< bytes of a memory word: 16, 32 or 64
    parameter int    PARAM_DEPTH   = 64,     ///< words of channel parameters; 0: no norms
    parameter int    SOFTMAX_SLOTS = 0,      ///< tables of exponentials; 0: no softmax
    parameter int    GROUP_WORDS   = 0,      ///< words of a row of a GroupNorm; 0: none
    parameter int    ROW_WORDS     = 16,     ///< words of the longest row
    parameter string STYLE         = "auto"  ///< the parameters' memory, see `ram_1r1w`
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,
    input  logic                     run_i,
    // program
    input  row_instr_t               instr_i,
    input  logic                     valid_i,
    output logic                     pop_o,
    input  progress_t                progress_i,
    // loader bus
    input  logic                     ld_we_i,
    input  logic       [        7:0] ld_target_i,
    input  logic       [       23:0] ld_word_i,
    input  logic       [        9:0] ld_beat_i,
    input  logic       [      127:0] ld_data_i,
    // activation memory
    output logic                     rd_en_o,
    output logic       [BANK_BITS-1:0] rd_bank_o,
    output logic       [       16:0] rd_addr_o,
    input  logic       [    V*8-1:0] rd_data_i,
    output logic                     wr_en_o,
    output logic       [BANK_BITS-1:0] wr_bank_o,
    output logic       [       16:0] wr_addr_o,
    output logic       [    V/8-1:0] wr_mask_o,
    output logic       [    V*8-1:0] wr_data_o,
    // status
    output count_t                   count_o,      ///< octets written
    output logic                     counts_o,     ///< `count_o` grows at the end of this clock
    output logic                     done_o,
    output logic                     bad_instr_o
);
  if (V != 16 && V != 32 && V != 64) begin : g_illegal
    $fatal(1, "row_unit: V=%0d must be 16, 32 or 64", V);
  end
  if (PARAM_DEPTH < 0 || PARAM_DEPTH == 1 || PARAM_DEPTH > 2 ** PADDR_BITS) begin : g_illegal_depth
    $fatal(1, "row_unit: PARAM_DEPTH=%0d must be 0 or 2..%0d", PARAM_DEPTH, 2 ** PADDR_BITS);
  end
  if (ROW_WORDS < 1 || ROW_WORDS > 4096) begin : g_illegal_words
    $fatal(1, "row_unit: ROW_WORDS=%0d must be 1..4096", ROW_WORDS);
  end
  if (GROUP_WORDS < 0 || GROUP_WORDS > 1024 || (GROUP_WORDS > 0 && PARAM_DEPTH == 0)) begin : g_illegal_groups
    $fatal(1, "row_unit: GROUP_WORDS=%0d must be 0..1024, and 0 without parameters", GROUP_WORDS);
  end
  localparam bit NORM = PARAM_DEPTH > 0;
  localparam bit GROUPNORM = GROUP_WORDS > 0;
  localparam bit SOFTMAX = SOFTMAX_SLOTS > 0;
  localparam int LOG = $clog2(V);
  localparam int PW = NORM ? $clog2(PARAM_DEPTH) : 1;
  // clocks after a word's go
  localparam int DATA = 4;  // its data
  localparam int T = 7;  // softmax's pass 2: its exponentials
  localparam int Z = 7;  // last pass: the requantize lane takes it
  localparam int WRITE = 12;  // last pass: write request
  // clocks between a row's passes, from the last go of one to the first go of the next
  localparam int STATS = 11;
  localparam int COMBINE = 6;  // GroupNorm: the last word has been added to its channels' sums
  localparam int MOST = 4;
  localparam int SUM = 9;
  // words that wait for a later pass, at a word a clock: those of a row, and of the clocks in between
  localparam int FIFO_DEPTH = ROW_WORDS + STATS;

  // --- sequence ------------------------------------------------------------------------------------------------------------------------
  typedef enum logic [1:0] {
    FREE,
    READ,  // pass 1
    DRAIN,  // all words are read
    AGAIN  // GroupNorm: the last pass
  } state_e;
  state_e state_q;
  row_instr_t instr_q;
  logic stopped_q;  // the program has ended
  logic [15:0] rows_q, rows_end_q;  // left in pass 1 and in the last pass, this one included
  logic [13:0] words_q;  // left of the row in pass 1, this one included
  logic first_q;  // the row's first word
  logic softmax_q, groups_q;
  logic first_row_q;
  count_t need_q;
  logic [16:0] src_q, src_row_q, dst_q, dst_row_q;
  logic [PW-1:0] param_q;

  logic flush, start, exec, nop, norm_op, softmax_op, groups_op;
  logic idle3, ready;  // no word of the last pass is left; GroupNorm's statistics are there
  logic go1, last1, end1, start2, go2, last2, end2, start3, go3, last3, end3;  // passes: 1; 2, only softmax; 3, the last
  logic [DATA:0] read;  // read[k]: a word of pass 1 went k clocks ago
  logic [STATS:0] turn;  // likewise the last one of a row
  logic [WRITE:0] apply;  // a word of the last pass

  assign flush = clear_i || !run_i;
  assign norm_op = NORM && (instr_i.op == ROWOP_LAYERNORM || instr_i.op == ROWOP_RMSNORM);
  assign softmax_op = SOFTMAX && instr_i.op == ROWOP_SOFTMAX;
  assign groups_op = GROUPNORM && instr_i.op == ROWOP_GROUPNORM && instr_i.group != 0 && instr_i.elements != 0;
  assign exec = instr_i.opcode == OP_EXEC && (norm_op || softmax_op || groups_op) && instr_i.length != 0 && instr_i.words != 0 && instr_i.rows != 0;
  assign nop = instr_i.opcode == OP_NOP;
  assign start = state_q == FREE && !stopped_q && !bad_instr_o && !flush && valid_i &&
      reached(progress_i, instr_i.gate_unit, instr_i.gate);
  assign pop_o = start && (exec || nop);
  assign go1 = state_q == READ && reached(progress_i, instr_q.dep_unit, need_q);
  assign last1 = words_q == 14'd1;
  assign end1 = go1 && last1;
  assign end3 = go3 && last3;

  delay_valid #(
      .L(DATA)
  ) u_read (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(go1),
      .q_o(read)
  );
  delay_valid #(
      .L(STATS)
  ) u_turn (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(end1),
      .q_o(turn)
  );
  delay_valid #(
      .L(WRITE)
  ) u_apply (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(go3),
      .q_o(apply)
  );
  row_pass u_last_pass (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .start_i(start3),
      .words_i(instr_q.words),
      .idle_o(idle3),
      .go_o(go3),
      .last_o(last3)
  );

  always_ff @(posedge clk_i) begin
    if (start) begin
      instr_q    <= instr_i;
      softmax_q  <= softmax_op;
      groups_q   <= groups_op;
      first_row_q <= 1'b1;
      rows_q     <= instr_i.rows;
      rows_end_q <= instr_i.rows;
      words_q    <= instr_i.words;
      first_q    <= 1'b1;
      need_q     <= instr_i.need;
      src_q      <= instr_i.src[16:0];
      src_row_q  <= instr_i.src[16:0];
      dst_q      <= instr_i.dst[16:0];
      dst_row_q  <= instr_i.dst[16:0];
      param_q    <= PW'(instr_i.param);
    end
    if (go1) begin
      first_q <= last1;
      words_q <= last1 ? instr_q.words : words_q - 1'b1;
      src_q   <= src_q + 1'b1;
      need_q  <= need_q + count_t'(instr_q.need_step);
    end
    if (end1) begin
      first_row_q <= 1'b0;
      rows_q    <= rows_q - 1'b1;
      src_q     <= src_row_q + instr_q.src_stride[16:0];
      src_row_q <= src_row_q + instr_q.src_stride[16:0];
    end
    if (GROUPNORM && groups_q) begin
      if (state_q == DRAIN) begin
        src_q     <= instr_q.src[16:0];
        src_row_q <= instr_q.src[16:0];
      end else if (end3) begin
        src_q     <= src_row_q + instr_q.src_stride[16:0];
        src_row_q <= src_row_q + instr_q.src_stride[16:0];
      end else if (go3) src_q <= src_q + 1'b1;
    end
    if (go3) begin
      dst_q   <= dst_q + 1'b1;
      param_q <= last3 ? PW'(instr_q.param) : param_q + 1'b1;
    end
    if (end3) begin
      rows_end_q <= rows_end_q - 1'b1;
      dst_q      <= dst_row_q + instr_q.dst_stride[16:0];
      dst_row_q  <= dst_row_q + instr_q.dst_stride[16:0];
    end
  end

  logic finished, ends;  // in this clock: the instruction's last word goes; the program ends
  assign finished = end3 && rows_end_q == 16'd1;
  assign ends = (start && nop && instr_i.last) || (finished && instr_q.last);
  always_ff @(posedge clk_i) begin
    if (start && exec) state_q <= READ;
    if (end1 && rows_q == 16'd1) state_q <= DRAIN;
    if (state_q == DRAIN && ready) state_q <= AGAIN;
    if (finished) state_q <= FREE;
    stopped_q <= stopped_q || ends;
    done_o <= (stopped_q || ends) && apply[WRITE-1:0] == 0;
    if (counts_o) count_o <= count_o + count_t'(V / 8);
    if (!rst_ni || flush) begin
      state_q   <= FREE;
      stopped_q <= 1'b0;
      done_o    <= 1'b0;
      count_o   <= '0;
    end
    if (start && !exec && !nop) bad_instr_o <= 1'b1;
    if (!rst_ni || clear_i) bad_instr_o <= 1'b0;
  end

  // --- addresses -----------------------------------------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    rd_en_o <= rst_ni && !flush && (go1 || (GROUPNORM && groups_q && go3));
    if (go1 || (GROUPNORM && groups_q && go3)) begin
      rd_bank_o <= instr_q.src_bank;
      rd_addr_o <= src_q;
    end
  end
  delay #(
      .W(BANK_BITS + 17),
      .L(WRITE)
  ) u_dst (
      .clk_i,
      .d_i({instr_q.dst_bank, dst_q}),
      .q_o({wr_bank_o, wr_addr_o})
  );
  assign counts_o  = apply[WRITE-1];
  assign wr_en_o   = apply[WRITE];
  assign wr_mask_o = '1;

  // --- what the last pass needs of the instruction: the next one may have started meanwhile, but has not come so far -------------------
  logic signed_q, exp_q, signed3_q, exp3_q, groups3_q;
  assign signed_q = instr_q.x_signed;
  assign exp_q = softmax_q;
  logic [15:0] length3_q;
  logic [8:0] lo3_q, hi3_q;
  logic [16:0] mult3_q;
  logic [5:0] shift3_q;
  logic [V-1:0] tail_q, tail3_q;  // lanes in use in a row's last word
  logic [LOG-1:0] rest;
  assign rest = instr_q.length[LOG-1:0];
  always_ff @(posedge clk_i) begin
    for (int i = 0; i < V; i++) tail_q[i] <= rest == 0 || LOG'(i) < rest;
    if (start3) begin
      signed3_q <= signed_q;
      exp3_q    <= exp_q;
      groups3_q <= groups_q;
      length3_q <= groups_q ? instr_q.elements : instr_q.length;
      lo3_q     <= instr_q.lo;
      hi3_q     <= instr_q.hi;
      mult3_q   <= instr_q.mult;
      shift3_q  <= instr_q.shift;
      tail3_q   <= tail_q;
    end
  end

  // --- lanes that count ----------------------------------------------------------------------------------------------------------------
  logic [Z-1:0] last_apply;
  logic [V-1:0] keep_q, keep3_q;  // of the word of pass 1 at its data, of that of the last pass at its requantization
  delay_valid #(
      .L(Z - 1)
  ) u_last_apply (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(last3),
      .q_o(last_apply)
  );
  always_ff @(posedge clk_i) begin
    keep_q  <= turn[DATA-1] ? tail_q : '1;
    keep3_q <= last_apply[Z-1] ? tail3_q : '1;
  end

  // --- words on their way --------------------------------------------------------------------------------------------------------------
  logic [V*8-1:0] again;  // a word of the pass that follows the first, at its data
  logic again2;
  logic [DATA:0] pass2;
  assign again2 = pass2[DATA-2] || (apply[DATA-2] && !exp3_q && !groups3_q);
  row_fifo #(
      .W(V * 8),
      .D(FIFO_DEPTH)
  ) u_words (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .we_i(read[DATA] && !groups_q),
      .wdata_i(rd_data_i),
      .re_i(again2),
      .rdata_o(again)
  );

  // --- norms ---------------------------------------------------------------------------------------------------------------------------
  logic [V-1:0][8:0] x;
  logic [V-1:0][15:0] square;
  logic [V*PARAM_BITS_PLAIN-1:0] params;
  logic signed [24:0] sum;
  logic [30:0] scale;
  logic [1:0] group;
  logic [V-1:0][24:0] sums;  // of each lane's group
  logic [V-1:0][30:0] scales;
  logic [V-1:0][1:0] groups;
  logic [DATA+1:0] first;
  delay_valid #(
      .L(DATA + 1)
  ) u_first (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(go1 && first_q),
      .q_o(first)
  );
  if (NORM) begin : g_norm
    logic valid5_q;
    logic channel_valid, channel_first, channel_last;  // GroupNorm: a channel in place of a word
    logic [24:0] channel_sum;
    logic [31:0] channel_squares;
    always_ff @(posedge clk_i) valid5_q <= rst_ni && !flush && read[DATA] && !softmax_q;
    row_stats #(
        .V(V),
        .GROUPS(GROUPNORM)
    ) u_stats (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .valid_i(groups_q ? channel_valid : valid5_q),
        .first_i(groups_q ? channel_first : first[DATA+1]),
        .last_i(groups_q ? channel_last : turn[DATA+1]),
        .x_i(x),
        .square_i(square),
        .length_i(groups_q ? instr_q.elements : instr_q.length),
        .eps_i(instr_q.eps),
        .rms_i(instr_q.op == ROWOP_RMSNORM),
        .alone_i(groups_q),
        .alone_sum_i(channel_sum),
        .alone_squares_i(channel_squares),
        .sum_o(sum),
        .scale_o(scale),
        .group_o(group)
    );
    if (GROUPNORM) begin : g_groups
      logic [COMBINE-1:0] combine;
      logic [DATA+1:0] first_row;
      logic [13:0] word_q, word3;  // of the last pass
      delay_valid #(
          .L(COMBINE - 1)
      ) u_combine (
          .clk_i,
          .rst_ni,
          .clear_i(flush),
          .d_i(groups_q && end1 && rows_q == 16'd1),
          .q_o(combine)
      );
      delay_valid #(
          .L(DATA + 1)
      ) u_first_row (
          .clk_i,
          .rst_ni,
          .clear_i(flush),
          .d_i(first_row_q),
          .q_o(first_row)
      );
      always_ff @(posedge clk_i) begin
        if (go3) word_q <= last3 ? '0 : word_q + 1'b1;
        if (!rst_ni || flush) word_q <= '0;
      end
      delay #(
          .W(14),
          .L(DATA - 1)
      ) u_word (
          .clk_i,
          .d_i(word_q),
          .q_o(word3)
      );
      row_groups #(
          .V(V),
          .WORDS(GROUP_WORDS)
      ) u_groups (
          .clk_i,
          .rst_ni,
          .clear_i(flush),
          .valid_i(valid5_q && groups_q),
          .first_i(first_row[DATA+1]),
          .last_i(turn[DATA+1]),
          .x_i(x),
          .square_i(square),
          .combine_i(combine[COMBINE-1]),
          .channels_i(instr_q.length),
          .size_i(instr_q.group),
          .stat_valid_o(channel_valid),
          .stat_first_o(channel_first),
          .stat_last_o(channel_last),
          .stat_sum_o(channel_sum),
          .stat_squares_o(channel_squares),
          .sum_i(sum),
          .scale_i(scale),
          .group_i(group),
          .ready_o(ready),
          .read_word_i(word3),
          .sum_o(sums),
          .scale_o(scales),
          .group_o(groups)
      );
      logic unused_groups;
      assign unused_groups = &{1'b0, combine[COMBINE-2:0], first_row[DATA:0]};
    end else begin : g_no_groups
      assign {channel_valid, channel_first, channel_last, channel_sum, channel_squares, ready} = '0;
      assign {sums, scales, groups} = '0;
      logic unused_groups;
      assign unused_groups = &{1'b0, idle3, first_row_q, groups3_q};
    end
    logic [PW-1:0] param;
    delay #(
        .W(PW),
        .L(Z - 2)
    ) u_param_address (
        .clk_i,
        .d_i(param_q),
        .q_o(param)
    );
    wide_mem #(
        .COLUMNS(V),
        .KEEP(PARAM_BITS_PLAIN),
        .D(PARAM_DEPTH),
        .TARGET(TGT_ROW_PARAM),
        .STYLE(STYLE)
    ) u_params (
        .clk_i,
        .ld_we_i,
        .ld_target_i,
        .ld_word_i,
        .ld_beat_i,
        .ld_data_i,
        .re_i(apply[Z-2] && !exp3_q),
        .raddr_i(param),
        .rdata_o(params)
    );
  end else begin : g_no_norm
    assign params = '0;
    assign {ready, sums, scales, groups} = '0;
    assign sum    = '0;
    assign scale  = '0;
    assign group  = '0;
    logic unused;
    assign unused = &{1'b0, x, square, param_q, length3_q, signed3_q, idle3, first_row_q, groups3_q};
  end

  // --- softmax -------------------------------------------------------------------------------------------------------------------------
  logic [V-1:0][23:0] t;  // exponentials of the last pass's word
  logic [16:0] r;
  logic [5:0] exp_shift;
  if (SOFTMAX) begin : g_softmax
    logic [T-1:0] last_pass2;
    logic [DATA:0] first_pass2;
    logic [SUM:0] turn2;
    logic [V-1:0][7:0] x1, x2;
    logic [V-1:0] keep2_q;
    logic [V-1:0][23:0] t2;
    logic [3:0] e;
    logic t_valid, idle2;
    assign start2 = softmax_q && turn[MOST];
    assign start3 = softmax_q ? turn2[SUM] : groups_q ? state_q == AGAIN && idle3 : turn[STATS];
    assign end2   = go2 && last2;
    row_pass u_pass2 (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .start_i(start2),
        .words_i(instr_q.words),
        .idle_o(idle2),
        .go_o(go2),
        .last_o(last2)
    );
    logic [T:0] went2;
    delay_valid #(
        .L(T)
    ) u_went2 (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .d_i(go2),
        .q_o(went2)
    );
    assign pass2 = went2[DATA:0];
    assign t_valid = went2[T];
    delay_valid #(
        .L(T - 1)
    ) u_last_pass2 (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .d_i(last2),
        .q_o(last_pass2)
    );
    delay_valid #(
        .L(DATA)
    ) u_first_pass2 (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .d_i(start2),
        .q_o(first_pass2)
    );
    delay_valid #(
        .L(SUM)
    ) u_turn2 (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .d_i(end2),
        .q_o(turn2)
    );
    always_ff @(posedge clk_i) keep2_q <= last_pass2[T-2] ? tail_q : '1;
    for (genvar i = 0; i < V; i++) begin : g_order
      assign x1[i] = {rd_data_i[i*8+7] ^ signed_q, rd_data_i[i*8+:7]};
      assign x2[i] = {again[i*8+7] ^ signed_q, again[i*8+:7]};
    end
    row_softmax #(
        .V(V),
        .SLOTS(SOFTMAX_SLOTS)
    ) u_softmax (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .ld_we_i,
        .ld_target_i,
        .ld_word_i,
        .ld_beat_i,
        .ld_data_i,
        .valid_i(read[DATA] && softmax_q),
        .first_i(first[DATA]),
        .last_i(turn[DATA]),
        .x_i(x1),
        .keep_i(keep_q),
        .again_i(pass2[DATA]),
        .again_first_i(first_pass2[DATA]),
        .again_last_i(last_pass2[DATA]),
        .x_again_i(x2),
        .keep_again_i(keep2_q),
        .slot_i(instr_q.slot),
        .t_o(t2),
        .mult_i(mult3_q),
        .r_o(r),
        .e_o(e)
    );
    row_fifo #(
        .W(V * 24),
        .D(FIFO_DEPTH)
    ) u_exponentials (
        .clk_i,
        .rst_ni,
        .clear_i(flush),
        .we_i(t_valid),
        .wdata_i(t2),
        .re_i(apply[Z-2] && exp3_q),
        .rdata_o(t)
    );
    assign exp_shift = shift3_q + 6'(e);
    logic unused;
    assign unused = &{1'b0, idle2, turn2[SUM-1:0], first_pass2[DATA-1:0], last_pass2[T-1]};
  end else begin : g_no_softmax
    assign start2    = 1'b0;
    assign go2       = 1'b0;
    assign last2     = 1'b0;
    assign end2      = 1'b0;
    assign pass2     = '0;
    assign start3    = groups_q ? state_q == AGAIN && idle3 : turn[STATS];
    assign t         = '0;
    assign r         = '0;
    assign exp_shift = '0;
    logic unused;
    assign unused = &{1'b0, start2, go2, last2, end2, mult3_q, shift3_q, first[DATA], turn[DATA]};
  end

  // --- lanes ---------------------------------------------------------------------------------------------------------------------------
  for (genvar i = 0; i < V; i++) begin : g_lane
    param_t p;
    assign p = {27'b0, params[i*PARAM_BITS_PLAIN+:PARAM_BITS_PLAIN]};
    row_lane #(
        .NORM(NORM),
        .SOFTMAX(SOFTMAX)
    ) u_lane (
        .clk_i,
        .en_i            (read[DATA]),
        .x_i             (rd_data_i[i*8+:8]),
        .x_signed_i      (signed_q),
        .keep_i          (keep_q[i]),
        .x_o             (x[i]),
        .square_o        (square[i]),
        .en_again_i      (apply[DATA+2:DATA]),
        .x_again_i       (GROUPNORM && groups3_q ? rd_data_i[i*8+:8] : again[i*8+:8]),
        .x_again_signed_i(signed3_q),
        .length_i        (length3_q),
        .sum_i           (GROUPNORM && groups3_q ? sums[i] : sum),
        .scale_i         (GROUPNORM && groups3_q ? scales[i] : scale),
        .group_i         (GROUPNORM && groups3_q ? groups[i] : group),
        .exp_i           (exp3_q),
        .t_i             (t[i]),
        .mult_i          (SOFTMAX && exp3_q ? {1'b0, r} : p.mult),
        .shift_i         (SOFTMAX && exp3_q ? exp_shift : p.shift),
        .bias_i          (SOFTMAX && exp3_q ? '0 : p.bias),
        .lo_i            (keep3_q[i] ? lo3_q : '0),
        .hi_i            (keep3_q[i] ? hi3_q : '0),
        .y_o             (wr_data_o[i*8+:8])
    );
    logic unused_p;
    assign unused_p = &{1'b0, p.rmult};
  end
  logic unused;
  assign unused = &{1'b0, instr_q, instr_i, first, turn, read, pass2, last_apply, apply};
endmodule
