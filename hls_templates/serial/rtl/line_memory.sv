/// The memory that host and engine share: the engine by beats of 16 bytes, the host by words of 4.
///
/// Contract: the engine is served in every clock, reading and writing; the host's access is taken (`host_valid_i` and `host_ready_o`) in a clock in
/// which the engine leaves the port that it needs free. Latency: data three clocks after the address, for both.
/// A beat that is read in the clock in which it is written is undefined: host and engine keep apart by START and DONE.
module line_memory #(
    parameter int unsigned BEATS = 2048  ///< of 16 bytes
) (
    input  logic                       clk_i,
    // engine
    input  logic                       re_i,
    input  logic [$clog2(BEATS)-1:0]   raddr_i,
    output logic [              127:0] rdata_o,
    input  logic [                3:0] we_i,          ///< words of the beat
    input  logic [$clog2(BEATS)-1:0]   waddr_i,
    input  logic [              127:0] wdata_i,
    // host
    input  logic                       host_valid_i,
    output logic                       host_ready_o,
    input  logic                       host_write_i,
    input  logic [$clog2(BEATS)+1:0]   host_addr_i,   ///< in words
    input  logic [               31:0] host_wdata_i,
    output logic [               31:0] host_rdata_o   ///< stays until the next read of the host
);
  localparam int unsigned AW = $clog2(BEATS);

  assign host_ready_o = host_write_i ? we_i == 0 : !re_i;
  logic host_read, host_write;
  assign host_read  = host_valid_i && !host_write_i && !re_i;
  assign host_write = host_valid_i && host_write_i && we_i == 0;

  logic re_q;
  logic [3:0] we_q;
  logic [AW-1:0] raddr_q, waddr_q;
  logic [127:0] wdata_q;
  logic [2:0] host_q;  // a read of the host on its way
  logic [1:0] lane_q;
  always_ff @(posedge clk_i) begin
    re_q    <= re_i || host_read;
    raddr_q <= re_i ? raddr_i : host_addr_i[AW+1:2];
    waddr_q <= we_i != 0 ? waddr_i : host_addr_i[AW+1:2];
    wdata_q <= we_i != 0 ? wdata_i : {4{host_wdata_i}};
    for (int i = 0; i < 4; i++) we_q[i] <= we_i[i] || (host_write && host_addr_i[1:0] == 2'(i));
    host_q <= {host_q[1:0], host_read};
    if (host_read) lane_q <= host_addr_i[1:0];
    if (host_q[2]) host_rdata_o <= rdata_o[32*lane_q+:32];
  end

  for (genvar i = 0; i < 4; i++) begin : g_lane
    ram_1r1w #(
        .W(32),
        .D(BEATS),
        .STYLE("block")
    ) u_ram (
        .clk_i,
        .we_i   (we_q[i]),
        .waddr_i(waddr_q),
        .wdata_i(wdata_q[32*i+:32]),
        .re_i   (re_q),
        .raddr_i(raddr_q),
        .rdata_o(rdata_o[32*i+:32])
    );
  end
endmodule
