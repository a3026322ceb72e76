/// A FINN layer between two AXI streams: frames go in, every output beat is compared, clocks are counted.
///
/// Macros: DUT (module), IN_BITS, OUT_BITS (TDATA widths), OUT_USED (bits of TDATA that carry values), IN_BEATS,
/// OUT_BEATS (a frame), FRAMES, and for a layer that is streamed its weights, WEIGHT_BITS and WEIGHT_WORDS; AXILITE
/// where the layer has such a port (held idle); RUNS_AHEAD where it may begin the next frame unasked (padding). Files
/// in.hex, out.hex and weights.hex: one beat a line. Weights repeat from the start, one each clock, as FINN's memstream
/// sends them.
/// Plusargs: +stall=P lets the source pause and the sink refuse with P percent each clock; +verilator+seed+N.
/// Prints one line, `RESULT mismatches=M first=F interval=I`: F clocks from the first input beat to the last output
/// beat of the first frame, I between the ends of the last two frames. `TIMEOUT` when nothing moves for 100,000 clocks.
module axis_bench;
  localparam int IN_TOTAL = `IN_BEATS * `FRAMES;
  localparam int OUT_TOTAL = `OUT_BEATS * `FRAMES;

`ifdef RUNS_AHEAD
  localparam bit AHEAD = 1;
`else
  localparam bit AHEAD = 0;
`endif

  logic clk = 0;
  logic rst_n = 0;
  always #5 clk = ~clk;

  logic [`IN_BITS-1:0] stimulus[IN_TOTAL];
  logic [`OUT_BITS-1:0] expected[OUT_TOTAL];

  logic [`IN_BITS-1:0] in_data;
  logic [`OUT_BITS-1:0] out_data;
  logic in_valid = 0, in_ready, out_valid, out_ready = 0;

`ifdef WEIGHT_BITS
  logic [`WEIGHT_BITS-1:0] weights[`WEIGHT_WORDS];
  logic weight_ready;
  int weight_at = 0;
  always @(posedge clk) if (rst_n && weight_ready) weight_at <= weight_at == `WEIGHT_WORDS - 1 ? 0 : weight_at + 1;
`endif

  int stall = 0;
  int sent = 0, received = 0, mismatches = 0, clocks = 0, still = 0;
  int started = -1, first = -1, ended = -1, interval = -1;

  initial begin
    void'($value$plusargs("stall=%d", stall));
    $readmemh("in.hex", stimulus);
    $readmemh("out.hex", expected);
`ifdef WEIGHT_BITS
    $readmemh("weights.hex", weights);
`endif
    repeat (10) @(posedge clk);
    rst_n <= 1;
  end

  assign in_data = stimulus[sent < IN_TOTAL ? sent : 0];
  wire [`OUT_BITS-1:0] want = expected[received%OUT_TOTAL];
  wire took = in_valid && in_ready;
  wire gave = out_valid && out_ready;

  always @(posedge clk) begin
    clocks <= clocks + 1;
    if (rst_n) begin
      // A source that has begun a beat keeps it up until it is taken; a sink may change its mind.
      in_valid <= ((sent + int'(took)) < IN_TOTAL) && ((in_valid && !took) || ($urandom_range(99) >= stall));
      out_ready <= $urandom_range(99) >= stall;
      still <= took || gave ? 0 : still + 1;
      if (took) begin
        sent <= sent + 1;
        if (started < 0) started <= clocks;
      end
      if (gave) begin
        received <= received + 1;
        if (received >= OUT_TOTAL && !AHEAD || out_data[`OUT_USED-1:0] !== want[`OUT_USED-1:0]) begin
          mismatches <= mismatches + 1;
          if (mismatches < 4) $display("beat %0d: %h, expected %h", received, out_data, want);
        end
        if ((received + 1) % `OUT_BEATS == 0) begin
          if (first < 0) first <= clocks - started + 1;
          interval <= ended < 0 ? -1 : clocks - ended;
          ended <= clocks;
        end
      end
      // Past the end, a layer has a while to say too much.
      if (received >= OUT_TOTAL && still > 64) begin
        $display("RESULT mismatches=%0d first=%0d interval=%0d", mismatches, first, interval);
        $finish;
      end else if (still > 100_000) begin
        $display("TIMEOUT after %0d of %0d output beats, %0d of %0d input beats", received, OUT_TOTAL, sent, IN_TOTAL);
        $finish;
      end
    end
  end

  `DUT dut (
      .ap_clk(clk),
      .ap_rst_n(rst_n),
`ifdef WEIGHT_BITS
      .weights_V_TDATA(weights[weight_at]),
      .weights_V_TVALID(rst_n),
      .weights_V_TREADY(weight_ready),
`endif
`ifdef AXILITE
      .s_axilite_AWVALID(1'b0), .s_axilite_AWADDR('0), .s_axilite_AWREADY(),
      .s_axilite_WVALID(1'b0), .s_axilite_WDATA('0), .s_axilite_WSTRB('0), .s_axilite_WREADY(),
      .s_axilite_BREADY(1'b1), .s_axilite_BVALID(), .s_axilite_BRESP(),
      .s_axilite_ARVALID(1'b0), .s_axilite_ARADDR('0), .s_axilite_ARREADY(),
      .s_axilite_RREADY(1'b1), .s_axilite_RVALID(), .s_axilite_RDATA(), .s_axilite_RRESP(),
`endif
      .in0_V_TDATA(in_data),
      .in0_V_TVALID(in_valid),
      .in0_V_TREADY(in_ready),
      .out_V_TDATA(out_data),
      .out_V_TVALID(out_valid),
      .out_V_TREADY(out_ready)
  );
endmodule
