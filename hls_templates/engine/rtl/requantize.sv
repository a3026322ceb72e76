/// Requantize lane: y = clamp(round_half_even((relu(acc * mult + bias) + r * rmult) / 2**shift), lo, hi).
///
/// Contract: all inputs are sampled together in clock c; `y_o` (registered) shows the result in clock c + LATENCY,
/// LATENCY = 5 + RESIDUAL. A new value every clock, no enable, no reset: valid bits travel beside (`delay_valid`).
/// Steps, one clock each: partial products; bias; sum; (residual); shift; round and clamp.
/// Exact as long as |acc * mult + bias| and the sum with the residual are below 2**51 (the compiler checks this).
/// `wide_i` replaces lo and hi by the range of 32 bits. `relu_i` needs hi >= 0. lo <= hi.
/// Without RESIDUAL the residual inputs are not read, and ReLU is taken at the clamp, which is the same.
module requantize #(
    parameter  bit RESIDUAL = 0,            ///< with the residual input
    parameter  int DSP_BITS = 27,           ///< wide operand of the part's multiplier: 27, or less
    parameter  int ACC_BITS = 32,           ///< bits that `acc_i` fills; up to 18: one multiplier instead of two
    localparam int LATENCY  = 5 + RESIDUAL  ///< clocks from inputs to `y_o`
) (
    input  logic               clk_i,
    input  logic signed [31:0] acc_i,
    input  logic signed [17:0] mult_i,
    input  logic        [ 5:0] shift_i,
    input  logic signed [47:0] bias_i,
    input  logic signed [26:0] rmult_i,
    input  logic signed [ 8:0] r_i,
    input  logic               relu_i,
    input  logic               wide_i,
    input  logic signed [ 8:0] lo_i,
    input  logic signed [ 8:0] hi_i,
    output logic signed [31:0] y_o
);
  localparam int VW = hwgen_pkg::V_BITS;

  typedef struct packed {
    logic [5:0] shift;
    logic relu;
    logic wide;
    logic signed [8:0] lo;
    logic signed [8:0] hi;
  } control_t;

  // What the later steps need; control_q[k] belongs to the value k clocks after its inputs.
  control_t [LATENCY-2:1] control_q;
  always_ff @(posedge clk_i) begin
    control_q[1] <= '{shift: shift_i, relu: relu_i, wide: wide_i, lo: lo_i, hi: hi_i};
    for (int i = 2; i < LATENCY - 1; i++) control_q[i] <= control_q[i-1];
  end

  // 1: the accumulator in two halves, so that each product fits one 27x18 multiplier
  logic signed [32:0] high2_q;
  logic signed [35:0] low1_q;
  logic signed [47:0] bias1_q;
  // 2: bias on the low half; 3: the sum
  logic signed [48:0] low2_q;
  logic signed [VW-1:0] v3_q, v;
  always_ff @(posedge clk_i) begin
    bias1_q <= bias_i;
    low2_q  <= 49'(low1_q) + 49'(bias1_q);
    v3_q    <= (VW'(high2_q) <<< 17) + VW'(low2_q);
  end
  if (ACC_BITS > 18) begin : g_halves_of_acc
    logic signed [32:0] high1_q;
    always_ff @(posedge clk_i) begin
      high1_q <= 33'(signed'(acc_i[31:17])) * 33'(mult_i);
      low1_q  <= 36'(signed'({1'b0, acc_i[16:0]})) * 36'(mult_i);
      high2_q <= high1_q;
    end
  end else begin : g_short_acc
    always_ff @(posedge clk_i) low1_q <= 36'(signed'(acc_i[17:0])) * 36'(mult_i);
    assign high2_q = '0;
    logic unused;
    assign unused = &{1'b0, acc_i[31:18]};
  end

  // 4, only with a residual
  if (RESIDUAL) begin : g_residual
    logic signed [35:0] term2_q, term3_q;
    logic signed [VW-1:0] v4_q;
    if (DSP_BITS >= 27) begin : g_one
      logic signed [35:0] term1_q;
      always_ff @(posedge clk_i) begin
        term1_q <= 36'(r_i) * 36'(rmult_i);
        term2_q <= term1_q;
      end
    end else begin : g_halves
      logic signed [18:0] high_q;
      logic signed [26:0] low_q;
      always_ff @(posedge clk_i) begin
        high_q  <= 19'(r_i) * 19'(signed'(rmult_i[26:17]));
        low_q   <= 27'(r_i) * 27'(signed'({1'b0, rmult_i[16:0]}));
        term2_q <= (36'(high_q) <<< 17) + 36'(low_q);
      end
    end
    always_ff @(posedge clk_i) begin
      term3_q <= term2_q;
      v4_q    <= (control_q[3].relu && v3_q[VW-1] ? '0 : v3_q) + VW'(term3_q);
    end
    assign v = v4_q;
  end else begin : g_plain
    assign v = v3_q;
    logic unused;
    assign unused = &{1'b0, rmult_i, r_i};
  end

  // 5: integer part, and whether to round up: above one half, or one half with an odd integer part. The half is the bit below the point;
  // whether anything lies below that one is seen beside the shift, through a mask that is made a clock before it.
  logic [5:0] shift;
  logic [VW-1:0] below_q;  // bits that count less than one half
  logic signed [VW-1:0] whole, whole_q;
  logic half, half_q, rest_q;
  assign shift = control_q[LATENCY-2].shift;
  assign {whole, half} = signed'({v, 1'b0}) >>> shift;
  always_ff @(posedge clk_i) begin
    below_q <= VW'((64'd1 << control_q[LATENCY-3].shift) - 64'd1) >> 1;
    whole_q <= whole;
    half_q  <= half;
    rest_q  <= (v & below_q) != 0;
  end

  // 6: clamp. Rounding up crosses neither bound from inside, so the comparisons need not wait for it. Narrow bounds have 9 bits and are
  // compared with as many: what does not fit those is beyond the bound of its sign. Wide bounds are the range of 32 bits, and no comparison.
  control_t control;
  logic positive;  // a ReLU at the clamp
  logic wide_q, floor_q;  // wide; and no value below zero
  logic signed [8:0] lo_q, hi_q;
  logic signed [31:0] low;
  logic sign, fits32, fits9, over, under;
  assign control  = control_q[LATENCY-2];
  assign positive = !RESIDUAL && control.relu;
  assign low      = signed'(whole_q[31:0]);
  assign sign     = whole_q[VW-1];
  assign fits32   = whole_q[VW-1:31] == {VW - 31{sign}};
  assign fits9    = whole_q[30:8] == {23{sign}} && fits32;
  assign over     = wide_q ? !sign && (!fits32 || &low[30:0]) : fits9 ? signed'(low[8:0]) >= hi_q : !sign;
  assign under    = wide_q ? sign && (!fits32 || floor_q) : fits9 ? signed'(low[8:0]) < lo_q : sign;
  always_ff @(posedge clk_i) begin
    wide_q  <= control.wide;
    floor_q <= positive;
    lo_q    <= positive && control.lo < 0 ? '0 : control.lo;
    hi_q    <= control.hi;
    if (over) y_o <= wide_q ? 32'sh7FFFFFFF : 32'(hi_q);
    else if (under) y_o <= !wide_q ? 32'(lo_q) : floor_q ? '0 : 32'sh80000000;
    else y_o <= low + 32'(half_q && (low[0] || rest_q));
  end
  logic unused_shift;
  assign unused_shift = &{1'b0, control.shift};
endmodule
