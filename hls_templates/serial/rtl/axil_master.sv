/// One AXI4-Lite access at a time.
///
/// Contract: a request (`valid_i`, held until `done_o`) is made once; `done_o` is high for one clock with `rdata_o` and `error_o`. There is no
/// time-out, for a transfer that was begun cannot be taken back: the slave must answer, as the engine's registers always do.
/// Latency: the bus' own, and two clocks.
module axil_master (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        valid_i,
    input  logic        write_i,
    input  logic [11:0] addr_i,
    input  logic [31:0] wdata_i,
    output logic        done_o,
    output logic        error_o,
    output logic [31:0] rdata_o,
    // AXI4-Lite
    output logic [11:0] m_axil_awaddr_o,
    output logic        m_axil_awvalid_o,
    input  logic        m_axil_awready_i,
    output logic [31:0] m_axil_wdata_o,
    output logic [ 3:0] m_axil_wstrb_o,
    output logic        m_axil_wvalid_o,
    input  logic        m_axil_wready_i,
    input  logic [ 1:0] m_axil_bresp_i,
    input  logic        m_axil_bvalid_i,
    output logic        m_axil_bready_o,
    output logic [11:0] m_axil_araddr_o,
    output logic        m_axil_arvalid_o,
    input  logic        m_axil_arready_i,
    input  logic [31:0] m_axil_rdata_i,
    input  logic [ 1:0] m_axil_rresp_i,
    input  logic        m_axil_rvalid_i,
    output logic        m_axil_rready_o
);
  logic busy_q, begin_access;
  assign begin_access    = valid_i && !busy_q && !done_o;
  assign m_axil_wstrb_o  = 4'hF;
  assign m_axil_bready_o = 1'b1;
  assign m_axil_rready_o = 1'b1;

  always_ff @(posedge clk_i) begin
    if (m_axil_awready_i) m_axil_awvalid_o <= 1'b0;
    if (m_axil_wready_i) m_axil_wvalid_o <= 1'b0;
    if (m_axil_arready_i) m_axil_arvalid_o <= 1'b0;
    done_o <= busy_q && (m_axil_bvalid_i || m_axil_rvalid_i);
    if (m_axil_bvalid_i || m_axil_rvalid_i) busy_q <= 1'b0;
    error_o <= m_axil_bvalid_i ? m_axil_bresp_i[1] : m_axil_rresp_i[1];
    rdata_o <= m_axil_rdata_i;
    if (begin_access) begin
      busy_q           <= 1'b1;
      m_axil_awvalid_o <= write_i;
      m_axil_wvalid_o  <= write_i;
      m_axil_arvalid_o <= !write_i;
      m_axil_awaddr_o  <= addr_i;
      m_axil_araddr_o  <= addr_i;
      m_axil_wdata_o   <= wdata_i;
    end
    if (!rst_ni) begin
      busy_q           <= 1'b0;
      done_o           <= 1'b0;
      m_axil_awvalid_o <= 1'b0;
      m_axil_wvalid_o  <= 1'b0;
      m_axil_arvalid_o <= 1'b0;
    end
  end
  logic unused;
  assign unused = &{1'b0, m_axil_bresp_i[0], m_axil_rresp_i[0]};
endmodule
