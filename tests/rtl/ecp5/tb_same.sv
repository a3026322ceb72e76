/// The RTL beside netlists of it, the same random inputs to all; ends with how many clocks each of them differed in.
///
/// What has no reset begins with random numbers in the RTL and with zeros in the netlist: the first FROM clocks do not count.
module tb_same #(
    parameter int WIDTH  = 128,  ///< of the inputs and of the outputs
    parameter int COUNT  = 1,    ///< netlists
    parameter int FROM   = 5000,
    parameter int CLOCKS = 10000
);
  bit clk = 0;
  logic [WIDTH-1:0] in, wanted, last_q;
  logic [COUNT-1:0][WIDTH-1:0] got;
  int clocks = 0, moved = 0;
  int differ[COUNT];
  initial foreach (differ[i]) differ[i] = 0;
  initial forever #1 clk = !clk;

  `DESIGN u_rtl (
      .clk_i(clk),
      .in_i (in),
      .out_o(wanted)
  );
  netlists u_netlists (
      .clk_i(clk),
      .in_i (in),
      .out_o(got)
  );
  always_ff @(posedge clk) begin
    for (int i = 0; i < WIDTH; i += 32) in[i+:32] <= $urandom;
    last_q <= wanted;
    clocks <= clocks + 1;
    if (clocks >= FROM) begin
      moved  <= moved + 32'(last_q != wanted);
      for (int i = 0; i < COUNT; i++) differ[i] <= differ[i] + 32'(wanted !== got[i]);
    end
    if (clocks == FROM + CLOCKS) begin
      $write("moved and differ in %0d", moved);
      foreach (differ[i]) $write(" %0d", differ[i]);
      $display("");
      $finish;
    end
  end
endmodule
