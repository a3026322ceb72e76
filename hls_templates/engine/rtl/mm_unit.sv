/// Matrix unit: sequencer, weights, KV memory, array, requantize lanes, activation tables, write-back.
///
/// Latency from the issue of a group's last step to the clock in which its write request and the progress counter are seen:
/// PIPE = 12 + ceil(log2(N) / 2) + RESIDUAL + LOOKUP + KV clocks. It never stalls after issue. A group ends at most once a clock; a
/// wide one (32-bit results, written as four byte planes in four clocks) must be followed by three clocks without a group end, which the
/// compiler sees to. Progress counts M/8 octets a group.
///
///   clock after issue   0 issue | 1 addresses | 2 RAM | 3 weights out | 4 activations, packed weights | 5 M | 6 P | + tree | accumulate
///                       | requantize: 5 or 6 | table: 0 or 1 | KV: 0 or 1 | write
/// With a KV memory (`kv_mem`), results can be written as weights of later steps, whose words then come from there (`w_bank`). Such weights
/// have 8 bits, and so has the array, whatever WW; a group of keys takes max(M / N, 1) clocks to be written, so as many less one must follow it
/// without a group end.
module mm_unit
  import hwgen_pkg::*;
#(
    parameter int    N            = 16,    ///< activations a clock
    parameter int    M            = 32,    ///< outputs
    parameter int    V            = 32,    ///< bytes of an activation word
    parameter int    WW           = 4,     ///< bits of a stored weight
    parameter int    WEIGHT_DEPTH = 1024,  ///< words of the weight memory
    parameter int    PARAM_DEPTH  = 64,    ///< groups of channel parameters
    parameter int    PROG_DEPTH   = 64,    ///< instructions
    parameter bit    RESIDUAL     = 1,     ///< residual input in the requantize lanes
    parameter int    SLOTS        = 4,     ///< activation tables; 0: none
    parameter bit    WIDE         = 1,     ///< 32-bit results
    parameter bit    PADDED       = 1,     ///< steps that read padding
    parameter int    KV_DEPTH     = 0,     ///< words of the KV memory; 0: none
    parameter int    STREAM_PORTS = 0,     ///< ports of `stream_unit`; 0: none
    parameter string WEIGHT_STYLE = "auto",
    parameter int    WEIGHT_STYLED = 0,    ///< columns (128 bits) of a weight word of that style, the others are block RAM; 0: all
    parameter string PARAM_STYLE  = "auto",
    parameter int    WEIGHT_SPLIT = 0,     ///< words of a part of the weight memory, see `ram_1r1w`
    parameter string PROG_STYLE   = "distributed",  ///< of the program's memory, see `ram_1r1w`
    parameter int    DSP_BITS     = 27,    ///< wide operand of the part's multiplier, see `mac_pair`
    parameter bit    MAC_LUTS     = 0      ///< products of the array in logic cells
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,
    input  logic                     enable_i,    ///< a program is resident
    input  logic                     run_i,
    // loader bus
    input  logic                     ld_we_i,
    input  logic [              7:0] ld_target_i,
    input  logic [             23:0] ld_word_i,
    input  logic [              9:0] ld_beat_i,
    input  logic [            127:0] ld_data_i,
    // streamed weights: each port's columns of the weight memory
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0]        st_we_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][ 23:0] st_word_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  9:0] st_beat_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][127:0] st_data_i,
    // activation memory
    output logic                     a_en_o,
    output logic [    BANK_BITS-1:0] a_bank_o,
    output logic [    ADDR_BITS-1:0] a_addr_o,
    output logic                     a_zero_o,     ///< instead of a read: zeros
    input  logic [          N*8-1:0] a_data_i,
    output logic                     r_en_o,
    output logic [    BANK_BITS-1:0] r_bank_o,
    output logic [    ADDR_BITS-1:0] r_addr_o,
    input  logic [          M*8-1:0] r_data_i,
    output logic                     wr_en_o,
    output logic [    BANK_BITS-1:0] wr_bank_o,
    output logic [             16:0] wr_addr_o,
    output logic [          V/8-1:0] wr_mask_o,
    output logic [          V*8-1:0] wr_data_o,
    // synchronisation
    input  progress_t                progress_i,
    input  progress_t                adds_i,       ///< progress_i of the next clock, less that of this one
    output count_t                   count_o,
    output logic                     counts_o,     ///< `count_o` grows at the end of this clock
    output logic                     done_o,
    output logic                     bad_instr_o,
    output logic [             15:0] index_o,      ///< of the instruction after the one that runs
    output logic                     ev_issue_o,
    output logic [              2:0] ev_wait_o
);
  localparam int STAGES = ($clog2(N) + 1) / 2;
  localparam int ACC = 7 + STAGES;                 // clock in which a group's accumulators are seen
  localparam int OUT = ACC + 5 + (RESIDUAL ? 1 : 0);  // requantized
  localparam int LOOKED = OUT + (SLOTS > 0 ? 1 : 0);  // activation applied
  localparam int PIPE = LOOKED + (KV_DEPTH > 0 ? 1 : 0);  // written
  localparam int AW = KV_DEPTH > 0 ? 8 : WW;  // bits of the array's weights
  localparam int WEIGHT_BEATS = (N * M * WW + 127) / 128;
  localparam int PB = RESIDUAL ? PARAM_BITS : PARAM_BITS_PLAIN;

  // ------------------------------------------------------------------------------------------------ program and sequencer
  mm_instr_t instr, ctl;
  logic instr_valid, pop, step, first, last, pad, ended;
  logic [ADDR_BITS-1:0] a_addr, w_addr, o_addr, r_addr;
  logic [PADDR_BITS-1:0] p_addr;

  prog_queue #(
      .BEATS (MM_BEATS),
      .W     ($bits(mm_instr_t)),
      .D     (PROG_DEPTH),
      .TARGET(TGT_PROG_MM),
      .STYLE (PROG_STYLE)
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
  mm_sequencer #(
      .PADDED(PADDED)
  ) u_seq (
      .clk_i,
      .rst_ni,
      .clear_i,
      .run_i,
      .instr_i(instr),
      .valid_i(instr_valid),
      .pop_o  (pop),
      .progress_i,
      .adds_i,
      .step_o (step),
      .first_o(first),
      .last_o (last),
      .pad_o  (pad),
      .a_o    (a_addr),
      .w_o    (w_addr),
      .o_o    (o_addr),
      .r_o    (r_addr),
      .p_o    (p_addr),
      .ctl_o  (ctl),
      .done_o (ended),
      .bad_o  (bad_instr_o),
      .ev_issue_o,
      .ev_wait_o
  );

  // ------------------------------------------------------------------------------------------------ operands
  assign a_en_o   = step && !pad;
  assign a_zero_o = step && pad;
  assign a_bank_o = ctl.a_bank;
  assign a_addr_o = a_addr;

  typedef struct packed {
    logic [1:0] kind;
    logic [BANK_BITS-1:0] o_bank;
    logic [ADDR_BITS-1:0] o;
    logic relu;
    logic wide;
    logic lookup;
    logic [3:0] slot;
    logic [8:0] lo;
    logic [8:0] hi;
  } group_t;
  group_t group1, group_q, group_y, group_l, group_w;
  logic [M*8-1:0] bytes;  // of a group's results, as written
  logic from_kv;
  logic [WEIGHT_BEATS*128-1:0] weights;
  // A part of the columns for each port of the stream unit, which writes while the loader's bus is idle.
  localparam int PARTS = (STREAM_PORTS > 0) ? STREAM_PORTS : 1;
  localparam int COLUMNS = (WEIGHT_BEATS + PARTS - 1) / PARTS;  // the last part may have fewer
  localparam int STYLED = (WEIGHT_STYLED > 0) ? WEIGHT_STYLED : WEIGHT_BEATS;
  for (genvar p = 0; p < PARTS; p++) begin : g_weights
    localparam int MINE = (p == PARTS - 1) ? WEIGHT_BEATS - p * COLUMNS : COLUMNS;
    logic streams;
    assign streams = STREAM_PORTS > 0 && st_we_i[p];
    wide_mem #(
        .COLUMNS(MINE),
        .D      (WEIGHT_DEPTH),
        .TARGET (TGT_WEIGHT),
        .STYLE  (WEIGHT_STYLE),
        .STYLED (STYLED - p * COLUMNS),
        .SPLIT  (WEIGHT_SPLIT)
    ) u_mem (
        .clk_i,
        .ld_we_i    (ld_we_i || streams),
        .ld_target_i(streams ? TGT_WEIGHT : ld_target_i),
        .ld_word_i  (streams ? st_word_i[p] : ld_word_i),
        .ld_beat_i  (streams ? st_beat_i[p] : ld_beat_i - 10'(p * COLUMNS)),
        .ld_data_i  (streams ? st_data_i[p] : ld_data_i),
        .re_i       (step && !from_kv),
        .raddr_i    (w_addr[$clog2(WEIGHT_DEPTH)-1:0]),
        .rdata_o    (weights[p*COLUMNS*128+:MINE*128])
    );
  end
  if ((PARTS - 1) * COLUMNS >= WEIGHT_BEATS) begin : g_illegal_ports
    $fatal(1, "mm_unit: STREAM_PORTS=%0d leaves a port without beats of a weight word, which has %0d", STREAM_PORTS, WEIGHT_BEATS);
  end
  if (STREAM_PORTS == 0) begin : g_resident
    logic unused_stream;
    assign unused_stream = &{1'b0, st_we_i, st_word_i, st_beat_i, st_data_i};
  end
  logic [M*N*AW-1:0] operand;  // the weights of the step
  logic kv_en, kv_keys;
  if (KV_DEPTH > 0) begin : g_kv
    logic [M*N*8-1:0] kv;
    logic kv3;
    assign from_kv = ctl.w_bank == W_KV;
    delay #(
        .W(1),
        .L(2)
    ) u_kv3 (
        .clk_i,
        .d_i(from_kv),
        .q_o(kv3)
    );
    kv_mem #(
        .N(N),
        .M(M),
        .D(KV_DEPTH)
    ) u_kv (
        .clk_i,
        .rst_ni,
        .clear_i,
        .wr_en_i  (kv_en),
        .wr_keys_i(kv_keys),
        .wr_addr_i(group_w.o),
        .wr_data_i(bytes),
        .re_i     (step && from_kv),
        .raddr_i  (w_addr[$clog2(KV_DEPTH)-1:0]),
        .rdata_o  (kv)
    );
    for (genvar i = 0; i < M * N; i++) begin : g_weight
      assign operand[i*8+:8] = kv3 ? kv[i*8+:8] : 8'(signed'(weights[i*WW+:WW]));
    end
  end else begin : g_no_kv
    assign from_kv = 1'b0;
    assign operand = weights[M*N*WW-1:0];
    logic unused;
    assign unused = &{1'b0, kv_en, kv_keys, bytes};
  end

  // ------------------------------------------------------------------------------------------------ array
  // Valid bits by their distance from the issue: step_line[k], last_line[k] are k clocks old; issue itself is 0.
  logic [2:0] step_line;
  logic [PIPE-1:0] last_line;
  delay_valid #(
      .L(2)
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
  logic first3, a_signed4;
  delay #(
      .W(1),
      .L(2)
  ) u_first (
      .clk_i,
      .d_i(first),
      .q_o(first3)
  );
  delay #(
      .W(1),
      .L(3)
  ) u_signed (
      .clk_i,
      .d_i(ctl.a_signed),
      .q_o(a_signed4)
  );
  logic signed [M-1:0][31:0] acc;
  mac_array #(
      .N (N),
      .M (M),
      .WW(AW),
      .DSP_BITS(DSP_BITS),
      .MAC_LUTS(MAC_LUTS)
  ) u_array (
      .clk_i,
      .rst_ni,
      .clear_i,
      .step_i    (step_line[2]),
      .first_i   (first3),
      .w_i       (operand),
      .a_i       (a_data_i),
      .a_signed_i(a_signed4),
      .acc_o     (acc)
  );

  // ------------------------------------------------------------------------------------------------ what a group carries along
  typedef struct packed {
    logic [BANK_BITS-1:0] r_bank;
    logic [ADDR_BITS-1:0] r;
    logic r_signed;
    logic residual;
    logic [PADDR_BITS-1:0] p;
  } early_t;
  early_t early1, early_r, early_p, early_q;
  assign early1 = '{r_bank: ctl.r_bank, r: r_addr, r_signed: ctl.r_signed, residual: ctl.residual, p: p_addr};
  assign group1 = '{
          kind: ctl.o_kind,
          o_bank: ctl.o_bank,
          o: o_addr,
          relu: ctl.relu,
          wide: ctl.wide,
          lookup: ctl.lookup,
          slot: ctl.slot,
          lo: ctl.lo,
          hi: ctl.hi
      };
  // residual: address three clocks before the accumulators; parameters: two
  delay #(
      .W($bits(early_t)),
      .L(ACC - 3 - 1)
  ) u_early_r (
      .clk_i,
      .d_i(early1),
      .q_o(early_r)
  );
  delay #(
      .W($bits(early_t)),
      .L(1)
  ) u_early_p (
      .clk_i,
      .d_i(early_r),
      .q_o(early_p)
  );
  delay #(
      .W($bits(early_t)),
      .L(2)
  ) u_early_q (
      .clk_i,
      .d_i(early_p),
      .q_o(early_q)
  );
  delay #(
      .W($bits(group_t)),
      .L(ACC - 1)
  ) u_group_q (
      .clk_i,
      .d_i(group1),
      .q_o(group_q)
  );
  delay #(
      .W($bits(group_t)),
      .L(OUT - ACC)
  ) u_group_y (
      .clk_i,
      .d_i(group_q),
      .q_o(group_y)
  );
  delay #(
      .W($bits(group_t)),
      .L(LOOKED - OUT)
  ) u_group_l (
      .clk_i,
      .d_i(group_y),
      .q_o(group_l)
  );
  delay #(
      .W($bits(group_t)),
      .L(PIPE - LOOKED)
  ) u_group_w (
      .clk_i,
      .d_i(group_l),
      .q_o(group_w)
  );

  logic [M*PB-1:0] params;
  wide_mem #(
      .COLUMNS(M),
      .KEEP   (PB),
      .D      (PARAM_DEPTH),
      .STYLE  (PARAM_STYLE),
      .TARGET (TGT_PARAM)
  ) u_params (
      .clk_i,
      .ld_we_i,
      .ld_target_i,
      .ld_word_i,
      .ld_beat_i,
      .ld_data_i,
      .re_i   (last_line[ACC-2-1]),
      .raddr_i(early_p.p[$clog2(PARAM_DEPTH)-1:0]),
      .rdata_o(params)
  );
  assign r_en_o   = RESIDUAL && last_line[ACC-3-1] && early_r.residual;
  assign r_bank_o = early_r.r_bank;
  assign r_addr_o = early_r.r;

  // ------------------------------------------------------------------------------------------------ lanes
  logic [M-1:0][31:0] looked_up, result;  // behind the table; as written
  for (genvar m = 0; m < M; m++) begin : g_lane
    logic [PARAM_BITS-1:0] bits;
    param_t param;
    logic signed [8:0] r;
    logic signed [31:0] y;
    assign bits  = PARAM_BITS'(params[m*PB+:PB]);
    assign param = bits;
    assign r     = early_q.residual ? signed'({early_q.r_signed & r_data_i[m*8+7], r_data_i[m*8+:8]}) : '0;
    requantize #(
        .RESIDUAL(RESIDUAL),
        .DSP_BITS(DSP_BITS)
    ) u_requantize (
        .clk_i,
        .acc_i  (acc[m]),
        .mult_i (param.mult),
        .shift_i(param.shift),
        .bias_i (param.bias),
        .rmult_i(param.rmult),
        .r_i    (r),
        .relu_i (group_q.relu),
        .wide_i (group_q.wide),
        .lo_i   (group_q.lo),
        .hi_i   (group_q.hi),
        .y_o    (y)
    );
    if (SLOTS > 0) begin : g_lookup
      logic signed [31:0] y_q;
      logic [7:0] looked;
      always_ff @(posedge clk_i) y_q <= y;
      lookup_lane #(
          .SLOTS(SLOTS)
      ) u_table (
          .clk_i,
          .ld_we_i,
          .ld_target_i,
          .ld_word_i,
          .ld_beat_i,
          .ld_data_i(ld_data_i[7:0]),
          .re_i     (last_line[OUT-1] && group_y.lookup),
          .slot_i   (group_y.slot),
          .x_i      (y[7:0]),
          .y_o      (looked)
      );
      assign looked_up[m] = group_l.lookup ? 32'(looked) : y_q;
    end else begin : g_plain
      assign looked_up[m] = y;
    end
    delay #(
        .W(32),
        .L(PIPE - LOOKED)
    ) u_result (
        .clk_i,
        .d_i(looked_up[m]),
        .q_o(result[m])
    );
    assign bytes[m*8+:8] = result[m][7:0];
  end

  // ------------------------------------------------------------------------------------------------ write-back
  logic next_wide;
  logic [1:0] next_kind;
  delay #(
      .W(3),
      .L(PIPE - 2)
  ) u_next (
      .clk_i,
      .d_i({ctl.wide, ctl.o_kind}),
      .q_o({next_wide, next_kind})
  );
  mm_writeback #(
      .M   (M),
      .V   (V),
      .WIDE(WIDE),
      .KEYS_CLOCKS(KV_DEPTH == 0 ? 0 : M > N ? M / N : 1)
  ) u_write (
      .clk_i,
      .rst_ni,
      .clear_i,
      .run_i,
      .next_i  (last_line[PIPE-2]),
      .next_wide_i(next_wide),
      .next_kind_i(next_kind),
      .valid_i (last_line[PIPE-1]),
      .wide_i  (group_w.wide),
      .kind_i  (group_w.kind),
      .bank_i  (group_w.o_bank),
      .addr_i  (group_w.o),
      .result_i(result),
      .wr_en_o,
      .wr_bank_o,
      .wr_addr_o,
      .wr_mask_o,
      .wr_data_o,
      .kv_en_o (kv_en),
      .kv_keys_o(kv_keys),
      .count_o,
      .counts_o
  );

  logic busy_q;
  always_ff @(posedge clk_i) busy_q <= rst_ni && !clear_i && (step || |last_line || wr_en_o);
  assign done_o = ended && !step && !busy_q && !wr_en_o && !(|last_line);

  logic unused;
  assign unused = &{1'b0, weights, params, w_addr, early_r, early_p, early_q, group_y, group_l, group_w, step_line[1:0], ctl, instr_valid};
endmodule
