/// Receiver of a serial line: 8 data bits, no parity, one stop bit, at any ratio of clock and baud of at least 8.
///
/// Contract: `valid_o` for one clock a byte, in the middle of its stop bit; `error_o` beside it when the stop bit was not there (noise, a break,
/// another baud). After such a byte the line must be high once before a start bit counts. The line is synchronized and the majority of
/// three clocks taken, so that a spike of one clock is nothing; a start bit that is gone by its middle is none.
/// The bit clock is an accumulator of BAUD / CLOCK_HZ, exact to 2 % at elaboration (0.02 % at 3 Mbaud); it restarts at every start bit.
module uart_rx #(
    parameter int unsigned CLOCK_HZ = 80_000_000,  ///< of clk_i
    parameter int unsigned BAUD     = 3_000_000
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rxd_i,    ///< asynchronous
    output logic       valid_o,
    output logic [7:0] data_o,
    output logic       error_o
);
  localparam int unsigned PW = 20;  // bits of the phase
  localparam longint unsigned ONE = 64'd1 << PW;
  localparam longint unsigned STEP = (64'(BAUD) * ONE + 64'(CLOCK_HZ) / 2) / 64'(CLOCK_HZ);
  localparam longint unsigned MADE = STEP * 64'(CLOCK_HZ), WANTED = 64'(BAUD) * ONE;
  if (64'(CLOCK_HZ) < 8 * 64'(BAUD) || 50 * (MADE > WANTED ? MADE - WANTED : WANTED - MADE) > WANTED) begin : g_illegal
    $fatal(1, "uart_rx: %0d baud cannot be made from %0d Hz: at least 8 clocks a bit, and 2 %% exact", BAUD, CLOCK_HZ);
  end

  logic [4:0] line_q;  // [1:0] synchronizer, [4:2] the last three clocks
  logic level_q;
  logic active_q, high_q;
  logic [3:0] bit_q;  // 0 start, 1..8 data, 9 stop
  logic [PW-1:0] phase_q;
  logic tick_q;  // the middle of a bit

  always_ff @(posedge clk_i) begin
    line_q           <= {line_q[3:0], rxd_i};
    level_q          <= (line_q[4] && line_q[3]) || (line_q[4] && line_q[2]) || (line_q[3] && line_q[2]);
    {tick_q, phase_q} <= {1'b0, phase_q} + (PW + 1)'(STEP);
    valid_o          <= 1'b0;
    high_q           <= high_q || level_q;
    if (!active_q) begin
      active_q <= high_q && !level_q;
      bit_q    <= '0;
      phase_q  <= {1'b1, {(PW - 1) {1'b0}}};
      tick_q   <= 1'b0;
    end else if (tick_q) begin
      bit_q <= bit_q + 1'b1;
      if (bit_q == 0) active_q <= !level_q;
      else if (bit_q <= 8) data_o <= {level_q, data_o[7:1]};
      else begin
        active_q <= 1'b0;
        valid_o  <= 1'b1;
        error_o  <= !level_q;
        high_q   <= level_q;
      end
    end
    if (!rst_ni) begin
      line_q   <= '1;
      level_q  <= 1'b1;
      active_q <= 1'b0;
      high_q   <= 1'b0;
      valid_o  <= 1'b0;
    end
  end
endmodule
