/// Starts a core of the kind that HLS tools make (ap_ctrl_hs) once a run, and holds it in reset after a run was cut short.
///
/// Contract: `ap_start_o` is high from the first clock of the run with `go_i`, the core being out of reset, until it says `ap_ready_i`;
/// `done_o` (level) says that `ap_done_i` came, `busy_o` counts from the first `fed_i` to then. `clear_i` with `drain_i` means that the run was cut short: the core is reset until RESET_CLOCKS
/// clocks after the drain, in which `ready_o` is 0; nothing may be offered to it meanwhile.
module core_start #(
    parameter int unsigned RESET_CLOCKS = 16  ///< a core may pass its reset on through registers
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic run_i,      ///< level
    input  logic clear_i,
    input  logic drain_i,    ///< level
    input  logic go_i,       ///< level: the core may start; stays until it has
    input  logic fed_i,      ///< level: there is input for the core
    output logic ready_o,    ///< level: the core is out of reset
    output logic busy_o,     ///< level: between its first input and its end
    output logic done_o,     ///< level
    // core
    output logic ap_rst_no,
    output logic ap_start_o,
    input  logic ap_ready_i,
    input  logic ap_done_i
);
  if (RESET_CLOCKS < 1) begin : g_illegal
    $fatal(1, "core_start: RESET_CLOCKS=%0d must be at least 1", RESET_CLOCKS);
  end
  localparam int unsigned CW = $clog2(RESET_CLOCKS + 1);
  logic [CW-1:0] left_q;  // clocks of reset
  logic accepted_q, begun_q;
  assign ready_o    = ap_rst_no;
  assign ap_start_o = run_i && go_i && ap_rst_no && !accepted_q;
  assign busy_o     = run_i && (begun_q || fed_i) && !done_o;

  always_ff @(posedge clk_i) begin
    left_q    <= left_q == 0 ? '0 : left_q - 1'b1;
    ap_rst_no <= left_q == 0;
    if (busy_o) begun_q <= 1'b1;
    if (ap_start_o && ap_ready_i) accepted_q <= 1'b1;
    if (run_i && ap_done_i) done_o <= 1'b1;
    if (!rst_ni || clear_i) begin
      begun_q    <= 1'b0;
      accepted_q <= 1'b0;
      done_o     <= 1'b0;
    end
    if (!rst_ni || drain_i) begin
      left_q    <= CW'(RESET_CLOCKS);
      ap_rst_no <= 1'b0;
    end
  end
endmodule
