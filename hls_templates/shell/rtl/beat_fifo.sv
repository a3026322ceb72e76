/// Keeps a whole tensor of DEPTH DDR beats, so that a core may take (give) its streams in any order while DDR is read (written) in one.
///
/// Contract: valid/ready on both sides, first in first out; never full for one tensor of at most DEPTH beats a run. Latency: a beat taken in
/// clock c is readable in clock c+2, then one a clock. One memory with a synchronous read: block RAM, or LUTRAM when shallow.
/// Alternative: `bus_fifo`, readable in c+1, for a few entries.
module beat_fifo #(
    parameter int unsigned DEPTH = 16  ///< beats
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         clear_i,
    input  logic         valid_i,
    output logic         ready_o,
    input  logic [127:0] data_i,
    output logic         valid_o,
    input  logic         ready_i,
    output logic [127:0] data_o
);
  if (DEPTH < 1) begin : g_illegal
    $fatal(1, "beat_fifo: DEPTH=%0d must be at least 1", DEPTH);
  end
  localparam int unsigned AW = DEPTH == 1 ? 1 : $clog2(DEPTH);
  localparam int unsigned CW = $clog2(DEPTH + 1);

  logic [127:0] mem_q[DEPTH];
  logic [AW-1:0] head_q, tail_q;
  logic [CW-1:0] count_q;  // in the memory; the one at the output is not among them
  logic push, fetch;
  assign ready_o = count_q != CW'(DEPTH);
  assign push    = valid_i && ready_o;
  assign fetch   = count_q != 0 && (!valid_o || ready_i);

  function automatic logic [AW-1:0] next(logic [AW-1:0] at);
    return at == AW'(DEPTH - 1) ? '0 : at + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (push) begin
      mem_q[tail_q] <= data_i;
      tail_q        <= next(tail_q);
    end
    if (fetch) begin
      data_o <= mem_q[head_q];
      head_q <= next(head_q);
    end
    valid_o <= fetch || (valid_o && !ready_i);
    count_q <= count_q + CW'(push) - CW'(fetch);
    if (!rst_ni || clear_i) begin
      valid_o <= 1'b0;
      head_q  <= '0;
      tail_q  <= '0;
      count_q <= '0;
    end
  end
endmodule
