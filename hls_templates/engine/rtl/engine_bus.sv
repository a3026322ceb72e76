/// The engine's connection to the processor: registers, control, DMA, loader, and the DIN and DOUT units, wired together.
///
/// Contract: AXI4-Lite slave, one AXI4 master (128 bits, in order, no ids), and towards the array: `run_o`, `clear_o`, progress counters,
/// loader bus, one write and one read port of the activation memory. The parts' headers hold the details and latencies.
/// The read channel belongs to the loader while loading, and to the DIN unit while running.
module engine_bus
  import hwgen_pkg::*;
#(
    parameter int unsigned N               = 8,     ///< activations a clock
    parameter int unsigned M               = 8,     ///< output channels
    parameter int unsigned WW              = 8,     ///< weight bits stored
    parameter int unsigned BANKS           = 4,     ///< activation banks
    parameter int unsigned V               = 16,    ///< bytes of an activation word
    parameter int unsigned WEIGHT_DEPTH    = 1024,  ///< words
    parameter int unsigned ACT_DEPTH       = 1024,  ///< words of a bank
    parameter int unsigned PARAM_DEPTH     = 64,    ///< words; 0: absent, as below
    parameter int unsigned TABLE_DEPTH     = 4,
    parameter int unsigned ROW_PARAM_DEPTH = 0,
    parameter int unsigned SOFTMAX_SLOTS   = 0,
    parameter int unsigned PROG_DIN_DEPTH  = 64,    ///< instructions
    parameter int unsigned PROG_MM_DEPTH   = 64,
    parameter int unsigned PROG_ROW_DEPTH  = 64,
    parameter int unsigned PROG_DOUT_DEPTH = 64,
    parameter int unsigned VEC_PARAM_DEPTH = 0,
    parameter int unsigned PROG_VEC_DEPTH  = 0,
    parameter int unsigned PROG_STREAM_DEPTH = 0,
    parameter int unsigned WIN_RING        = 0,     ///< see `din_unit`
    parameter int unsigned WIN_PORTS       = 1,
    parameter logic [63:0] HASH            = '0     ///< design hash
) (
    input  logic              clk_i,
    input  logic              rst_ni,
    // AXI4-Lite
    input  logic [11:0]       s_axil_awaddr_i,
    input  logic              s_axil_awvalid_i,
    output logic              s_axil_awready_o,
    input  logic [31:0]       s_axil_wdata_i,
    input  logic [ 3:0]       s_axil_wstrb_i,
    input  logic              s_axil_wvalid_i,
    output logic              s_axil_wready_o,
    output logic [ 1:0]       s_axil_bresp_o,
    output logic              s_axil_bvalid_o,
    input  logic              s_axil_bready_i,
    input  logic [11:0]       s_axil_araddr_i,
    input  logic              s_axil_arvalid_i,
    output logic              s_axil_arready_o,
    output logic [31:0]       s_axil_rdata_o,
    output logic [ 1:0]       s_axil_rresp_o,
    output logic              s_axil_rvalid_o,
    input  logic              s_axil_rready_i,
    // AXI4
    output logic [63:0]       m_axi_araddr_o,
    output logic [ 7:0]       m_axi_arlen_o,
    output logic [ 2:0]       m_axi_arsize_o,
    output logic [ 1:0]       m_axi_arburst_o,
    output logic [ 3:0]       m_axi_arcache_o,
    output logic [ 2:0]       m_axi_arprot_o,
    output logic              m_axi_arvalid_o,
    input  logic              m_axi_arready_i,
    input  logic [127:0]      m_axi_rdata_i,
    input  logic [ 1:0]       m_axi_rresp_i,
    input  logic              m_axi_rlast_i,
    input  logic              m_axi_rvalid_i,
    output logic              m_axi_rready_o,
    output logic [63:0]       m_axi_awaddr_o,
    output logic [ 7:0]       m_axi_awlen_o,
    output logic [ 2:0]       m_axi_awsize_o,
    output logic [ 1:0]       m_axi_awburst_o,
    output logic [ 3:0]       m_axi_awcache_o,
    output logic [ 2:0]       m_axi_awprot_o,
    output logic              m_axi_awvalid_o,
    input  logic              m_axi_awready_i,
    output logic [127:0]      m_axi_wdata_o,
    output logic [15:0]       m_axi_wstrb_o,
    output logic              m_axi_wlast_o,
    output logic              m_axi_wvalid_o,
    input  logic              m_axi_wready_i,
    input  logic [ 1:0]       m_axi_bresp_i,
    input  logic              m_axi_bvalid_i,
    output logic              m_axi_bready_o,
    output logic              irq_o,
    // all units and program queues
    output logic              run_o,            ///< level: the clock after START until DONE
    output logic              clear_o,          ///< back to the start
    output logic              loaded_o,         ///< level: a valid program is resident
    output progress_t         progress_o,
    output count_t            din_adds_o,       ///< what `progress_o.din` grows by at the end of this clock
    input  progress_t         adds_i,           ///< `progress_o` of the next clock, less that of this one; its `din` is not looked at
    input  count_t            mm_count_i,
    input  count_t            row_count_i,
    input  count_t            vec_count_i,
    input  count_t            stream_count_i,
    input  din_instr_t        din_instr_i,
    input  logic              din_valid_i,
    output logic              din_pop_o,
    input  dout_instr_t       dout_instr_i,
    input  logic              dout_valid_i,
    output logic              dout_pop_o,
    input  logic [ 5:0][15:0] prog_index_i,     ///< of the heads of [0] din [1] mm [2] row [3] dout [4] vec [5] stream
    input  logic              mm_done_i,
    input  logic              row_done_i,
    input  logic              vec_done_i,
    input  logic              stream_done_i,
    input  logic              mm_bad_instr_i,
    input  logic              row_bad_instr_i,
    input  logic              vec_bad_instr_i,
    input  logic              stream_bad_instr_i,
    input  logic              conflict_i,       ///< two units on one memory port
    input  logic              ev_issue_i,
    input  logic [ 2:0]       ev_wait_i,
    // masters of the stream unit
    output logic [63:0]       stream_ptr_o,
    output logic              drain_o,          ///< level
    input  logic              stream_idle_i,
    input  logic              stream_err_i,
    input  logic [31:0]       stream_err_addr_i,
    // activation memory
    output logic              din_wr_en_o,
    output logic [ 2:0]       din_wr_bank_o,
    output logic [16:0]       din_wr_addr_o,
    output logic [V/8-1:0]    din_wr_mask_o,
    output logic [V*8-1:0]    din_wr_data_o,
    output logic              dout_rd_en_o,
    output logic [ 2:0]       dout_rd_bank_o,
    output logic [16:0]       dout_rd_addr_o,
    input  logic [V*8-1:0]    dout_rd_data_i,
    // loader bus
    output logic              ld_we_o,
    output logic [ 7:0]       ld_target_o,
    output logic [23:0]       ld_word_o,
    output logic [ 9:0]       ld_beat_o,
    output logic [127:0]      ld_data_o
);
  logic cmd_start, cmd_load, cmd_reset, cmd_clear_done, irq_enable;
  logic [31:0] watchdog, load_beats, status, error_info;
  logic [63:0] load_ptr, in_ptr, out_ptr;
  logic [7:0][31:0] counters;
  logic load, busy, drain;
  assign drain_o = drain;

  axil_regs #(
      .N(N),
      .M(M),
      .WW(WW),
      .BANKS(BANKS),
      .WEIGHT_DEPTH(WEIGHT_DEPTH),
      .ACT_DEPTH(ACT_DEPTH),
      .HASH(HASH)
  ) u_regs (
      .clk_i,
      .rst_ni,
      .s_axil_awaddr_i,
      .s_axil_awvalid_i,
      .s_axil_awready_o,
      .s_axil_wdata_i,
      .s_axil_wstrb_i,
      .s_axil_wvalid_i,
      .s_axil_wready_o,
      .s_axil_bresp_o,
      .s_axil_bvalid_o,
      .s_axil_bready_i,
      .s_axil_araddr_i,
      .s_axil_arvalid_i,
      .s_axil_arready_o,
      .s_axil_rdata_o,
      .s_axil_rresp_o,
      .s_axil_rvalid_o,
      .s_axil_rready_i,
      .cmd_start_o     (cmd_start),
      .cmd_load_o      (cmd_load),
      .cmd_reset_o     (cmd_reset),
      .cmd_clear_done_o(cmd_clear_done),
      .irq_enable_o    (irq_enable),
      .watchdog_o      (watchdog),
      .load_ptr_o      (load_ptr),
      .load_beats_o    (load_beats),
      .in_ptr_o        (in_ptr),
      .out_ptr_o       (out_ptr),
      .stream_ptr_o,
      .busy_i          (busy),
      .status_i        (status),
      .error_info_i    (error_info),
      .counters_i      (counters)
  );

  logic din_done, dout_done, din_bad, dout_bad;
  logic load_done, load_err;
  logic [7:0] load_code;
  logic [31:0] load_info, load_taken;
  logic rd_idle, wr_idle, rd_err, wr_err;
  logic [31:0] rd_err_addr, wr_err_addr;
  // The bus's errors come late in the clock. A unit is done a clock after its last answer at the earliest, so none is missed.
  logic rd_err_q, wr_err_q;
  logic [31:0] rd_err_addr_q, wr_err_addr_q;
  always_ff @(posedge clk_i) begin
    rd_err_q      <= rst_ni && (rd_err || stream_err_i);
    wr_err_q      <= rst_ni && wr_err;
    rd_err_addr_q <= rd_err ? rd_err_addr : stream_err_addr_i;
    wr_err_addr_q <= wr_err_addr;
  end

  control u_control (
      .clk_i,
      .rst_ni,
      .cmd_start_i     (cmd_start),
      .cmd_load_i      (cmd_load),
      .cmd_reset_i     (cmd_reset),
      .cmd_clear_done_i(cmd_clear_done),
      .irq_enable_i    (irq_enable),
      .watchdog_i      (watchdog),
      .run_o,
      .load_o          (load),
      .clear_o,
      .loaded_o,
      .busy_o          (busy),
      .done_i          ({stream_done_i, vec_done_i, dout_done, row_done_i, mm_done_i, din_done}),
      .bad_instr_i     ({stream_bad_instr_i, vec_bad_instr_i, dout_bad, row_bad_instr_i, mm_bad_instr_i, din_bad}),
      .prog_index_i,
      .conflict_i,
      .ev_issue_i,
      .ev_wait_i,
      .load_done_i     (load_done),
      .load_err_i      (load_err),
      .load_code_i     (load_code),
      .load_info_i     (load_info),
      .load_beats_i    (load_taken),
      .drain_o         (drain),
      .rd_idle_i       (rd_idle && stream_idle_i),
      .wr_idle_i       (wr_idle),
      .rd_err_i        (rd_err_q),
      .rd_err_addr_i   (rd_err_addr_q),
      .wr_err_i        (wr_err_q),
      .wr_err_addr_i   (wr_err_addr_q),
      .status_o        (status),
      .error_info_o    (error_info),
      .counters_o      (counters),
      .irq_o
  );

  // Read channel: loader or DIN.
  logic ld_cmd_valid, ld_beat_ready, din_cmd_valid, din_beat_ready;
  logic rd_cmd_ready, rd_beat_valid;
  logic [63:0] ld_cmd_addr, din_cmd_addr;
  logic [31:0] ld_cmd_beats, din_cmd_beats;
  logic [127:0] rd_beat;

  axi_rd u_rd (
      .clk_i,
      .rst_ni,
      .cmd_valid_i (load ? ld_cmd_valid : din_cmd_valid),
      .cmd_ready_o (rd_cmd_ready),
      .cmd_addr_i  (load ? ld_cmd_addr : din_cmd_addr),
      .cmd_beats_i (load ? ld_cmd_beats : din_cmd_beats),
      .beat_valid_o(rd_beat_valid),
      .beat_ready_i(load ? ld_beat_ready : din_beat_ready),
      .beat_data_o (rd_beat),
      .drain_i     (drain),
      .idle_o      (rd_idle),
      .err_o       (rd_err),
      .err_addr_o  (rd_err_addr),
      .m_axi_araddr_o,
      .m_axi_arlen_o,
      .m_axi_arsize_o,
      .m_axi_arburst_o,
      .m_axi_arcache_o,
      .m_axi_arprot_o,
      .m_axi_arvalid_o,
      .m_axi_arready_i,
      .m_axi_rdata_i,
      .m_axi_rresp_i,
      .m_axi_rlast_i,
      .m_axi_rvalid_i,
      .m_axi_rready_o
  );

  loader #(
      .HASH(HASH),
      .WEIGHT_DEPTH(WEIGHT_DEPTH),
      .PARAM_DEPTH(PARAM_DEPTH),
      .TABLE_DEPTH(TABLE_DEPTH),
      .ROW_PARAM_DEPTH(ROW_PARAM_DEPTH),
      .SOFTMAX_SLOTS(SOFTMAX_SLOTS),
      .PROG_DIN_DEPTH(PROG_DIN_DEPTH),
      .PROG_MM_DEPTH(PROG_MM_DEPTH),
      .PROG_ROW_DEPTH(PROG_ROW_DEPTH),
      .PROG_DOUT_DEPTH(PROG_DOUT_DEPTH),
      .VEC_PARAM_DEPTH(VEC_PARAM_DEPTH),
      .PROG_VEC_DEPTH(PROG_VEC_DEPTH),
      .PROG_STREAM_DEPTH(PROG_STREAM_DEPTH),
      .WEIGHT_BEATS((N * M * WW + 127) / 128),
      .PARAM_BEATS(M),
      .ROW_PARAM_BEATS(V),
      .VEC_PARAM_BEATS(V)
  ) u_loader (
      .clk_i,
      .rst_ni,
      .load_i       (load),
      .base_i       (load_ptr),
      .beats_i      (load_beats),
      .cmd_valid_o  (ld_cmd_valid),
      .cmd_ready_i  (rd_cmd_ready),
      .cmd_addr_o   (ld_cmd_addr),
      .cmd_beats_o  (ld_cmd_beats),
      .beat_valid_i (rd_beat_valid),  // outside of a load it takes none
      .beat_ready_o (ld_beat_ready),
      .beat_data_i  (rd_beat),
      .ld_we_o,
      .ld_target_o,
      .ld_word_o,
      .ld_beat_o,
      .ld_data_o,
      .done_o       (load_done),
      .err_o        (load_err),
      .err_code_o   (load_code),
      .err_info_o   (load_info),
      .beats_taken_o(load_taken)
  );

  count_t din_count;
  progress_t adds;
  assign adds = '{stream: adds_i.stream, vec: adds_i.vec, dout: '0, row: adds_i.row, mm: adds_i.mm, din: din_adds_o};
  assign progress_o = '{stream: stream_count_i, vec: vec_count_i, dout: '0, row: row_count_i, mm: mm_count_i, din: din_count};

  din_unit #(
      .V(V),
      .WIN_RING(WIN_RING),
      .WIN_PORTS(WIN_PORTS)
  ) u_din (
      .clk_i,
      .rst_ni,
      .run_i       (run_o),
      .clear_i     (clear_o),
      .base_i      (in_ptr),
      .progress_i  (progress_o),
      .adds_i      (adds),
      .instr_i     (din_instr_i),
      .valid_i     (din_valid_i),
      .pop_o       (din_pop_o),
      .cmd_valid_o (din_cmd_valid),
      .cmd_ready_i (rd_cmd_ready),
      .cmd_addr_o  (din_cmd_addr),
      .cmd_beats_o (din_cmd_beats),
      .beat_valid_i(rd_beat_valid),   // outside of a run it takes none
      .beat_ready_o(din_beat_ready),
      .beat_data_i (rd_beat),
      .wr_en_o     (din_wr_en_o),
      .wr_bank_o   (din_wr_bank_o),
      .wr_addr_o   (din_wr_addr_o),
      .wr_mask_o   (din_wr_mask_o),
      .wr_data_o   (din_wr_data_o),
      .count_o     (din_count),
      .adds_o      (din_adds_o),
      .done_o      (din_done),
      .bad_instr_o (din_bad)
  );

  logic wr_cmd_valid, wr_cmd_ready, wr_beat_valid, wr_beat_ready;
  logic [ 63:0] wr_cmd_addr;
  logic [ 31:0] wr_cmd_beats;
  logic [127:0] wr_beat;

  dout_unit #(
      .V(V)
  ) u_dout (
      .clk_i,
      .rst_ni,
      .run_i       (run_o),
      .clear_i     (clear_o),
      .base_i      (out_ptr),
      .progress_i  (progress_o),
      .adds_i      (adds),
      .instr_i     (dout_instr_i),
      .valid_i     (dout_valid_i),
      .pop_o       (dout_pop_o),
      .rd_en_o     (dout_rd_en_o),
      .rd_bank_o   (dout_rd_bank_o),
      .rd_addr_o   (dout_rd_addr_o),
      .rd_data_i   (dout_rd_data_i),
      .cmd_valid_o (wr_cmd_valid),
      .cmd_ready_i (wr_cmd_ready),
      .cmd_addr_o  (wr_cmd_addr),
      .cmd_beats_o (wr_cmd_beats),
      .beat_valid_o(wr_beat_valid),
      .beat_ready_i(wr_beat_ready),
      .beat_data_o (wr_beat),
      .wr_idle_i   (wr_idle),
      .done_o      (dout_done),
      .bad_instr_o (dout_bad)
  );

  axi_wr u_wr (
      .clk_i,
      .rst_ni,
      .cmd_valid_i (wr_cmd_valid),
      .cmd_ready_o (wr_cmd_ready),
      .cmd_addr_i  (wr_cmd_addr),
      .cmd_beats_i (wr_cmd_beats),
      .beat_valid_i(wr_beat_valid),
      .beat_ready_o(wr_beat_ready),
      .beat_data_i (wr_beat),
      .drain_i     (drain),
      .idle_o      (wr_idle),
      .err_o       (wr_err),
      .err_addr_o  (wr_err_addr),
      .m_axi_awaddr_o,
      .m_axi_awlen_o,
      .m_axi_awsize_o,
      .m_axi_awburst_o,
      .m_axi_awcache_o,
      .m_axi_awprot_o,
      .m_axi_awvalid_o,
      .m_axi_awready_i,
      .m_axi_wdata_o,
      .m_axi_wstrb_o,
      .m_axi_wlast_o,
      .m_axi_wvalid_o,
      .m_axi_wready_i,
      .m_axi_bresp_i,
      .m_axi_bvalid_i,
      .m_axi_bready_o
  );
  logic unused;
  assign unused = &{1'b0, adds_i};
endmodule
