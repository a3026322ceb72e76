/// KV memory: results of the array, kept in the layout in which the array reads weights, so that Q K^T and P V are matrix operations.
///
/// A word is M columns (one an output) of N bytes (one an activation), all read at once; a byte is written alone. A group of M results
/// (row t of the sequence, group g of its channels) is written in one of two layouts, R = max(M / N, 1), P = max(N / M, 1):
///   KEYS    (outputs are keys, the sum runs over channels): all bytes go to column t mod M. `wr_addr_i` = (g * blocks * M + t) * P + part,
///           blocks = ceil(keys / M): part says which M bytes of the column's N; column = (addr / P) mod M; the group's N bytes j go to word
///           (addr / (P * M)) * R + j, j = 0..R-1, one a clock
///   VALUES  (outputs are channels, the sum runs over keys): result m goes to column m, byte t mod N. `wr_addr_i` = g * ceil(keys / N) * N + t:
///           byte = addr mod N, word = addr / N
/// So both addresses grow by a constant with the row and with the group, and no row is treated apart.
/// Latency: `rdata_o` two clocks after `re_i`, as of the weight memory. A byte is written at the end of the clock in which the write is
/// shown; behind a KEYS write, R - 1 clocks must bring no other. A byte read in the clock of its write is undefined: progress counters see to it.
/// Cost: M * N * 8 bits of distributed RAM a word, and one multiplexer of two before each byte: for depths up to about 256.
module kv_mem
  import hwgen_pkg::*;
#(
    parameter int    N     = 16,            ///< activations a clock, a power of two
    parameter int    M     = 32,            ///< outputs, a power of two
    parameter int    D     = 64,            ///< words
    parameter string STYLE = "distributed"  ///< see `ram_1r1w`
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 clear_i,
    // write port
    input  logic                 wr_en_i,
    input  logic                 wr_keys_i,  ///< KEYS; otherwise VALUES
    input  logic [ADDR_BITS-1:0] wr_addr_i,
    input  logic [      M*8-1:0] wr_data_i,
    // read port
    input  logic                 re_i,
    input  logic [$clog2(D)-1:0] raddr_i,
    output logic [    M*N*8-1:0] rdata_o     ///< byte n of column m at byte m*N + n
);
  if (N != 1 << $clog2(N) || M != 1 << $clog2(M) || D < 2 || D > 4096) begin : g_illegal
    $fatal(1, "kv_mem: N=%0d and M=%0d must be powers of two, D=%0d 2..4096", N, M, D);
  end
  localparam int AW = $clog2(D);
  localparam int NB = $clog2(N);
  localparam int MB = $clog2(M);
  localparam int R = (M > N) ? M / N : 1;
  localparam int P = (N > M) ? N / M : 1;
  localparam int RB = $clog2(R);
  localparam int PB = $clog2(P);

  // ------------------------------------------------------------------------------------------------ the write in this clock
  logic keys, values;
  logic [ADDR_BITS-1:0] addr;
  logic [N*8-1:0] column;  // a column's bytes, KEYS
  logic [AW-1:0] word;
  if (R > 1) begin : g_several
    logic [RB-1:0] left_q, turn;  // words to come after this one; the word's number in its group
    logic [ADDR_BITS-1:0] addr_q;
    logic [(M-N)*8-1:0] rest_q;
    always_ff @(posedge clk_i) begin
      if (wr_en_i) begin
        addr_q <= wr_addr_i;
        rest_q <= wr_data_i[M*8-1:N*8];
      end else begin
        rest_q <= rest_q >> (N * 8);
      end
      if (!rst_ni || clear_i) left_q <= '0;
      else if (wr_en_i) left_q <= wr_keys_i ? RB'(R - 1) : '0;
      else if (left_q != 0) left_q <= left_q - 1'b1;
    end
    assign turn   = wr_en_i ? '0 : RB'(R) - left_q;
    assign keys   = wr_en_i ? wr_keys_i : left_q != 0;
    assign addr   = wr_en_i ? wr_addr_i : addr_q;
    assign column = wr_en_i ? wr_data_i[N*8-1:0] : rest_q[N*8-1:0];
    assign word   = keys ? AW'({addr[ADDR_BITS-1:MB], turn}) : AW'(addr >> NB);
  end else begin : g_one
    assign keys   = wr_en_i && wr_keys_i;
    assign addr   = wr_addr_i;
    assign column = {P{wr_data_i}};
    assign word   = wr_keys_i ? AW'(addr >> (MB + PB)) : AW'(addr >> NB);
    logic unused;
    assign unused = &{1'b0, rst_ni, clear_i};
  end
  assign values = wr_en_i && !wr_keys_i;

  logic [M-1:0] in_column;  // KEYS
  logic [N-1:0] in_part;
  logic [N-1:0] in_byte;  // VALUES
  always_comb begin
    for (int m = 0; m < M; m++) in_column[m] = keys && addr[PB+:MB] == MB'(m);
    for (int n = 0; n < N; n++) in_byte[n] = values && addr[NB-1:0] == NB'(n);
  end
  if (P > 1) begin : g_parts
    for (genvar n = 0; n < N; n++) begin : g_lane
      assign in_part[n] = addr[PB-1:0] == PB'(n / M);
    end
  end else begin : g_whole
    assign in_part = '1;
  end

  // ------------------------------------------------------------------------------------------------ bytes
  for (genvar m = 0; m < M; m++) begin : g_column
    for (genvar n = 0; n < N; n++) begin : g_byte
      ram_1r1w #(
          .W(8),
          .D(D),
          .STYLE(STYLE)
      ) u_ram (
          .clk_i,
          .we_i   ((in_column[m] && in_part[n]) || in_byte[n]),
          .waddr_i(word),
          .wdata_i(keys ? column[n*8+:8] : wr_data_i[m*8+:8]),
          .re_i,
          .raddr_i,
          .rdata_o(rdata_o[(m*N+n)*8+:8])
      );
    end
  end
  logic unused;
  assign unused = &{1'b0, addr};
endmodule
