/// Transmitter of a serial line: 8 data bits, no parity, one stop bit.
///
/// Contract: a byte taken (`valid_i` and `ready_o`) has its start bit on the line in the next clock; `ready_o` rises again when its stop bit is
/// over, so that bytes follow one another without a gap of more than two clocks. The bit clock is that of `uart_rx`.
module uart_tx #(
    parameter int unsigned CLOCK_HZ = 80_000_000,  ///< of clk_i
    parameter int unsigned BAUD     = 3_000_000
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       valid_i,
    output logic       ready_o,
    input  logic [7:0] data_i,
    output logic       txd_o     ///< a register; high when idle
);
  localparam int unsigned PW = 20;
  localparam longint unsigned STEP = ((64'(BAUD) << PW) + 64'(CLOCK_HZ) / 2) / 64'(CLOCK_HZ);
  if (64'(CLOCK_HZ) < 8 * 64'(BAUD)) begin : g_illegal
    $fatal(1, "uart_tx: %0d baud cannot be made from %0d Hz: at least 8 clocks a bit", BAUD, CLOCK_HZ);
  end

  logic [8:0] shift_q;
  logic [3:0] left_q;  // bits that are not over
  logic [PW-1:0] phase_q;
  logic tick_q;  // the end of a bit
  assign ready_o = left_q == 0;

  always_ff @(posedge clk_i) begin
    {tick_q, phase_q} <= {1'b0, phase_q} + (PW + 1)'(STEP);
    if (ready_o) begin
      txd_o   <= 1'b1;
      shift_q <= {1'b1, data_i};
      phase_q <= (PW)'(STEP);  // this clock is the bit's first
      tick_q  <= 1'b0;
      if (valid_i) begin
        txd_o  <= 1'b0;
        left_q <= 4'd10;
      end
    end else if (tick_q) begin
      txd_o   <= shift_q[0];
      shift_q <= {1'b1, shift_q[8:1]};
      left_q  <= left_q - 1'b1;
    end
    if (!rst_ni) begin
      txd_o  <= 1'b1;
      left_q <= '0;
    end
  end
endmodule
