/// AXI4 write master, 128 bits: a command (address, beats) and a stream of beats become bursts.
///
/// Contract: commands are served in order, each takes its number of beats from the stream. Bursts are those of `axi_burst`; at most
/// MAX_OUTSTANDING are without an answer. Data of a burst follow its address, never precede it. Latency: command taken in clock c,
/// `m_axi_awvalid_o` in clock c+1; a beat of an accepted burst is shown in the clock in which it arrives; `bready` is always 1.
/// No combinational path from a ready input to `beat_ready_o`: a beat that the bus does not take at once is kept here.
/// A failed answer raises `err_o` in that clock with the burst's address. `idle_o` is 1 from the clock after the last answer.
/// Drain: `drain_i` (level) takes no more commands and no more beats; bursts whose address was shown are completed with all
/// strobes 0 (a beat that was shown already keeps its data) and their answers awaited. Wait for `idle_o`.
module axi_wr #(
    parameter int unsigned MAX_OUTSTANDING = 16  ///< bursts, a power of two
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    // command
    input  logic         cmd_valid_i,
    output logic         cmd_ready_o,
    input  logic [ 63:0] cmd_addr_i,       ///< multiple of 16
    input  logic [ 31:0] cmd_beats_i,      ///< at least 1
    // beats
    input  logic         beat_valid_i,
    output logic         beat_ready_o,
    input  logic [127:0] beat_data_i,
    //
    input  logic         drain_i,
    output logic         idle_o,
    output logic         err_o,
    output logic [ 31:0] err_addr_o,       ///< low half of the failed burst's address
    // AXI4
    output logic [ 63:0] m_axi_awaddr_o,
    output logic [  7:0] m_axi_awlen_o,
    output logic [  2:0] m_axi_awsize_o,
    output logic [  1:0] m_axi_awburst_o,
    output logic [  3:0] m_axi_awcache_o,
    output logic [  2:0] m_axi_awprot_o,
    output logic         m_axi_awvalid_o,
    input  logic         m_axi_awready_i,
    output logic [127:0] m_axi_wdata_o,
    output logic [ 15:0] m_axi_wstrb_o,
    output logic         m_axi_wlast_o,
    output logic         m_axi_wvalid_o,
    input  logic         m_axi_wready_i,
    input  logic [  1:0] m_axi_bresp_i,
    input  logic         m_axi_bvalid_i,
    output logic         m_axi_bready_o
);
  localparam int unsigned CW = $clog2(MAX_OUTSTANDING) + 1;

  logic burst_idle, aw;
  logic [ 5:0] len;
  logic [CW-1:0] open_q, opened;  // bursts without an answer; in the next clock
  logic none_q;  // open_q == 0
  logic [27:0] head_addr;

  axi_burst u_burst (
      .clk_i,
      .rst_ni,
      .cmd_valid_i,
      .cmd_ready_o,
      .cmd_addr_i,
      .cmd_beats_i,
      .hold_i (open_q[CW-1]),
      .valid_o(m_axi_awvalid_o),
      .ready_i(m_axi_awready_i),
      .addr_o (m_axi_awaddr_o),
      .len_o  (len),
      .drain_i,
      .idle_o (burst_idle)
  );
  assign m_axi_awlen_o   = {2'b0, len};
  assign m_axi_awsize_o  = 3'd4;  // 16 bytes
  assign m_axi_awburst_o = 2'b01;  // INCR
  assign m_axi_awcache_o = 4'b0011;
  assign m_axi_awprot_o  = 3'b000;
  assign aw              = m_axi_awvalid_o && m_axi_awready_i;

  // Accepted bursts whose data are still to be shown.
  logic open, lens_full, offer, last;
  logic [5:0] head_len, at_q;
  bus_fifo #(
      .W(6),
      .DEPTH(MAX_OUTSTANDING)
  ) u_lens (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .push_i (aw),
      .data_i (len),
      .pop_i  (offer && last),
      .valid_o(open),
      .full_o (lens_full),
      .data_o (head_len)
  );

  // The beat on the bus: the stream's own, or the kept one that the bus did not take.
  logic kept_q, kept_last_q, kept_strobe_q;
  logic [127:0] kept_data_q;
  assign offer          = open && !kept_q && (beat_valid_i || drain_i);
  assign last           = at_q == head_len;
  assign beat_ready_o   = open && !kept_q && !drain_i;
  assign m_axi_wvalid_o = kept_q || offer;
  assign m_axi_wdata_o  = kept_q ? kept_data_q : beat_data_i;
  assign m_axi_wlast_o  = kept_q ? kept_last_q : last;
  assign m_axi_wstrb_o  = {16{kept_q ? kept_strobe_q : !drain_i}};

  // Answers.
  logic addr_valid, addr_full;
  bus_fifo #(
      .W(28),
      .DEPTH(MAX_OUTSTANDING)
  ) u_addr (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .push_i (aw),
      .data_i (m_axi_awaddr_o[31:4]),
      .pop_i  (m_axi_bvalid_i),
      .valid_o(addr_valid),
      .full_o (addr_full),
      .data_o (head_addr)
  );
  assign m_axi_bready_o = 1'b1;
  assign err_o          = m_axi_bvalid_i && m_axi_bresp_i[1];
  assign err_addr_o     = {head_addr, 4'b0};
  assign idle_o         = burst_idle && none_q;

  assign opened = open_q + CW'(aw) - CW'(m_axi_bvalid_i);
  always_ff @(posedge clk_i) begin
    open_q <= opened;
    none_q <= opened == 0;
    if (offer) begin
      at_q          <= last ? '0 : at_q + 1'b1;
      kept_data_q   <= m_axi_wdata_o;
      kept_last_q   <= last;
      kept_strobe_q <= !drain_i;
    end
    kept_q <= m_axi_wvalid_o && !m_axi_wready_i;
    if (!rst_ni) begin
      open_q <= '0;
      none_q <= 1'b1;
      at_q   <= '0;
      kept_q <= 1'b0;
    end
  end
  logic unused;
  assign unused = &{1'b0, lens_full, addr_valid, addr_full, m_axi_bresp_i[0]};
endmodule
