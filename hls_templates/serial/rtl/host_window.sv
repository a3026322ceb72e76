/// The engine's reads of the host's window: every burst gets a slot of the memory, the host is asked for its words, and they are there or failed.
///
/// Contract: slots are taken in order (`alloc_i`, only while `!full_o`) and given back in order (`release_i`); between, `ready_o` or `failed_o`
/// of the oldest slot rises, always. The host is asked by FETCH at once; when nothing came for RETRY_CLOCKS, all that is missing is asked for
/// again, and after TRIES rounds everything fails, and so does what comes later, until the host is heard again (`alive_i`).
/// A burst must stay inside one block of 1024 bytes, which makes the place in its slot.
module host_window
  import serial_pkg::*;
#(
    parameter int unsigned SLOTS        = 4,          ///< bursts that the host is asked for at once, a power of two
    parameter int unsigned RETRY_CLOCKS = 8_000_000,
    parameter int unsigned TRIES        = 10          ///< 2 to 15
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    // bursts
    input  logic                     alloc_i,
    input  logic [             31:0] addr_i,         ///< multiple of 16
    input  logic [              6:0] beats_i,        ///< 1..64
    output logic                     full_o,
    output logic [$clog2(SLOTS)-1:0] slot_o,         ///< that alloc_i takes
    output logic                     ready_o,        ///< the oldest slot has its words
    output logic                     failed_o,       ///< it will never have them
    input  logic                     release_i,
    // FETCH
    output logic                     ask_valid_o,
    input  logic                     ask_ready_i,
    output head_t                    ask_head_o,
    // SERVE
    input  logic [              7:0] tag_i,
    output logic                     wanted_o,       ///< tag_i is one that was asked for; a clock after tag_i
    output logic [              8:0] wanted_words_o,
    output logic [              7:0] wanted_word_o,  ///< place of its first word in the slot
    input  logic                     served_i,       ///< all words of tag_i are in the slot
    input  logic                     refused_i,      ///< tag_i is not to be had
    input  logic                     alive_i,        ///< a good frame of the host, one clock
    // counters, one clock
    output logic                     repeated_o,
    output logic                     given_up_o
);
  if (SLOTS < 2 || SLOTS > 64 || SLOTS != 1 << $clog2(SLOTS) || TRIES < 2 || TRIES > 15 || RETRY_CLOCKS < 2) begin : g_illegal
    $fatal(1, "host_window: SLOTS=%0d must be a power of two, 2..64, TRIES=%0d 2..15, RETRY_CLOCKS=%0d at least 2", SLOTS, TRIES, RETRY_CLOCKS);
  end
  localparam int unsigned SW = $clog2(SLOTS);

  logic [SLOTS-1:0] open_q, ready_q, failed_q, ask_q;
  logic [31:0] addr_q[SLOTS];
  logic [6:0] beats_q[SLOTS];
  logic [7-SW:0] round_q[SLOTS];  // tells a slot's uses apart: a late SERVE of an earlier one is not taken
  logic [SW-1:0] head_q, tail_q;
  logic gone_q;  // the host does not serve

  assign full_o   = open_q[tail_q];
  assign slot_o   = tail_q;
  assign ready_o  = ready_q[head_q];
  assign failed_o = failed_q[head_q];

  // SERVE: look the tag up.
  logic [SW-1:0] tag_slot;
  assign tag_slot = tag_i[SW-1:0];
  always_ff @(posedge clk_i) begin
    wanted_o       <= open_q[tag_slot] && !ready_q[tag_slot] && !failed_q[tag_slot] && tag_i[7:SW] == round_q[tag_slot];
    wanted_words_o <= {beats_q[tag_slot], 2'b00};
    wanted_word_o  <= addr_q[tag_slot][9:2];
  end

  // FETCH: one slot after the other is looked at.
  logic [SW-1:0] look_q;
  always_ff @(posedge clk_i) begin
    if (!ask_valid_o) begin
      look_q      <= look_q + 1'b1;
      ask_valid_o <= ask_q[look_q];
      ask_head_o  <= '{address: addr_q[look_q], count: {7'b0, beats_q[look_q], 2'b00}, number: {round_q[look_q], look_q}, opcode: OP_FETCH};
    end else if (ask_ready_i) ask_valid_o <= 1'b0;
    if (!rst_ni) begin
      look_q      <= '0;
      ask_valid_o <= 1'b0;
    end
  end

  // Time.
  logic [$clog2(RETRY_CLOCKS+1)-1:0] timer_q;
  logic [3:0] tries_q;
  logic waiting_q, expired_q;
  always_ff @(posedge clk_i) begin
    waiting_q  <= |(open_q & ~ready_q & ~failed_q);
    expired_q  <= 1'b0;
    timer_q    <= timer_q + 1'b1;
    if (timer_q == ($bits(timer_q))'(RETRY_CLOCKS)) begin
      expired_q <= waiting_q;
      timer_q   <= '0;
    end
    if (!waiting_q || served_i) timer_q <= '0;
    repeated_o <= expired_q && tries_q != 4'(TRIES - 1);
    given_up_o <= expired_q && tries_q == 4'(TRIES - 1);
    if (expired_q) tries_q <= tries_q + 1'b1;
    if (!waiting_q || served_i || given_up_o) tries_q <= '0;
    if (!rst_ni) begin
      waiting_q  <= 1'b0;
      expired_q  <= 1'b0;
      repeated_o <= 1'b0;
      given_up_o <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (ask_valid_o && ask_ready_i) ask_q[ask_head_o.number[SW-1:0]] <= 1'b0;
    if (repeated_o) ask_q <= open_q & ~ready_q & ~failed_q;
    if (given_up_o) begin
      failed_q <= failed_q | (open_q & ~ready_q);
      ask_q    <= '0;
      gone_q   <= 1'b1;
    end else if (alive_i) gone_q <= 1'b0;
    if (served_i && wanted_o) ready_q[tag_slot] <= 1'b1;
    if (refused_i && wanted_o) failed_q[tag_slot] <= 1'b1;
    if (release_i) begin
      open_q[head_q]  <= 1'b0;
      ask_q[head_q]   <= 1'b0;
      round_q[head_q] <= round_q[head_q] + 1'b1;
      head_q          <= head_q + 1'b1;
    end
    if (alloc_i) begin
      open_q[tail_q]   <= 1'b1;
      ready_q[tail_q]  <= 1'b0;
      failed_q[tail_q] <= gone_q;
      ask_q[tail_q]    <= !gone_q;
      addr_q[tail_q]   <= addr_i;
      beats_q[tail_q]  <= beats_i;
      tail_q           <= tail_q + 1'b1;
    end
    if (!rst_ni) begin
      open_q   <= '0;
      ready_q  <= '0;
      failed_q <= '0;
      ask_q    <= '0;
      gone_q   <= 1'b0;
      head_q   <= '0;
      tail_q   <= '0;
      for (int i = 0; i < SLOTS; i++) round_q[i] <= '0;
    end
  end
endmodule
