/// Row unit: LayerNorm and RMSNorm over rows in the activation memory, by its own program.
///
/// A row is read twice, one word a clock: for its statistics (a word as soon as the other units have written it), then to be normalized.
/// "go" is the clock in which a word is decided; its address shows one clock later, its data (`rd_data_i`) three after that.
/// Timing, for every V:
///   start     instruction at the head, run_i, gate reached, unit free: popped in that clock; first go from the next clock on
///   STATS = 11 clocks from the go of a row's last word in pass 1 to the go of its first word in pass 2, which then never waits
///   NORM  = 12 clocks from the go of a word in pass 2 to its write request; `count_o` has counted it in that clock
///   the next row's first go may be in the clock after the row's last go in pass 2, the next instruction's start too
///   `done_o` one clock after the last write request of an instruction with `last`
/// Contract: words = ceil(length / V); lanes beyond the length are written as 0. An instruction that is none, or empty, raises
/// `bad_instr_o` until `clear_i` and stops the unit. `clear_i` or a low `run_i` empties the unit.
module row_unit
  import hwgen_pkg::*;
#(
    parameter int    V           = 32,     ///< bytes of a memory word: 16, 32 or 64
    parameter int    PARAM_DEPTH = 64,     ///< words of channel parameters
    parameter string STYLE       = "auto"  ///< their memory, see `ram_1r1w`
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
  if (PARAM_DEPTH < 2 || PARAM_DEPTH > 2 ** PADDR_BITS) begin : g_illegal_depth
    $fatal(1, "row_unit: PARAM_DEPTH=%0d must be 2..%0d", PARAM_DEPTH, 2 ** PADDR_BITS);
  end
  localparam int LOG = $clog2(V);
  localparam int PW = $clog2(PARAM_DEPTH);
  // clocks after a word's go
  localparam int DATA = 4;  // its data
  localparam int SCALE = 6;  // the product with the row's factor is registered
  localparam int Z = 7;  // the requantize lane takes it
  localparam int NORM = 12;  // write request
  localparam int STATS = 11;

  // --- sequence ------------------------------------------------------------------------------------------------------------------------
  typedef enum logic [1:0] {
    FREE,
    PASS1,
    WAIT,
    PASS2
  } state_e;
  state_e state_q;
  row_instr_t instr_q;
  logic stopped_q;  // the program has ended
  logic [15:0] rows_q;  // left, this one included
  logic [13:0] words_q;  // left in this pass, this one included
  logic first_q;  // the row's first word
  count_t need_q;
  logic [16:0] src_q, src_row_q, dst_q, dst_row_q;
  logic [PW-1:0] param_q;

  logic flush, start, exec, nop, go1, go2, last_word, row_end, end1;
  logic [NORM:0] norm;  // norm[k]: a word of pass 2 went k clocks ago
  logic [DATA:0] stat;  // likewise in pass 1
  logic [STATS-1:0] turn;  // the last word of pass 1

  assign flush = clear_i || !run_i;
  assign exec = instr_i.opcode == OP_EXEC && (instr_i.op == ROWOP_LAYERNORM || instr_i.op == ROWOP_RMSNORM) &&
      instr_i.length != 0 && instr_i.words != 0 && instr_i.rows != 0;
  assign nop = instr_i.opcode == OP_NOP;
  assign start = state_q == FREE && !stopped_q && !bad_instr_o && !flush && valid_i &&
      reached(progress_i, instr_i.gate_unit, instr_i.gate);
  assign pop_o = start && (exec || nop);
  assign go1 = state_q == PASS1 && reached(progress_i, instr_q.dep_unit, need_q);
  assign go2 = state_q == PASS2;
  assign last_word = words_q == 14'd1;
  assign row_end = go2 && last_word;
  assign end1 = go1 && last_word;

  delay_valid #(
      .L(NORM)
  ) u_norm (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(go2),
      .q_o(norm)
  );
  delay_valid #(
      .L(DATA)
  ) u_stat (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(go1),
      .q_o(stat)
  );
  delay_valid #(
      .L(STATS - 1)
  ) u_turn (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(end1),
      .q_o(turn)
  );

  always_ff @(posedge clk_i) begin
    if (start) begin
      instr_q   <= instr_i;
      rows_q    <= instr_i.rows;
      words_q   <= instr_i.words;
      first_q   <= 1'b1;
      need_q    <= instr_i.need;
      src_q     <= instr_i.src[16:0];
      src_row_q <= instr_i.src[16:0];
      dst_q     <= instr_i.dst[16:0];
      dst_row_q <= instr_i.dst[16:0];
      param_q   <= PW'(instr_i.param);
    end
    if (go1 || go2) begin
      first_q <= last_word;
      words_q <= last_word ? instr_q.words : words_q - 1'b1;
      src_q   <= src_q + 1'b1;
    end
    if (go1) need_q <= need_q + count_t'(instr_q.need_step);
    if (end1) src_q <= src_row_q;
    if (go2) begin
      dst_q   <= dst_q + 1'b1;
      param_q <= last_word ? PW'(instr_q.param) : param_q + 1'b1;
    end
    if (row_end) begin
      rows_q    <= rows_q - 1'b1;
      src_q     <= src_row_q + instr_q.src_stride[16:0];
      src_row_q <= src_row_q + instr_q.src_stride[16:0];
      dst_q     <= dst_row_q + instr_q.dst_stride[16:0];
      dst_row_q <= dst_row_q + instr_q.dst_stride[16:0];
    end
  end

  logic ends;  // the program, in this clock
  assign ends = (start && nop && instr_i.last) || (row_end && rows_q == 16'd1 && instr_q.last);
  always_ff @(posedge clk_i) begin
    if (start && exec) state_q <= PASS1;
    if (end1) state_q <= WAIT;
    if (turn[STATS-1]) state_q <= PASS2;
    if (row_end) state_q <= rows_q == 16'd1 ? FREE : PASS1;
    stopped_q <= stopped_q || ends;
    done_o <= (stopped_q || ends) && norm[NORM-1:0] == 0;
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
    rd_en_o <= rst_ni && !flush && (go1 || go2);
    if (go1 || go2) begin
      rd_bank_o <= instr_q.src_bank;
      rd_addr_o <= src_q;
    end
  end
  delay #(
      .W(BANK_BITS + 17),
      .L(NORM)
  ) u_dst (
      .clk_i,
      .d_i({instr_q.dst_bank, dst_q}),
      .q_o({wr_bank_o, wr_addr_o})
  );
  assign counts_o  = norm[NORM-1];
  assign wr_en_o   = norm[NORM];
  assign wr_mask_o = '1;

  logic [PW-1:0] param;
  logic [V*PARAM_BITS_PLAIN-1:0] params;
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
      .re_i(norm[Z-2]),
      .raddr_i(param),
      .rdata_o(params)
  );

  // --- what the lanes need of the instruction: the next one may have started meanwhile -------------------------------------------------
  logic [LOG-1:0] rest;
  logic [LOG:0] lanes, lanes3, lanes6;  // lanes in use
  logic [V-1:0] keep4_q, keep7_q;
  logic x_signed4;
  logic [15:0] length4;
  logic [8:0] lo7, hi7;
  assign rest  = instr_q.length[LOG-1:0];
  assign lanes = last_word && rest != 0 ? {1'b0, rest} : (LOG + 1)'(V);
  delay #(
      .W(LOG + 1),
      .L(DATA - 1)
  ) u_lanes3 (
      .clk_i,
      .d_i(lanes),
      .q_o(lanes3)
  );
  delay #(
      .W(LOG + 1),
      .L(Z - DATA)
  ) u_lanes6 (
      .clk_i,
      .d_i(lanes3),
      .q_o(lanes6)
  );
  always_ff @(posedge clk_i) begin
    if (stat[DATA-1] || norm[DATA-1]) for (int i = 0; i < V; i++) keep4_q[i] <= (LOG + 1)'(i) < lanes3;
    if (norm[Z-1]) for (int i = 0; i < V; i++) keep7_q[i] <= (LOG + 1)'(i) < lanes6;
  end
  delay #(
      .W(17),
      .L(DATA)
  ) u_operand (
      .clk_i,
      .d_i({instr_q.x_signed, instr_q.length}),
      .q_o({x_signed4, length4})
  );
  delay #(
      .W(18),
      .L(Z)
  ) u_clamp (
      .clk_i,
      .d_i({instr_q.lo, instr_q.hi}),
      .q_o({lo7, hi7})
  );

  // --- data ----------------------------------------------------------------------------------------------------------------------------
  logic [V-1:0][8:0] x;
  logic [V-1:0][15:0] square;
  logic signed [24:0] sum;
  logic [30:0] scale;
  logic [1:0] group;
  logic valid5_q, last5_q;
  logic [DATA+1:0] first;
  always_ff @(posedge clk_i) begin
    valid5_q <= rst_ni && !flush && stat[DATA];
    last5_q  <= turn[DATA];
  end
  delay_valid #(
      .L(DATA + 1)
  ) u_first (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .d_i(go1 && first_q),
      .q_o(first)
  );
  row_stats #(
      .V(V)
  ) u_stats (
      .clk_i,
      .rst_ni,
      .clear_i(flush),
      .valid_i(valid5_q),
      .first_i(first[DATA+1]),
      .last_i(last5_q),
      .x_i(x),
      .square_i(square),
      .length_i(instr_q.length),
      .eps_i(instr_q.eps),
      .rms_i(instr_q.op == ROWOP_RMSNORM),
      .sum_o(sum),
      .scale_o(scale),
      .group_o(group)
  );
  for (genvar i = 0; i < V; i++) begin : g_lane
    param_t p;
    assign p = {27'b0, params[i*PARAM_BITS_PLAIN+:PARAM_BITS_PLAIN]};
    row_lane u_lane (
        .clk_i,
        .en_i      (stat[DATA] || norm[DATA]),
        .en_norm_i (norm[SCALE:SCALE-1]),
        .norm_i    (norm[DATA]),
        .x_i       (rd_data_i[i*8+:8]),
        .x_signed_i(x_signed4),
        .keep_i    (keep4_q[i]),
        .length_i  (length4),
        .x_o       (x[i]),
        .square_o  (square[i]),
        .sum_i     (sum),
        .scale_i   (scale),
        .group_i   (group),
        .mult_i    (p.mult),
        .shift_i   (p.shift),
        .bias_i    (p.bias),
        .lo_i      (keep7_q[i] ? lo7 : '0),
        .hi_i      (keep7_q[i] ? hi7 : '0),
        .y_o       (wr_data_o[i*8+:8])
    );
    logic unused_p;
    assign unused_p = &{1'b0, p.rmult};
  end
  logic unused;
  assign unused = &{1'b0, instr_q, instr_i, first[DATA:0], stat[DATA-2:0]};
endmodule
