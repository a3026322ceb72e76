/// AXI4 read master, 128 bits: a command (address, beats) becomes one gapless stream of beats.
///
/// Contract: commands are served in order and their beats follow each other without a mark; the user counts. Bursts are those of `axi_burst`;
/// at most MAX_OUTSTANDING are under way. Latency: command taken in clock c, `m_axi_arvalid_o` in clock c+1; a beat passes through in the
/// clock in which it arrives. With bursts of 64 beats any memory latency up to 64 * (MAX_OUTSTANDING-1) clocks is hidden.
/// A beat that the bus marks as failed raises `err_o` in that clock with its address, and is passed on.
/// Drain: `drain_i` (level) takes no more commands; what was asked for is accepted and thrown away. Wait for `idle_o`.
module axi_rd #(
    parameter int unsigned MAX_OUTSTANDING = 8  ///< bursts, a power of two
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    // command
    input  logic         cmd_valid_i,
    output logic         cmd_ready_o,
    input  logic [ 63:0] cmd_addr_i,       ///< multiple of 16
    input  logic [ 31:0] cmd_beats_i,      ///< at least 1
    // beats
    output logic         beat_valid_o,
    input  logic         beat_ready_i,
    output logic [127:0] beat_data_o,
    //
    input  logic         drain_i,
    output logic         idle_o,
    output logic         err_o,
    output logic [ 31:0] err_addr_o,       ///< low half of the failed beat's address
    // AXI4
    output logic [ 63:0] m_axi_araddr_o,
    output logic [  7:0] m_axi_arlen_o,
    output logic [  2:0] m_axi_arsize_o,
    output logic [  1:0] m_axi_arburst_o,
    output logic [  3:0] m_axi_arcache_o,
    output logic [  2:0] m_axi_arprot_o,
    output logic         m_axi_arvalid_o,
    input  logic         m_axi_arready_i,
    input  logic [127:0] m_axi_rdata_i,
    input  logic [  1:0] m_axi_rresp_i,
    input  logic         m_axi_rlast_i,
    input  logic         m_axi_rvalid_i,
    output logic         m_axi_rready_o
);
  localparam int unsigned CW = $clog2(MAX_OUTSTANDING) + 1;

  logic burst_idle, ar, beat, done;
  logic [5:0] len;
  logic [CW-1:0] open_q, opened;  // bursts asked for and not finished; in the next clock
  logic none_q;  // open_q == 0
  logic [5:0] at_q;  // beat within the burst
  logic [27:0] head;

  axi_burst u_burst (
      .clk_i,
      .rst_ni,
      .cmd_valid_i,
      .cmd_ready_o,
      .cmd_addr_i,
      .cmd_beats_i,
      .hold_i (open_q[CW-1]),
      .valid_o(m_axi_arvalid_o),
      .ready_i(m_axi_arready_i),
      .addr_o (m_axi_araddr_o),
      .len_o  (len),
      .drain_i,
      .idle_o (burst_idle)
  );
  assign m_axi_arlen_o   = {2'b0, len};
  assign m_axi_arsize_o  = 3'd4;  // 16 bytes
  assign m_axi_arburst_o = 2'b01;  // INCR
  assign m_axi_arcache_o = 4'b0011;  // normal, not cached: the driver flushes
  assign m_axi_arprot_o  = 3'b000;

  assign ar             = m_axi_arvalid_o && m_axi_arready_i;
  assign beat           = m_axi_rvalid_i && m_axi_rready_o;
  assign done           = beat && m_axi_rlast_i;
  assign m_axi_rready_o = beat_ready_i || drain_i;
  assign beat_valid_o   = m_axi_rvalid_i && !drain_i;
  assign beat_data_o    = m_axi_rdata_i;
  assign idle_o         = burst_idle && none_q;

  // The addresses of the open bursts, for the error report only.
  logic addr_valid, addr_full;
  bus_fifo #(
      .W(28),
      .DEPTH(MAX_OUTSTANDING)
  ) u_addr (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .push_i (ar),
      .data_i (m_axi_araddr_o[31:4]),
      .pop_i  (done),
      .valid_o(addr_valid),
      .full_o (addr_full),
      .data_o (head)
  );
  assign err_o      = beat && m_axi_rresp_i[1];
  assign err_addr_o = {head[27:6], head[5:0] + at_q, 4'b0};  // a burst never leaves its 1 KiB

  assign opened = open_q + CW'(ar) - CW'(done);
  always_ff @(posedge clk_i) begin
    open_q <= opened;
    none_q <= opened == 0;
    if (beat) at_q <= m_axi_rlast_i ? '0 : at_q + 1'b1;
    if (!rst_ni) begin
      open_q <= '0;
      none_q <= 1'b1;
      at_q   <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, addr_valid, addr_full, m_axi_rresp_i[0]};
endmodule
