/// Memories, multipliers and a register that goes to many places: what the passes behind yosys change, in little.
///
/// `in_i` is random in every clock. Memories of each width that a block of the ECP5 has, with and without parts, a table, and a few lanes of
/// the array; their outputs are added up so that none is left out.
module units (
    input  logic         clk_i,
    input  logic [127:0] in_i,
    output logic [127:0] out_o
);
  localparam int WIDTHS[6] = '{36, 18, 9, 4, 2, 1};
  localparam int DEPTHS[6] = '{512, 1024, 2048, 4096, 8192, 16384};

  // Few of the addresses, so that what was written is read; both ends among them.
  function automatic logic [13:0] spread(logic [3:0] from);
    return {from[3], {11{from[2]}}, from[1:0]};
  endfunction
  logic [13:0] waddr, raddr;
  assign waddr = spread(in_i[3:0]);
  assign raddr = spread(in_i[7:4]);
  function automatic logic [10:0] parts(logic [3:0] from);  // a few words of each part
    return {from[3], !from[3] && from[2], 7'b0, from[1:0]};
  endfunction

  logic [7:0][35:0] read;
  for (genvar i = 0; i < 6; i++) begin : g_memory
    localparam int AW = $clog2(DEPTHS[i]);
    logic [WIDTHS[i]-1:0] data;
    ram_1r1w #(
        .W(WIDTHS[i]),
        .D(DEPTHS[i]),
        .STYLE("block")
    ) u_ram (
        .clk_i,
        .we_i(in_i[8]),
        .waddr_i(waddr[13-:AW]),
        .wdata_i(in_i[9+:WIDTHS[i]]),
        .re_i(in_i[45+i]),
        .raddr_i(raddr[13-:AW]),
        .rdata_o(data)
    );
    assign read[i] = 36'(data);
  end
  ram_1r1w #(
      .W(36),
      .D(1100),
      .SPLIT(512),
      .STYLE("block")
  ) u_parts (
      .clk_i,
      .we_i(in_i[8]),
      .waddr_i(parts(in_i[3:0])),
      .wdata_i(in_i[44:9]),
      .re_i(in_i[51]),
      .raddr_i(parts(in_i[7:4])),
      .rdata_o(read[6])
  );

  logic [33:0] entry;
  rsqrt_rom u_rom (
      .clk_i,
      .en_i(in_i[53]),
      .index_i({2'b11, in_i[7:0]}),
      .r0_o(entry[15:0]),
      .square_o(entry[33:16])
  );

  logic [15:0] en_q;  // one of them goes to every lane
  always_ff @(posedge clk_i) en_q <= in_i[67:52];
  logic [3:0][33:0] product;
  for (genvar i = 0; i < 4; i++) begin : g_lane
    localparam int WW = 2 * i + 2;
    mac_pair #(
        .WW(WW),
        .DSP_BITS(18)
    ) u_pair (
        .clk_i,
        .en_w_i(en_q[0]),
        .en_a_i(en_q[0]),
        .en_m_i(en_q[0]),
        .w0_i(in_i[68+:WW]),
        .w1_i(in_i[76+:WW]),
        .a_i(in_i[84+:9]),
        .p0_o(product[i][16:0]),
        .p1_o(product[i][33:17])
    );
  end
  // Unsigned, and longer than the array's.
  logic [23:0] long_q;
  always_ff @(posedge clk_i) long_q <= 24'(in_i[93+:11]) * 24'(in_i[104+:13]);

  assign read[7] = {12'b0, long_q} ^ {entry, 2'b0};
  always_comb begin
    out_o = '0;
    for (int i = 0; i < 8; i++) out_o ^= 128'(read[i]) << (11 * i);
    for (int i = 0; i < 4; i++) out_o ^= 128'(product[i]) << (31 * i);
  end
endmodule
