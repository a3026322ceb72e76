/// Issues the array's work: nested loops with one address generator per memory, one step a clock.
///
/// An instruction is up to six nested loops, level 0 innermost. Each step names a chunk of N activations (`a`), a weight word (`w`) and
/// what they belong to: an output group (`o`, `p`, `r`). Levels in `red_mask` are the reduction: `first_o` marks its first step and `last_o`
/// its last. A step is issued as soon as progress[dep_unit] has reached `need` (two's complement), which moves on with the addresses.
/// A step whose coordinates (`y`, `x`) are not within 0 .. `y_last`, `x_last` reads padding (`pad_o`): it needs nothing.
/// A NOP waits for its gate only.
/// Addresses advance by the step of the outermost level that moves, so steps hold the difference, not the stride.
/// Timing: the outputs are registered: a step issued in clock t (`ev_issue_o`) is seen in t+1; what names it is void unless `step_o`.
/// No clock is lost between instructions. Everything that decides about a step is a flag in a register (see `need_wait`).
module mm_sequencer
  import hwgen_pkg::*;
#(
    parameter bit PADDED = 1   ///< coordinates; 0: every step is inside
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 clear_i,
    input  logic                 run_i,
    // program
    input  mm_instr_t            instr_i,
    input  logic                 valid_i,
    output logic                 pop_o,
    input  progress_t            progress_i,
    input  progress_t            adds_i,     ///< progress_i of the next clock, less that of this one
    // the step, one clock after its issue
    output logic                 step_o,
    output logic                 first_o,
    output logic                 last_o,
    output logic                 pad_o,      ///< the step multiplies zeros
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
    output logic [          2:0] ev_wait_o   ///< in every other clock until the last issue: waits for [0] DIN [1] MM [2] ROW, VEC
);
  mm_instr_t cur_q;
  mm_instr_t loops_q;  // its counts and steps: of the next one already while the last step waits
  logic idle_q, ended_q;
  logic more_q;  // the last instruction was not taken yet

  // --- loop nest: flags say where each level is, in this step and (without _q) in the one behind it
  logic [LEVELS-1:0][COUNT_BITS-1:0] left_q;  // rounds after this one
  logic [LEVELS-1:0] wrap_q, zero_q, wrap, zero;  // a level's last round, its first
  logic [LEVELS-1:0] near_q, near;  // the round before its last
  logic [LEVELS-1:0] once_q, twice_q;  // levels of one round, of two
  logic [LEVELS-1:0] moves_q, moves;  // the outermost level that moves behind this step, one-hot
  logic [LEVELS-1:0] inner_q;  // the levels inside that one, which begin again
  logic [LEVELS-1:0] single, double;  // the same of the instruction at the head
  for (genvar l = 0; l < LEVELS; l++) begin : g_single
    assign single[l] = instr_i.count[l] == 0;
    assign double[l] = instr_i.count[l] == 1;
  end
  always_comb begin
    for (int l = 0; l < LEVELS; l++) begin
      wrap[l] = inner_q[l] ? once_q[l] : moves_q[l] ? near_q[l] : wrap_q[l];
      near[l] = inner_q[l] ? twice_q[l] : moves_q[l] ? left_q[l] == COUNT_BITS'(2) : near_q[l];
      zero[l] = inner_q[l] || (!moves_q[l] && zero_q[l]);
    end
    moves = outermost(wrap);
  end
  /// One-hot: the first level that is not in its last round; none when all are.
  function automatic logic [LEVELS-1:0] outermost(logic [LEVELS-1:0] ends);
    for (int l = 0; l < LEVELS; l++) outermost[l] = !ends[l] && &(ends | ~LEVELS'((1 << l) - 1));
  endfunction
  /// The levels that are in their last round together with all inside them.
  function automatic logic [LEVELS-1:0] ended(logic [LEVELS-1:0] ends);
    for (int l = 0; l < LEVELS; l++) ended[l] = &(ends | ~LEVELS'((2 << l) - 1));
  endfunction
  // The step of the level that moves.
  logic [ADDR_BITS-1:0] a_step, w_step, o_step, r_step;
  logic [PADDR_BITS-1:0] p_step;
  count_t need_step;
  always_comb begin
    a_step = '0;
    w_step = '0;
    o_step = '0;
    r_step = '0;
    p_step = '0;
    need_step = '0;
    for (int l = 0; l < LEVELS; l++) begin
      a_step |= loops_q.a_step[l] & {ADDR_BITS{moves_q[l]}};
      w_step |= loops_q.w_step[l] & {ADDR_BITS{moves_q[l]}};
      o_step |= loops_q.o_step[l] & {ADDR_BITS{moves_q[l]}};
      r_step |= loops_q.r_step[l] & {ADDR_BITS{moves_q[l]}};
      p_step |= loops_q.p_step[l] & {PADDR_BITS{moves_q[l]}};
      need_step |= loops_q.need_step[l] & {NEED_BITS{moves_q[l]}};
    end
  end

  // --- address generators
  logic [ADDR_BITS-1:0] a_q, w_q, o_q, r_q;
  logic [PADDR_BITS-1:0] p_q;

  // --- hazards
  // What is here: nothing, steps, a NOP; `bad_o` follows none of them. `renew_q`: behind this there is nothing, or the next instruction.
  logic exec_q, nop_q, live_q, renew_q;
  logic gate_wait, dep_wait;  // registers
  logic issue, move, turn, ready, load, stop;
  logic pad_q, pad;  // this step reads padding, and the next clock's does
  if (PADDED) begin : g_pad
    // Both coordinates twice, from 0 and from one behind the last, so that signs tell.
    typedef logic signed [COORD_BITS:0] coord_t;
    coord_t [3:0] at_q, at, start;
    coord_t y_step, x_step;
    assign start = {coord_t'(signed'(instr_i.x)) - coord_t'(instr_i.x_last) - 1'b1, coord_t'(signed'(instr_i.x)),
                    coord_t'(signed'(instr_i.y)) - coord_t'(instr_i.y_last) - 1'b1, coord_t'(signed'(instr_i.y))};
    always_comb begin
      y_step = '0;
      x_step = '0;
      for (int l = 0; l < LEVELS; l++) begin
        if (issue && moves_q[l]) y_step |= coord_t'(signed'(loops_q.y_step[l]));
        if (issue && moves_q[l]) x_step |= coord_t'(signed'(loops_q.x_step[l]));
      end
      at = turn ? start : {at_q[3] + x_step, at_q[2] + x_step, at_q[1] + y_step, at_q[0] + y_step};
      pad = at[0][COORD_BITS] || !at[1][COORD_BITS] || at[2][COORD_BITS] || !at[3][COORD_BITS];
    end
    always_ff @(posedge clk_i) begin
      at_q  <= at;
      pad_q <= pad;
    end
  end else begin : g_inside
    assign pad = 1'b0;
    assign pad_q = 1'b0;
  end
  // Few gates to what goes far: `renew_q` selects, `move` enables, and whether there is a next instruction is asked beside them.
  assign issue = exec_q && !gate_wait && !dep_wait;
  assign move  = idle_q || (live_q && !gate_wait && !dep_wait);
  assign turn  = renew_q && move;
  assign stop  = turn && !idle_q && !more_q;
  assign ready = run_i && !bad_o && valid_i && more_q;
  assign load  = turn && ready;
  assign pop_o = load;
  need_wait u_gate (
      .clk_i,
      .progress_i,
      .adds_i,
      .load_i(turn),
      .unit_i(instr_i.gate_unit),
      .need_i({1'b0, instr_i.gate}),
      .step_i('0),
      .free_i(1'b0),
      .wait_o(gate_wait)
  );
  need_wait u_dep (
      .clk_i,
      .progress_i,
      .adds_i,
      .load_i(turn),
      .unit_i(instr_i.dep_unit),
      .need_i({instr_i.need[NEED_BITS-1], instr_i.need}),
      .step_i(issue ? need_step : '0),
      .free_i(pad || (turn ? instr_i.opcode == OP_NOP : nop_q)),
      .wait_o(dep_wait)
  );
  assign done_o  = ended_q;

  assign ev_issue_o = issue;
  logic [2:0] waits_for;
  always_comb begin
    waits_for = gate_wait ? cur_q.gate_unit : cur_q.dep_unit;
    ev_wait_o = '0;
    if (run_i && !ended_q && !issue) begin
      if (!idle_q && waits_for == UNIT_MM) ev_wait_o[1] = 1'b1;
      else if (!idle_q && (waits_for == UNIT_ROW || waits_for == UNIT_VEC)) ev_wait_o[2] = 1'b1;
      else ev_wait_o[0] = 1'b1;  // also: the first instruction is on its way
    end
  end

  always_ff @(posedge clk_i) begin
    if (move) begin
      a_q     <= renew_q ? instr_i.a : a_q + a_step;
      w_q     <= renew_q ? instr_i.w : w_q + w_step;
      o_q     <= renew_q ? instr_i.o : o_q + o_step;
      r_q     <= renew_q ? instr_i.r : r_q + r_step;
      p_q     <= renew_q ? instr_i.p : p_q + p_step;
      wrap_q  <= renew_q ? single : wrap;
      zero_q  <= renew_q ? '1 : zero;
      near_q  <= renew_q ? double : near;
      moves_q <= renew_q ? outermost(single) : moves;
      inner_q <= renew_q ? ended(single) : ended(wrap);
      renew_q <= renew_q ? !ready || instr_i.opcode == OP_NOP || (instr_i.opcode == OP_EXEC && instr_i.count == 0) : &wrap;
      for (int l = 0; l < LEVELS; l++) begin
        if (renew_q) left_q[l] <= instr_i.count[l];
        else if (inner_q[l]) left_q[l] <= loops_q.count[l];
        else if (moves_q[l]) left_q[l] <= left_q[l] - 1'b1;
      end
    end
    if (renew_q) begin
      loops_q <= instr_i;
      once_q  <= single;
      twice_q <= double;
    end
    if (turn) begin
      cur_q  <= instr_i;
      idle_q <= !ready;
      exec_q <= ready && instr_i.opcode == OP_EXEC;
      nop_q  <= ready && instr_i.opcode == OP_NOP;
      live_q <= ready && (instr_i.opcode == OP_EXEC || instr_i.opcode == OP_NOP);
    end
    if (load) more_q <= !instr_i.last;
    ended_q <= ended_q || stop;
    bad_o   <= bad_o || (!idle_q && !live_q);

    step_o  <= issue;
    first_o <= &(zero_q | ~cur_q.red_mask);
    last_o  <= issue && &(wrap_q | ~cur_q.red_mask);
    pad_o   <= pad_q;
    a_o     <= a_q;
    w_o     <= w_q;
    o_o     <= o_q;
    r_o     <= r_q;
    p_o     <= p_q;
    ctl_o   <= cur_q;

    if (!rst_ni || clear_i || !run_i) begin
      idle_q  <= 1'b1;
      exec_q  <= 1'b0;
      nop_q   <= 1'b0;
      live_q  <= 1'b0;
      renew_q <= 1'b1;
      more_q  <= 1'b1;
      ended_q <= 1'b0;
    end
    if (!rst_ni || clear_i) begin
      bad_o  <= 1'b0;
      step_o <= 1'b0;
      last_o <= 1'b0;
    end
  end
  logic unused;
  assign unused = &{1'b0, loops_q};
endmodule
