/// The array with its weight memory in the clocks of `mm_unit`: words are read, multiplied and added up.
module array8 (
    input  logic         clk_i,
    input  logic [255:0] in_i,
    output logic [255:0] out_o
);
  localparam int N = 8, M = 8, WW = 4, COLUMNS = N * M * WW / 128, D = 40;
  logic [COLUMNS*128-1:0] weight;
  logic [7:0] target;
  assign target = hwgen_pkg::TGT_WEIGHT ^ {7'b0, in_i[0]};
  wide_mem #(
      .COLUMNS(COLUMNS),
      .D(D),
      .STYLE("block"),
      .SPLIT(32)
  ) u_weight (
      .clk_i,
      .ld_we_i(in_i[1]),
      .ld_target_i(target),
      .ld_word_i({18'b0, in_i[2] ? 6'd32 : 6'd0} + 24'(in_i[5:3])),
      .ld_beat_i({9'b0, in_i[6]}),
      .ld_data_i(in_i[127:0] ^ {in_i[63:0], in_i[127:64]}),
      .re_i(in_i[128]),
      .raddr_i({in_i[129], 2'b0, in_i[132:130]}),
      .rdata_o(weight)
  );
  mac_array #(
      .N(N),
      .M(M),
      .WW(WW),
      .DSP_BITS(18)
  ) u_array (
      .clk_i,
      .rst_ni(in_i[140:136] != 0),
      .clear_i(in_i[146:141] == 0),
      .step_i(in_i[147]),
      .first_i(in_i[149:148] == 0),
      .w_i(weight),
      .a_i(in_i[150+:64]),
      .a_signed_i(in_i[214]),
      .acc_o(out_o)
  );
endmodule
