/// Activation tables of one output lane: `SLOTS` tables of 256 bytes, filled by the loader one entry a clock.
///
/// Latency: one clock. The index is the pre-activation as an unsigned byte.
module lookup_lane #(
    parameter int SLOTS = 4  ///< tables, 1..16
) (
    input  logic         clk_i,
    // loader bus: word = table, beat = entry
    input  logic         ld_we_i,
    input  logic [  7:0] ld_target_i,
    input  logic [ 23:0] ld_word_i,
    input  logic [  9:0] ld_beat_i,
    input  logic [  7:0] ld_data_i,
    input  logic         re_i,
    input  logic [  3:0] slot_i,
    input  logic [  7:0] x_i,
    output logic [  7:0] y_o
);
  if (SLOTS < 1 || SLOTS > 16) begin : g_illegal
    $fatal(1, "lookup_lane: SLOTS=%0d must be 1..16", SLOTS);
  end
  localparam int AW = $clog2(SLOTS * 256);
  (* no_rw_check *)logic [7:0] mem[SLOTS*256];
  always_ff @(posedge clk_i) begin
    if (ld_we_i && ld_target_i == hwgen_pkg::TGT_TABLE) mem[AW'({ld_word_i[3:0], ld_beat_i[7:0]})] <= ld_data_i;
    if (re_i) y_o <= mem[AW'({slot_i, x_i})];
  end
  logic unused;
  assign unused = &{1'b0, ld_word_i, ld_beat_i};
endmodule
