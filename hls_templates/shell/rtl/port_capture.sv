/// The outputs of a core whose elements are ports of their own (hls4ml's io_parallel) as one stream beat.
///
/// Contract: element i is kept when `vld_i[i]` is high, the last time before `done_i` counts; `done_i` makes the beat valid, in that very
/// clock, until it is taken.
module port_capture #(
    parameter int unsigned N = 2,  ///< elements
    parameter int unsigned W = 8   ///< bits of an element
) (
    input  logic           clk_i,
    input  logic           rst_ni,
    input  logic [  N-1:0] vld_i,
    input  logic [N*W-1:0] data_i,
    input  logic           done_i,
    output logic           valid_o,
    input  logic           ready_i,
    output logic [N*W-1:0] data_o
);
  if (N < 1 || W < 1) begin : g_illegal
    $fatal(1, "port_capture: N=%0d W=%0d: at least 1 element and 1 bit", N, W);
  end
  logic [N*W-1:0] data_q;
  logic done_q;
  assign valid_o = done_i || done_q;
  for (genvar i = 0; i < int'(N); i++) begin : g_element
    assign data_o[i*W+:W] = vld_i[i] ? data_i[i*W+:W] : data_q[i*W+:W];
  end
  always_ff @(posedge clk_i) begin
    data_q <= data_o;
    done_q <= valid_o && !ready_i;
    if (!rst_ni) done_q <= 1'b0;
  end
endmodule
