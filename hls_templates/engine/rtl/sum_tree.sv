/// Sum of V numbers in two registered steps of at most three adder levels each.
///
/// Alternative: `adder_tree`, four to one a step.
/// Contract: `x_i` in clock c, `sum_o` in c + 2 when `en_i[0]` is high in c and `en_i[1]` in c + 1. Without enable a step holds its value.
module sum_tree #(
    parameter int V     = 32,           ///< numbers: 16, 32 or 64
    parameter int W     = 9,            ///< bits of a number, signed
    parameter int OUT_W = W + $clog2(V) ///< bits of the sum
) (
    input  logic                           clk_i,
    input  logic        [1:0]              en_i,
    input  logic        [V-1:0][    W-1:0] x_i,   ///< each signed
    output logic signed [       OUT_W-1:0] sum_o
);
  if (V < 16 || V > 64 || V % 16 != 0) begin : g_illegal
    $fatal(1, "sum_tree: V=%0d must be 16, 32 or 64", V);
  end
  localparam int GROUP = V == 16 ? 4 : 8;
  localparam int GROUPS = V / GROUP;
  localparam int PART_W = W + $clog2(GROUP);

  logic [GROUPS-1:0][PART_W-1:0] part_q;
  always_ff @(posedge clk_i) begin
    if (en_i[0]) begin
      for (int g = 0; g < GROUPS; g++) begin
        logic signed [PART_W-1:0] part;
        part = '0;
        for (int i = 0; i < GROUP; i++) part += PART_W'(signed'(x_i[g*GROUP+i]));
        part_q[g] <= part;
      end
    end
    if (en_i[1]) begin
      logic signed [OUT_W-1:0] total;
      total = '0;
      for (int g = 0; g < GROUPS; g++) total += OUT_W'(signed'(part_q[g]));
      sum_o <= total;
    end
  end
endmodule
