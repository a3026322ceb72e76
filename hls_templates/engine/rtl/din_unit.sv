/// Executes the DIN program: copies the input from DDR into the activation memory, an image as windows if asked for.
///
/// Contract: an EXEC instruction reads `beats` beats from base_i + offset and writes them to consecutive 16-byte places from `addr` in `bank`.
/// It starts when progress[gate_unit] >= gate. Instructions stream back to back: each is popped when the read master takes
/// its command, DEPTH of them may have beats under way. A NOP, or no beats, does nothing.
/// `kind` STREAM sends the beats into the ring of `win_unit` instead, and WINDOWS writes windows of what is there; other instructions behind
/// a WINDOWS wait for its last word. An engine without a ring (WIN_RING = 0) knows COPY only.
/// Latency: with the instruction at the queue's head and its gate open, the command is shown in the same clock; a beat taken in clock c
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
    output logic               bad_instr_o    ///< level: unknown opcode at the head
);
  if (V != 16 && V != 32 && V != 64 && V != 128) begin : g_illegal
    $fatal(1, "din_unit: V=%0d must be 16, 32, 64 or 128", V);
  end
  localparam int unsigned PARTS = V / 16;  // beats of an activation word
  localparam int unsigned SUB = $clog2(PARTS);

  // Issue.
  logic ended_q;  // the last instruction was popped
  logic ready, read, stream, windows, known, nop, exec, full;
  logic win_pop, win_busy, win_write;
  assign stream      = WIN_RING != 0 && instr_i.kind == DIN_STREAM;
  assign windows     = WIN_RING != 0 && instr_i.kind == DIN_WINDOWS && instr_i.opcode == OP_EXEC;
  assign known       = WIN_RING == 0 || instr_i.kind != 2'd3;
  assign read        = instr_i.opcode == OP_EXEC && !windows && known;
  assign nop         = instr_i.opcode == OP_NOP || (read && instr_i.beats == 0);
  assign exec        = read && instr_i.beats != 0;
  assign ready       = run_i && valid_i && !ended_q && reached(progress_i, instr_i.gate_unit, instr_i.gate);
  // Copied beats and windows share a write port.
  assign cmd_valid_o = ready && exec && !full && (stream || !win_busy);
  assign cmd_addr_o  = base_i + 64'(instr_i.offset);
  assign cmd_beats_o = 32'(instr_i.beats);
  assign pop_o       = (cmd_valid_o && cmd_ready_i) || (ready && nop) || win_pop;

  // Where the beats under way belong.
  typedef struct packed {
    logic                 stream;
    logic [BANK_BITS-1:0] bank;
    logic [ADDR_BITS-1:0] addr;
    logic [19:0]          last;  // beat
  } place_t;
  place_t place;
  logic expect_beats, take, copy, last, space;
  logic [19:0] at_q;  // beats of the oldest instruction that have arrived
  bus_fifo #(
      .W($bits(place_t)),
      .DEPTH(DEPTH)
  ) u_places (
      .clk_i,
      .rst_ni,
      .clear_i,
      .push_i (cmd_valid_o && cmd_ready_i),
      .data_i ({stream, instr_i.bank, instr_i.addr, instr_i.beats - 20'd1}),
      .pop_i  (take && last),
      .valid_o(expect_beats),
      .full_o (full),
      .data_o (place)
  );
  assign beat_ready_o = expect_beats && (!place.stream || space);
  assign take         = beat_valid_i && beat_ready_o;
  assign copy         = take && !place.stream;
  assign last         = at_q == place.last;

  logic [ADDR_BITS-1:0] addr;  // in beats
  logic [PARTS-1:0] part;
  assign addr = place.addr + at_q;
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
        .beat_en_i(take && place.stream),
        .beat_i   (beat_data_i),
        .space_o  (space),
        .instr_i,
        .go_i     (ready && windows),
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
  assign done_o = ended_q && !expect_beats && !win_busy;

  always_ff @(posedge clk_i) begin
    if (pop_o && instr_i.last) ended_q <= 1'b1;
    if (ready && !nop && !exec && !windows) bad_instr_o <= 1'b1;
    wr_en_o <= copy || win_write;
    if (copy) begin
      wr_bank_o <= place.bank;
      wr_addr_o <= 17'(addr >> SUB);
      wr_data_o <= {PARTS{beat_data_i}};
      for (int i = 0; i < int'(PARTS); i++) wr_mask_o[i*2+:2] <= {2{part[i]}};
    end else if (win_write) begin
      wr_bank_o <= win_bank;
      wr_addr_o <= win_addr;
      wr_data_o <= win_data;
      wr_mask_o <= '1;
    end
    if (take) at_q <= last ? '0 : at_q + 1'b1;
    count_o <= count_o + adds_o;
    if (!rst_ni || clear_i) begin
      ended_q     <= 1'b0;
      bad_instr_o <= 1'b0;
      wr_en_o     <= 1'b0;
      at_q        <= '0;
      count_o     <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, instr_i, addr};
endmodule
