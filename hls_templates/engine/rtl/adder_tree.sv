/// Sum of `N` signed numbers, four to one a stage, a register after every stage.
///
/// Latency: `adder_tree_stages(N)` = ceil(log2(N) / 2) clocks. `en_i` is valid with the input and travels along, so that an idle tree
/// does not toggle.
module adder_tree #(
    parameter int N = 16,                    ///< inputs, a power of two, at least 2
    parameter int W = 17,                    ///< bits of an input
    localparam int STAGES = ($clog2(N) + 1) / 2,
    localparam int SW = W + $clog2(N)
) (
    input  logic                 clk_i,
    input  logic [   STAGES-1:0] en_i,   ///< bit k: the input of stage k is valid
    input  logic [  N-1:0][W-1:0] d_i,
    output logic signed [SW-1:0] sum_o
);
  if (N < 2 || N != 1 << $clog2(N)) begin : g_illegal
    $fatal(1, "adder_tree: N=%0d must be a power of two", N);
  end
  for (genvar s = 0; s < STAGES; s++) begin : g_stage
    localparam int IN = N >> (2 * s);              // numbers entering this stage
    localparam int OUT = (IN > 4) ? IN / 4 : 1;
    localparam int FAN = IN / OUT;
    logic signed [OUT-1:0][SW-1:0] sum_q;
    for (genvar k = 0; k < OUT; k++) begin : g_sum
      logic signed [SW-1:0] sum;
      if (s == 0) begin : g_first
        always_comb begin
          sum = '0;
          for (int f = 0; f < FAN; f++) sum += SW'($signed(d_i[k*FAN+f]));
        end
      end else begin : g_next
        always_comb begin
          sum = '0;
          for (int f = 0; f < FAN; f++) sum += g_stage[s-1].sum_q[k*FAN+f];
        end
      end
      always_ff @(posedge clk_i) if (en_i[s]) sum_q[k] <= sum;
    end
  end
  assign sum_o = g_stage[STAGES-1].sum_q[0];
endmodule
