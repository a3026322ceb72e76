/// The small parts of the array side beside one another, each with its own signals: one build for all their benches.
module tb_parts
  import hwgen_pkg::*;
(
    input  logic               clk_i,
    input  logic               rst_ni,
    // ram_1r1w
    input  logic               ram_we_i,
    input  logic [        3:0] ram_waddr_i,
    input  logic [       12:0] ram_wdata_i,
    input  logic               ram_re_i,
    input  logic [        3:0] ram_raddr_i,
    output logic [       12:0] ram_rdata_o,
    output logic [       12:0] ram_split_rdata_o,  ///< the same from a memory in parts of 4 and 2 words
    // loader bus, of wide_mem and lookup_lane
    input  logic               ld_we_i,
    input  logic [        7:0] ld_target_i,
    input  logic [       23:0] ld_word_i,
    input  logic [        9:0] ld_beat_i,
    input  logic [      127:0] ld_data_i,
    input  logic               wide_re_i,
    input  logic [        2:0] wide_raddr_i,
    output logic [      215:0] wide_rdata_o,
    // lookup_lane with 1, 3 and 16 slots
    input  logic [  2:0]       lut_pick_i,  ///< which of them the loader reaches
    input  logic               lut_re_i,
    input  logic [  2:0][ 3:0] lut_slot_i,
    input  logic [        7:0] lut_x_i,
    output logic [  2:0][ 7:0] lut_y_o,
    // mac_pair with weights of 2, 5 and 8 bits, in each of its three ways
    input  logic [        2:0] mac_en_i,      ///< weights, activation, product
    input  logic [        7:0] mac_w0_i,
    input  logic [        7:0] mac_w1_i,
    input  logic [        8:0] mac_a_i,
    output logic [  8:0][16:0] mac_p0_o,
    output logic [  8:0][16:0] mac_p1_o,
    // adder_tree of 2, 4, 8, 16, 32 and 64 numbers
    input  logic [        2:0] tree_en_i,
    input  logic [ 63:0][16:0] tree_d_i,
    output logic [  5:0][22:0] tree_sum_o,
    // delay of 0 and 3 clocks, delay_valid of 4
    input  logic               clear_i,
    input  logic [        4:0] line_i,
    output logic [        4:0] line0_o,
    output logic [        4:0] line3_o,
    output logic [        4:0] valid_o
);
  ram_1r1w #(
      .W(13),
      .D(16)
  ) u_ram (
      .clk_i,
      .we_i(ram_we_i),
      .waddr_i(ram_waddr_i),
      .wdata_i(ram_wdata_i),
      .re_i(ram_re_i),
      .raddr_i(ram_raddr_i),
      .rdata_o(ram_rdata_o)
  );
  ram_1r1w #(
      .W(13),
      .D(14),
      .SPLIT(4)
  ) u_split (
      .clk_i,
      .we_i(ram_we_i),
      .waddr_i(ram_waddr_i),
      .wdata_i(ram_wdata_i),
      .re_i(ram_re_i),
      .raddr_i(ram_raddr_i),
      .rdata_o(ram_split_rdata_o)
  );
  wide_mem #(
      .COLUMNS(3),
      .KEEP(72),
      .D(8),
      .TARGET(TGT_PARAM)
  ) u_wide (
      .clk_i,
      .ld_we_i,
      .ld_target_i,
      .ld_word_i,
      .ld_beat_i,
      .ld_data_i,
      .re_i(wide_re_i),
      .raddr_i(wide_raddr_i),
      .rdata_o(wide_rdata_o)
  );
  for (genvar i = 0; i < 3; i++) begin : g_three
    localparam int SLOTS = (i == 0) ? 1 : (i == 1) ? 3 : 16;
    localparam int WW = 2 + 3 * i;
    lookup_lane #(
        .SLOTS(SLOTS)
    ) u_lut (
        .clk_i,
        .ld_we_i(ld_we_i && lut_pick_i[i]),
        .ld_target_i,
        .ld_word_i,
        .ld_beat_i,
        .ld_data_i(ld_data_i[7:0]),
        .re_i(lut_re_i),
        .slot_i(lut_slot_i[i]),
        .x_i(lut_x_i),
        .y_o(lut_y_o[i])
    );
    for (genvar way = 0; way < 3; way++) begin : g_way
      mac_pair #(
          .WW(WW),
          .DSP_BITS(way == 0 ? 27 : 18),
          .IN_LUTS(way == 2)
      ) u_mac (
          .clk_i,
          .en_w_i(mac_en_i[0]),
          .en_a_i(mac_en_i[1]),
          .en_m_i(mac_en_i[2]),
          .w0_i(mac_w0_i[WW-1:0]),
          .w1_i(mac_w1_i[WW-1:0]),
          .a_i(mac_a_i),
          .p0_o(mac_p0_o[way*3+i]),
          .p1_o(mac_p1_o[way*3+i])
      );
    end
  end
  for (genvar i = 0; i < 6; i++) begin : g_tree
    localparam int N = 2 << i;
    localparam int STAGES = ($clog2(N) + 1) / 2;
    logic signed [17+$clog2(N)-1:0] sum;
    adder_tree #(
        .N(N),
        .W(17)
    ) u_tree (
        .clk_i,
        .en_i (tree_en_i[STAGES-1:0]),
        .d_i  (tree_d_i[N-1:0]),
        .sum_o(sum)
    );
    assign tree_sum_o[i] = 23'(sum);
  end
  delay #(
      .W(5),
      .L(0)
  ) u_wire (
      .clk_i,
      .d_i(line_i),
      .q_o(line0_o)
  );
  delay #(
      .W(5),
      .L(3)
  ) u_line (
      .clk_i,
      .d_i(line_i),
      .q_o(line3_o)
  );
  delay_valid #(
      .L(4)
  ) u_valid (
      .clk_i,
      .rst_ni,
      .clear_i,
      .d_i(line_i[0]),
      .q_o(valid_o)
  );
endmodule
