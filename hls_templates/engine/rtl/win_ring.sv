/// Ring of image bytes with one unaligned read port: V bytes from any byte of the ring.
///
/// Contract: a beat written in clock c can be read from c+1 on. Two halves, even and odd words of V bytes, give any V bytes in one access;
/// each half's address is its own, and a rotation brings the first byte to lane 0.
/// Latency: `data_o` four clocks after `re_i` (memory 2, rotation 2). More ports: more rings with the same writes.
module win_ring #(
    parameter int unsigned V    = 32,    ///< bytes of a read, a power of two, at least 16
    parameter int unsigned RING = 4096,  ///< bytes, a power of two, at least 4 V
    localparam int unsigned RW  = $clog2(RING)
) (
    input  logic           clk_i,
    input  logic           we_i,
    input  logic [RW-5:0]  waddr_i,  ///< beat
    input  logic [127:0]   wdata_i,
    input  logic           re_i,
    input  logic [RW-1:0]  from_i,   ///< byte
    output logic [V*8-1:0] data_o
);
  if (V < 16 || V != 1 << $clog2(V) || RING < 4 * V || RING != 1 << RW) begin : g_illegal
    $fatal(1, "win_ring: V=%0d must be a power of two, at least 16; RING=%0d one of at least 4 V", V, RING);
  end
  localparam int unsigned VW = $clog2(V);
  localparam int unsigned AW = RW - VW - 1;  // of a half
  localparam int unsigned PARTS = V / 16;

  // A read that begins in the odd half takes its rest from the next word of the even one.
  logic [1:0][AW-1:0] raddr;
  logic [1:0][V*8-1:0] half;
  assign raddr[1] = from_i[RW-1:VW+1];
  assign raddr[0] = from_i[RW-1:VW+1] + AW'(from_i[VW]);
  for (genvar h = 0; h < 2; h++) begin : g_half
    for (genvar p = 0; p < PARTS; p++) begin : g_part
      ram_1r1w #(
          .W(128),
          .D(1 << AW)
      ) u_ram (
          .clk_i,
          .we_i   (we_i && waddr_i[VW-4:0] == (VW - 3)'(h * PARTS + p)),
          .waddr_i(waddr_i[RW-5:VW-3]),
          .wdata_i,
          .re_i,
          .raddr_i(raddr[h]),
          .rdata_o(half[h][p*128+:128])
      );
    end
  end

  logic [VW:0] turn_q1;
  logic [VW-1:0] turn_q2;
  logic [VW-3:0] turn_q3;
  logic [V-1:0] odd_q2;  // lanes that the odd half gives
  logic [V*8-1:0] lanes, fine_q;
  always_comb begin
    for (int i = 0; i < int'(V); i++) lanes[i*8+:8] = odd_q2[i] ? half[1][i*8+:8] : half[0][i*8+:8];
  end
  always_ff @(posedge clk_i) begin
    turn_q1 <= from_i[VW:0];
    turn_q2 <= turn_q1[VW-1:0];
    turn_q3 <= turn_q2[VW-1:2];
    for (int i = 0; i < int'(V); i++) odd_q2[i] <= turn_q1[VW] ^ (VW'(i) < turn_q1[VW-1:0]);
    fine_q <= (V * 8)'({2{lanes}} >> {turn_q2[1:0], 3'b0});
    data_o <= (V * 8)'({2{fine_q}} >> {turn_q3, 5'b0});
  end
endmodule
