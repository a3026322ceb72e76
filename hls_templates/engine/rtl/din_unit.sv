/// Executes the DIN program: copies the input from DDR into the activation memory, an image as windows if asked for.
///
/// Contract: an EXEC instruction reads `beats` beats from base_i + offset and writes them to consecutive 16-byte places from `addr` in `bank`.
/// It starts when progress[gate_unit] >= gate. Instructions stream back to back: each makes room for the next when the read master takes
/// its command, DEPTH of them may have beats under way. A NOP, or no beats, does nothing. An instruction is popped a clock before it can
/// begin, the first one also before `run_i` rises; none behind the last.
/// `kind` STREAM sends the beats into the ring of `win_unit` instead, and WINDOWS writes windows of what is there; other instructions behind
/// a WINDOWS wait for its last word. An engine without a ring (WIN_RING = 0) knows COPY only.
/// Latency: a command is shown in the first clock with its gate open, the next one in the clock behind; a beat taken in clock c
/// is a write request in clock c+1, in which `count_o` (octets written) counts it; `done_o` in that clock after the last beat. A window's
/// word is one in the clock behind `win_unit`'s.
/// Copied beats are never stalled: a command is only given when its place in the FIFO is there. Streamed ones wait for room in the ring.
module din_unit
  import hwgen_pkg::*;
#(
    parameter int unsigned V         = 16,  ///< bytes of an activation word: 16, 32, 64
    parameter int unsigned DEPTH     = 8,   ///< instructions under way, a power of two
    parameter int unsigned WIN_RING  = 0,   ///< bytes of the ring for windows, a power of two; 0: no windows
    parameter int unsigned WIN_PORTS = 1    ///< see `win_unit`
) (
    input  logic               clk_i,
    input  logic               rst_ni,
    input  logic               run_i,         ///< level
    input  logic               clear_i,       ///< back to the start
    input  logic       [ 63:0] base_i,        ///< input buffer
    input  progress_t          progress_i,
    input  progress_t          adds_i,        ///< progress_i of the next clock, less that of this one
    // program queue
    input  din_instr_t         instr_i,
    input  logic               valid_i,
    output logic               pop_o,
    // read command and beats
    output logic               cmd_valid_o,
    input  logic               cmd_ready_i,
    output logic       [ 63:0] cmd_addr_o,
    output logic       [ 31:0] cmd_beats_o,
    input  logic               beat_valid_i,
    output logic               beat_ready_o,
    input  logic       [127:0] beat_data_i,
    // activation memory
    output logic               wr_en_o,
    output logic       [  2:0] wr_bank_o,
    output logic       [ 16:0] wr_addr_o,
    output logic       [V/8-1:0] wr_mask_o,
    output logic       [V*8-1:0] wr_data_o,
    //
    output count_t             count_o,       ///< octets written in this run
    output count_t             adds_o,        ///< what `count_o` grows by at the end of this clock
    output logic               done_o,        ///< level: the program is done
    output logic               bad_instr_o    ///< level: unknown opcode
);
  if (V != 16 && V != 32 && V != 64 && V != 128) begin : g_illegal
    $fatal(1, "din_unit: V=%0d must be 16, 32, 64 or 128", V);
  end
  localparam int unsigned PARTS = V / 16;  // beats of an activation word
  localparam int unsigned SUB = $clog2(PARTS);

  // Issue.
  din_instr_t cur_q;
  logic idle_q, exec_q, nop_q;  // none here; one that reads beats; one that does nothing
  logic more_q;  // the last instruction was not taken yet
  logic ended_q;  // it is done with
  logic gate_waits;  // a register
  logic stream, windows, copies, open, done, turn, ready, full;
  logic win_pop, win_busy, win_write;
  assign stream      = WIN_RING != 0 && cur_q.kind == DIN_STREAM;
  assign windows     = WIN_RING != 0 && cur_q.kind == DIN_WINDOWS && cur_q.opcode == OP_EXEC && !idle_q;
  assign open        = run_i && !gate_waits;
  // Copied beats and windows share a write port.
  assign cmd_valid_o = open && exec_q && !full && (stream || !win_busy);
  assign cmd_addr_o  = base_i + 64'(cur_q.offset);
  assign cmd_beats_o = 32'(cur_q.beats);
  assign done        = (cmd_valid_o && cmd_ready_i) || (open && nop_q) || win_pop;
  assign turn        = idle_q || done;
  assign ready       = valid_i && more_q;
  assign pop_o       = turn && ready;
  // Of the instruction at the head: what it copies or streams.
  assign copies      = instr_i.opcode == OP_EXEC && (WIN_RING == 0 || (instr_i.kind != DIN_WINDOWS && instr_i.kind != 2'd3));
  need_wait u_gate (
      .clk_i,
      .progress_i,
      .adds_i,
      .load_i(turn),
      .unit_i(instr_i.gate_unit),
      .need_i({1'b0, instr_i.gate}),
      .step_i('0),
      .free_i(1'b0),
      .wait_o(gate_waits)
  );
  always_ff @(posedge clk_i) begin
    if (turn && !idle_q && !more_q) ended_q <= 1'b1;
    if (pop_o) more_q <= !instr_i.last;
    if (open && !idle_q && !nop_q && !exec_q && !windows) bad_instr_o <= 1'b1;
    if (turn) begin
      cur_q  <= instr_i;
      idle_q <= !ready;
      exec_q <= ready && copies && instr_i.beats != 0;
      nop_q  <= ready && (instr_i.opcode == OP_NOP || (copies && instr_i.beats == 0));
    end
    if (!rst_ni || clear_i) begin
      idle_q      <= 1'b1;
      exec_q      <= 1'b0;
      nop_q       <= 1'b0;
      more_q      <= 1'b1;
      ended_q     <= 1'b0;
      bad_instr_o <= 1'b0;
    end
  end

  // Where the beats under way belong.
  typedef struct packed {
    logic                 stream;
    logic [BANK_BITS-1:0] bank;
    logic [ADDR_BITS-1:0] addr;
    logic [19:0]          last;  // beat
  } place_t;
  place_t queued, place_q;
  logic waiting, expect_q, take, copy, last_q, space, refill;
  logic [19:0] left_q;  // beats of the oldest instruction behind the next one
  bus_fifo #(
      .W($bits(place_t)),
      .DEPTH(DEPTH)
  ) u_places (
      .clk_i,
      .rst_ni,
      .clear_i,
      .push_i (cmd_valid_o && cmd_ready_i),
      .data_i ({stream, cur_q.bank, cur_q.addr, cur_q.beats - 20'd1}),
      .pop_i  (refill && waiting),
      .valid_o(waiting),
      .full_o (full),
      .data_o (queued)
  );
  // The oldest lies in a register: it is there before its first beat, which comes two clocks after the command at the earliest.
  assign beat_ready_o = expect_q && (!place_q.stream || space);
  assign take         = beat_valid_i && beat_ready_o;
  assign copy         = take && !place_q.stream;
  assign refill       = !expect_q || (take && last_q);

  logic [ADDR_BITS-1:0] addr;  // in beats
  logic [PARTS-1:0] part;
  assign addr = place_q.addr;
  if (SUB == 0) begin : g_whole
    assign part = 1'b1;
  end else begin : g_part
    assign part = PARTS'(1) << addr[SUB-1:0];
  end

  // Windows.
  logic [BANK_BITS-1:0] win_bank;
  logic [16:0] win_addr;
  logic [V*8-1:0] win_data;
  if (WIN_RING != 0) begin : g_windows
    win_unit #(
        .V(V),
        .PORTS(WIN_PORTS),
        .RING(WIN_RING)
    ) u_win (
        .clk_i,
        .rst_ni,
        .clear_i,
        .beat_en_i(take && place_q.stream),
        .beat_i   (beat_data_i),
        .space_o  (space),
        .instr_i  (cur_q),
        .go_i     (open && windows),
        .pop_o    (win_pop),
        .busy_o   (win_busy),
        .wr_en_o  (win_write),
        .wr_bank_o(win_bank),
        .wr_addr_o(win_addr),
        .wr_data_o(win_data)
    );
  end else begin : g_no_windows
    assign space     = 1'b1;
    assign win_pop   = 1'b0;
    assign win_busy  = 1'b0;
    assign win_write = 1'b0;
    assign win_bank  = '0;
    assign win_addr  = '0;
    assign win_data  = '0;
  end

  assign adds_o = copy ? 24'd2 : win_write ? 24'(V / 8) : '0;
  assign done_o = ended_q && !waiting && !expect_q && !win_busy;

  always_ff @(posedge clk_i) begin
    wr_en_o   <= copy || win_write;
    wr_bank_o <= win_write ? win_bank : place_q.bank;
    wr_addr_o <= win_write ? win_addr : 17'(addr >> SUB);
    wr_data_o <= win_write ? win_data : {PARTS{beat_data_i}};
    for (int i = 0; i < int'(PARTS); i++) wr_mask_o[i*2+:2] <= {2{win_write || part[i]}};
    if (refill) begin
      place_q  <= queued;
      expect_q <= waiting;
      left_q   <= queued.last;
      last_q   <= queued.last == 0;
    end else if (take) begin
      place_q.addr <= place_q.addr + 1'b1;
      left_q       <= left_q - 1'b1;
      last_q       <= left_q == 20'd1;
    end
    count_o <= count_o + adds_o;
    if (!rst_ni || clear_i) begin
      wr_en_o  <= 1'b0;
      expect_q <= 1'b0;
      count_o  <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, cur_q, place_q, addr};
endmodule
