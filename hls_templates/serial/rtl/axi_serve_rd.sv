/// AXI4 read slave (128 bits, in order, no ids): bursts from the memory, and from the host's window by way of its slots in the memory.
///
/// Contract: INCR bursts of 16-byte beats. A burst is answered from the memory (addresses of SPACE_MEMORY, below MEMORY_BEATS), from the host
/// (the upper half of 32 bits; inside one block of 1024 bytes), or, beat by beat, with SLVERR: anywhere else, and where the host does not
/// serve. Addresses are accepted ahead, four and the slots' number, so that the host is asked early.
/// Latency: first beat nine clocks after its address, then one a clock.
module axi_serve_rd
  import serial_pkg::*;
#(
    parameter int unsigned BEATS = 2048,  ///< of the memory; the last 64 * SLOTS are the host's slots
    parameter int unsigned SLOTS = 4
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    // AXI4
    input  logic [             63:0] s_axi_araddr_i,
    input  logic [              7:0] s_axi_arlen_i,
    input  logic [              2:0] s_axi_arsize_i,
    input  logic [              1:0] s_axi_arburst_i,
    input  logic                     s_axi_arvalid_i,
    output logic                     s_axi_arready_o,
    output logic [            127:0] s_axi_rdata_o,
    output logic [              1:0] s_axi_rresp_o,
    output logic                     s_axi_rlast_o,
    output logic                     s_axi_rvalid_o,
    input  logic                     s_axi_rready_i,
    // host's window
    output logic                     alloc_o,
    output logic [             31:0] alloc_addr_o,
    output logic [              6:0] alloc_beats_o,
    input  logic                     full_i,
    input  logic [$clog2(SLOTS)-1:0] slot_i,
    input  logic                     ready_i,
    input  logic                     failed_i,
    output logic                     release_o,
    // memory
    output logic                     re_o,
    output logic [$clog2(BEATS)-1:0] raddr_o,
    input  logic [            127:0] rdata_i        ///< three clocks after re_o
);
  localparam int unsigned AW = $clog2(BEATS);
  localparam int unsigned MEMORY_BEATS = BEATS - 64 * SLOTS;
  localparam int unsigned AHEAD = 8;  // beats between the memory and the bus
  if (BEATS < 64 * SLOTS + 64 || BEATS != 1 << AW) begin : g_illegal
    $fatal(1, "axi_serve_rd: BEATS=%0d must be a power of two with room for %0d slots of 64", BEATS, SLOTS);
  end

  // Which window: a clock for the sums, a clock for the verdict.
  typedef struct packed {
    logic          host;
    logic          bad;
    logic [AW-1:0] beat;
    logic [7:0]    len;
  } burst_t;
  logic free_q;
  logic [1:0] stage_q;  // 1 summed, 2 judged, 3 known
  logic [63:0] addr_q;
  logic [7:0] len_q;
  logic plain_q, low_q, host_ok_q, memory_ok_q;
  logic [24:0] last_q;  // beat
  logic [8:0] last_in_block_q;
  logic push, list_full, list_valid, pop;
  burst_t burst, head;

  assign s_axi_arready_o = free_q;
  assign burst.host      = host_ok_q;
  assign burst.bad       = !host_ok_q && !memory_ok_q;
  assign burst.beat      = host_ok_q ? AW'(MEMORY_BEATS + 64 * int'(slot_i)) + AW'(addr_q[9:4]) : addr_q[AW+3:4];
  assign burst.len       = len_q;
  assign push            = stage_q == 2'd3 && !list_full && !(host_ok_q && full_i);
  assign alloc_o         = push && host_ok_q;
  assign alloc_addr_o    = {addr_q[31:4], 4'b0};
  assign alloc_beats_o   = len_q[6:0] + 7'd1;

  always_ff @(posedge clk_i) begin
    if (free_q) begin
      addr_q  <= s_axi_araddr_i;
      len_q   <= s_axi_arlen_i;
      plain_q <= s_axi_arsize_i == 3'd4 && s_axi_arburst_i == 2'b01;
    end
    if (free_q) free_q <= !s_axi_arvalid_i;
    else if (push) free_q <= 1'b1;
    if (free_q || push) stage_q <= {1'b0, free_q && s_axi_arvalid_i};
    else if (stage_q != 2'd3) stage_q <= stage_q + 1'b1;
    low_q           <= addr_q[63:32] == 0;
    last_q          <= {1'b0, addr_q[27:4]} + 25'(len_q);
    last_in_block_q <= {3'b0, addr_q[9:4]} + {1'b0, len_q};
    host_ok_q       <= plain_q && low_q && addr_q[31] && last_in_block_q < 9'd64;
    memory_ok_q     <= plain_q && low_q && addr_q[31:28] == SPACE_MEMORY && last_q < 25'(MEMORY_BEATS);
    if (!rst_ni) begin
      free_q  <= 1'b1;
      stage_q <= '0;
    end
  end

  bus_fifo #(
      .W    ($bits(burst_t)),
      .DEPTH(4)
  ) u_list (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .push_i (push),
      .data_i (burst),
      .pop_i  (pop),
      .valid_o(list_valid),
      .full_o (list_full),
      .data_o (head)
  );

  // One burst at a time is read.
  logic run_q, run_host_q, run_bad_q, issue;
  logic [AW-1:0] beat_q;
  logic [7:0] left_q;
  logic [3:0] ahead_q;
  assign pop       = list_valid && !run_q && (!head.host || ready_i || failed_i);
  assign issue     = run_q && ahead_q != 4'(AHEAD);
  assign re_o      = issue && !run_bad_q;
  assign raddr_o   = beat_q;
  assign release_o = issue && run_host_q && left_q == 0;

  logic [2:0] valid_q, last_way_q, bad_way_q;  // issued beats on their way
  logic taken;
  assign taken = s_axi_rvalid_o && s_axi_rready_i;
  always_ff @(posedge clk_i) begin
    if (pop) begin
      run_q      <= 1'b1;
      run_host_q <= head.host;
      run_bad_q  <= head.bad || (head.host && failed_i);
      beat_q     <= head.beat;
      left_q     <= head.len;
    end else if (issue) begin
      beat_q <= beat_q + 1'b1;
      left_q <= left_q - 1'b1;
      if (left_q == 0) run_q <= 1'b0;
    end
    ahead_q    <= ahead_q + 4'(issue) - 4'(taken);
    valid_q    <= {valid_q[1:0], issue};
    last_way_q <= {last_way_q[1:0], left_q == 0};
    bad_way_q  <= {bad_way_q[1:0], run_bad_q};
    if (!rst_ni) begin
      run_q   <= 1'b0;
      ahead_q <= '0;
      valid_q <= '0;
    end
  end

  logic beats_full, beat_bad;
  bus_fifo #(
      .W    (130),
      .DEPTH(AHEAD)
  ) u_beats (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .push_i (valid_q[2]),
      .data_i ({bad_way_q[2], last_way_q[2], rdata_i}),
      .pop_i  (taken),
      .valid_o(s_axi_rvalid_o),
      .full_o (beats_full),
      .data_o ({beat_bad, s_axi_rlast_o, s_axi_rdata_o})
  );
  assign s_axi_rresp_o = {beat_bad, 1'b0};

  logic unused;
  assign unused = &{1'b0, beats_full, addr_q[3:0]};
endmodule
