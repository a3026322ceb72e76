/// AXI4-Lite register file: the register map of hwgen/runtime/abi.py.
///
/// Contract: 32-bit registers at 12-bit addresses. Address and data of a write are accepted together, in the clock behind the one in which both
/// are there (and the answer of the write before is taken); it takes effect in that clock (commands: `cmd_*_o`). Byte strobes are respected;
/// writes to read-only or unknown addresses do nothing, unknown addresses read 0, every answer is OKAY. No path from a bus input to a bus output.
/// Latency: read data three clocks after the address, one read every four clocks; one write every two clocks.
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
  // Write channel. What is offered stays until it is accepted, so that the address is looked at a clock before.
  localparam int WRITTEN = 11;  // registers that software writes
  localparam logic [11:0] ADDRESSES[WRITTEN] = '{
      REG_CONTROL, REG_LOAD_PTR_LO, REG_LOAD_PTR_HI, REG_LOAD_BEATS, REG_IN_PTR_LO, REG_IN_PTR_HI, REG_OUT_PTR_LO, REG_OUT_PTR_HI,
      REG_STREAM_PTR_LO, REG_STREAM_PTR_HI, REG_WATCHDOG
  };
  logic accept_q;
  logic [WRITTEN-1:0] meant_q, write;
  logic [31:0] wdata, wmask;
  logic [3:0] wstrb;
  assign s_axil_awready_o = accept_q;
  assign s_axil_wready_o  = accept_q;
  assign s_axil_bresp_o   = 2'b00;
  assign wdata            = s_axil_wdata_i;
  assign wstrb            = s_axil_wstrb_i;
  assign wmask            = {{8{wstrb[3]}}, {8{wstrb[2]}}, {8{wstrb[1]}}, {8{wstrb[0]}}};
  assign write            = meant_q & {WRITTEN{accept_q}};

  always_ff @(posedge clk_i) begin
    accept_q <= s_axil_awvalid_i && s_axil_wvalid_i && !accept_q && (!s_axil_bvalid_o || s_axil_bready_i);
    for (int i = 0; i < WRITTEN; i++) meant_q[i] <= s_axil_awaddr_i[11:2] == ADDRESSES[i][11:2];
    s_axil_bvalid_o <= accept_q || (s_axil_bvalid_o && !s_axil_bready_i);
    if (!rst_ni) begin
      accept_q        <= 1'b0;
      s_axil_bvalid_o <= 1'b0;
    end
  end

  // Registers that software writes.
  function automatic logic [31:0] merged(input logic [31:0] old, input logic [31:0] data, input logic [31:0] mask);
    return (old & ~mask) | (data & mask);
  endfunction

  assign cmd_start_o      = write[0] && wdata[0] && wstrb[0];
  assign cmd_load_o       = write[0] && wdata[1] && wstrb[0];
  assign cmd_reset_o      = write[0] && wdata[2] && wstrb[0];
  assign cmd_clear_done_o = write[0] && wdata[3] && wstrb[0];

  logic [63:0] load_ptr_q, in_ptr_q, out_ptr_q, stream_ptr_q;
  logic [31:0] load_beats_q;
  always_ff @(posedge clk_i) begin
    if (write[0] && wstrb[1]) irq_enable_o <= wdata[8];
    if (write[1]) load_ptr_q[31:0] <= merged(load_ptr_q[31:0], wdata, wmask);
    if (write[2]) load_ptr_q[63:32] <= merged(load_ptr_q[63:32], wdata, wmask);
    if (write[3]) load_beats_q <= merged(load_beats_q, wdata, wmask);
    if (write[4]) in_ptr_q[31:0] <= merged(in_ptr_q[31:0], wdata, wmask);
    if (write[5]) in_ptr_q[63:32] <= merged(in_ptr_q[63:32], wdata, wmask);
    if (write[6]) out_ptr_q[31:0] <= merged(out_ptr_q[31:0], wdata, wmask);
    if (write[7]) out_ptr_q[63:32] <= merged(out_ptr_q[63:32], wdata, wmask);
    if (write[8]) stream_ptr_q[31:0] <= merged(stream_ptr_q[31:0], wdata, wmask);
    if (write[9]) stream_ptr_q[63:32] <= merged(stream_ptr_q[63:32], wdata, wmask);
    if (write[10]) watchdog_o <= merged(watchdog_o, wdata, wmask);
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
  // In two clocks: one word of each PART, then the part.
  localparam int PART = 8;
  logic [9:0] raddr_q;  // a register of its own: it goes to a thousand places
  logic [WORDS/PART-1:0][31:0] parts_q;
  logic [6:0] part_q;  // above all parts: no register
  logic read_q, read2_q;  // an address was taken one clock ago, two
  assign s_axil_arready_o = !read_q && !read2_q && !s_axil_rvalid_o;
  assign s_axil_rresp_o   = 2'b00;
  always_ff @(posedge clk_i) begin
    if (s_axil_arready_o) raddr_q <= s_axil_araddr_i[11:2];
    read_q  <= s_axil_arready_o && s_axil_arvalid_i;
    read2_q <= read_q;
    for (int i = 0; i < WORDS / PART; i++) parts_q[i] <= words[PART*i+int'(raddr_q[2:0])];
    part_q <= raddr_q[9:3];
    if (read2_q) s_axil_rdata_o <= part_q < 7'(WORDS / PART) ? parts_q[part_q[2:0]] : '0;
    s_axil_rvalid_o <= read2_q || (s_axil_rvalid_o && !s_axil_rready_i);
    if (!rst_ni) begin
      read_q          <= 1'b0;
      read2_q         <= 1'b0;
      s_axil_rvalid_o <= 1'b0;
    end
  end
  logic unused;
  assign unused = &{1'b0, s_axil_awaddr_i[1:0], s_axil_araddr_i[1:0]};
endmodule
