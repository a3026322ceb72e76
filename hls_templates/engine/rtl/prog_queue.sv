/// A unit's program: instruction memory, filled by the loader, and a prefetch queue so that a new instruction is there every clock.
///
/// Contract: `instr_o` is the next instruction while `valid_o`; `pop_i` takes it. The queue fills ahead as soon as a program is there
/// (`enable_i`), also before a run starts; after the instruction with `last` it goes on with the first one, ready for the next run.
/// `clear_i` drops what was fetched and starts over. One instruction a clock; four clocks from `clear_i` to the first `valid_o`.
module prog_queue #(
    parameter int         BEATS  = 7,                      ///< 128-bit beats of an instruction
    parameter int         W      = 854,                    ///< bits of an instruction, lsb first
    parameter int         LAST   = 4,                      ///< bit that marks the end of the program
    parameter int         D      = 64,                     ///< instructions, a power of two
    parameter logic [7:0] TARGET = hwgen_pkg::TGT_PROG_MM, ///< the loader's name of this memory
    parameter string      STYLE  = "distributed"           ///< of the memory, see `ram_1r1w`
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         clear_i,
    input  logic         enable_i,
    // loader bus
    input  logic         ld_we_i,
    input  logic [  7:0] ld_target_i,
    input  logic [ 23:0] ld_word_i,
    input  logic [  9:0] ld_beat_i,
    input  logic [127:0] ld_data_i,
    // to the unit
    output logic [W-1:0] instr_o,
    output logic         valid_o,
    input  logic         pop_i,
    output logic [ 15:0] index_o      ///< instructions taken since `clear_i`: the index of `instr_o`
);
  if (W > BEATS * 128 || LAST >= W) begin : g_illegal
    $fatal(1, "prog_queue: W=%0d does not fit %0d beats, or LAST=%0d is outside", W, BEATS, LAST);
  end
  if (D < 2 || D != 1 << $clog2(D)) begin : g_illegal_depth
    $fatal(1, "prog_queue: D=%0d must be a power of two, at least 2", D);
  end
  localparam int AW = $clog2(D);
  localparam int DEPTH = 4;  // instructions in flight: 2 in the memory, and room to never starve

  logic [BEATS*128-1:0] word;
  logic [AW-1:0] pc_q;
  logic [2:0] level_q;  // fetched or being fetched
  logic fetch, arrive;
  logic [1:0] flight_q;  // fetched one and two clocks ago

  // The end of the program is only seen when the word arrives, so what was fetched beyond it is dropped.
  // The head lies in a register of its own: a unit's decisions begin there. Behind it the FIFO, empty most of the time.
  logic [W-1:0] fifo_q[DEPTH];
  logic [1:0] head_q, tail_q;
  logic [2:0] stored_q;  // head included
  logic behind_q;  // the FIFO holds some
  logic take, push, shift;
  assign take  = !valid_o || pop_i;  // the head's place is free
  assign shift = take && behind_q;
  assign push  = arrive && (!take || behind_q);
  logic wrap;
  assign wrap  = arrive && word[LAST];
  assign fetch = enable_i && !clear_i && !wrap && level_q < 3'(DEPTH);
  assign arrive = flight_q[1];
  wide_mem #(
      .COLUMNS(BEATS),
      .D(D),
      .TARGET(TARGET),
      .STYLE(D > 256 ? "block" : STYLE)
  ) u_mem (
      .clk_i,
      .ld_we_i,
      .ld_target_i,
      .ld_word_i,
      .ld_beat_i,
      .ld_data_i,
      .re_i(fetch),
      .raddr_i(pc_q),
      .rdata_o(word)
  );

  always_ff @(posedge clk_i) begin
    if (arrive) fifo_q[tail_q] <= word[W-1:0];
    if (take) instr_o <= behind_q ? fifo_q[head_q] : word[W-1:0];
    if (take) valid_o <= behind_q || arrive;
    behind_q <= push || (behind_q && !(shift && tail_q == 2'(head_q + 1'b1)));
    if (fetch) pc_q <= pc_q + 1'b1;
    if (wrap) pc_q <= '0;
    flight_q <= wrap ? '0 : {flight_q[0], fetch};
    tail_q   <= tail_q + 2'(push);
    head_q   <= head_q + 2'(shift);
    stored_q <= stored_q + 3'(arrive) - 3'(pop_i);
    if (pop_i) index_o <= index_o + 1'b1;
    // after a wrap only what is stored counts; the fetches behind it are dropped
    level_q  <= wrap ? stored_q + 3'd1 - 3'(pop_i) : level_q + 3'(fetch) - 3'(pop_i);
    if (!rst_ni || clear_i || !enable_i) begin
      pc_q     <= '0;
      head_q   <= '0;
      tail_q   <= '0;
      stored_q <= '0;
      valid_o  <= 1'b0;
      behind_q <= 1'b0;
      level_q  <= '0;
      flight_q <= '0;
      index_o  <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, word};
endmodule
