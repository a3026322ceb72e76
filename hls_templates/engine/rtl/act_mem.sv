/// Activation memory: banks of one read and one write port each, between the four units.
///
/// Every read port shows its address in clock c and gets the data in c+3 (RAM, output register, bank select). Addresses count in units
/// of the port's own width: port A (array) N bytes, port R (residual) M bytes, the others whole words of V bytes. Writes happen at
/// the end of the clock in which they are shown; the mask names octets (8 bytes).
/// There is no arbitration: the compiler never lets two units use one port of one bank in the same clock. `conflict_o` tells, two
/// clocks later, when a program breaks that.
module act_mem
  import hwgen_pkg::*;
#(
    parameter int    N       = 16,     ///< bytes of port A
    parameter int    M       = 32,     ///< bytes of port R
    parameter int    V       = 32,     ///< bytes of a word: max(N, M, 16)
    parameter int    BANKS   = 4,      ///< banks, 2..8
    parameter int    D       = 512,    ///< words of a bank
    parameter string STYLE   = "auto", ///< see `ram_1r1w`
    parameter int    WRITERS = 3,      ///< write ports: MM, ROW, DIN, further ones
    parameter int    WORD_READERS = 2  ///< word ports: ROW, DOUT, further ones
) (
    input  logic                              clk_i,
    input  logic                              rst_ni,
    // port A
    input  logic                              a_en_i,
    input  logic [BANK_BITS-1:0]              a_bank_i,
    input  logic [ADDR_BITS-1:0]              a_addr_i,
    input  logic                              a_zero_i,  ///< no read: the data are zeros
    output logic [      N*8-1:0]              a_data_o,
    // port R
    input  logic                              r_en_i,
    input  logic [BANK_BITS-1:0]              r_bank_i,
    input  logic [ADDR_BITS-1:0]              r_addr_i,
    output logic [      M*8-1:0]              r_data_o,
    // word ports
    input  logic [WORD_READERS-1:0]           rd_en_i,
    input  logic [WORD_READERS-1:0][BANK_BITS-1:0] rd_bank_i,
    input  logic [WORD_READERS-1:0][     16:0] rd_addr_i,
    output logic [WORD_READERS-1:0][  V*8-1:0] rd_data_o,
    // write ports
    input  logic [  WRITERS-1:0]              wr_en_i,
    input  logic [  WRITERS-1:0][BANK_BITS-1:0] wr_bank_i,
    input  logic [  WRITERS-1:0][       16:0] wr_addr_i,
    input  logic [  WRITERS-1:0][    V/8-1:0] wr_mask_i,
    input  logic [  WRITERS-1:0][    V*8-1:0] wr_data_i,
    output logic                              conflict_o
);
  if (V % 16 != 0 || V % N != 0 || V % M != 0 || BANKS < 2 || BANKS > 8 || D < 2 || D > 131072) begin : g_illegal
    $fatal(1, "act_mem: V=%0d must be a multiple of 16, N=%0d and M=%0d; BANKS=%0d 2..8; D=%0d 2..131072", V, N, M, BANKS, D);
  end
  localparam int AW = $clog2(D);
  localparam int READERS = 2 + WORD_READERS;
  localparam int A_SUB = $clog2(V / N);
  localparam int R_SUB = $clog2(V / M);

  // All read ports as word ports.
  logic [READERS-1:0] en;
  logic [READERS-1:0][BANK_BITS-1:0] bank;
  logic [READERS-1:0][16:0] addr;
  assign en   = {rd_en_i, r_en_i, a_en_i};
  assign bank = {rd_bank_i, r_bank_i, a_bank_i};
  assign addr = {rd_addr_i, 17'(r_addr_i >> R_SUB), 17'(a_addr_i >> A_SUB)};

  logic [BANKS-1:0][V*8-1:0] bank_data;
  logic [BANKS-1:0] clash, clash_q;

  for (genvar b = 0; b < BANKS; b++) begin : g_bank
    logic re, we;
    logic [16:0] raddr, waddr;
    logic [V/8-1:0] mask;
    logic [V*8-1:0] wdata;
    always_comb begin
      re = 1'b0;
      raddr = addr[0];
      we = 1'b0;
      waddr = wr_addr_i[0];
      mask = wr_mask_i[0];
      wdata = wr_data_i[0];
      clash[b] = 1'b0;
      for (int i = 0; i < READERS; i++) begin
        if (en[i] && bank[i] == BANK_BITS'(b)) begin
          clash[b] |= re;
          re    = 1'b1;
          raddr = addr[i];
        end
      end
      for (int i = 0; i < WRITERS; i++) begin
        if (wr_en_i[i] && wr_bank_i[i] == BANK_BITS'(b)) begin
          clash[b] |= we;
          we    = 1'b1;
          waddr = wr_addr_i[i];
          mask  = wr_mask_i[i];
          wdata = wr_data_i[i];
        end
      end
    end
    for (genvar c = 0; c < V / 8; c++) begin : g_octet
      ram_1r1w #(
          .W(64),
          .D(D),
          .STYLE(STYLE)
      ) u_ram (
          .clk_i,
          .we_i(we && mask[c]),
          .waddr_i(waddr[AW-1:0]),
          .wdata_i(wdata[c*64+:64]),
          .re_i(re),
          .raddr_i(raddr[AW-1:0]),
          .rdata_o(bank_data[b][c*64+:64])
      );
    end
    logic unused;
    assign unused = &{1'b0, raddr, waddr};
  end

  // Which bank, and which part of the word, belongs to the data now leaving the banks.
  logic [READERS-1:0] en_q2;
  logic [READERS-1:0][BANK_BITS-1:0] bank_q2;
  logic [READERS-1:0][V*8-1:0] word;
  for (genvar i = 0; i < READERS; i++) begin : g_reader
    logic [2:0] line;
    delay_valid #(
        .L(2)
    ) u_en (
        .clk_i,
        .rst_ni,
        .clear_i(1'b0),
        .d_i(en[i]),
        .q_o(line)
    );
    assign en_q2[i] = line[2];
    delay #(
        .W(BANK_BITS),
        .L(2)
    ) u_bank (
        .clk_i,
        .d_i(bank[i]),
        .q_o(bank_q2[i])
    );
    always_comb begin
      word[i] = bank_data[0];
      for (int b = 1; b < BANKS; b++) if (bank_q2[i] == BANK_BITS'(b)) word[i] = bank_data[b];
    end
    logic unused;
    assign unused = &{1'b0, line[1:0]};
  end

  logic [ADDR_BITS-1:0] a_addr_q2, r_addr_q2;
  delay #(
      .W(2 * ADDR_BITS),
      .L(2)
  ) u_sub (
      .clk_i,
      .d_i({a_addr_i, r_addr_i}),
      .q_o({a_addr_q2, r_addr_q2})
  );
  logic [N*8-1:0] a_part;
  logic [M*8-1:0] r_part;
  if (A_SUB == 0) begin : g_a_whole
    assign a_part = word[0];
  end else begin : g_a_part
    assign a_part = word[0][a_addr_q2[A_SUB-1:0]*(N*8)+:N*8];
  end
  if (R_SUB == 0) begin : g_r_whole
    assign r_part = word[1];
  end else begin : g_r_part
    assign r_part = word[1][r_addr_q2[R_SUB-1:0]*(M*8)+:M*8];
  end

  logic zero_q2;
  delay #(
      .W(1),
      .L(2)
  ) u_zero (
      .clk_i,
      .d_i(a_zero_i),
      .q_o(zero_q2)
  );
  always_ff @(posedge clk_i) begin
    if (zero_q2) a_data_o <= '0;
    else if (en_q2[0]) a_data_o <= a_part;
    if (en_q2[1]) r_data_o <= r_part;
    for (int i = 0; i < WORD_READERS; i++) if (en_q2[2+i]) rd_data_o[i] <= word[2+i];
    clash_q    <= clash;
    conflict_o <= rst_ni && |clash_q;
  end
  logic unused;
  assign unused = &{1'b0, a_addr_q2, r_addr_q2};
endmodule
