/// Issues the array's work: nested loops with one address generator per memory, one step a clock.
///
/// An instruction is up to six nested loops, level 0 innermost. Each step names a chunk of N activations (`a`), a weight word (`w`) and
/// what they belong to: an output group (`o`, `p`, `r`). Levels in `red_mask` are the reduction: `first_o` marks its first step and `last_o`
/// its last. A step is issued as soon as progress[dep_unit] has reached `need`, which has an address generator of its own.
/// A NOP waits for its gate only.
/// Addresses advance by the step of the outermost level that moves, so steps hold the difference, not the stride.
/// Timing: the outputs are registered: a step issued in clock t (`ev_issue_o`) is seen in t+1. No clock is lost between instructions.
module mm_sequencer
  import hwgen_pkg::*;
(
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 clear_i,
    input  logic                 run_i,
    // program
    input  mm_instr_t            instr_i,
    input  logic                 valid_i,
    output logic                 pop_o,
    input  progress_t            progress_i,
    // the step, one clock after its issue
    output logic                 step_o,
    output logic                 first_o,
    output logic                 last_o,
    output logic [ADDR_BITS-1:0] a_o,
    output logic [ADDR_BITS-1:0] w_o,
    output logic [ADDR_BITS-1:0] o_o,
    output logic [ADDR_BITS-1:0] r_o,
    output logic [PADDR_BITS-1:0] p_o,
    output mm_instr_t            ctl_o,      ///< the instruction that the step belongs to
    // state
    output logic                 done_o,     ///< the last instruction's last step was issued
    output logic                 bad_o,      ///< illegal opcode; stays until `clear_i`
    output logic                 ev_issue_o,
    output logic [          2:0] ev_wait_o   ///< in every other clock until the last issue: waits for [0] DIN [1] MM [2] ROW
);
  mm_instr_t cur_q;
  logic active_q, ended_q;

  // --- loop nest
  logic [LEVELS-1:0][COUNT_BITS-1:0] cnt_q;
  logic [LEVELS-1:0] wrap, zero;
  logic [$clog2(LEVELS)-1:0] level;  // outermost level that moves
  logic finish;
  always_comb begin
    for (int l = 0; l < LEVELS; l++) begin
      wrap[l] = cnt_q[l] == cur_q.count[l];
      zero[l] = cnt_q[l] == '0;
    end
    finish = &wrap;
    level  = '0;
    for (int l = LEVELS - 1; l >= 0; l--) if (!wrap[l]) level = 3'(l);
  end

  // --- address generators
  logic [ADDR_BITS-1:0] a_q, w_q, o_q, r_q;
  logic [PADDR_BITS-1:0] p_q;
  count_t need_q;

  // --- hazards
  logic gate_ok, dep_ok, exec, issue, retire, load, stop;
  assign exec    = active_q && cur_q.opcode == OP_EXEC;
  assign gate_ok = reached(progress_i, cur_q.gate_unit, cur_q.gate);
  assign dep_ok  = reached(progress_i, cur_q.dep_unit, need_q);
  assign issue   = exec && gate_ok && dep_ok;
  assign retire  = (issue && finish) || (active_q && cur_q.opcode == OP_NOP && gate_ok);
  assign stop    = retire && cur_q.last;
  assign load    = run_i && !ended_q && !stop && valid_i && (!active_q || retire) && !bad_o;
  assign pop_o   = load;
  assign done_o  = ended_q;

  assign ev_issue_o = issue;
  logic [2:0] waits_for;
  always_comb begin
    waits_for = gate_ok ? cur_q.dep_unit : cur_q.gate_unit;
    ev_wait_o = '0;
    if (run_i && !ended_q && !issue) begin
      if (active_q && waits_for == UNIT_MM) ev_wait_o[1] = 1'b1;
      else if (active_q && waits_for == UNIT_ROW) ev_wait_o[2] = 1'b1;
      else ev_wait_o[0] = 1'b1;  // also: the first instruction is on its way
    end
  end

  always_ff @(posedge clk_i) begin
    if (issue) begin
      a_q    <= a_q + cur_q.a_step[level];
      w_q    <= w_q + cur_q.w_step[level];
      o_q    <= o_q + cur_q.o_step[level];
      r_q    <= r_q + cur_q.o_step[level];
      p_q    <= p_q + cur_q.p_step[level];
      need_q <= need_q + cur_q.need_step[level];
      for (int l = 0; l < LEVELS; l++) begin
        if (3'(l) < level) cnt_q[l] <= '0;
        else if (3'(l) == level) cnt_q[l] <= cnt_q[l] + 1'b1;
      end
    end
    if (load) begin
      cur_q  <= instr_i;
      a_q    <= instr_i.a;
      w_q    <= instr_i.w;
      o_q    <= instr_i.o;
      r_q    <= instr_i.r;
      p_q    <= instr_i.p;
      need_q <= instr_i.need;
      cnt_q  <= '0;
    end
    active_q <= load || (active_q && !retire);
    ended_q  <= ended_q || stop;
    bad_o    <= bad_o || (active_q && cur_q.opcode != OP_EXEC && cur_q.opcode != OP_NOP);

    step_o  <= issue;
    first_o <= &(zero | ~cur_q.red_mask);
    last_o  <= issue && &(wrap | ~cur_q.red_mask);
    if (issue) begin
      a_o   <= a_q;
      w_o   <= w_q;
      o_o   <= o_q;
      r_o   <= r_q;
      p_o   <= p_q;
      ctl_o <= cur_q;
    end

    if (!rst_ni || clear_i) begin
      active_q <= 1'b0;
      ended_q  <= 1'b0;
      bad_o    <= 1'b0;
      step_o   <= 1'b0;
      last_o   <= 1'b0;
    end else if (!run_i) begin
      active_q <= 1'b0;
      ended_q  <= 1'b0;
    end
  end
endmodule
