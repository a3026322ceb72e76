/// Vector unit: products of two tensors (FiLM, gates) and maxima of windows, word by word, by its own program.
///
/// An instruction is the loop nest of `mm_sequencer`, one step a clock; a step reads a word (V channels) through each port that it needs, a
/// group's last step writes one:
///   MUL      a group is one step, a * b; with `residual` two, the second of which reads r through port B. b and r have addresses of their
///            own, so a step of 0 along the rows uses one word for all rows
///   MAXPOOL  a group's steps are the taps of its window; one whose coordinates are outside counts as the type's smallest and reads nothing
/// Latency from the issue of a group's last step to the clock in which its write and the counter are seen: PIPE = 10 + RESIDUAL clocks. It
/// never stalls after issue. Progress counts V/8 octets a word.
///
///   clock after issue   1 addresses | 2, 3, 4 memory | 5 product, maximum | requantize: 5 or 6 | write
/// An instruction that is none raises `bad_instr_o` until `clear_i`.
module vec_unit
  import hwgen_pkg::*;
#(
    parameter int V           = 32,  ///< bytes of an activation word
    parameter int PARAM_DEPTH = 16,  ///< words of channel parameters
    parameter int PROG_DEPTH  = 16,  ///< instructions
    parameter bit MUL         = 1,   ///< products exist
    parameter bit MAXPOOL     = 1,   ///< windows exist
    parameter bit RESIDUAL    = 1,   ///< products with a residual exist
    parameter int DSP_BITS    = 27   ///< wide operand of the part's multiplier
) (
    input  logic                          clk_i,
    input  logic                          rst_ni,
    input  logic                          clear_i,
    input  logic                          enable_i,     ///< a program is resident
    input  logic                          run_i,
    // loader bus
    input  logic                          ld_we_i,
    input  logic      [              7:0] ld_target_i,
    input  logic      [             23:0] ld_word_i,
    input  logic      [              9:0] ld_beat_i,
    input  logic      [            127:0] ld_data_i,
    // activation memory: read ports A and B, write port
    output logic      [              1:0] rd_en_o,
    output logic      [1:0][BANK_BITS-1:0] rd_bank_o,
    output logic      [1:0][         16:0] rd_addr_o,
    input  logic      [1:0][      V*8-1:0] rd_data_i,
    output logic                          wr_en_o,
    output logic      [    BANK_BITS-1:0] wr_bank_o,
    output logic      [             16:0] wr_addr_o,
    output logic      [          V/8-1:0] wr_mask_o,
    output logic      [          V*8-1:0] wr_data_o,
    // synchronisation
    input  progress_t                     progress_i,
    input  progress_t                     adds_i,       ///< progress_i of the next clock, less that of this one
    output count_t                        count_o,
    output logic                          counts_o,     ///< `count_o` grows at the end of this clock
    output logic                          done_o,
    output logic                          bad_instr_o,
    output logic      [             15:0] index_o       ///< of the instruction after the one that runs
);
  if (V < 16 || V % 8 != 0 || PARAM_DEPTH < 2 || PARAM_DEPTH > 2 ** PADDR_BITS || !(MUL || MAXPOOL)) begin : g_illegal
    $fatal(1, "vec_unit: V=%0d must be at least 16, PARAM_DEPTH=%0d 2..%0d, and MUL or MAXPOOL set", V, PARAM_DEPTH, 2 ** PADDR_BITS);
  end
  localparam int DATA = 4;  // clocks after the issue: the words are there
  localparam int VALUE = DATA + 1;  // requantization begins
  localparam int PIPE = VALUE + 5 + (RESIDUAL ? 1 : 0);
  localparam int PW = $clog2(PARAM_DEPTH);
  localparam int PB = RESIDUAL ? PARAM_BITS : PARAM_BITS_PLAIN;

  // ------------------------------------------------------------------------------------------------ program and sequencer
  vec_instr_t instr, cur_q, ctl_q;  // at the head, running, of the step
  mm_instr_t loops, ctl;
  logic instr_valid, pop, issue, step, first, last, pad, ended, bad, bad_op_q;
  logic [2:0] waits;
  logic [ADDR_BITS-1:0] a_addr, b_addr, o_addr, r_addr;
  logic [PADDR_BITS-1:0] p_addr;

  prog_queue #(
      .BEATS (VEC_BEATS),
      .W     ($bits(vec_instr_t)),
      .D     (PROG_DEPTH),
      .TARGET(TGT_PROG_VEC)
  ) u_queue (
      .clk_i,
      .rst_ni,
      .clear_i,
      .enable_i,
      .ld_we_i,
      .ld_target_i,
      .ld_word_i,
      .ld_beat_i,
      .ld_data_i,
      .instr_o(instr),
      .valid_o(instr_valid),
      .pop_i  (pop),
      .index_o
  );
  always_comb begin
    loops           = '0;
    loops.opcode    = instr.opcode;
    loops.last      = instr.last;
    loops.gate_unit = instr.gate_unit;
    loops.gate      = instr.gate;
    loops.dep_unit  = instr.dep_unit;
    loops.need      = instr.need;
    loops.red_mask  = instr.red_mask;
    loops.a         = instr.a;
    loops.w         = instr.w;
    loops.o         = instr.o;
    loops.p         = instr.p;
    loops.r         = instr.r;
    loops.y         = instr.y;
    loops.x         = instr.x;
    loops.y_last    = instr.y_last;
    loops.x_last    = instr.x_last;
    loops.count     = instr.count;
    loops.a_step    = instr.a_step;
    loops.w_step    = instr.w_step;
    loops.need_step = instr.need_step;
    loops.o_step    = instr.o_step;
    loops.p_step    = instr.p_step;
    loops.r_step    = instr.r_step;
    loops.y_step    = instr.y_step;
    loops.x_step    = instr.x_step;
  end
  mm_sequencer #(
      .PADDED(MAXPOOL)
  ) u_seq (
      .clk_i,
      .rst_ni,
      .clear_i,
      .run_i,
      .instr_i(loops),
      .valid_i(instr_valid),
      .pop_o  (pop),
      .progress_i,
      .adds_i,
      .step_o (step),
      .first_o(first),
      .last_o (last),
      .pad_o  (pad),
      .a_o    (a_addr),
      .w_o    (b_addr),
      .o_o    (o_addr),
      .r_o    (r_addr),
      .p_o    (p_addr),
      .ctl_o  (ctl),
      .done_o (ended),
      .bad_o  (bad),
      .ev_issue_o(issue),
      .ev_wait_o (waits)
  );
  logic is_mul, is_max, residual;
  assign is_mul = MUL && ctl_q.op == VECOP_MUL;
  assign is_max = MAXPOOL && ctl_q.op == VECOP_MAXPOOL;
  always_ff @(posedge clk_i) begin
    if (pop) cur_q <= instr;
    if (issue) ctl_q <= cur_q;
    bad_op_q <= rst_ni && !clear_i && (bad_op_q || (step && !is_mul && !is_max));
  end
  assign bad_instr_o = bad || bad_op_q;

  // ------------------------------------------------------------------------------------------------ operands
  assign residual     = RESIDUAL && is_mul && ctl_q.residual && !first;  // port B brings the residual
  assign rd_en_o[0]   = step && ((is_max && !pad) || (is_mul && first));
  assign rd_bank_o[0] = ctl_q.a_bank;
  assign rd_addr_o[0] = a_addr[16:0];
  assign rd_en_o[1]   = step && is_mul;
  assign rd_bank_o[1] = residual ? ctl_q.r_bank : ctl_q.b_bank;
  assign rd_addr_o[1] = residual ? r_addr[16:0] : b_addr[16:0];

  logic [DATA-1:0] step_line;
  logic [PIPE-1:0] last_line;  // [k]: k + 1 clocks after the issue
  delay_valid #(
      .L(DATA - 1)
  ) u_step (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(step),
      .q_o(step_line)
  );
  delay_valid #(
      .L(PIPE - 1)
  ) u_last (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(last),
      .q_o(last_line)
  );
  typedef struct packed {
    logic first;
    logic max;
    logic pad;
    logic residual;
    logic a_signed;
    logic b_signed;  // of what port B brings
  } tap_t;
  tap_t tap;
  delay #(
      .W($bits(tap_t)),
      .L(DATA - 1)
  ) u_tap (
      .clk_i,
      .d_i({first, is_max, pad, residual, ctl_q.a_signed, residual ? ctl_q.r_signed : ctl_q.b_signed}),
      .q_o(tap)
  );

  // ------------------------------------------------------------------------------------------------ what a group carries along
  logic relu;
  logic signed [8:0] lo, hi;
  logic [PW-1:0] p_address;
  logic [V*PB-1:0] params;
  delay #(
      .W(19),
      .L(VALUE - 1)
  ) u_clamp (
      .clk_i,
      .d_i({ctl_q.relu, ctl_q.lo, ctl_q.hi}),
      .q_o({relu, lo, hi})
  );
  delay #(
      .W(PW),
      .L(VALUE - 2 - 1)
  ) u_param_address (
      .clk_i,
      .d_i(p_addr[PW-1:0]),
      .q_o(p_address)
  );
  wide_mem #(
      .COLUMNS(V),
      .KEEP   (PB),
      .D      (PARAM_DEPTH),
      .TARGET (TGT_VEC_PARAM)
  ) u_params (
      .clk_i,
      .ld_we_i,
      .ld_target_i,
      .ld_word_i,
      .ld_beat_i,
      .ld_data_i,
      .re_i   (last_line[VALUE-2-1]),
      .raddr_i(p_address),
      .rdata_o(params)
  );
  delay #(
      .W(BANK_BITS + 17),
      .L(PIPE - 1)
  ) u_out (
      .clk_i,
      .d_i({ctl_q.o_bank, o_addr[16:0]}),
      .q_o({wr_bank_o, wr_addr_o})
  );

  // ------------------------------------------------------------------------------------------------ lanes
  for (genvar i = 0; i < V; i++) begin : g_lane
    param_t p;
    assign p = PARAM_BITS'(params[i*PB+:PB]);
    vec_lane #(
        .MUL     (MUL),
        .MAXPOOL (MAXPOOL),
        .RESIDUAL(RESIDUAL),
        .DSP_BITS(DSP_BITS)
    ) u_lane (
        .clk_i,
        .en_i      (step_line[DATA-1]),
        .first_i   (tap.first),
        .max_i     (tap.max),
        .pad_i     (tap.pad),
        .a_i       (rd_data_i[0][i*8+:8]),
        .a_signed_i(tap.a_signed),
        .b_i       (rd_data_i[1][i*8+:8]),
        .b_signed_i(tap.b_signed),
        .residual_i(tap.residual),
        .mult_i    (p.mult),
        .shift_i   (p.shift),
        .bias_i    (p.bias),
        .rmult_i   (p.rmult),
        .relu_i    (relu),
        .lo_i      (lo),
        .hi_i      (hi),
        .y_o       (wr_data_o[i*8+:8])
    );
  end

  // ------------------------------------------------------------------------------------------------ write-back
  assign wr_en_o   = last_line[PIPE-1];
  assign wr_mask_o = '1;
  assign counts_o  = last_line[PIPE-2];
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i || !run_i) count_o <= '0;
    else if (counts_o) count_o <= count_o + count_t'(V / 8);
  end
  logic busy_q;
  always_ff @(posedge clk_i) busy_q <= rst_ni && !clear_i && (step || |last_line);
  assign done_o = ended && !step && !busy_q && !(|last_line);

  logic unused;
  assign unused = &{1'b0, ctl, cur_q, ctl_q, waits, a_addr, b_addr, r_addr, o_addr, p_addr, params, step_line[DATA-2:0]};
endmodule
