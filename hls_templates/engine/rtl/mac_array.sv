/// The array: N activations times N x M weights a clock, M accumulators.
///
/// Latency, from `step_i` with its weights (clock c; the activations are shown in c+1) to the accumulators: 4 + STAGES clocks, where
/// STAGES = ceil(log2(N) / 2). `first_i` starts a new sum. Outputs 2k and 2k+1 belong together (see `mac_pair`).
module mac_array #(
    parameter int N  = 16,  ///< activations, power of two 8..64
    parameter int M  = 32,  ///< outputs, even
    parameter int WW = 8,   ///< bits of a weight, 2..8
    parameter int DSP_BITS = 27,  ///< the part's multiplier, see `mac_pair`
    parameter bit MAC_LUTS = 0,   ///< products in logic cells, see `mac_pair`
    localparam int STAGES = ($clog2(N) + 1) / 2
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,
    input  logic                     step_i,
    input  logic                     first_i,
    input  logic [     M*N*WW-1:0]   w_i,       ///< weight (m, n) at bit (m*N+n)*WW
    input  logic [        N*8-1:0]   a_i,       ///< one clock after `step_i`
    input  logic                     a_signed_i,///< with `a_i`
    output logic signed [M-1:0][31:0] acc_o
);
  if (N < 8 || N > 64 || N != 1 << $clog2(N) || M < 8 || M > 64 || M % 2 != 0 || WW < 2 || WW > 8) begin : g_illegal
    $fatal(1, "mac_array: N=%0d and M=%0d must be 8..64 (N a power of two), WW=%0d 2..8", N, M, WW);
  end
  localparam int SW = 17 + $clog2(N);
  localparam int L = 3 + STAGES;

  logic [L:0] step;
  delay_valid #(
      .L(L)
  ) u_step (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(step_i),
      .q_o(step)
  );
  logic first;
  delay #(
      .W(1),
      .L(L)
  ) u_first (
      .clk_i,
      .d_i(first_i),
      .q_o(first)
  );

  logic [N-1:0][8:0] a;
  for (genvar n = 0; n < N; n++) begin : g_extend
    assign a[n] = {a_signed_i & a_i[n*8+7], a_i[n*8+:8]};
  end

  for (genvar k = 0; k < M / 2; k++) begin : g_pair
    logic [N-1:0][16:0] p0, p1;
    for (genvar n = 0; n < N; n++) begin : g_lane
      mac_pair #(
          .WW(WW),
          .DSP_BITS(DSP_BITS),
          .IN_LUTS(MAC_LUTS)
      ) u_mac (
          .clk_i,
          .en_w_i(step[0]),
          .en_a_i(step[1]),
          .en_m_i(step[2]),
          .w0_i  (w_i[((2*k)*N+n)*WW+:WW]),
          .w1_i  (w_i[((2*k+1)*N+n)*WW+:WW]),
          .a_i   (a[n]),
          .p0_o  (p0[n]),
          .p1_o  (p1[n])
      );
    end
    logic signed [SW-1:0] sum0, sum1;
    adder_tree #(
        .N(N),
        .W(17)
    ) u_tree0 (
        .clk_i,
        .en_i (step[3+:STAGES]),
        .d_i  (p0),
        .sum_o(sum0)
    );
    adder_tree #(
        .N(N),
        .W(17)
    ) u_tree1 (
        .clk_i,
        .en_i (step[3+:STAGES]),
        .d_i  (p1),
        .sum_o(sum1)
    );
    always_ff @(posedge clk_i)
      if (step[L]) begin
        acc_o[2*k]   <= (first ? 32'sd0 : acc_o[2*k]) + 32'(sum0);
        acc_o[2*k+1] <= (first ? 32'sd0 : acc_o[2*k+1]) + 32'(sum1);
      end
  end
endmodule
