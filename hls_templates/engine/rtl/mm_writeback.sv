/// Writes finished groups to the activation memory, or offers them to the KV memory, and counts them.
///
/// A narrow group (8 bits a channel) is written in the clock in which it is valid. A wide one (32 bits) is written as four byte planes: plane k,
/// byte k of every channel, to address + k in clock k; the three clocks behind it must bring no group. A group of keys takes the KV memory
/// KEYS_CLOCKS clocks, so as many less one must bring none. The progress counter shows a group in the clock of its (last) write: `next_i`,
/// `next_wide_i` and `next_kind_i` are `valid_i`, `wide_i` and `kind_i` one clock ahead.
module mm_writeback
  import hwgen_pkg::*;
#(
    parameter int M    = 32,  ///< channels of a group
    parameter int V    = 32,  ///< bytes of an activation word, a multiple of M
    parameter bit WIDE = 1,   ///< wide groups exist
    parameter int KEYS_CLOCKS = 0  ///< of the write of a group of keys; 0: no KV memory
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 clear_i,
    input  logic                 run_i,
    input  logic                 next_i,
    input  logic                 next_wide_i,
    input  logic [          1:0] next_kind_i,
    input  logic                 valid_i,
    input  logic                 wide_i,     ///< with `valid_i`
    input  logic [          1:0] kind_i,     ///< likewise: O_ACTIVATIONS, O_KEYS or O_VALUES
    input  logic [BANK_BITS-1:0] bank_i,
    input  logic [ADDR_BITS-1:0] addr_i,     ///< in M bytes
    input  logic [M-1:0][  31:0] result_i,
    output logic                 wr_en_o,
    output logic [BANK_BITS-1:0] wr_bank_o,
    output logic [         16:0] wr_addr_o,
    output logic [      V/8-1:0] wr_mask_o,
    output logic [      V*8-1:0] wr_data_o,
    output logic                 kv_en_o,    ///< instead, with `addr_i` and the results' low bytes
    output logic                 kv_keys_o,
    output count_t               count_o,
    output logic                 counts_o    ///< `count_o` grows at the end of this clock
);
  if (M < 8 || M % 8 != 0 || V % M != 0 || V / M != 1 << $clog2(V / M)) begin : g_illegal
    $fatal(1, "mm_writeback: V=%0d must be a multiple of M=%0d by a power of two, M of 8", V, M);
  end
  localparam int SUB = $clog2(V / M);

  // Where a group goes, and when one of keys is counted.
  logic here, next_keys, keys_count;  // to the activation memory; the next is one of keys that takes more than a clock
  if (KEYS_CLOCKS > 0) begin : g_kv
    assign here = kind_i == O_ACTIVATIONS;
    assign kv_en_o = valid_i && !here;
    assign kv_keys_o = kind_i == O_KEYS;
  end else begin : g_no_kv
    assign here = 1'b1;
    assign kv_en_o = 1'b0;
    assign kv_keys_o = 1'b0;
    logic unused;
    assign unused = &{1'b0, kind_i, next_kind_i};
  end
  if (KEYS_CLOCKS > 1) begin : g_keys
    logic [KEYS_CLOCKS-1:0] line;
    delay_valid #(
        .L(KEYS_CLOCKS - 1)
    ) u_line (
        .clk_i,
        .rst_ni,
        .clear_i(clear_i || !run_i),
        .d_i(kv_en_o && kv_keys_o),
        .q_o(line)
    );
    assign keys_count = line[KEYS_CLOCKS-2];
    assign next_keys = next_kind_i == O_KEYS;
    logic unused;
    assign unused = &{1'b0, line};
  end else begin : g_at_once
    assign keys_count = 1'b0;
    assign next_keys = 1'b0;
    logic unused;
    assign unused = &{1'b0, next_kind_i};
  end

  logic [ADDR_BITS-1:0] addr;
  logic [M*8-1:0] bytes;

  if (WIDE) begin : g_wide
    logic [1:0] plane_q;  // plane written now; 0 also when idle
    logic [M-1:0][23:0] rest_q;
    logic [ADDR_BITS-1:0] addr_q;
    logic [BANK_BITS-1:0] bank_q;
    always_ff @(posedge clk_i) begin
      if (valid_i && wide_i) begin
        addr_q <= addr_i + 1'b1;
        bank_q <= bank_i;
        for (int m = 0; m < M; m++) rest_q[m] <= result_i[m][31:8];
      end else if (plane_q != 0) begin
        addr_q <= addr_q + 1'b1;
        for (int m = 0; m < M; m++) rest_q[m] <= {8'd0, rest_q[m][23:8]};
      end
      if (!rst_ni || clear_i) plane_q <= '0;
      else if (plane_q != 0 || (valid_i && wide_i)) plane_q <= plane_q + 1'b1;
    end
    assign wr_en_o = (valid_i && here) || plane_q != 0;
    assign wr_bank_o = plane_q != 0 ? bank_q : bank_i;
    assign addr = plane_q != 0 ? addr_q : addr_i;
    for (genvar m = 0; m < M; m++) begin : g_byte
      assign bytes[m*8+:8] = plane_q != 0 ? rest_q[m][7:0] : result_i[m][7:0];
    end
    assign counts_o = plane_q == 2'd2 || keys_count || (next_i && !next_wide_i && !next_keys);
  end else begin : g_narrow
    assign wr_en_o = valid_i && here;
    assign wr_bank_o = bank_i;
    assign addr = addr_i;
    for (genvar m = 0; m < M; m++) begin : g_byte
      assign bytes[m*8+:8] = result_i[m][7:0];
    end
    assign counts_o = keys_count || (next_i && !next_keys);
    logic unused;
    assign unused = &{1'b0, next_wide_i, wide_i, result_i};
  end

  assign wr_addr_o = 17'(addr >> SUB);
  if (SUB == 0) begin : g_whole
    assign wr_mask_o = '1;
    assign wr_data_o = bytes;
  end else begin : g_part
    assign wr_mask_o = (V / 8)'((1 << (M / 8)) - 1) << (32'(addr[SUB-1:0]) * (M / 8));
    assign wr_data_o = {V / M{bytes}};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i || !run_i) count_o <= '0;
    else if (counts_o) count_o <= count_o + count_t'(M / 8);
  end
endmodule
