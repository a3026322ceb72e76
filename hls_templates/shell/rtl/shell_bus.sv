/// A stream core's connection to the processor: the engine's registers, control, loader and DMA masters around one run of the core.
///
/// Contract: registers and commands as docs/abi.md says; the load image holds nothing but its header and END. START reads the input tensors
/// from IN_PTR to the streams `in_*_o`, starts the core, collects the streams `out_*_i` to OUT_PTR, and ends when the core and the bus have.
/// Counters: WAIT_DIN the clocks before the core has input, ISSUED and COMPUTE the clocks from then to its end, TAIL those after.
/// An error, a watchdog expiry or SOFT_RESET clears the streams (`clear_o`) and resets the core.
/// Latency: START accepted in clock 0 -> read address and first write address on the bus in clock 2; the parts' headers hold the rest.
module shell_bus
  import hwgen_pkg::*;
#(
    parameter int unsigned              INPUTS     = 1,   ///< tensors, in the order in which they are read
    parameter logic [ INPUTS-1:0][31:0] IN_OFFSET  = '0,  ///< bytes from IN_PTR, multiples of 16
    parameter logic [ INPUTS-1:0][31:0] IN_BEATS   = {INPUTS{32'd1}},  ///< DDR beats
    parameter int unsigned              OUTPUTS    = 1,
    parameter logic [OUTPUTS-1:0][31:0] OUT_OFFSET = '0,
    parameter logic [OUTPUTS-1:0][31:0] OUT_BEATS  = {OUTPUTS{32'd1}},
    parameter logic [63:0]              HASH       = '0   ///< design hash
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
    // streams
    output logic              clear_o,          ///< nothing is under way: forget it
    output logic [ INPUTS-1:0] in_valid_o,
    input  logic [ INPUTS-1:0] in_ready_i,
    output logic [127:0]      in_data_o,        ///< of all inputs
    input  logic [OUTPUTS-1:0] out_valid_i,
    output logic [OUTPUTS-1:0] out_ready_o,
    input  logic [OUTPUTS-1:0][127:0] out_data_i,
    // core
    input  logic              core_go_i,        ///< level: it may start; stays until it has
    input  logic              core_fed_i,       ///< level: a stream offers it something
    output logic              ap_rst_no,
    output logic              ap_start_o,
    input  logic              ap_ready_i,
    input  logic              ap_done_i
);
  logic cmd_start, cmd_load, cmd_reset, cmd_clear_done, irq_enable;
  logic [31:0] watchdog, load_beats, status, error_info;
  logic [63:0] load_ptr, in_ptr, out_ptr, stream_ptr;
  logic [7:0][31:0] counters;
  logic run, load, loaded, busy, drain;

  axil_regs #(
      .N(0),
      .M(0),
      .WW(0),
      .BANKS(0),
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
      .stream_ptr_o    (stream_ptr),
      .busy_i          (busy),
      .status_i        (status),
      .error_info_i    (error_info),
      .counters_i      (counters)
  );

  logic read_done, core_done, write_done, core_ready, core_busy;
  logic load_done, load_err;
  logic [7:0] load_code;
  logic [31:0] load_info, load_taken;
  logic rd_idle, wr_idle, rd_err, wr_err;
  logic [31:0] rd_err_addr, wr_err_addr;

  control u_control (
      .clk_i,
      .rst_ni,
      .cmd_start_i     (cmd_start),
      .cmd_load_i      (cmd_load),
      .cmd_reset_i     (cmd_reset),
      .cmd_clear_done_i(cmd_clear_done),
      .irq_enable_i    (irq_enable),
      .watchdog_i      (watchdog),
      .run_o           (run),
      .load_o          (load),
      .clear_o,
      .loaded_o        (loaded),
      .busy_o          (busy),
      .done_i          ({2'b11, write_done, 1'b1, core_done, read_done}),
      .bad_instr_i     ('0),
      .prog_index_i    ('0),
      .conflict_i      (1'b0),
      .ev_issue_i      (core_busy),
      .ev_wait_i       ({2'b0, run && !core_busy && !core_done}),
      .load_done_i     (load_done),
      .load_err_i      (load_err),
      .load_code_i     (load_code),
      .load_info_i     (load_info),
      .load_beats_i    (load_taken),
      .drain_o         (drain),
      .rd_idle_i       (rd_idle),
      .wr_idle_i       (wr_idle),
      .rd_err_i        (rd_err),
      .rd_err_addr_i   (rd_err_addr),
      .wr_err_i        (wr_err),
      .wr_err_addr_i   (wr_err_addr),
      .status_o        (status),
      .error_info_o    (error_info),
      .counters_o      (counters),
      .irq_o
  );

  core_start u_core_start (
      .clk_i,
      .rst_ni,
      .run_i  (run),
      .clear_i(clear_o),
      .drain_i(drain),
      .go_i   (core_go_i),
      .fed_i  (core_fed_i),
      .ready_o(core_ready),
      .busy_o (core_busy),
      .done_o (core_done),
      .ap_rst_no,
      .ap_start_o,
      .ap_ready_i,
      .ap_done_i
  );

  // Read channel: loader or input tensors.
  logic ld_cmd_valid, ld_beat_ready, in_cmd_valid, in_beat_ready;
  logic rd_cmd_ready, rd_beat_valid;
  logic [63:0] ld_cmd_addr, in_cmd_addr;
  logic [31:0] ld_cmd_beats, in_cmd_beats;

  axi_rd u_rd (
      .clk_i,
      .rst_ni,
      .cmd_valid_i (load ? ld_cmd_valid : in_cmd_valid),
      .cmd_ready_o (rd_cmd_ready),
      .cmd_addr_i  (load ? ld_cmd_addr : in_cmd_addr),
      .cmd_beats_i (load ? ld_cmd_beats : in_cmd_beats),
      .beat_valid_o(rd_beat_valid),
      .beat_ready_i(load ? ld_beat_ready : in_beat_ready),
      .beat_data_o (in_data_o),
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

  // Every memory of the engine is absent: only the image's header and its END are left to check.
  logic ld_we;
  logic [7:0] ld_target;
  logic [23:0] ld_word;
  logic [9:0] ld_beat;
  logic [127:0] ld_data;
  loader #(
      .HASH(HASH)
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
      .beat_valid_i (rd_beat_valid && load),
      .beat_ready_o (ld_beat_ready),
      .beat_data_i  (in_data_o),
      .ld_we_o      (ld_we),
      .ld_target_o  (ld_target),
      .ld_word_o    (ld_word),
      .ld_beat_o    (ld_beat),
      .ld_data_o    (ld_data),
      .done_o       (load_done),
      .err_o        (load_err),
      .err_code_o   (load_code),
      .err_info_o   (load_info),
      .beats_taken_o(load_taken)
  );

  tensor_read #(
      .COUNT (INPUTS),
      .OFFSET(IN_OFFSET),
      .BEATS (IN_BEATS)
  ) u_read (
      .clk_i,
      .rst_ni,
      .run_i       (run && core_ready),
      .clear_i     (clear_o),
      .base_i      (in_ptr),
      .cmd_valid_o (in_cmd_valid),
      .cmd_ready_i (rd_cmd_ready),
      .cmd_addr_o  (in_cmd_addr),
      .cmd_beats_o (in_cmd_beats),
      .beat_valid_i(rd_beat_valid && run),
      .beat_ready_o(in_beat_ready),
      .valid_o     (in_valid_o),
      .ready_i     (in_ready_i),
      .done_o      (read_done)
  );

  logic wr_cmd_valid, wr_cmd_ready, wr_beat_valid, wr_beat_ready;
  logic [ 63:0] wr_cmd_addr;
  logic [ 31:0] wr_cmd_beats;
  logic [127:0] wr_beat;

  tensor_write #(
      .COUNT (OUTPUTS),
      .OFFSET(OUT_OFFSET),
      .BEATS (OUT_BEATS)
  ) u_write (
      .clk_i,
      .rst_ni,
      .run_i       (run && core_ready),
      .clear_i     (clear_o),
      .base_i      (out_ptr),
      .valid_i     (out_valid_i),
      .ready_o     (out_ready_o),
      .data_i      (out_data_i),
      .cmd_valid_o (wr_cmd_valid),
      .cmd_ready_i (wr_cmd_ready),
      .cmd_addr_o  (wr_cmd_addr),
      .cmd_beats_o (wr_cmd_beats),
      .beat_valid_o(wr_beat_valid),
      .beat_ready_i(wr_beat_ready),
      .beat_data_o (wr_beat),
      .wr_idle_i   (wr_idle),
      .done_o      (write_done)
  );

  axi_wr u_wr (
      .clk_i,
      .rst_ni,
      .cmd_valid_i (wr_cmd_valid),
      .cmd_ready_o (wr_cmd_ready),
      .cmd_addr_i  (wr_cmd_addr),
      .cmd_beats_i (wr_cmd_beats),
      .beat_valid_i(wr_beat_valid && run),
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
  assign unused = &{1'b0, stream_ptr, loaded, ld_we, ld_target, ld_word, ld_beat, ld_data};
endmodule
