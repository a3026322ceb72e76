/// The command state machine: what the engine is doing, how it ended, and how long it took.
///
/// Contract: START (idle, loaded) runs the program, LOAD (idle) reads an image; both end in DONE or ERROR. Any other command while busy is
/// ignored, SOFT_RESET never is; after an error only SOFT_RESET is heard. SOFT_RESET beats LOAD beats START in one write.
/// An error or SOFT_RESET clears all units at once and drains the bus: `drain_o` until both masters are idle. A bus that never answers
/// keeps the engine DRAINING: nothing that was begun there may be dropped.
/// Latency: command in clock 0 -> `run_o`/`load_o` in clock 1; all of `done_i` in clock c -> DONE, LATENCY = c + 1, in clock c+1;
/// an error input in clock c -> ERROR and `drain_o` in clock c+1.
/// Of errors in one clock the first of AXI_READ, AXI_WRITE, the loader's, BAD_INSTRUCTION, PORT_CONFLICT, WATCHDOG is
/// kept, and an error wins over done. ERROR_INFO: bus address; image beat; {unit[3:0], index[27:0]}; for the watchdog `done_i`, or the
/// image beats read.
/// TAIL counts the clocks behind the array's last event, so that ISSUED + WAIT_* + TAIL = LATENCY - 1 when the array gives an event a
/// clock from the first clock of the run until its program ends.
module control
  import hwgen_pkg::*;
(
    input  logic              clk_i,
    input  logic              rst_ni,
    // commands, one clock
    input  logic              cmd_start_i,
    input  logic              cmd_load_i,
    input  logic              cmd_reset_i,
    input  logic              cmd_clear_done_i,
    input  logic              irq_enable_i,
    input  logic [31:0]       watchdog_i,       ///< clocks; 0: never
    // units: [0] din [1] mm [2] row [3] dout [4] vec [5] stream
    output logic              run_o,            ///< level
    output logic              load_o,           ///< level
    output logic              clear_o,          ///< the clock after a run or load, and while draining
    output logic              loaded_o,         ///< level: a valid program is resident
    output logic              busy_o,           ///< run_o or load_o
    input  logic [ 5:0]       done_i,           ///< levels
    input  logic [ 5:0]       bad_instr_i,
    input  logic [ 5:0][15:0] prog_index_i,     ///< of the instructions at the heads
    input  logic              conflict_i,
    input  logic              ev_issue_i,       ///< the array takes work
    input  logic [ 2:0]       ev_wait_i,        ///< it waits for [0] din [1] mm [2] row
    // loader
    input  logic              load_done_i,
    input  logic              load_err_i,
    input  logic [ 7:0]       load_code_i,
    input  logic [31:0]       load_info_i,
    input  logic [31:0]       load_beats_i,
    // bus masters
    output logic              drain_o,          ///< level
    input  logic              rd_idle_i,
    input  logic              wr_idle_i,
    input  logic              rd_err_i,
    input  logic [31:0]       rd_err_addr_i,
    input  logic              wr_err_i,
    input  logic [31:0]       wr_err_addr_i,
    // registers
    output logic [31:0]       status_o,
    output logic [31:0]       error_info_o,
    output logic [ 7:0][31:0] counters_o,       ///< LATENCY, ISSUED, WAIT_DIN, WAIT_MM, WAIT_ROW, TAIL, COMPUTE, RUNS
    output logic              irq_o
);
  typedef enum logic [1:0] {
    IDLE,
    LOAD,
    RUN,
    DRAIN
  } state_t;
  state_t state_q;
  logic done_q, error_q, clear_q;
  logic [7:0] code_q;
  logic [31:0] timer_q;  // clocks since the command
  logic [31:0] limit_q;  // the watchdog's clocks, less the two until its fault is seen
  logic guarded_q, late_q;

  assign run_o    = state_q == RUN;
  assign load_o   = state_q == LOAD;
  assign drain_o  = state_q == DRAIN;
  assign busy_o   = run_o || load_o;
  assign clear_o  = clear_q || drain_o;
  assign irq_o    = irq_enable_i && (done_q || error_q);
  assign status_o = {16'b0, code_q, 2'b0, drain_o, loaded_o, error_q, done_q, busy_o, state_q == IDLE && !error_q};

  // What goes wrong. A unit that fails is never done, and the last access comes long before the end, so all but the bus' errors may be told
  // a clock late.
  logic fault_q, fault;
  logic [7:0] fault_code_q, fault_code;
  logic [31:0] fault_info_q, fault_info;
  always_comb begin
    fault = 1'b1;
    fault_code = ERR_NONE;
    fault_info = '0;
    if (load_o && load_err_i) begin
      fault_code = load_code_i;
      fault_info = load_info_i;
    end else if (run_o && bad_instr_i != 0) begin
      fault_code = ERR_BAD_INSTRUCTION;
      for (int i = 5; i >= 0; i--) if (bad_instr_i[i]) fault_info = {4'(i), 12'b0, prog_index_i[i]};
    end else if (run_o && conflict_i) begin
      fault_code = ERR_PORT_CONFLICT;
    end else if (late_q) begin
      fault_code = ERR_WATCHDOG;
      fault_info = load_o ? load_beats_i : {26'b0, done_i};
    end else begin
      fault = 1'b0;
    end
  end
  always_ff @(posedge clk_i) begin
    fault_q      <= fault && busy_o;
    fault_code_q <= fault_code;
    fault_info_q <= fault_info;
  end
  logic fail;
  logic [7:0] code;
  logic [31:0] info;
  assign fail = rd_err_i || wr_err_i || fault_q;
  assign code = rd_err_i ? ERR_AXI_READ : wr_err_i ? ERR_AXI_WRITE : fault_code_q;
  assign info = rd_err_i ? rd_err_addr_i : wr_err_i ? wr_err_addr_i : fault_info_q;

  // Commands.
  logic ready, start, load, unloaded, finished;
  assign ready    = state_q == IDLE && !error_q && !cmd_reset_i;
  assign load     = ready && cmd_load_i;
  assign start    = ready && cmd_start_i && !cmd_load_i && loaded_o;
  assign unloaded = ready && cmd_start_i && !cmd_load_i && !loaded_o;
  assign finished = run_o ? &done_i : load_o && load_done_i;

  always_ff @(posedge clk_i) begin
    clear_q <= 1'b0;
    timer_q <= timer_q + 1'b1;
    guarded_q <= watchdog_i != 0;
    limit_q   <= watchdog_i > 32'd2 ? watchdog_i - 32'd2 : '0;
    late_q    <= guarded_q && busy_o && timer_q >= limit_q;
    if (cmd_clear_done_i) done_q <= 1'b0;
    if (start || load) begin
      state_q  <= load ? LOAD : RUN;
      done_q   <= 1'b0;
      timer_q  <= 32'd1;
      loaded_o <= start;
    end
    if (unloaded) begin
      done_q       <= 1'b0;
      error_q      <= 1'b1;
      code_q       <= ERR_NOT_LOADED;
      error_info_o <= '0;
    end
    if (busy_o && fail) begin
      state_q      <= DRAIN;
      error_q      <= 1'b1;
      code_q       <= code;
      error_info_o <= info;
    end else if (finished) begin
      state_q  <= IDLE;
      done_q   <= 1'b1;
      loaded_o <= 1'b1;
      clear_q  <= 1'b1;
    end
    if (drain_o && rd_idle_i && wr_idle_i) state_q <= IDLE;
    if (cmd_reset_i) begin
      state_q      <= DRAIN;
      done_q       <= 1'b0;
      error_q      <= 1'b0;
      code_q       <= ERR_NONE;
      error_info_o <= '0;
      loaded_o     <= 1'b0;
    end
    if (!rst_ni) begin
      state_q      <= IDLE;
      done_q       <= 1'b0;
      error_q      <= 1'b0;
      code_q       <= ERR_NONE;
      error_info_o <= '0;
      loaded_o     <= 1'b0;
    end
  end

  // Counters.
  logic [31:0] latency_q, issued_q, tail_q, span_q, compute_q, runs_q;
  logic [2:0][31:0] wait_q;
  logic begun_q;  // the array took work in this run
  logic ran_q;  // a run ended well in the clock before
  assign counters_o = {runs_q, compute_q, tail_q, wait_q[2], wait_q[1], wait_q[0], issued_q, latency_q};

  // A run's first clock, in which the counters forget the one before.
  logic fresh_q;
  logic [31:0] issued, tail, span;
  logic [2:0][31:0] waits;
  logic begun;
  assign {issued, tail, span, waits, begun} = fresh_q ? '0 : {issued_q, tail_q, span_q, wait_q, begun_q};

  always_ff @(posedge clk_i) begin
    fresh_q <= start;
    if (run_o) begin
      latency_q <= timer_q + 1'b1;
      issued_q  <= issued + 32'(ev_issue_i);
      for (int i = 0; i < 3; i++) wait_q[i] <= waits[i] + 32'(ev_wait_i[i]);
      tail_q  <= ev_issue_i || ev_wait_i != 0 ? '0 : tail + 1'b1;
      span_q  <= span + 32'(begun || ev_issue_i);
      begun_q <= begun || ev_issue_i;
      if (fresh_q) compute_q <= '0;
      if (ev_issue_i) compute_q <= span + 1'b1;
    end
    if (!rst_ni) begin
      latency_q <= '0;
      issued_q  <= '0;
      wait_q    <= '0;
      tail_q    <= '0;
      span_q    <= '0;
      compute_q <= '0;
      begun_q   <= 1'b0;
    end
    ran_q <= rst_ni && run_o && finished && !fail && !cmd_reset_i;
    runs_q <= !rst_ni ? '0 : runs_q + 32'(ran_q);
  end
endmodule
