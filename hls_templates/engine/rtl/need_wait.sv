/// Whether an instruction has to wait for a unit's progress.
///
/// Contract: `load_i` takes `unit_i` and `need_i` of the instruction that comes; otherwise the need grows by `step_i`.
/// From the next clock on `wait_o`, a register, is high in each clock in which progress[unit] is below the need, but in none for UNIT_NONE
/// and in none behind a clock with `free_i`.
/// How far the counter is ahead of the need is carried along instead of compared, so that its sign tells: this takes what the counters are
/// about to add (`adds_i`).
/// Alternative: `reached` of the package, which compares in the clock in which it is asked.
module need_wait
  import hwgen_pkg::*;
(
    input  logic                 clk_i,
    input  progress_t            progress_i,
    input  progress_t            adds_i,      ///< progress_i of the next clock, less that of this one
    input  logic                 load_i,
    input  logic           [2:0] unit_i,
    input  logic   [NEED_BITS:0] need_i,      ///< two's complement; the bit in front is 0 for what counts from 0
    input  count_t               step_i,      ///< two's complement
    input  logic                 free_i,
    output logic                 wait_o
);
  typedef logic signed [NEED_BITS:0] ahead_t;
  ahead_t ahead_q, taken, kept;  // negative: not there yet
  logic [2:0] unit_q;
  logic none_q;
  assign taken = ahead_t'(counted(progress_i, unit_i)) + ahead_t'(counted(adds_i, unit_i)) - ahead_t'(need_i);
  assign kept  = ahead_q + ahead_t'(counted(adds_i, unit_q)) - ahead_t'(signed'(step_i));

  always_ff @(posedge clk_i) begin
    ahead_q <= load_i ? taken : kept;
    wait_o  <= !free_i && (load_i ? taken[NEED_BITS] && unit_i <= UNIT_STREAM : kept[NEED_BITS] && !none_q);
    if (load_i) begin
      unit_q <= unit_i;
      none_q <= unit_i > UNIT_STREAM;
    end
  end
endmodule
