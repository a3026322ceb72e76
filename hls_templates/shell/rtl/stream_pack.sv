/// Beats of a core's stream into beats of DDR: one tensor a run, its end padded with zeros to a whole beat.
///
/// Contract: the tensor is BEATS core beats of ELEMENTS lanes each; of a lane the low BITS bits count, which are sign (or zero) extended to
/// BYTES bytes. Behind the tensor's end nothing is taken before `clear_i`.
/// Latency: a core beat taken in clock c is part of the output from clock c+1; full rate on the wider side. `ready_o` depends on `ready_i`
/// in the same clock. Alternative for the other direction: `stream_unpack`.
module stream_pack #(
    parameter int unsigned ELEMENTS  = 3,     ///< of a core beat
    parameter int unsigned LANE      = 16,    ///< bits of an element in a core beat
    parameter int unsigned BITS      = 13,    ///< of them meant
    parameter logic        IS_SIGNED = 1'b1,
    parameter int unsigned BYTES     = 4,     ///< of an element in DDR: 1 or 4
    parameter int unsigned BEATS     = 5      ///< core beats of the tensor
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,  ///< before the next run
    // from the core
    input  logic                     valid_i,
    output logic                     ready_o,
    input  logic [ELEMENTS*LANE-1:0] data_i,
    // to DDR
    output logic                     valid_o,
    input  logic                     ready_i,
    output logic [            127:0] data_o
);
  if (BYTES != 1 && BYTES != 4) begin : g_illegal_bytes
    $fatal(1, "stream_pack: BYTES=%0d must be 1 or 4", BYTES);
  end
  if (ELEMENTS < 1 || BEATS < 1 || BITS < 1 || BITS > LANE || BITS > 8 * BYTES) begin : g_illegal
    $fatal(1, "stream_pack: ELEMENTS=%0d BEATS=%0d BITS=%0d: at least 1, and BITS at most LANE=%0d and 8 * BYTES=%0d", ELEMENTS, BEATS, BITS, LANE, 8 * BYTES);
  end

  function automatic int unsigned granule(int unsigned bytes);
    for (int unsigned g = 16; g > 1; g /= 2) if (bytes % g == 0) return g;
    return 1;
  endfunction
  localparam int unsigned IN = ELEMENTS * BYTES;
  localparam int unsigned G = BEATS == 1 ? 16 : granule(IN);  // a single beat always begins a DDR beat
  localparam int unsigned IN_G = (IN + G - 1) / G;
  localparam int unsigned OUT_G = 16 / G;
  localparam int unsigned CAP = OUT_G - 1 + IN_G;  // granules
  localparam int unsigned LW = $clog2(CAP + OUT_G + 1);
  localparam int unsigned BW = $clog2(BEATS + 1);

  // The core's beat as it lies in DDR.
  logic [IN_G*G*8-1:0] stored;
  for (genvar i = 0; i < int'(ELEMENTS); i++) begin : g_element
    logic [BITS-1:0] element;
    assign element = data_i[i*LANE+:BITS];
    if (BITS == 8 * BYTES) begin : g_whole
      assign stored[i*BYTES*8+:BYTES*8] = element;
    end else begin : g_extended
      assign stored[i*BYTES*8+:BYTES*8] = {{(BYTES * 8 - BITS) {IS_SIGNED && element[BITS-1]}}, element};
    end
  end
  if (IN_G * G != IN) begin : g_padding
    assign stored[IN_G*G*8-1:IN*8] = '0;
  end

  // Granules from `level_q` on are always 0.
  logic [CAP*G*8-1:0] buffer_q, kept;
  logic [LW-1:0] level_q, position;  // granules held; those held when this clock's output has left
  logic [BW-1:0] taken_q;
  logic take, accept, complete;
  assign complete = taken_q == BW'(BEATS);
  assign valid_o  = level_q >= LW'(OUT_G) || (complete && level_q != 0);
  assign take     = valid_o && ready_i;
  assign position = !take ? level_q : level_q > LW'(OUT_G) ? level_q - LW'(OUT_G) : '0;
  assign ready_o  = position < LW'(OUT_G) && !complete;
  assign accept   = valid_i && ready_o;
  assign kept     = take ? buffer_q >> 128 : buffer_q;
  assign data_o   = buffer_q[127:0];

  always_ff @(posedge clk_i) begin
    buffer_q <= kept;
    if (accept) begin
      for (int unsigned p = 0; p < OUT_G; p++)
        if (position == LW'(p)) buffer_q <= kept | (CAP * G * 8)'(stored) << (p * G * 8);
    end
    level_q <= position + (accept ? LW'(IN_G) : '0);
    taken_q <= taken_q + BW'(accept);
    if (!rst_ni || clear_i) begin
      for (int unsigned i = 0; i < CAP; i++) buffer_q[i*G*8+:G*8] <= '0;
      level_q  <= '0;
      taken_q  <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, data_i};
endmodule
