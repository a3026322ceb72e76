/// Received bytes wait here, in one block RAM, while the bridge is busy with an earlier request.
///
/// Contract: a byte may come in every clock; one that finds the FIFO full is dropped, and `lost_o` is high in the next clock. The output gives
/// a byte every five clocks at most, four clocks after it came in at the earliest.
/// Alternative: `bus_fifo` for a few entries that must go every clock.
module byte_fifo #(
    parameter int unsigned W     = 9,    ///< bits of an entry
    parameter int unsigned DEPTH = 2048  ///< entries, a power of two
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         valid_i,
    input  logic [W-1:0] data_i,
    output logic         lost_o,
    output logic         valid_o,
    input  logic         ready_i,
    output logic [W-1:0] data_o
);
  if (DEPTH < 2 || DEPTH != 1 << $clog2(DEPTH)) begin : g_illegal
    $fatal(1, "byte_fifo: DEPTH=%0d must be a power of two, at least 2", DEPTH);
  end
  localparam int unsigned AW = $clog2(DEPTH);

  logic [AW-1:0] head_q, tail_q;
  logic [AW:0] count_q;
  logic full_q, some_q;  // of count_q, a clock later
  logic put_q, take;
  logic [W-1:0] put_data_q;
  logic [2:0] way_q;  // a read under way: address shown, in the memory, at the output register

  assign take = some_q && way_q == 0 && !valid_o;

  ram_1r1w #(
      .W(W),
      .D(DEPTH)
  ) u_ram (
      .clk_i,
      .we_i   (put_q),
      .waddr_i(tail_q),
      .wdata_i(put_data_q),
      .re_i   (way_q[0]),
      .raddr_i(head_q),
      .rdata_o(data_o)
  );

  always_ff @(posedge clk_i) begin
    put_q      <= valid_i && !full_q;
    put_data_q <= data_i;
    lost_o     <= valid_i && full_q;
    full_q     <= count_q >= (AW + 1)'(DEPTH - 2);  // two may be on their way
    some_q     <= count_q != 0 && way_q == 0 && !take;
    way_q      <= {way_q[1:0], take};
    count_q    <= count_q + (AW + 1)'(put_q) - (AW + 1)'(take);
    tail_q     <= tail_q + AW'(put_q);
    head_q     <= head_q + AW'(way_q[0]);
    valid_o    <= way_q[2] || (valid_o && !ready_i);
    if (!rst_ni) begin
      put_q   <= 1'b0;
      lost_o  <= 1'b0;
      full_q  <= 1'b0;
      some_q  <= 1'b0;
      way_q   <= '0;
      count_q <= '0;
      head_q  <= '0;
      tail_q  <= '0;
      valid_o <= 1'b0;
    end
  end
endmodule
