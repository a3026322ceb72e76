/// Stand-in for the ECP5's PLL in simulation and lint: the input clock goes through as it is, and LOCK rises after a few clocks.
///
/// A bench drives the board's clock pin with the clock that the PLL would make, so that the ratio of clock and baud is the real one.
/// The divisors are checked: the clock that they make must stay within the VCO's range of a 25 MHz oscillator.
module EHXPLLL #(
    parameter int    CLKI_DIV      = 1,
    parameter int    CLKFB_DIV     = 1,
    parameter int    CLKOP_DIV     = 8,
    parameter string CLKOP_ENABLE  = "ENABLED",
    parameter string FEEDBK_PATH   = "CLKOP",
    // verilator lint_off UNUSEDPARAM
    parameter int    CLKOP_CPHASE     = 0,
    parameter int    CLKOP_FPHASE     = 0,
    parameter string PLLRST_ENA       = "DISABLED",
    parameter string INTFB_WAKE       = "DISABLED",
    parameter string STDBY_ENABLE     = "DISABLED",
    parameter string DPHASE_SOURCE    = "DISABLED",
    parameter string OUTDIVIDER_MUXA  = "DIVA",
    parameter string OUTDIVIDER_MUXB  = "DIVB",
    parameter string OUTDIVIDER_MUXC  = "DIVC",
    parameter string OUTDIVIDER_MUXD  = "DIVD"
    // verilator lint_on UNUSEDPARAM
) (
    input  logic RST,
    input  logic STDBY,
    input  logic CLKI,
    input  logic CLKFB,
    input  logic PHASESEL0,
    input  logic PHASESEL1,
    input  logic PHASEDIR,
    input  logic PHASESTEP,
    input  logic PHASELOADREG,
    input  logic PLLWAKESYNC,
    input  logic ENCLKOP,
    output logic CLKOP,
    output logic CLKINTFB,
    output logic LOCK
);
  localparam int VCO_MHZ = 25 * CLKFB_DIV * CLKOP_DIV / CLKI_DIV;
  if (VCO_MHZ < 400 || VCO_MHZ > 800 || CLKI_DIV < 1 || CLKI_DIV > 8 || CLKOP_ENABLE != "ENABLED" || FEEDBK_PATH != "CLKOP") begin : g_illegal
    $fatal(1, "EHXPLLL: CLKI_DIV=%0d CLKFB_DIV=%0d CLKOP_DIV=%0d make a VCO of %0d MHz: 400 to 800", CLKI_DIV, CLKFB_DIV, CLKOP_DIV, VCO_MHZ);
  end
  logic [4:0] count_q;
  initial count_q = '0;
  assign CLKOP    = CLKI;
  assign CLKINTFB = CLKI;
  assign LOCK     = count_q[4];
  always @(posedge CLKI) if (!LOCK) count_q <= count_q + 1'b1;
  logic unused;
  assign unused = &{1'b0, RST, STDBY, CLKFB, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP};
endmodule
