/// One pass over a row: `go_o` in `words_i` clocks without a gap, from the clock of `start_i` on; `last_o` in the last of them.
///
/// Contract: starts are at least `words_i` clocks apart; `words_i` >= 1 holds while the pass lasts. `clear_i` ends it.
module row_pass (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        clear_i,
    input  logic        start_i,
    input  logic [13:0] words_i,
    output logic        idle_o,   ///< no word of a row is left from this clock on
    output logic        go_o,
    output logic        last_o
);
  logic [13:0] left_q;  // words of the row from this clock on; 0: none, or the first one goes now
  logic [13:0] left;
  assign idle_o = left_q == 0;
  assign left   = start_i ? words_i : left_q;
  assign go_o   = left != 0;
  assign last_o = left == 14'd1;
  always_ff @(posedge clk_i) begin
    if (go_o) left_q <= left - 1'b1;
    if (!rst_ni || clear_i) left_q <= '0;
  end
endmodule
