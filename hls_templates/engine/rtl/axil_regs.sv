/// AXI4-Lite register file: the register map of hwgen/runtime/abi.py.
///
/// Contract: 32-bit registers at 12-bit addresses. A write takes effect in the clock in which the later of address and data is accepted
/// (commands: `cmd_*_o` in that very clock); it waits only for the answer of the write before. Byte strobes are respected; writes to
/// read-only or unknown addresses do nothing, unknown addresses read 0, every answer is OKAY. No path from a bus input to a bus output.
/// Latency: read data two clocks after the address, one read every three clocks; one write a clock.
/// Pointers and the image length are given out as they were when `busy_i` rose: software may prepare the next run during a run.
module axil_regs
  import hwgen_pkg::*;
#(
    parameter int unsigned N            = 8,   ///< shown in CONFIG
    parameter int unsigned M            = 8,
    parameter int unsigned WW           = 8,
    parameter int unsigned BANKS        = 4,
    parameter int unsigned WEIGHT_DEPTH = 0,
    parameter int unsigned ACT_DEPTH    = 0,
    parameter logic [63:0] HASH         = '0
) (
    input  logic             clk_i,
    input  logic             rst_ni,
    // AXI4-Lite
    input  logic [11:0]      s_axil_awaddr_i,
    input  logic             s_axil_awvalid_i,
    output logic             s_axil_awready_o,
    input  logic [31:0]      s_axil_wdata_i,
    input  logic [ 3:0]      s_axil_wstrb_i,
    input  logic             s_axil_wvalid_i,
    output logic             s_axil_wready_o,
    output logic [ 1:0]      s_axil_bresp_o,
    output logic             s_axil_bvalid_o,
    input  logic             s_axil_bready_i,
    input  logic [11:0]      s_axil_araddr_i,
    input  logic             s_axil_arvalid_i,
    output logic             s_axil_arready_o,
    output logic [31:0]      s_axil_rdata_o,
    output logic [ 1:0]      s_axil_rresp_o,
    output logic             s_axil_rvalid_o,
    input  logic             s_axil_rready_i,
    // commands, one clock
    output logic             cmd_start_o,
    output logic             cmd_load_o,
    output logic             cmd_reset_o,
    output logic             cmd_clear_done_o,
    // settings
    output logic             irq_enable_o,
    output logic [31:0]      watchdog_o,
    output logic [63:0]      load_ptr_o,
    output logic [31:0]      load_beats_o,
    output logic [63:0]      in_ptr_o,
    output logic [63:0]      out_ptr_o,
    output logic [63:0]      stream_ptr_o,
    // state
    input  logic             busy_i,            ///< keep the pointers
    input  logic [31:0]      status_i,
    input  logic [31:0]      error_info_i,
    input  logic [ 7:0][31:0] counters_i        ///< LATENCY, ISSUED, WAIT_DIN, WAIT_MM, WAIT_ROW, TAIL, COMPUTE, RUNS
);
  // Write channel: each half is kept until its partner is there.
  logic aw_kept_q, w_kept_q, commit;
  logic [9:0] aw_q;
  logic [11:0] waddr;
  logic [31:0] w_q, wdata, wmask;
  logic [3:0] strb_q, wstrb;
  assign s_axil_awready_o = !aw_kept_q;
  assign s_axil_wready_o  = !w_kept_q;
  assign commit = (s_axil_awvalid_i || aw_kept_q) && (s_axil_wvalid_i || w_kept_q) && (!s_axil_bvalid_o || s_axil_bready_i);
  assign waddr            = {aw_kept_q ? aw_q : s_axil_awaddr_i[11:2], 2'b00};
  assign wdata            = w_kept_q ? w_q : s_axil_wdata_i;
  assign wstrb            = w_kept_q ? strb_q : s_axil_wstrb_i;
  assign wmask            = {{8{wstrb[3]}}, {8{wstrb[2]}}, {8{wstrb[1]}}, {8{wstrb[0]}}};
  assign s_axil_bresp_o   = 2'b00;

  always_ff @(posedge clk_i) begin
    if (!aw_kept_q) aw_q <= s_axil_awaddr_i[11:2];
    if (!w_kept_q) begin
      w_q    <= s_axil_wdata_i;
      strb_q <= s_axil_wstrb_i;
    end
    aw_kept_q       <= (s_axil_awvalid_i || aw_kept_q) && !commit;
    w_kept_q        <= (s_axil_wvalid_i || w_kept_q) && !commit;
    s_axil_bvalid_o <= commit || (s_axil_bvalid_o && !s_axil_bready_i);
    if (!rst_ni) begin
      aw_kept_q       <= 1'b0;
      w_kept_q        <= 1'b0;
      s_axil_bvalid_o <= 1'b0;
    end
  end

  // Registers that software writes.
  function automatic logic [31:0] merged(input logic [31:0] old, input logic [31:0] data, input logic [31:0] mask);
    return (old & ~mask) | (data & mask);
  endfunction

  logic control_write, aw_control_q;
  always_ff @(posedge clk_i) if (!aw_kept_q) aw_control_q <= s_axil_awaddr_i[11:2] == REG_CONTROL[11:2];
  assign control_write    = commit && (aw_kept_q ? aw_control_q : s_axil_awaddr_i[11:2] == REG_CONTROL[11:2]);
  assign cmd_start_o      = control_write && wdata[0] && wstrb[0];
  assign cmd_load_o       = control_write && wdata[1] && wstrb[0];
  assign cmd_reset_o      = control_write && wdata[2] && wstrb[0];
  assign cmd_clear_done_o = control_write && wdata[3] && wstrb[0];

  logic [63:0] load_ptr_q, in_ptr_q, out_ptr_q, stream_ptr_q;
  logic [31:0] load_beats_q;
  always_ff @(posedge clk_i) begin
    if (control_write && wstrb[1]) irq_enable_o <= wdata[8];
    if (commit) begin
      if (waddr == REG_LOAD_PTR_LO) load_ptr_q[31:0] <= merged(load_ptr_q[31:0], wdata, wmask);
      if (waddr == REG_LOAD_PTR_HI) load_ptr_q[63:32] <= merged(load_ptr_q[63:32], wdata, wmask);
      if (waddr == REG_LOAD_BEATS) load_beats_q <= merged(load_beats_q, wdata, wmask);
      if (waddr == REG_IN_PTR_LO) in_ptr_q[31:0] <= merged(in_ptr_q[31:0], wdata, wmask);
      if (waddr == REG_IN_PTR_HI) in_ptr_q[63:32] <= merged(in_ptr_q[63:32], wdata, wmask);
      if (waddr == REG_OUT_PTR_LO) out_ptr_q[31:0] <= merged(out_ptr_q[31:0], wdata, wmask);
      if (waddr == REG_OUT_PTR_HI) out_ptr_q[63:32] <= merged(out_ptr_q[63:32], wdata, wmask);
      if (waddr == REG_STREAM_PTR_LO) stream_ptr_q[31:0] <= merged(stream_ptr_q[31:0], wdata, wmask);
      if (waddr == REG_STREAM_PTR_HI) stream_ptr_q[63:32] <= merged(stream_ptr_q[63:32], wdata, wmask);
      if (waddr == REG_WATCHDOG) watchdog_o <= merged(watchdog_o, wdata, wmask);
    end
    if (!busy_i) begin
      load_ptr_o   <= load_ptr_q;
      load_beats_o <= load_beats_q;
      in_ptr_o     <= in_ptr_q;
      out_ptr_o    <= out_ptr_q;
      stream_ptr_o <= stream_ptr_q;
    end
    if (!rst_ni) begin
      irq_enable_o <= 1'b0;
      load_ptr_q   <= '0;
      load_beats_q <= '0;
      in_ptr_q     <= '0;
      out_ptr_q    <= '0;
      stream_ptr_q <= '0;
      watchdog_o   <= '0;
    end
  end

  // Read channel.
  // A word for every address, so that the address is all that selects: shallower than a list of cases.
  localparam int WORDS = 64;
  logic [WORDS-1:0][31:0] words;
  always_comb begin
    words = '0;
    words[REG_MAGIC[7:2]] = MAGIC;
    words[REG_ABI[7:2]] = ABI_VERSION;
    words[REG_HASH_LO[7:2]] = HASH[31:0];
    words[REG_HASH_HI[7:2]] = HASH[63:32];
    words[REG_CONFIG[7:2]] = {8'(BANKS), 8'(WW), 8'(M), 8'(N)};
    words[REG_WEIGHT_DEPTH[7:2]] = 32'(WEIGHT_DEPTH);
    words[REG_ACT_DEPTH[7:2]] = 32'(ACT_DEPTH);
    words[REG_CONTROL[7:2]] = {23'b0, irq_enable_o, 8'b0};
    words[REG_STATUS[7:2]] = status_i;
    words[REG_ERROR_INFO[7:2]] = error_info_i;
    words[REG_LOAD_PTR_LO[7:2]] = load_ptr_q[31:0];
    words[REG_LOAD_PTR_HI[7:2]] = load_ptr_q[63:32];
    words[REG_LOAD_BEATS[7:2]] = load_beats_q;
    words[REG_IN_PTR_LO[7:2]] = in_ptr_q[31:0];
    words[REG_IN_PTR_HI[7:2]] = in_ptr_q[63:32];
    words[REG_OUT_PTR_LO[7:2]] = out_ptr_q[31:0];
    words[REG_OUT_PTR_HI[7:2]] = out_ptr_q[63:32];
    words[REG_STREAM_PTR_LO[7:2]] = stream_ptr_q[31:0];
    words[REG_STREAM_PTR_HI[7:2]] = stream_ptr_q[63:32];
    words[REG_WATCHDOG[7:2]] = watchdog_o;
    words[REG_LATENCY[7:2]] = counters_i[0];
    words[REG_ISSUED[7:2]] = counters_i[1];
    words[REG_WAIT_DIN[7:2]] = counters_i[2];
    words[REG_WAIT_MM[7:2]] = counters_i[3];
    words[REG_WAIT_ROW[7:2]] = counters_i[4];
    words[REG_TAIL[7:2]] = counters_i[5];
    words[REG_COMPUTE[7:2]] = counters_i[6];
    words[REG_RUNS[7:2]] = counters_i[7];
  end
  logic [9:0] raddr_q;  // a register of its own: it goes to a thousand places
  logic read_q;  // an address was taken in the clock before
  assign s_axil_arready_o = !read_q && !s_axil_rvalid_o;
  assign s_axil_rresp_o   = 2'b00;
  always_ff @(posedge clk_i) begin
    if (s_axil_arready_o) raddr_q <= s_axil_araddr_i[11:2];
    read_q <= s_axil_arready_o && s_axil_arvalid_i;
    if (read_q) s_axil_rdata_o <= raddr_q[9:6] == 0 ? words[raddr_q[5:0]] : '0;
    s_axil_rvalid_o <= read_q || (s_axil_rvalid_o && !s_axil_rready_i);
    if (!rst_ni) begin
      read_q          <= 1'b0;
      s_axil_rvalid_o <= 1'b0;
    end
  end
  logic unused;
  assign unused = &{1'b0, s_axil_awaddr_i[1:0], s_axil_araddr_i[1:0]};
endmodule
