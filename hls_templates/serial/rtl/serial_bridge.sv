/// The engine's processor and memory on a board without one: a serial line to a host, AXI4-Lite and AXI4 to the engine (docs/serial.md).
///
/// Contract: as far as the engine can tell, a bus whose reads of the host's window are slow and may fail. `busy_o` and the like are for lamps.
/// Requests wait in FIFO_BYTES of buffer, in order. Nothing here waits for ever: what the line loses is sent again by the host, what the
/// host does not serve fails after RETRY_CLOCKS * TRIES.
/// Parts: uart_rx - byte_fifo - frame_rx - line_exec - frame_tx - uart_tx; axil_master to the registers; line_memory behind axi_serve_rd and
/// axi_serve_wr; host_window.
module serial_bridge
  import serial_pkg::*;
#(
    parameter int unsigned CLOCK_HZ     = 80_000_000,  ///< of clk_i
    parameter int unsigned BAUD         = 3_000_000,
    parameter int unsigned MEMORY_KIB   = 32,          ///< on the chip, a power of two
    parameter int unsigned SLOTS        = 4,           ///< KiB of it for reads of the host's window
    parameter int unsigned RETRY_CLOCKS = 8_000_000,   ///< more than SLOTS KiB take on the line
    parameter int unsigned TRIES        = 10
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         rxd_i,            ///< asynchronous
    output logic         txd_o,
    output logic         rx_active_o,      ///< one clock a byte
    output logic         tx_active_o,
    // AXI4-Lite
    output logic [ 11:0] m_axil_awaddr_o,
    output logic         m_axil_awvalid_o,
    input  logic         m_axil_awready_i,
    output logic [ 31:0] m_axil_wdata_o,
    output logic [  3:0] m_axil_wstrb_o,
    output logic         m_axil_wvalid_o,
    input  logic         m_axil_wready_i,
    input  logic [  1:0] m_axil_bresp_i,
    input  logic         m_axil_bvalid_i,
    output logic         m_axil_bready_o,
    output logic [ 11:0] m_axil_araddr_o,
    output logic         m_axil_arvalid_o,
    input  logic         m_axil_arready_i,
    input  logic [ 31:0] m_axil_rdata_i,
    input  logic [  1:0] m_axil_rresp_i,
    input  logic         m_axil_rvalid_i,
    output logic         m_axil_rready_o,
    // AXI4
    input  logic [ 63:0] s_axi_araddr_i,
    input  logic [  7:0] s_axi_arlen_i,
    input  logic [  2:0] s_axi_arsize_i,
    input  logic [  1:0] s_axi_arburst_i,
    input  logic         s_axi_arvalid_i,
    output logic         s_axi_arready_o,
    output logic [127:0] s_axi_rdata_o,
    output logic [  1:0] s_axi_rresp_o,
    output logic         s_axi_rlast_o,
    output logic         s_axi_rvalid_o,
    input  logic         s_axi_rready_i,
    input  logic [ 63:0] s_axi_awaddr_i,
    input  logic [  7:0] s_axi_awlen_i,
    input  logic [  2:0] s_axi_awsize_i,
    input  logic [  1:0] s_axi_awburst_i,
    input  logic         s_axi_awvalid_i,
    output logic         s_axi_awready_o,
    input  logic [127:0] s_axi_wdata_i,
    input  logic [ 15:0] s_axi_wstrb_i,
    input  logic         s_axi_wlast_i,
    input  logic         s_axi_wvalid_i,
    output logic         s_axi_wready_o,
    output logic [  1:0] s_axi_bresp_o,
    output logic         s_axi_bvalid_o,
    input  logic         s_axi_bready_i
);
  localparam int unsigned BEATS = 64 * MEMORY_KIB;
  localparam int unsigned BW = $clog2(BEATS), WW = $clog2(MAX_WORDS) + 1, SW = $clog2(SLOTS);
  if (MEMORY_KIB < 2 * SLOTS || MEMORY_KIB > 1024) begin : g_illegal
    $fatal(1, "serial_bridge: MEMORY_KIB=%0d must be at least twice SLOTS=%0d and at most 1024", MEMORY_KIB, SLOTS);
  end

  // Line to frames.
  logic rx_valid, rx_error, lost, byte_valid, byte_ready, byte_error;
  logic [7:0] rx_data, byte_data;
  logic frame_valid, frame_ready, frame_good, word_re;
  head_t frame_head;
  logic [WW-1:0] frame_words;
  logic [WW-2:0] word_addr;
  logic [31:0] word_data;
  uart_rx #(
      .CLOCK_HZ(CLOCK_HZ),
      .BAUD(BAUD)
  ) u_uart_rx (
      .clk_i,
      .rst_ni,
      .rxd_i,
      .valid_o(rx_valid),
      .data_o (rx_data),
      .error_o(rx_error)
  );
  byte_fifo #(
      .W(9),
      .DEPTH(FIFO_BYTES)
  ) u_fifo (
      .clk_i,
      .rst_ni,
      .valid_i(rx_valid),
      .data_i ({rx_error, rx_data}),
      .lost_o (lost),
      .valid_o(byte_valid),
      .ready_i(byte_ready),
      .data_o ({byte_error, byte_data})
  );
  frame_rx u_frame_rx (
      .clk_i,
      .rst_ni,
      .valid_i(byte_valid),
      .ready_o(byte_ready),
      .data_i (byte_data),
      .error_i(byte_error),
      .valid_o(frame_valid),
      .ready_i(frame_ready),
      .good_o (frame_good),
      .head_o (frame_head),
      .words_o(frame_words),
      .re_i   (word_re),
      .raddr_i(word_addr),
      .rdata_o(word_data)
  );
  assign rx_active_o = rx_valid;

  // Frames to line, by way of a register: FETCH goes before the answers.
  logic ask_valid, answer_valid, ask_ready, answer_ready, data_valid, data_ready;
  head_t ask_head, answer_head;
  logic [WW-1:0] answer_words;
  logic [31:0] data;
  logic send_valid_q, send_ready;
  head_t send_head_q;
  logic [WW-1:0] send_words_q;
  assign ask_ready    = !send_valid_q;
  assign answer_ready = !send_valid_q && !ask_valid;
  always_ff @(posedge clk_i) begin
    send_valid_q <= send_valid_q ? !send_ready : ask_valid || answer_valid;
    if (!send_valid_q) begin
      send_head_q  <= ask_valid ? ask_head : answer_head;
      send_words_q <= ask_valid ? '0 : answer_words;
    end
    if (!rst_ni) send_valid_q <= 1'b0;
  end
  logic tx_valid, tx_ready;
  logic [7:0] tx_data;
  frame_tx u_frame_tx (
      .clk_i,
      .rst_ni,
      .valid_i     (send_valid_q),
      .ready_o     (send_ready),
      .head_i      (send_head_q),
      .words_i     (send_words_q),
      .data_valid_i(data_valid),
      .data_ready_o(data_ready),
      .data_i      (data),
      .valid_o     (tx_valid),
      .ready_i     (tx_ready),
      .data_o      (tx_data)
  );
  uart_tx #(
      .CLOCK_HZ(CLOCK_HZ),
      .BAUD(BAUD)
  ) u_uart_tx (
      .clk_i,
      .rst_ni,
      .valid_i(tx_valid),
      .ready_o(tx_ready),
      .data_i (tx_data),
      .txd_o
  );
  assign tx_active_o = tx_valid && tx_ready;

  // What the frames ask for.
  logic lite_valid, lite_write, lite_done, lite_error;
  logic [11:0] lite_addr;
  logic [31:0] lite_wdata, lite_rdata;
  logic mem_valid, mem_ready, mem_write;
  logic [BW+1:0] mem_addr;
  logic [31:0] mem_wdata, mem_rdata;
  logic [7:0] tag, wanted_word;
  logic wanted, served, refused, alive, repeated, given_up;
  logic [8:0] wanted_words;
  line_exec #(
      .BEATS(BEATS),
      .SLOTS(SLOTS),
      .CLOCK_HZ(CLOCK_HZ)
  ) u_exec (
      .clk_i,
      .rst_ni,
      .valid_i       (frame_valid),
      .ready_o       (frame_ready),
      .good_i        (frame_good),
      .head_i        (frame_head),
      .words_i       (frame_words),
      .re_o          (word_re),
      .raddr_o       (word_addr),
      .rdata_i       (word_data),
      .valid_o       (answer_valid),
      .ready_i       (answer_ready),
      .head_o        (answer_head),
      .words_o       (answer_words),
      .data_valid_o  (data_valid),
      .data_ready_i  (data_ready),
      .data_o        (data),
      .lite_valid_o  (lite_valid),
      .lite_write_o  (lite_write),
      .lite_addr_o   (lite_addr),
      .lite_wdata_o  (lite_wdata),
      .lite_done_i   (lite_done),
      .lite_error_i  (lite_error),
      .lite_rdata_i  (lite_rdata),
      .mem_valid_o   (mem_valid),
      .mem_ready_i   (mem_ready),
      .mem_write_o   (mem_write),
      .mem_addr_o    (mem_addr),
      .mem_wdata_o   (mem_wdata),
      .mem_rdata_i   (mem_rdata),
      .tag_o         (tag),
      .wanted_i      (wanted),
      .wanted_words_i(wanted_words),
      .wanted_word_i (wanted_word),
      .served_o      (served),
      .refused_o     (refused),
      .alive_o       (alive),
      .lost_i        (lost),
      .repeated_i    (repeated),
      .given_up_i    (given_up)
  );
  axil_master u_lite (
      .clk_i,
      .rst_ni,
      .valid_i(lite_valid),
      .write_i(lite_write),
      .addr_i (lite_addr),
      .wdata_i(lite_wdata),
      .done_o (lite_done),
      .error_o(lite_error),
      .rdata_o(lite_rdata),
      .m_axil_awaddr_o,
      .m_axil_awvalid_o,
      .m_axil_awready_i,
      .m_axil_wdata_o,
      .m_axil_wstrb_o,
      .m_axil_wvalid_o,
      .m_axil_wready_i,
      .m_axil_bresp_i,
      .m_axil_bvalid_i,
      .m_axil_bready_o,
      .m_axil_araddr_o,
      .m_axil_arvalid_o,
      .m_axil_arready_i,
      .m_axil_rdata_i,
      .m_axil_rresp_i,
      .m_axil_rvalid_i,
      .m_axil_rready_o
  );

  // The engine's memory.
  logic mem_re;
  logic [3:0] mem_we;
  logic [BW-1:0] mem_raddr, mem_waddr;
  logic [127:0] mem_beat, mem_wbeat;
  line_memory #(
      .BEATS(BEATS)
  ) u_memory (
      .clk_i,
      .re_i        (mem_re),
      .raddr_i     (mem_raddr),
      .rdata_o     (mem_beat),
      .we_i        (mem_we),
      .waddr_i     (mem_waddr),
      .wdata_i     (mem_wbeat),
      .host_valid_i(mem_valid),
      .host_ready_o(mem_ready),
      .host_write_i(mem_write),
      .host_addr_i (mem_addr),
      .host_wdata_i(mem_wdata),
      .host_rdata_o(mem_rdata)
  );

  logic alloc, window_full, slot_ready, slot_failed, slot_release;
  logic [31:0] alloc_addr;
  logic [6:0] alloc_beats;
  logic [SW-1:0] slot;
  axi_serve_rd #(
      .BEATS(BEATS),
      .SLOTS(SLOTS)
  ) u_read (
      .clk_i,
      .rst_ni,
      .s_axi_araddr_i,
      .s_axi_arlen_i,
      .s_axi_arsize_i,
      .s_axi_arburst_i,
      .s_axi_arvalid_i,
      .s_axi_arready_o,
      .s_axi_rdata_o,
      .s_axi_rresp_o,
      .s_axi_rlast_o,
      .s_axi_rvalid_o,
      .s_axi_rready_i,
      .alloc_o      (alloc),
      .alloc_addr_o (alloc_addr),
      .alloc_beats_o(alloc_beats),
      .full_i       (window_full),
      .slot_i       (slot),
      .ready_i      (slot_ready),
      .failed_i     (slot_failed),
      .release_o    (slot_release),
      .re_o         (mem_re),
      .raddr_o      (mem_raddr),
      .rdata_i      (mem_beat)
  );
  axi_serve_wr #(
      .BEATS(BEATS),
      .MEMORY_BEATS(BEATS - 64 * SLOTS)
  ) u_write (
      .clk_i,
      .rst_ni,
      .s_axi_awaddr_i,
      .s_axi_awlen_i,
      .s_axi_awsize_i,
      .s_axi_awburst_i,
      .s_axi_awvalid_i,
      .s_axi_awready_o,
      .s_axi_wdata_i,
      .s_axi_wstrb_i,
      .s_axi_wlast_i,
      .s_axi_wvalid_i,
      .s_axi_wready_o,
      .s_axi_bresp_o,
      .s_axi_bvalid_o,
      .s_axi_bready_i,
      .we_o   (mem_we),
      .waddr_o(mem_waddr),
      .wdata_o(mem_wbeat)
  );
  host_window #(
      .SLOTS(SLOTS),
      .RETRY_CLOCKS(RETRY_CLOCKS),
      .TRIES(TRIES)
  ) u_window (
      .clk_i,
      .rst_ni,
      .alloc_i       (alloc),
      .addr_i        (alloc_addr),
      .beats_i       (alloc_beats),
      .full_o        (window_full),
      .slot_o        (slot),
      .ready_o       (slot_ready),
      .failed_o      (slot_failed),
      .release_i     (slot_release),
      .ask_valid_o   (ask_valid),
      .ask_ready_i   (ask_ready),
      .ask_head_o    (ask_head),
      .tag_i         (tag),
      .wanted_o      (wanted),
      .wanted_words_o(wanted_words),
      .wanted_word_o (wanted_word),
      .served_i      (served),
      .refused_i     (refused),
      .alive_i       (alive),
      .repeated_o    (repeated),
      .given_up_o    (given_up)
  );
endmodule
