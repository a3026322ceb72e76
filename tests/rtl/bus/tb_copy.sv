/// Bench top: the bus side with real program queues and activation memory, no array, and AXI ports under their usual names.
///
/// It copies: a program of DIN and DOUT instructions moves data through the activation memory.
module tb_copy
  import hwgen_pkg::*;
#(
    parameter int unsigned V = 32
) (
    input  logic         clk,
    input  logic         rst,
    input  logic [ 11:0] s_axil_awaddr,
    input  logic         s_axil_awvalid,
    output logic         s_axil_awready,
    input  logic [ 31:0] s_axil_wdata,
    input  logic [  3:0] s_axil_wstrb,
    input  logic         s_axil_wvalid,
    output logic         s_axil_wready,
    output logic [  1:0] s_axil_bresp,
    output logic         s_axil_bvalid,
    input  logic         s_axil_bready,
    input  logic [ 11:0] s_axil_araddr,
    input  logic         s_axil_arvalid,
    output logic         s_axil_arready,
    output logic [ 31:0] s_axil_rdata,
    output logic [  1:0] s_axil_rresp,
    output logic         s_axil_rvalid,
    input  logic         s_axil_rready,
    output logic         m_axi_arid,
    output logic [ 63:0] m_axi_araddr,
    output logic [  7:0] m_axi_arlen,
    output logic [  2:0] m_axi_arsize,
    output logic [  1:0] m_axi_arburst,
    output logic [  3:0] m_axi_arcache,
    output logic [  2:0] m_axi_arprot,
    output logic         m_axi_arvalid,
    input  logic         m_axi_arready,
    input  logic         m_axi_rid,
    input  logic [127:0] m_axi_rdata,
    input  logic [  1:0] m_axi_rresp,
    input  logic         m_axi_rlast,
    input  logic         m_axi_rvalid,
    output logic         m_axi_rready,
    output logic         m_axi_awid,
    output logic [ 63:0] m_axi_awaddr,
    output logic [  7:0] m_axi_awlen,
    output logic [  2:0] m_axi_awsize,
    output logic [  1:0] m_axi_awburst,
    output logic [  3:0] m_axi_awcache,
    output logic [  2:0] m_axi_awprot,
    output logic         m_axi_awvalid,
    input  logic         m_axi_awready,
    output logic [127:0] m_axi_wdata,
    output logic [ 15:0] m_axi_wstrb,
    output logic         m_axi_wlast,
    output logic         m_axi_wvalid,
    input  logic         m_axi_wready,
    input  logic         m_axi_bid,
    input  logic [  1:0] m_axi_bresp,
    input  logic         m_axi_bvalid,
    output logic         m_axi_bready,
    output logic         irq
);
  assign m_axi_arid = 1'b0;
  assign m_axi_awid = 1'b0;

  logic run, clear, loaded, din_valid, din_pop, dout_valid, dout_pop, conflict;
  din_instr_t din_instr;
  dout_instr_t dout_instr;
  progress_t progress;
  logic ld_we;
  logic [7:0] ld_target;
  logic [23:0] ld_word;
  logic [9:0] ld_beat;
  logic [127:0] ld_data;
  logic wr_en, rd_en;
  logic [2:0] wr_bank, rd_bank;
  logic [16:0] wr_addr, rd_addr;
  logic [V/8-1:0] wr_mask;
  logic [V*8-1:0] wr_data, rd_data;

  engine_bus #(
      .V(V),
      .HASH(64'h0123_4567_89AB_CDEF)
  ) u_bus (
      .clk_i(clk),
      .rst_ni(!rst),
      .s_axil_awaddr_i(s_axil_awaddr),
      .s_axil_awvalid_i(s_axil_awvalid),
      .s_axil_awready_o(s_axil_awready),
      .s_axil_wdata_i(s_axil_wdata),
      .s_axil_wstrb_i(s_axil_wstrb),
      .s_axil_wvalid_i(s_axil_wvalid),
      .s_axil_wready_o(s_axil_wready),
      .s_axil_bresp_o(s_axil_bresp),
      .s_axil_bvalid_o(s_axil_bvalid),
      .s_axil_bready_i(s_axil_bready),
      .s_axil_araddr_i(s_axil_araddr),
      .s_axil_arvalid_i(s_axil_arvalid),
      .s_axil_arready_o(s_axil_arready),
      .s_axil_rdata_o(s_axil_rdata),
      .s_axil_rresp_o(s_axil_rresp),
      .s_axil_rvalid_o(s_axil_rvalid),
      .s_axil_rready_i(s_axil_rready),
      .m_axi_araddr_o(m_axi_araddr),
      .m_axi_arlen_o(m_axi_arlen),
      .m_axi_arsize_o(m_axi_arsize),
      .m_axi_arburst_o(m_axi_arburst),
      .m_axi_arcache_o(m_axi_arcache),
      .m_axi_arprot_o(m_axi_arprot),
      .m_axi_arvalid_o(m_axi_arvalid),
      .m_axi_arready_i(m_axi_arready),
      .m_axi_rdata_i(m_axi_rdata),
      .m_axi_rresp_i(m_axi_rresp),
      .m_axi_rlast_i(m_axi_rlast),
      .m_axi_rvalid_i(m_axi_rvalid),
      .m_axi_rready_o(m_axi_rready),
      .m_axi_awaddr_o(m_axi_awaddr),
      .m_axi_awlen_o(m_axi_awlen),
      .m_axi_awsize_o(m_axi_awsize),
      .m_axi_awburst_o(m_axi_awburst),
      .m_axi_awcache_o(m_axi_awcache),
      .m_axi_awprot_o(m_axi_awprot),
      .m_axi_awvalid_o(m_axi_awvalid),
      .m_axi_awready_i(m_axi_awready),
      .m_axi_wdata_o(m_axi_wdata),
      .m_axi_wstrb_o(m_axi_wstrb),
      .m_axi_wlast_o(m_axi_wlast),
      .m_axi_wvalid_o(m_axi_wvalid),
      .m_axi_wready_i(m_axi_wready),
      .m_axi_bresp_i(m_axi_bresp),
      .m_axi_bvalid_i(m_axi_bvalid),
      .m_axi_bready_o(m_axi_bready),
      .irq_o(irq),
      .run_o(run),
      .clear_o(clear),
      .loaded_o(loaded),
      .progress_o(progress),
      .adds_i('0),
      .mm_count_i('0),
      .row_count_i('0),
      .vec_count_i('0),
      .din_instr_i(din_instr),
      .din_valid_i(din_valid),
      .din_pop_o(din_pop),
      .dout_instr_i(dout_instr),
      .dout_valid_i(dout_valid),
      .dout_pop_o(dout_pop),
      .prog_index_i('0),
      .mm_done_i(1'b1),
      .row_done_i(1'b1),
      .vec_done_i(1'b1),
      .stream_count_i('0),
      .stream_done_i(1'b1),
      .stream_bad_instr_i(1'b0),
      .stream_idle_i(1'b1),
      .stream_err_i(1'b0),
      .stream_err_addr_i('0),
      .mm_bad_instr_i(1'b0),
      .row_bad_instr_i(1'b0),
      .vec_bad_instr_i(1'b0),
      .conflict_i(conflict),
      .ev_issue_i(1'b0),
      .ev_wait_i('0),
      .din_wr_en_o(wr_en),
      .din_wr_bank_o(wr_bank),
      .din_wr_addr_o(wr_addr),
      .din_wr_mask_o(wr_mask),
      .din_wr_data_o(wr_data),
      .dout_rd_en_o(rd_en),
      .dout_rd_bank_o(rd_bank),
      .dout_rd_addr_o(rd_addr),
      .dout_rd_data_i(rd_data),
      .ld_we_o(ld_we),
      .ld_target_o(ld_target),
      .ld_word_o(ld_word),
      .ld_beat_o(ld_beat),
      .ld_data_o(ld_data)
  );

  prog_queue #(
      .BEATS (DIN_BEATS),
      .W     ($bits(din_instr_t)),
      .TARGET(TGT_PROG_DIN)
  ) u_din_queue (
      .clk_i(clk),
      .rst_ni(!rst),
      .clear_i(clear),
      .enable_i(loaded),
      .ld_we_i(ld_we),
      .ld_target_i(ld_target),
      .ld_word_i(ld_word),
      .ld_beat_i(ld_beat),
      .ld_data_i(ld_data),
      .instr_o(din_instr),
      .valid_o(din_valid),
      .pop_i(din_pop),
      .index_o()
  );

  prog_queue #(
      .BEATS (DOUT_BEATS),
      .W     ($bits(dout_instr_t)),
      .TARGET(TGT_PROG_DOUT)
  ) u_dout_queue (
      .clk_i(clk),
      .rst_ni(!rst),
      .clear_i(clear),
      .enable_i(loaded),
      .ld_we_i(ld_we),
      .ld_target_i(ld_target),
      .ld_word_i(ld_word),
      .ld_beat_i(ld_beat),
      .ld_data_i(ld_data),
      .instr_o(dout_instr),
      .valid_o(dout_valid),
      .pop_i(dout_pop),
      .index_o()
  );

  logic [1:0][V*8-1:0] word_data;
  logic [63:0] a_data, r_data;
  assign rd_data = word_data[1];
  act_mem #(
      .N(8),
      .M(8),
      .V(V),
      .D(1024),
      .WRITERS(1)
  ) u_act (
      .clk_i(clk),
      .rst_ni(!rst),
      .a_en_i(1'b0),
      .a_bank_i('0),
      .a_addr_i('0),
      .a_data_o(a_data),
      .r_en_i(1'b0),
      .r_bank_i('0),
      .r_addr_i('0),
      .r_data_o(r_data),
      .rd_en_i({rd_en, 1'b0}),
      .rd_bank_i({rd_bank, 3'b0}),
      .rd_addr_i({rd_addr, 17'b0}),
      .rd_data_o(word_data),
      .wr_en_i(wr_en),
      .wr_bank_i(wr_bank),
      .wr_addr_i(wr_addr),
      .wr_mask_i(wr_mask),
      .wr_data_i(wr_data),
      .conflict_o(conflict)
  );
  logic unused;
  assign unused = &{1'b0, run, progress, word_data[0], a_data, r_data, m_axi_rid, m_axi_bid};
endmodule
