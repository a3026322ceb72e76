/// Largest of V unsigned numbers in three registered steps, four to one in each.
///
/// Contract: `x_i` in clock c, `max_o` in c + 3 when `en_i[k]` is high in c + k. Without enable a step holds its value.
module max_tree #(
    parameter int V = 32,  ///< numbers: 16, 32 or 64
    parameter int W = 8    ///< bits of a number
) (
    input  logic                clk_i,
    input  logic [2:0]          en_i,
    input  logic [V-1:0][W-1:0] x_i,
    output logic [W-1:0]        max_o
);
  if (V < 16 || V > 64 || V % 16 != 0) begin : g_illegal
    $fatal(1, "max_tree: V=%0d must be 16, 32 or 64", V);
  end
  logic [V/4-1:0][W-1:0] quads_q;
  logic [V/16-1:0][W-1:0] parts_q;
  always_ff @(posedge clk_i) begin
    if (en_i[0]) begin
      for (int g = 0; g < V / 4; g++) begin
        logic [W-1:0] low, high;
        low = x_i[4*g] > x_i[4*g+1] ? x_i[4*g] : x_i[4*g+1];
        high = x_i[4*g+2] > x_i[4*g+3] ? x_i[4*g+2] : x_i[4*g+3];
        quads_q[g] <= low > high ? low : high;
      end
    end
    if (en_i[1]) begin
      for (int g = 0; g < V / 16; g++) begin
        logic [W-1:0] low, high;
        low = quads_q[4*g] > quads_q[4*g+1] ? quads_q[4*g] : quads_q[4*g+1];
        high = quads_q[4*g+2] > quads_q[4*g+3] ? quads_q[4*g+2] : quads_q[4*g+3];
        parts_q[g] <= low > high ? low : high;
      end
    end
    if (en_i[2]) begin
      logic [W-1:0] most;
      most = '0;
      for (int g = 0; g < V / 16; g++) if (parts_q[g] > most) most = parts_q[g];
      max_o <= most;
    end
  end
endmodule
