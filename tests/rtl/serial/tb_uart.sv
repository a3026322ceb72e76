// Receiver and transmitter side by side, at one ratio of clock and baud.
module tb_uart #(
    parameter int unsigned CLOCK_HZ = 80_000_000,
    parameter int unsigned BAUD     = 3_000_000
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rxd_i,
    output logic       rx_valid_o,
    output logic [7:0] rx_data_o,
    output logic       rx_error_o,
    input  logic       tx_valid_i,
    output logic       tx_ready_o,
    input  logic [7:0] tx_data_i,
    output logic       txd_o
);
  uart_rx #(
      .CLOCK_HZ(CLOCK_HZ),
      .BAUD(BAUD)
  ) u_rx (
      .clk_i,
      .rst_ni,
      .rxd_i,
      .valid_o(rx_valid_o),
      .data_o (rx_data_o),
      .error_o(rx_error_o)
  );
  uart_tx #(
      .CLOCK_HZ(CLOCK_HZ),
      .BAUD(BAUD)
  ) u_tx (
      .clk_i,
      .rst_ni,
      .valid_i(tx_valid_i),
      .ready_o(tx_ready_o),
      .data_i (tx_data_i),
      .txd_o
  );
endmodule
