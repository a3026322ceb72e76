/// Reciprocal square root of a positive integer: a table, then one Newton step. Exactly the formula of docs/numerics.md:
///   e = floor(log2 v) / 2, m = (v << 24) >> 2e, i = m >> 16, r0 = ROM[i], u = (m * ((r0 * r0) >> 14)) >> 18,
///   r = (r0 * (3 * 2**24 - u)) >> 17, so that 1/sqrt(v) = r * 2**-24 * 2**-e with 2**23 - 1 <= r < 2**24.
///
/// Contract: `v_i` in clock c with `valid_i`, a new one in any clock; the result is in the output registers from clock c + 6 on, until
/// the next one's. The product with r is later divided by 2**(4 + e); so that this shift is one of four, r comes already
/// multiplied: `scale_o` = r << ((4 - e) mod 8), and the shift that remains is 8 * (`group_o` + 1).
module rsqrt (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        clear_i,
    input  logic        valid_i,
    input  logic [48:0] v_i,      ///< at least 1
    output logic [30:0] scale_o,
    output logic [ 1:0] group_o
);
  logic [5:0] valid;
  delay_valid #(
      .L(5)
  ) u_valid (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(valid_i),
      .q_o(valid)
  );

  // 1: e, the position of the highest pair of bits that is not zero
  logic [24:0][1:0] pairs;
  logic [48:0] v1_q;
  logic [4:0] e, e1_q, e5;
  assign pairs = {1'b0, v_i};
  always_comb begin
    e = '0;
    for (int i = 0; i < 25; i++) if (pairs[i] != 0) e = 5'(i);
  end
  always_ff @(posedge clk_i)
    if (valid[0]) begin
      v1_q <= v_i;
      e1_q <= e;
    end
  delay #(
      .W(5),
      .L(4)
  ) u_e (
      .clk_i,
      .d_i(e1_q),
      .q_o(e5)
  );

  // 2: m, that pair at the top; and the table, which samples the index while m is registered
  logic [49:0] aligned;
  logic [25:0] m2_q;
  logic [15:0] r0;
  logic [17:0] square;
  assign aligned = 50'(v1_q) << {5'd24 - e1_q, 1'b0};
  always_ff @(posedge clk_i) if (valid[1]) m2_q <= aligned[49:24];
  rsqrt_rom u_rom (
      .clk_i,
      .en_i(valid[1]),
      .index_i(aligned[49:40]),
      .r0_o(r0),
      .square_o(square)
  );

  // 3, 4: delta = 2**24 - u, small, so its low bits say all. `square` has one bit more than a multiplier takes: 2**17 of it is added.
  logic signed [43:0] product3_q;
  logic [18:0] m3_q;
  logic [35:0] mr;
  logic signed [17:0] delta4_q;
  assign mr = product3_q[35:0] + {m3_q, 17'b0};
  // 5, 6: r = 2**8 * r0 + floor(r0 * delta / 2**17)
  logic signed [34:0] product5_q;
  logic [15:0] r4, r5_q;
  logic [23:0] r;
  delay #(
      .W(16),
      .L(2)
  ) u_r0 (
      .clk_i,
      .d_i(r0),
      .q_o(r4)
  );
  assign r = {r5_q, 8'b0} + 24'(product5_q >>> 17);
  always_ff @(posedge clk_i) begin
    if (valid[2]) begin
      product3_q <= 44'(signed'({1'b0, m2_q})) * 44'(signed'({~square[17], square[16:0]}));
      m3_q       <= m2_q[18:0];
    end
    if (valid[3]) delta4_q <= -mr[35:18];
    if (valid[4]) begin
      product5_q <= 35'(signed'({1'b0, r4})) * 35'(delta4_q);
      r5_q       <= r4;
    end
    if (valid[5]) begin
      scale_o <= 31'(r) << 3'(3'd4 - e5[2:0]);
      group_o <= 2'((6'(e5) + 6'd3) >> 3);
    end
  end

  logic unused;
  assign unused = &{1'b0, aligned[23:0], mr[17:0], product3_q[43:36], product5_q[16:0]};
endmodule
