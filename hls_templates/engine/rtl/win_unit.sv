/// Windows of an image for a first convolution: few channels, so that kernel rows, packed, fill the words that the array reads.
///
/// Contract: beats of the input stream go into a ring (`space_o`: there is room); `win_walk` runs a WINDOWS instruction over them; each
/// word of a window is put together from PORTS unaligned reads a clock and shown as a write. Bytes that no segment fills are 0.
/// Row of words of a window: kernel row, kernel column, channel, innermost last, so that a convolution is a matrix product over its rows.
/// Latency: the step that completes a word in clock t, `wr_en_o` in t+6; see `win_walk`.
/// Cost: PORTS copies of the ring and as many byte rotations of V lanes. As yosys counts for UltraScale+, with 4 KiB: V = 32, one port: 2,500 LUT,
/// 600 more as memory, 2,400 FF; two ports: 4,000, 1,200, 4,100; V = 64, one port: 5,000, 640, 4,300.
module win_unit
  import hwgen_pkg::*;
#(
    parameter int unsigned V     = 32,   ///< bytes of an activation word
    parameter int unsigned PORTS = 2,    ///< segments a clock, 1..4
    parameter int unsigned RING  = 4096  ///< bytes, a power of two
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       clear_i,
    // the stream
    input  logic                       beat_en_i,
    input  logic       [        127:0] beat_i,
    output logic                       space_o,
    // the instruction
    input  din_instr_t                 instr_i,
    input  logic                       go_i,      ///< level: `instr_i` is to be run
    output logic                       pop_o,     ///< it is issued
    output logic                       busy_o,    ///< level: words of an instruction are to come
    // activation memory
    output logic                       wr_en_o,
    output logic       [BANK_BITS-1:0] wr_bank_o,
    output logic       [         16:0] wr_addr_o,
    output logic       [      V*8-1:0] wr_data_o
);
  localparam int unsigned RW = $clog2(RING);
  localparam int unsigned LW = $clog2(V) + 1;
  localparam int unsigned READ = 4;  // win_ring

  // The stream. A beat is in the ring a clock after `received_q` counts it, long before the walker's read.
  logic [19:0] received_q;
  logic signed [21:0] limit;
  logic beat_q;
  logic [RW-5:0] place_q;
  logic [127:0] data_q;
  assign space_o = $signed({2'b0, received_q}) < limit;
  always_ff @(posedge clk_i) begin
    beat_q  <= beat_en_i;
    place_q <= (RW - 4)'(received_q);
    data_q  <= beat_i;
    if (beat_en_i) received_q <= received_q + 1'b1;
    if (!rst_ni || clear_i) begin
      beat_q     <= 1'b0;
      received_q <= '0;
    end
  end

  logic active, step, word;
  logic [BANK_BITS-1:0] bank;
  logic [16:0] addr;
  logic [PORTS-1:0][RW-1:0] from;
  logic [PORTS-1:0][LW-1:0] lo, hi;
  win_walk #(
      .V(V),
      .PORTS(PORTS),
      .RING(RING)
  ) u_walk (
      .clk_i,
      .rst_ni,
      .clear_i,
      .instr_i,
      .go_i,
      .pop_o,
      .received_i(received_q),
      .limit_o   (limit),
      .active_o  (active),
      .step_o    (step),
      .word_o    (word),
      .bank_o    (bank),
      .addr_o    (addr),
      .from_o    (from),
      .lo_o      (lo),
      .hi_o      (hi)
  );

  // Beside the rings.
  logic [READ:0] steps;
  logic issued_q;  // a step between the walker's state and `step`
  logic word_r;
  delay_valid #(
      .L(READ)
  ) u_steps (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(step),
      .q_o(steps)
  );
  delay #(
      .W(1 + BANK_BITS + 17),
      .L(READ)
  ) u_word (
      .clk_i,
      .d_i({word, bank, addr}),
      .q_o({word_r, wr_bank_o, wr_addr_o})
  );

  logic [PORTS-1:0][V*8-1:0] part;
  for (genvar i = 0; i < PORTS; i++) begin : g_port
    logic [V*8-1:0] bytes;
    win_ring #(
        .V(V),
        .RING(RING)
    ) u_ring (
        .clk_i,
        .we_i   (beat_q),
        .waddr_i(place_q),
        .wdata_i(data_q),
        .re_i   (step),
        .from_i (from[i]),
        .data_o (bytes)
    );
    logic [LW-1:0] lo_r, hi_r;
    logic [V-1:0] fill_q;
    delay #(
        .W(2 * LW),
        .L(READ - 1)
    ) u_lanes (
        .clk_i,
        .d_i({lo[i], hi[i]}),
        .q_o({lo_r, hi_r})
    );
    always_ff @(posedge clk_i) begin
      for (int b = 0; b < int'(V); b++) fill_q[b] <= LW'(b) >= lo_r && LW'(b) < hi_r;
    end
    always_comb begin
      for (int b = 0; b < int'(V); b++) part[i][b*8+:8] = bytes[b*8+:8] & {8{fill_q[b]}};
    end
  end

  logic [V*8-1:0] sum_q;  // earlier steps of this word
  always_comb begin
    wr_data_o = sum_q;
    for (int i = 0; i < int'(PORTS); i++) wr_data_o |= part[i];
  end
  assign wr_en_o = steps[READ] && word_r;
  assign busy_o  = active || issued_q || |steps;
  always_ff @(posedge clk_i) begin
    if (steps[READ]) sum_q <= word_r ? '0 : wr_data_o;
    issued_q <= active;
    if (!rst_ni || clear_i) begin
      sum_q    <= '0;
      issued_q <= 1'b0;
    end
  end
endmodule
