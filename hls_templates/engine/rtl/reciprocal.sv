/// Reciprocal of a sum, times a constant: a straight line between two entries of a table. Exactly the formula of docs/numerics.md:
///   e = floor(log2 s) - 23, m = s >> (e + 3), i = (m >> 12) - 256, f = m & 4095,
///   r0 = (ROM[i] - (((ROM[i] - ROM[i + 1]) * f) >> 12) + 8) >> 4, r = (r0 * mult + 2**15) >> 16.
///
/// Contract: `s_i` in clock c with `valid_i`, a new one in any clock; `mult_i` is sampled in c + 4; the result is in the output
/// registers from c + 6 on, until the next one's. One BRAM18, one multiplier of 12 x 12 and one of 17 x 17 bits.
module reciprocal (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        clear_i,
    input  logic        valid_i,
    input  logic [38:0] s_i,      ///< at least 2**23
    input  logic [16:0] mult_i,   ///< at least 2**16
    output logic [16:0] r_o,
    output logic [ 3:0] e_o
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

  // 1: e, from the highest bit that is set
  logic [38:0] s1_q;
  logic [3:0] e, e1_q, e5;
  always_comb begin
    e = '0;
    for (int k = 1; k < 16; k++) if (s_i[23+k]) e = 4'(k);
  end
  always_ff @(posedge clk_i)
    if (valid[0]) begin
      s1_q <= s_i;
      e1_q <= e;
    end
  delay #(
      .W(4),
      .L(4)
  ) u_e (
      .clk_i,
      .d_i(e1_q),
      .q_o(e5)
  );

  // 2: m with its highest bit at the top; and the table, which samples the index while f is registered
  logic [38:0] aligned;
  logic [11:0] f2_q, drop;
  logic [20:0] base, base3_q;
  assign aligned = s1_q << (4'd15 - e1_q);
  reciprocal_rom u_rom (
      .clk_i,
      .en_i(valid[1]),
      .index_i(aligned[37:30]),
      .base_o(base),
      .drop_o(drop)
  );

  // 3: the line; 4: r0; 5, 6: times mult
  logic [23:0] line3_q;
  logic [20:0] rounded;
  logic [16:0] r4_q;
  logic [33:0] product5_q;
  assign rounded = base3_q - 21'(line3_q[23:12]) + 21'd8;
  always_ff @(posedge clk_i) begin
    if (valid[1]) f2_q <= aligned[29:18];
    if (valid[2]) begin
      line3_q <= 24'(drop) * 24'(f2_q);
      base3_q <= base;
    end
    if (valid[3]) r4_q <= rounded[20:4];
    if (valid[4]) product5_q <= 34'(r4_q) * 34'(mult_i);
    if (valid[5]) begin
      r_o <= 17'((product5_q + 34'd32768) >> 16);
      e_o <= e5;
    end
  end
  logic unused;
  assign unused = &{1'b0, aligned[38], aligned[17:0], line3_q[11:0], rounded[3:0]};
endmodule
