// What the ECP5's blocks do, of which yosys brings no model: as Lattice's FPGA-TN-02204 (memory) and FPGA-TN-02205
// (sysDSP) describe them and as yosys uses them. A way of using them that is not modelled ends the simulation at once.
/* verilator lint_off DECLFILENAME */
/* verilator lint_off MULTITOP */

/// Written at port A, read at either, 18 bits each; or read at port B, 36 over both ports' data. Kept in cells of 9 bits.
/// A word that is read in the clock in which it is written is the old one, as in the RTL.
module DP16KD #(
    parameter int    DATA_WIDTH_A = 18,
    parameter int    DATA_WIDTH_B = 18,
    parameter bit [20479:0] INIT  = 0,  ///< INITVAL_3F .. INITVAL_00: 20 bits for every 18
    parameter        REGMODE_A    = "NOREG",
    parameter        REGMODE_B    = "NOREG",
    parameter        CLKAMUX      = "CLKA",
    parameter        CLKBMUX      = "CLKB",
    parameter        CSDECODE_A   = "0b000",
    parameter        CSDECODE_B   = "0b000",
    parameter        RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL",
    parameter        GSR = "AUTO"
) (
    input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2, CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2,
    input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
    input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
    output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
  localparam bit BOTH = DATA_WIDTH_B == 36;
  localparam bit HELD = REGMODE_B == "OUTREG";
  if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000"
      || (REGMODE_A == "OUTREG") != (BOTH && HELD)) begin : g_illegal
    $fatal(1, "DP16KD: no model of this");
  end
  logic [13:0] ada, adb;
  logic [35:0] data, read_q, out_q;
  assign ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  assign adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  assign data = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};

  logic [8:0] mem[2048];
  initial for (int i = 0; i < 1024; i++) {mem[2*i+1], mem[2*i]} = INIT[20*i+:18];
  function automatic logic [17:0] word(int width, logic [13:0] at);
    case (width)
      18: return {mem[{at[13:4], 1'b1}], mem[{at[13:4], 1'b0}]};
      9: return 18'(mem[at[13:3]]);
      4: return 18'(mem[at[13:3]][4*at[2]+:4]);
      2: return 18'(mem[at[13:3]][2*at[2:1]+:2]);
      default: return 18'(mem[at[13:3]][at[2:0]]);
    endcase
  endfunction
  always_ff @(posedge CLKA)
    if (CEA && WEA)
      case (DATA_WIDTH_A)
        36: for (int i = 0; i < 4; i++) if (ada[i]) mem[{ada[13:5], 2'(i)}] <= data[9*i+:9];
        18: for (int i = 0; i < 2; i++) if (ada[i]) mem[{ada[13:4], 1'(i)}] <= data[9*i+:9];
        9: mem[ada[13:3]] <= data[8:0];
        4: mem[ada[13:3]][4*ada[2]+:4] <= data[3:0];
        2: mem[ada[13:3]][2*ada[2:1]+:2] <= data[1:0];
        default: mem[ada[13:3]][ada[2:0]] <= data[0];
      endcase
  initial {read_q, out_q} = '0;
  always_ff @(posedge CLKB)
    if (CEB) begin
      read_q[35:18] <= word(DATA_WIDTH_B, adb);
      if (BOTH) for (int i = 0; i < 4; i++) read_q[9*i+:9] <= mem[{adb[13:5], 2'(i)}];
    end
  always_ff @(posedge CLKA) if (!BOTH && CEA && !WEA) read_q[17:0] <= word(DATA_WIDTH_A, ada);
  always_ff @(posedge CLKB) begin  // each half by its own port's enable
    if (OCEA) out_q[17:0] <= read_q[17:0];
    if (OCEB) out_q[35:18] <= read_q[35:18];
  end
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0,
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0}
    = HELD ? out_q : read_q;
  always_ff @(posedge CLKA)
    if (RSTA || RSTB || WEB || {CSA0, CSA1, CSA2, CSB0, CSB1, CSB2} != 0) $fatal(1, "DP16KD: no model of this");
endmodule

/// A product, at once or behind the block's output register.
module MULT18X18D #(
    parameter REG_OUTPUT_CLK = "NONE",
    parameter REG_OUTPUT_RST = "RST0"
) (
    input CLK0, CE0, RST0, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
    input B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
    input C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17,
    output P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17, P18, P19, P20, P21, P22, P23, P24,
    output P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35
);
  logic [17:0] a, b;
  assign a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  assign b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  logic signed [35:0] product, product_q;
  assign product = 36'(signed'({SIGNEDA && a[17], a})) * 36'(signed'({SIGNEDB && b[17], b}));
  initial product_q = '0;
  always_ff @(posedge CLK0)
    if (RST0) product_q <= '0;
    else if (CE0) product_q <= product;
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12,
    P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = REG_OUTPUT_CLK == "CLK0" ? product_q : product;
  logic unused;
  assign unused = &{1'b0, SOURCEA, SOURCEB, C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17};
endmodule
