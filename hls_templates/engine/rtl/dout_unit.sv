/// Executes the DOUT program: copies results from the activation memory to DDR.
///
/// Contract: an EXEC instruction sends `beats` beats, from consecutive 16-byte places from `addr` in `bank`, to base_i + offset. It starts when
/// progress[gate_unit] >= gate; the k-th activation word that it touches is read when progress[dep_unit] >= need + k * need_step.
/// Words are read only while there is room for them (DEPTH credits). A NOP, or no beats, does nothing. Field `ptr` is not looked at.
/// An instruction is popped a clock before it can begin, the first one also before `run_i` rises; none behind the last.
/// Latency: word allowed in clock t -> write command (first word) in t, read address shown in t+1, data in t+4, first beat offered
/// in t+5, then a beat a clock, also over instruction boundaries. `done_o` in the clock after the last write answer.
module dout_unit
  import hwgen_pkg::*;
#(
    parameter int unsigned V     = 16,  ///< bytes of an activation word: 16, 32, 64
    parameter int unsigned DEPTH = 8    ///< words under way, a power of two; 8 or more for full rate at V=16
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 run_i,         ///< level
    input  logic                 clear_i,       ///< back to the start; what was fetched is dropped
    input  logic       [   63:0] base_i,        ///< output buffer
    input  progress_t            progress_i,
    input  progress_t            adds_i,        ///< progress_i of the next clock, less that of this one
    // program queue
    input  dout_instr_t          instr_i,
    input  logic                 valid_i,
    output logic                 pop_o,
    // activation memory: data arrive three clocks after the address
    output logic                 rd_en_o,
    output logic       [    2:0] rd_bank_o,
    output logic       [   16:0] rd_addr_o,
    input  logic       [V*8-1:0] rd_data_i,
    // write command and beats
    output logic                 cmd_valid_o,
    input  logic                 cmd_ready_i,
    output logic       [   63:0] cmd_addr_o,
    output logic       [   31:0] cmd_beats_o,
    output logic                 beat_valid_o,
    input  logic                 beat_ready_i,
    output logic       [  127:0] beat_data_o,
    input  logic                 wr_idle_i,     ///< the write master has nothing under way
    //
    output logic                 done_o,        ///< level: the program is done and DDR has it
    output logic                 bad_instr_o    ///< level: unknown opcode
);
  if (V != 16 && V != 32 && V != 64 && V != 128) begin : g_illegal
    $fatal(1, "dout_unit: V=%0d must be 16, 32, 64 or 128", V);
  end
  localparam int unsigned PARTS = V / 16;  // beats of an activation word
  localparam int unsigned SUB = $clog2(PARTS);
  localparam int unsigned SW = SUB == 0 ? 1 : SUB;  // bits of a beat's place in its word
  localparam int unsigned CW = $clog2(DEPTH) + 1;

  // The instruction, and its words.
  dout_instr_t cur_q;
  logic idle_q, exec_q, nop_q;  // none here; one that sends beats; one that does nothing
  logic more_q;  // the last instruction was not taken yet
  logic ended_q;  // it is done with
  logic [16:0] addr_q;  // of the next word to read
  logic [20:0] left_q;  // words behind that one
  logic [20:0] places, more;  // at the head: beats from the beginning of the first word to the last; words behind the first
  logic first_q, final_q;  // it is the instruction's first word; its last
  logic [SW-1:0] head_sub, sub_first_q, sub_last_q;  // the first and the last beat's place in its word
  logic gate_waits, need_waits;  // registers
  logic open, turn, ready, go;
  logic [CW-1:0] credit_q;
  logic room_q, room;  // credit_q != 0, in the next clock
  logic can_q, ends_q;  // there is a word and room for it; the instruction's last word
  logic pop_word;
  if (SUB == 0) begin : g_whole
    assign head_sub = '0;
  end else begin : g_part
    assign head_sub = instr_i.addr[SW-1:0];
  end
  assign places      = 21'(head_sub) + 21'(instr_i.beats);
  assign more        = (places - 21'd1) >> SUB;
  // Few gates from these registers to what goes far.
  assign open        = run_i && !gate_waits;
  // The first word goes together with the write command.
  assign cmd_valid_o = open && can_q && first_q && !need_waits;
  assign go          = open && can_q && !need_waits && (!first_q || cmd_ready_i);
  assign cmd_addr_o  = base_i + 64'(cur_q.offset);
  assign cmd_beats_o = 32'(cur_q.beats);
  assign turn        = idle_q || (open && (nop_q || (ends_q && !need_waits && (!first_q || cmd_ready_i))));
  assign ready       = valid_i && more_q;
  assign pop_o       = turn && ready;
  assign room        = pop_word || (go ? credit_q != CW'(1) : room_q);
  // In the next clock.
  logic exec, final_word;
  assign exec        = turn ? ready && instr_i.opcode == OP_EXEC && instr_i.beats != 0 : exec_q;
  assign final_word  = turn ? more == 0 : go ? left_q == 21'd1 : final_q;
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
  need_wait u_need (
      .clk_i,
      .progress_i,
      .adds_i,
      .load_i(turn),
      .unit_i(instr_i.dep_unit),
      .need_i({1'b0, instr_i.need}),
      .step_i(go ? 24'(cur_q.need_step) : '0),
      .free_i(1'b0),
      .wait_o(need_waits)
  );

  // Which beats of a word are sent.
  logic [SW-1:0] from, upto, head_from, head_upto;
  logic marks_valid, marks_full;
  assign from = first_q ? sub_first_q : '0;
  assign upto = final_q ? sub_last_q : SW'(PARTS - 1);
  bus_fifo #(
      .W(2 * SW),
      .DEPTH(DEPTH)
  ) u_marks (
      .clk_i,
      .rst_ni,
      .clear_i,
      .push_i (go),
      .data_i ({from, upto}),
      .pop_i  (pop_word),
      .valid_o(marks_valid),
      .full_o (marks_full),
      .data_o ({head_from, head_upto})
  );

  // The words.
  logic [3:0] flight_q;  // [0]: address shown, [3]: data here
  logic words_full;
  logic [V*8-1:0] word;
  bus_fifo #(
      .W(V * 8),
      .DEPTH(DEPTH)
  ) u_words (
      .clk_i,
      .rst_ni,
      .clear_i,
      .push_i (flight_q[3]),
      .data_i (rd_data_i),
      .pop_i  (pop_word),
      .valid_o(beat_valid_o),
      .full_o (words_full),
      .data_o (word)
  );

  // Beat by beat out of the oldest word.
  logic [SW-1:0] sub, sub_q;
  logic inside_q;  // a beat of the oldest word was sent
  logic sent;
  assign sub      = inside_q ? sub_q : head_from;
  assign sent     = beat_valid_o && beat_ready_i;
  assign pop_word = sent && sub == head_upto;
  if (SUB == 0) begin : g_word_beat
    assign beat_data_o = word;
  end else begin : g_part_beat
    assign beat_data_o = word[sub*128+:128];
  end

  // A word that was read belongs to a command that the master already has, so its being idle says it all.
  assign done_o  = ended_q && wr_idle_i;
  assign rd_en_o = flight_q[0];

  always_ff @(posedge clk_i) begin
    if (turn && !idle_q && !more_q) ended_q <= 1'b1;
    if (pop_o) more_q <= !instr_i.last;
    if (open && !idle_q && !nop_q && !exec_q) bad_instr_o <= 1'b1;
    flight_q <= {flight_q[2:0], go};
    credit_q <= credit_q - CW'(go) + CW'(pop_word);
    room_q   <= room;
    exec_q   <= exec;
    final_q  <= final_word;
    can_q    <= exec && room;
    ends_q   <= exec && room && final_word;
    if (go) begin
      rd_bank_o <= cur_q.bank;
      rd_addr_o <= addr_q;
      addr_q    <= addr_q + 1'b1;
      left_q    <= left_q - 1'b1;
      first_q   <= 1'b0;
    end
    if (turn) begin
      cur_q       <= instr_i;
      idle_q      <= !ready;
      nop_q       <= ready && (instr_i.opcode == OP_NOP || (instr_i.opcode == OP_EXEC && instr_i.beats == 0));
      addr_q      <= 17'(instr_i.addr >> SUB);
      left_q      <= more;
      first_q     <= 1'b1;
      sub_first_q <= head_sub;
      sub_last_q  <= SW'(places - 21'd1) & SW'(PARTS - 1);
    end
    if (sent) begin
      inside_q <= !pop_word;
      sub_q    <= sub + 1'b1;
    end
    if (!rst_ni || clear_i) begin
      idle_q      <= 1'b1;
      exec_q      <= 1'b0;
      can_q       <= 1'b0;
      ends_q      <= 1'b0;
      nop_q       <= 1'b0;
      more_q      <= 1'b1;
      ended_q     <= 1'b0;
      bad_instr_o <= 1'b0;
      flight_q    <= '0;
      credit_q    <= CW'(DEPTH);
      room_q      <= 1'b1;
      inside_q    <= 1'b0;
    end
  end
  logic unused;
  assign unused = &{1'b0, cur_q, marks_valid, marks_full, words_full};
endmodule
