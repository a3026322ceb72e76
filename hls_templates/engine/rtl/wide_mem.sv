/// Memory of words wider than a bus beat, filled by the loader one 128-bit beat at a time and read a whole word a clock.
///
/// The word is cut into columns of one beat each, so a beat is written without a read-modify-write. `KEEP` of each beat's 128 bits are
/// stored (a channel's parameters take fewer than a beat).
/// Latency: `rdata_o` two clocks after `re_i` (see `ram_1r1w`).
module wide_mem #(
    parameter int         COLUMNS = 16,                    ///< beats of a word
    parameter int         KEEP    = 128,                   ///< bits kept of each beat
    parameter int         D       = 512,                   ///< words
    parameter logic [7:0] TARGET  = hwgen_pkg::TGT_WEIGHT, ///< the loader's name of this memory
    parameter string      STYLE   = "auto",                ///< see `ram_1r1w`
    parameter int         STYLED  = COLUMNS,               ///< columns of that style; those above are block RAM
    parameter int         SPLIT   = 0                      ///< see `ram_1r1w`
) (
    input  logic                    clk_i,
    // loader bus
    input  logic                    ld_we_i,
    input  logic [             7:0] ld_target_i,
    input  logic [            23:0] ld_word_i,
    input  logic [             9:0] ld_beat_i,
    input  logic [           127:0] ld_data_i,
    // read port
    input  logic                    re_i,
    input  logic [   $clog2(D)-1:0] raddr_i,
    output logic [COLUMNS*KEEP-1:0] rdata_o
);
  if (COLUMNS < 1 || COLUMNS > 1024 || KEEP < 1 || KEEP > 128) begin : g_illegal
    $fatal(1, "wide_mem: COLUMNS=%0d must be 1..1024 and KEEP=%0d 1..128", COLUMNS, KEEP);
  end

  logic mine;
  assign mine = ld_we_i && ld_target_i == TARGET;
  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    ram_1r1w #(
        .W(KEEP),
        .D(D),
        .STYLE(c < STYLED ? STYLE : "block"),
        .SPLIT(SPLIT)
    ) u_ram (
        .clk_i,
        .we_i   (mine && ld_beat_i == 10'(c)),
        .waddr_i(ld_word_i[$clog2(D)-1:0]),
        .wdata_i(ld_data_i[KEEP-1:0]),
        .re_i,
        .raddr_i,
        .rdata_o(rdata_o[c*KEEP+:KEEP])
    );
  end
  logic unused;
  assign unused = &{1'b0, ld_word_i, ld_data_i};
endmodule
