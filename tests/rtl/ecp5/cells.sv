// What the ECP5's cells do, as Lattice's notes describe them (FPGA-TN-02204, FPGA-TN-02205) and yosys uses them: for simulating netlists.
// Ports are as in the netlist but for buses, which netlist.py makes of numbered pins. One clock, registers begin as the bitstream says.
/* verilator lint_off DECLFILENAME */
/* verilator lint_off MULTITOP */

module LUT4 #(
    parameter logic [15:0] INIT = 0
) (
    input  A, B, C, D,
    output Z
);
  assign Z = INIT[{D, C, B, A}];
endmodule

module PFUMX (
    input  ALUT, BLUT, C0,
    output Z
);
  assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (
    input  D0, D1, SD,
    output Z
);
  assign Z = SD ? D1 : D0;
endmodule

/// Two bits of a carry chain: each half's LUT says whether the carry passes, its lower quarter makes one.
module CCU2C #(
    parameter logic [15:0] INIT0 = 0,
    parameter logic [15:0] INIT1 = 0,
    parameter string INJECT1_0 = "YES",
    parameter string INJECT1_1 = "YES"
) (
    input  CIN, A0, B0, C0, D0, A1, B1, C1, D1,
    output S0, S1, COUT
);
  logic pass0, pass1, middle;
  assign pass0  = INIT0[{D0, C0, B0, A0}];
  assign pass1  = INIT1[{D1, C1, B1, A1}];
  assign S0     = pass0 ^ (INJECT1_0 == "NO" && CIN);
  assign middle = pass0 ? CIN : INJECT1_0 == "NO" && INIT0[{2'b0, B0, A0}];
  assign S1     = pass1 ^ (INJECT1_1 == "NO" && middle);
  assign COUT   = pass1 ? middle : INJECT1_1 == "NO" && INIT1[{2'b0, B1, A1}];
endmodule

module TRELLIS_FF #(
    parameter string CEMUX = "1",
    parameter string LSRMUX = "LSR",
    parameter string REGSET = "RESET",
    parameter string SRMODE = "LSR_OVER_CE"
) (
    input      CLK, LSR, CE, DI,
    output bit Q = REGSET == "SET"
);
  logic enable, set;
  assign enable = CEMUX == "CE" ? CE : CEMUX == "INV" ? !CE : CEMUX == "1";
  assign set    = LSR ^ (LSRMUX == "INV");
  if (SRMODE == "ASYNC") begin : g_async
    always_ff @(posedge CLK or posedge set)
      if (set) Q <= REGSET == "SET";
      else if (enable) Q <= DI;
  end else begin : g_sync
    always_ff @(posedge CLK)
      if (set) Q <= REGSET == "SET";
      else if (enable) Q <= DI;
  end
endmodule

module TRELLIS_DPR16X4 (
    input        WCK, WRE,
    input  [3:0] DI, WAD, RAD,
    output [3:0] DO
);
  logic [3:0] mem[16];
  assign DO = mem[RAD];
  always_ff @(posedge WCK) if (WRE) mem[WAD] <= DI;
endmodule

/// Written at port A and read at port B, 18 bits each, or 36 at both ports' data. A word is made of cells of 9 bits.
module DP16KD #(
    parameter int    DATA_WIDTH_A = 18,
    parameter int    DATA_WIDTH_B = 18,
    parameter string REGMODE_A    = "NOREG",
    parameter string REGMODE_B    = "NOREG"
) (
    input         CLKA, CEA, WEA, CLKB, CEB, OCEB, RSTB,
    input  [13:0] ADA, ADB,
    input  [17:0] DIA, DIB,
    output [17:0] DOA, DOB
);
  localparam int READ = DATA_WIDTH_B;
  logic [8:0] mem[2048];
  logic [35:0] read_q, out_q, data;
  assign data = {DIB, DIA};
  always_ff @(posedge CLKA)
    if (CEA && WEA)
      case (DATA_WIDTH_A)
        36: for (int i = 0; i < 4; i++) if (ADA[i]) mem[{ADA[13:5], 2'(i)}] <= data[9*i+:9];
        18: for (int i = 0; i < 2; i++) if (ADA[i]) mem[{ADA[13:4], 1'(i)}] <= data[9*i+:9];
        9: mem[ADA[13:3]] <= data[8:0];
        4: mem[ADA[13:3]][4*ADA[2]+:4] <= data[3:0];
        2: mem[ADA[13:3]][2*ADA[2:1]+:2] <= data[1:0];
        default: mem[ADA[13:3]][ADA[2:0]] <= data[0];
      endcase
  always_ff @(posedge CLKB)
    if (CEB)
      case (READ)
        36: for (int i = 0; i < 4; i++) read_q[9*i+:9] <= mem[{ADB[13:5], 2'(i)}];
        18: for (int i = 0; i < 2; i++) read_q[18+9*i+:9] <= mem[{ADB[13:4], 1'(i)}];
        9: read_q[26:18] <= mem[ADB[13:3]];
        4: read_q[21:18] <= mem[ADB[13:3]][4*ADB[2]+:4];
        2: read_q[19:18] <= mem[ADB[13:3]][2*ADB[2:1]+:2];
        default: read_q[18] <= mem[ADB[13:3]][ADB[2:0]];
      endcase
  always_ff @(posedge CLKB) if (OCEB) out_q <= read_q;
  assign DOB = REGMODE_B == "OUTREG" ? out_q[35:18] : read_q[35:18];
  assign DOA = REGMODE_A == "OUTREG" ? out_q[17:0] : read_q[17:0];
  if (READ == 36 && REGMODE_A != REGMODE_B) begin : g_illegal
    $fatal(1, "DP16KD: halves of a word with different registers");
  end
  always_ff @(posedge CLKB) assert (!RSTB) else $error("DP16KD: no model of its reset");
endmodule

module MULT18X18D #(
    parameter string REG_OUTPUT_CLK = "NONE"
) (
    input         CLK0, CE0, SIGNEDA, SIGNEDB,
    input  [17:0] A, B,
    output [35:0] P
);
  logic signed [35:0] product, product_q;
  assign product = 36'(signed'({SIGNEDA && A[17], A})) * 36'(signed'({SIGNEDB && B[17], B}));
  always_ff @(posedge CLK0) if (CE0) product_q <= product;
  assign P = REG_OUTPUT_CLK == "CLK0" ? product_q : product;
endmodule
