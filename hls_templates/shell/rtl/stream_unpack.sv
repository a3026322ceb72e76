/// Beats of DDR into the beats of a core's stream: one tensor a run, from a whole beat on.
///
/// Contract: the tensor is BEATS core beats of ELEMENTS elements each, in DDR BYTES bytes an element, one after the other; what follows
/// its end in the last DDR beat is dropped. A lane of the core's beat is the low LANE bits of its element: the driver stores elements
/// sign extended, so the bits of a padded lane above the element's width are its sign.
/// Latency: a DDR beat taken in clock c is part of the output from clock c+1; full rate on the wider side. `ready_o` depends on `ready_i`
/// in the same clock. Alternative for the other direction: `stream_pack`.
module stream_unpack #(
    parameter int unsigned ELEMENTS = 3,  ///< of a core beat
    parameter int unsigned BYTES    = 1,  ///< of an element in DDR: 1 or 4
    parameter int unsigned LANE     = 8,  ///< bits of an element in a core beat, at most 8 * BYTES
    parameter int unsigned BEATS    = 5   ///< core beats of the tensor
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,  ///< before the next run
    // from DDR
    input  logic                     valid_i,
    output logic                     ready_o,
    input  logic [            127:0] data_i,
    // to the core
    output logic                     valid_o,
    input  logic                     ready_i,
    output logic [ELEMENTS*LANE-1:0] data_o
);
  if (BYTES != 1 && BYTES != 4) begin : g_illegal_bytes
    $fatal(1, "stream_unpack: BYTES=%0d must be 1 or 4", BYTES);
  end
  if (ELEMENTS < 1 || BEATS < 1 || LANE < 1 || LANE > 8 * BYTES) begin : g_illegal
    $fatal(1, "stream_unpack: ELEMENTS=%0d BEATS=%0d LANE=%0d: at least 1, and a lane of at most 8 * BYTES=%0d bits", ELEMENTS, BEATS, LANE, 8 * BYTES);
  end

  // Bytes are kept in granules, as large as every position in the buffer allows.
  function automatic int unsigned granule(int unsigned bytes);
    for (int unsigned g = 16; g > 1; g /= 2) if (bytes % g == 0) return g;
    return 1;
  endfunction
  localparam int unsigned OUT = ELEMENTS * BYTES;
  localparam int unsigned G = BEATS == 1 ? 16 : granule(OUT);  // a single beat always begins with a DDR beat
  localparam int unsigned IN_G = 16 / G;
  localparam int unsigned OUT_G = (OUT + G - 1) / G;
  localparam int unsigned CAP = OUT_G - 1 + IN_G;  // granules
  localparam int unsigned LW = $clog2(CAP + 1);
  localparam int unsigned BW = $clog2(BEATS + 1);

  logic [CAP-1:0][G*8-1:0] buffer_q;
  logic [LW-1:0] level_q, position;  // granules held; those held when this clock's output has left
  logic [BW-1:0] sent_q;
  logic take, accept, last;
  assign valid_o  = level_q >= LW'(OUT_G);
  assign take     = valid_o && ready_i;
  assign position = take ? level_q - LW'(OUT_G) : level_q;
  assign ready_o  = position < LW'(OUT_G);
  assign accept   = valid_i && ready_o;
  assign last     = sent_q == BW'(BEATS - 1);

  // A DDR beat goes to `position`: turned within itself, then written where it belongs.
  logic [IN_G-1:0][G*8-1:0] turned;
  if (IN_G == 1) begin : g_straight
    assign turned = data_i;
  end else begin : g_turn
    always_comb begin
      for (int unsigned i = 0; i < IN_G; i++) turned[i] = data_i[(i-32'(position))%IN_G*G*8+:G*8];
    end
  end

  for (genvar i = 0; i < int'(CAP); i++) begin : g_slot
    logic here;
    assign here = accept && LW'(i) >= position && 32'(i) < 32'(position) + IN_G;
    if (i + OUT_G < CAP) begin : g_residue
      always_ff @(posedge clk_i) begin
        if (here) buffer_q[i] <= turned[i%IN_G];
        else if (take) buffer_q[i] <= buffer_q[i+OUT_G];
      end
    end else begin : g_plain
      always_ff @(posedge clk_i) if (here) buffer_q[i] <= turned[i%IN_G];
    end
  end

  always_ff @(posedge clk_i) begin
    level_q <= position + (accept ? LW'(IN_G) : '0);
    if (take) begin
      sent_q <= last ? '0 : sent_q + 1'b1;
      if (last) level_q <= '0;
    end
    if (!rst_ni || clear_i) begin
      level_q <= '0;
      sent_q  <= '0;
    end
  end

  for (genvar i = 0; i < int'(ELEMENTS); i++) begin : g_lane
    assign data_o[i*LANE+:LANE] = buffer_q[i*BYTES*8/(G*8)][i*BYTES*8%(G*8)+:LANE];
  end
  logic unused;
  assign unused = &{1'b0, buffer_q};
endmodule
