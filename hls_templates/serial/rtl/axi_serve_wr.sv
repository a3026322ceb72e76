/// AXI4 write slave (128 bits, in order, no ids) of the memory.
///
/// Contract: INCR bursts of 16-byte beats inside the memory (SPACE_MEMORY, below MEMORY_BEATS); the strobes of a word are all ones or all
/// zeros. Anything else, the host's window among it, is answered with SLVERR, and of a burst that leaves the memory nothing is written.
/// Data may come with their address or later. Latency: data taken from the fourth clock after the address, one beat a clock, the answer two clocks
/// after the last; then the next burst.
module axi_serve_wr
  import serial_pkg::*;
#(
    parameter int unsigned BEATS        = 2048,  ///< of the memory
    parameter int unsigned MEMORY_BEATS = 1792   ///< that may be written
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    // AXI4
    input  logic [             63:0] s_axi_awaddr_i,
    input  logic [              7:0] s_axi_awlen_i,
    input  logic [              2:0] s_axi_awsize_i,
    input  logic [              1:0] s_axi_awburst_i,
    input  logic                     s_axi_awvalid_i,
    output logic                     s_axi_awready_o,
    input  logic [            127:0] s_axi_wdata_i,
    input  logic [             15:0] s_axi_wstrb_i,
    input  logic                     s_axi_wlast_i,
    input  logic                     s_axi_wvalid_i,
    output logic                     s_axi_wready_o,
    output logic [              1:0] s_axi_bresp_o,
    output logic                     s_axi_bvalid_o,
    input  logic                     s_axi_bready_i,
    // memory
    output logic [              3:0] we_o,
    output logic [$clog2(BEATS)-1:0] waddr_o,
    output logic [            127:0] wdata_o
);
  localparam int unsigned AW = $clog2(BEATS);

  typedef enum logic [2:0] {
    IDLE,
    SUM,
    JUDGE,
    DATA,
    WRITTEN,  // the last beat enters the memory
    ANSWER
  } state_t;
  state_t state_q;
  logic [63:0] addr_q;
  logic [7:0] len_q;
  logic plain_q, low_q, good_q, bad_q;
  logic [24:0] last_q;
  logic [3:0] full, none;  // strobes of a word: all, none
  for (genvar i = 0; i < 4; i++) begin : g_word
    assign full[i] = &s_axi_wstrb_i[4*i+:4];
    assign none[i] = s_axi_wstrb_i[4*i+:4] == 0;
  end

  assign s_axi_awready_o = state_q == IDLE;
  assign s_axi_wready_o  = state_q == DATA;
  assign s_axi_bvalid_o  = state_q == ANSWER;
  assign s_axi_bresp_o   = {bad_q, 1'b0};

  always_ff @(posedge clk_i) begin
    we_o <= '0;
    unique case (state_q)
      IDLE: begin
        addr_q  <= s_axi_awaddr_i;
        len_q   <= s_axi_awlen_i;
        plain_q <= s_axi_awsize_i == 3'd4 && s_axi_awburst_i == 2'b01;
        if (s_axi_awvalid_i) state_q <= SUM;
      end
      SUM: begin
        low_q   <= addr_q[63:32] == 0 && addr_q[31:28] == SPACE_MEMORY;
        last_q  <= {1'b0, addr_q[27:4]} + 25'(len_q);
        state_q <= JUDGE;
      end
      JUDGE: begin
        good_q  <= plain_q && low_q && last_q < 25'(MEMORY_BEATS);
        bad_q   <= !(plain_q && low_q && last_q < 25'(MEMORY_BEATS));
        waddr_o <= addr_q[AW+3:4] - 1'b1;
        state_q <= DATA;
      end
      DATA:
      if (s_axi_wvalid_i) begin
        we_o    <= good_q ? full : '0;
        waddr_o <= waddr_o + 1'b1;
        wdata_o <= s_axi_wdata_i;
        if ((full | none) != 4'hF) bad_q <= 1'b1;
        if (s_axi_wlast_i) state_q <= WRITTEN;
      end
      WRITTEN: state_q <= ANSWER;
      default: if (s_axi_bready_i) state_q <= IDLE;
    endcase
    if (!rst_ni) begin
      state_q <= IDLE;
      we_o    <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, addr_q[3:0]};
endmodule
