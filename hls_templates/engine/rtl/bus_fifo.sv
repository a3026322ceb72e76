/// First-word-fall-through FIFO: `data_o` is the oldest entry while `valid_o`.
///
/// Contract: an entry pushed in clock c is readable in clock c+1. Pushing while full or popping while empty is the user's error: every user
/// here counts credits. Storage is written by address and read combinationally, so that it maps to LUTRAM; it is not reset.
/// Take `prog_queue` for memories that the loader writes.
module bus_fifo #(
    parameter int unsigned W     = 32,  ///< bits of an entry
    parameter int unsigned DEPTH = 8    ///< entries, a power of two
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         clear_i,  ///< drop all entries
    input  logic         push_i,
    input  logic [W-1:0] data_i,
    input  logic         pop_i,
    output logic         valid_o,  ///< not empty
    output logic         full_o,
    output logic [W-1:0] data_o
);
  if (DEPTH < 2 || (DEPTH & (DEPTH - 1)) != 0) begin : g_illegal
    $fatal(1, "bus_fifo: DEPTH=%0d must be a power of two, at least 2", DEPTH);
  end
  localparam int unsigned AW = $clog2(DEPTH);

  logic [W-1:0] mem_q[DEPTH];
  logic [AW:0] head_q, tail_q;  // one more bit than the address tells full from empty

  // The flags are registers: they stand at the beginning of the users' longest paths.
  logic [AW:0] head, tail;
  assign head   = head_q + (AW + 1)'(1);
  assign tail   = tail_q + (AW + 1)'(1);
  assign data_o = mem_q[head_q[AW-1:0]];

  always_ff @(posedge clk_i) begin
    if (push_i) mem_q[tail_q[AW-1:0]] <= data_i;
    if (pop_i) head_q <= head;
    if (push_i) tail_q <= tail;
    if (push_i != pop_i) begin
      valid_o <= push_i || head != tail_q;
      full_o  <= push_i && tail == {~head_q[AW], head_q[AW-1:0]};
    end
    if (!rst_ni || clear_i) begin
      valid_o <= 1'b0;
      full_o  <= 1'b0;
      head_q <= '0;
      tail_q <= '0;
    end
  end
endmodule
