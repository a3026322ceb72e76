/// Simple dual-port RAM: one write port, one read port, one clock.
///
/// Latency: `rdata_o` shows the word at `raddr_i` two clocks after `re_i` (RAM, then its output register, which block RAM and
/// UltraRAM need above about 250 MHz). A word read in the clock in which it is written is the old one in simulation and undefined
/// on the chip: callers never rely on it.
/// SPLIT is for parts whose memory blocks answer late (ECP5): what selects among blocks then stands behind the output register, and
/// the write port in registers, for it goes to blocks all over the chip: a word is in the memory a clock later.
/// Alternative: `ram_lut` for shallow memories that must answer in one clock.
module ram_1r1w #(
    parameter int    W     = 64,     ///< bits of a word
    parameter int    D     = 512,    ///< words
    parameter int    SPLIT = 0,      ///< words of a part with an output register of its own, a power of two; 0: one part
    // verilator lint_off UNUSEDPARAM
    parameter string STYLE = "auto"  ///< auto, block, ultra or distributed; only synthesis reads it
    // verilator lint_on UNUSEDPARAM
) (
    input  logic                 clk_i,
    input  logic                 we_i,
    input  logic [$clog2(D)-1:0] waddr_i,
    input  logic [        W-1:0] wdata_i,
    input  logic                 re_i,
    input  logic [$clog2(D)-1:0] raddr_i,
    output logic [        W-1:0] rdata_o
);
  if (W < 1 || D < 2 || (SPLIT != 0 && (SPLIT < 2 || SPLIT != 1 << $clog2(SPLIT) || (SPLIT < D && D % SPLIT == 1)))) begin : g_illegal
    $fatal(1, "ram_1r1w: W=%0d D=%0d: at least 1 bit and 2 words; SPLIT=%0d a power of two that leaves no single word", W, D, SPLIT);
  end

  localparam int AW = $clog2(D);
  if (SPLIT == 0 || SPLIT >= D) begin : g_whole
    (* ram_style = STYLE *) (* no_rw_check *)logic [W-1:0] mem[D];
    logic [W-1:0] read_q;
    logic re_q;
    always_ff @(posedge clk_i) begin
      if (we_i) mem[waddr_i] <= wdata_i;
      if (re_i) read_q <= mem[raddr_i];
      re_q <= re_i;
      if (re_q) rdata_o <= read_q;
    end
  end else begin : g_split
    localparam int PARTS = (D + SPLIT - 1) / SPLIT;
    localparam int SW = $clog2(SPLIT);
    logic [PARTS-1:0][W-1:0] data_q;
    logic [AW-SW-1:0] part1_q, part_q;  // the part that was read
    logic re_q;
    logic [AW-1:0] waddr_q;
    logic [W-1:0] wdata_q;
    for (genvar p = 0; p < PARTS; p++) begin : g_part
      localparam int WORDS = (p == PARTS - 1) ? D - p * SPLIT : SPLIT;
      (* ram_style = STYLE *) (* no_rw_check *)logic [W-1:0] mem[WORDS];
      logic [W-1:0] read_q;
      logic we_q;
      always_ff @(posedge clk_i) begin
        we_q <= we_i && waddr_i[AW-1:SW] == (AW - SW)'(p);
        if (we_q) mem[waddr_q[$clog2(WORDS)-1:0]] <= wdata_q;
        if (re_i) read_q <= mem[raddr_i[$clog2(WORDS)-1:0]];
        if (re_q) data_q[p] <= read_q;
      end
    end
    always_ff @(posedge clk_i) begin
      waddr_q <= waddr_i;
      wdata_q <= wdata_i;
      re_q <= re_i;
      if (re_i) part1_q <= raddr_i[AW-1:SW];
      if (re_q) part_q <= part1_q;
    end
    assign rdata_o = data_q[part_q];
  end
endmodule
