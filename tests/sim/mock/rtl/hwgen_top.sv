/// A stand-in for the accelerator, to test the simulation itself: the ports and the main registers of hwgen_top, but START only copies
/// LOAD_BEATS beats (1..256) from IN_PTR to OUT_PTR, first all reads, then one write burst.
///
/// Timing: START accepted in clock 0, ARVALID in clock 1, the next address each clock after the last one was taken; AWVALID and WVALID in
/// the clock after the last R beat; DONE in the clock after the B handshake.
/// STREAM_PTR_LO misbehaves: [0] read address + 8, [1] WLAST inverted, [2] ARVALID dropped after a clock, [3] W data changes while it
/// waits, [4] read size 8 bytes, [5] never done, [6] $fatal, [7] registers never answer a write, [15:8] beats of a read burst (0: all).
module hwgen_top (
    input  wire         aclk,
    input  wire         aresetn,
    input  wire [ 11:0] s_axi_ctrl_awaddr,
    input  wire [  2:0] s_axi_ctrl_awprot,
    input  wire         s_axi_ctrl_awvalid,
    output wire         s_axi_ctrl_awready,
    input  wire [ 31:0] s_axi_ctrl_wdata,
    input  wire [  3:0] s_axi_ctrl_wstrb,
    input  wire         s_axi_ctrl_wvalid,
    output wire         s_axi_ctrl_wready,
    output wire [  1:0] s_axi_ctrl_bresp,
    output wire         s_axi_ctrl_bvalid,
    input  wire         s_axi_ctrl_bready,
    input  wire [ 11:0] s_axi_ctrl_araddr,
    input  wire [  2:0] s_axi_ctrl_arprot,
    input  wire         s_axi_ctrl_arvalid,
    output wire         s_axi_ctrl_arready,
    output wire [ 31:0] s_axi_ctrl_rdata,
    output wire [  1:0] s_axi_ctrl_rresp,
    output wire         s_axi_ctrl_rvalid,
    input  wire         s_axi_ctrl_rready,
    output wire         m_axi_awid,
    output wire [ 63:0] m_axi_awaddr,
    output wire [  7:0] m_axi_awlen,
    output wire [  2:0] m_axi_awsize,
    output wire [  1:0] m_axi_awburst,
    output wire         m_axi_awlock,
    output wire [  3:0] m_axi_awcache,
    output wire [  2:0] m_axi_awprot,
    output wire [  3:0] m_axi_awqos,
    output wire         m_axi_awvalid,
    input  wire         m_axi_awready,
    output wire [127:0] m_axi_wdata,
    output wire [ 15:0] m_axi_wstrb,
    output wire         m_axi_wlast,
    output wire         m_axi_wvalid,
    input  wire         m_axi_wready,
    input  wire         m_axi_bid,
    input  wire [  1:0] m_axi_bresp,
    input  wire         m_axi_bvalid,
    output wire         m_axi_bready,
    output wire         m_axi_arid,
    output wire [ 63:0] m_axi_araddr,
    output wire [  7:0] m_axi_arlen,
    output wire [  2:0] m_axi_arsize,
    output wire [  1:0] m_axi_arburst,
    output wire         m_axi_arlock,
    output wire [  3:0] m_axi_arcache,
    output wire [  2:0] m_axi_arprot,
    output wire [  3:0] m_axi_arqos,
    output wire         m_axi_arvalid,
    input  wire         m_axi_arready,
    input  wire         m_axi_rid,
    input  wire [127:0] m_axi_rdata,
    input  wire [  1:0] m_axi_rresp,
    input  wire         m_axi_rlast,
    input  wire         m_axi_rvalid,
    output wire         m_axi_rready,
    output wire         irq_o
);
  // ------------------------------------------------------------------------------------------------------------ registers
  logic [31:0] regs_q[64];
  logic bvalid_q, rvalid_q, write, start;
  logic [31:0] rdata_q;
  logic busy_q, done_q, error_q, loaded_q;
  logic [31:0] latency_q, runs_q;
  logic [15:0] mode;
  assign mode = regs_q['h50/4][15:0];

  assign write              = s_axi_ctrl_awvalid && s_axi_ctrl_wvalid && s_axi_ctrl_awready;
  assign s_axi_ctrl_awready = s_axi_ctrl_wvalid && !bvalid_q && !mode[7];
  assign s_axi_ctrl_wready  = s_axi_ctrl_awvalid && !bvalid_q && !mode[7];
  assign s_axi_ctrl_bresp   = s_axi_ctrl_awaddr[11:8] != 0 ? 2'b10 : 2'b00;
  assign s_axi_ctrl_bvalid  = bvalid_q;
  assign s_axi_ctrl_arready = !rvalid_q;
  assign s_axi_ctrl_rresp   = 2'b00;
  assign s_axi_ctrl_rvalid  = rvalid_q;
  assign s_axi_ctrl_rdata   = rdata_q;
  assign start = write && s_axi_ctrl_awaddr == 'h20 && s_axi_ctrl_wdata[0] && !busy_q;

  always_ff @(posedge aclk) begin
    if (write) begin
      bvalid_q <= 1'b1;
      regs_q[s_axi_ctrl_awaddr[7:2]] <= s_axi_ctrl_wdata;
    end else if (s_axi_ctrl_bready) bvalid_q <= 1'b0;
    rvalid_q <= s_axi_ctrl_arvalid && s_axi_ctrl_arready || rvalid_q && !s_axi_ctrl_rready;
    if (s_axi_ctrl_arready) begin
      case (s_axi_ctrl_araddr)
        'h20: rdata_q <= {23'b0, regs_q['h20/4][8], 8'b0};
        'h24: rdata_q <= {23'b0, error_q, 3'b0, loaded_q, error_q, done_q, busy_q, !busy_q};
        'h80: rdata_q <= latency_q;
        'h9C: rdata_q <= runs_q;
        default: rdata_q <= regs_q[s_axi_ctrl_araddr[7:2]];
      endcase
    end
    if (write && s_axi_ctrl_awaddr == 'h20) begin
      if (s_axi_ctrl_wdata[1]) loaded_q <= 1'b1;
      if (s_axi_ctrl_wdata[2]) loaded_q <= 1'b0;
    end
    if (!aresetn) begin
      bvalid_q <= 1'b0;
      rvalid_q <= 1'b0;
      loaded_q <= 1'b0;
      regs_q[8] <= '0;
      regs_q['h50/4] <= '0;
    end
  end

  // ----------------------------------------------------------------------------------------------------------------- copy
  logic [127:0] buffer_q[256];
  logic [8:0] beats, asked_q, got_q, sent_q, part;
  logic ar_q, dropped_q, aw_q, w_q, noise_q;
  assign beats = regs_q['h38/4][8:0];
  assign part = mode[15:8] == 0 || asked_q + mode[15:8] > beats ? beats - asked_q : 9'(mode[15:8]);

  always_ff @(posedge aclk) begin
    noise_q <= !noise_q;
    dropped_q <= ar_q && !m_axi_arready && mode[2] && !dropped_q;
    if (busy_q) latency_q <= latency_q + 1;
    if (start) begin
      if (mode[6]) $fatal(1, "asked for");
      busy_q    <= 1'b1;
      done_q    <= 1'b0;
      error_q   <= 1'b0;
      latency_q <= 32'd1;
      ar_q      <= 1'b1;
      asked_q   <= '0;
      got_q     <= '0;
      sent_q    <= '0;
    end
    if (m_axi_arvalid && m_axi_arready) begin
      asked_q <= asked_q + part;
      if (asked_q + part == beats) ar_q <= 1'b0;
    end
    if (m_axi_rvalid && busy_q) begin
      buffer_q[got_q[7:0]] <= m_axi_rdata;
      got_q <= got_q + 1'b1;
      if (m_axi_rresp != 0) error_q <= 1'b1;
      if (got_q + 1'b1 == beats && !mode[5]) begin
        aw_q <= 1'b1;
        w_q  <= 1'b1;
      end
    end
    if (aw_q && m_axi_awready) aw_q <= 1'b0;
    if (w_q && m_axi_wready) begin
      sent_q <= sent_q + 1'b1;
      if (sent_q + 1'b1 == beats) w_q <= 1'b0;
    end
    if (m_axi_bvalid && busy_q) begin
      busy_q <= 1'b0;
      done_q <= 1'b1;
      runs_q <= runs_q + 1;
      if (m_axi_bresp != 0) error_q <= 1'b1;
    end
    if (write && s_axi_ctrl_awaddr == 'h20 && s_axi_ctrl_wdata[2]) begin
      busy_q  <= 1'b0;
      error_q <= 1'b0;
    end
    if (!aresetn) begin
      busy_q  <= 1'b0;
      done_q  <= 1'b0;
      error_q <= 1'b0;
      ar_q    <= 1'b0;
      aw_q    <= 1'b0;
      w_q     <= 1'b0;
      runs_q  <= '0;
    end
  end

  assign irq_o         = regs_q['h20/4][8] && (done_q || error_q) && !busy_q;
  assign m_axi_araddr  = {regs_q['h44/4], regs_q['h40/4]} + 64'(asked_q) * 16 + (mode[0] ? 8 : 0);
  assign m_axi_arlen   = 8'(part - 1'b1);
  assign m_axi_arsize  = mode[4] ? 3'd3 : 3'd4;
  assign m_axi_arburst = 2'b01;
  assign m_axi_arvalid = ar_q && !dropped_q;
  assign m_axi_rready  = 1'b1;
  assign m_axi_awaddr  = {regs_q['h4C/4], regs_q['h48/4]};
  assign m_axi_awlen   = 8'(beats - 1'b1);
  assign m_axi_awsize  = 3'd4;
  assign m_axi_awburst = 2'b01;
  assign m_axi_awvalid = aw_q;
  assign m_axi_wdata   = buffer_q[sent_q[7:0]] ^ (mode[3] ? {128{noise_q}} : '0);
  assign m_axi_wstrb   = '1;
  assign m_axi_wlast   = (sent_q + 1'b1 == beats) ^ mode[1];
  assign m_axi_wvalid  = w_q;
  assign m_axi_bready  = 1'b1;
  assign {m_axi_awid, m_axi_arid, m_axi_awlock, m_axi_arlock, m_axi_awqos, m_axi_arqos} = '0;
  assign {m_axi_awcache, m_axi_arcache, m_axi_awprot, m_axi_arprot} = '0;
endmodule
