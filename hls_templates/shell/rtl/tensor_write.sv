/// Writes the output tensors of a run one after the other, each from a stream of its own.
///
/// Contract: stream k gives BEATS[k] beats to base_i + OFFSET[k], in the order of k. Commands are given from the start of the run on: the
/// addresses are on the bus before the data, and a beat passes through in the clock in which it comes. `done_o` (level) when DDR has
/// answered for all. Latency: last answer in clock c -> `done_o` in c+1.
module tensor_write #(
    parameter int unsigned             COUNT  = 1,   ///< tensors
    parameter logic [COUNT-1:0][31:0]  OFFSET = '0,  ///< bytes, multiples of 16
    parameter logic [COUNT-1:0][31:0]  BEATS  = {COUNT{32'd1}}  ///< at least 1
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       run_i,         ///< level
    input  logic                       clear_i,       ///< back to the start
    input  logic [     63:0]           base_i,
    // streams
    input  logic [COUNT-1:0]           valid_i,
    output logic [COUNT-1:0]           ready_o,
    input  logic [COUNT-1:0][127:0]    data_i,
    // write command and beats
    output logic                       cmd_valid_o,
    input  logic                       cmd_ready_i,
    output logic [     63:0]           cmd_addr_o,
    output logic [     31:0]           cmd_beats_o,
    output logic                       beat_valid_o,
    input  logic                       beat_ready_i,
    output logic [    127:0]           beat_data_o,
    input  logic                       wr_idle_i,     ///< the write master has nothing under way
    output logic                       done_o
);
  if (COUNT < 1 || COUNT > 64) begin : g_illegal
    $fatal(1, "tensor_write: COUNT=%0d must be 1 to 64", COUNT);
  end
  for (genvar k = 0; k < int'(COUNT); k++) begin : g_tensor
    if (BEATS[k] == 0 || OFFSET[k][3:0] != 0) begin : g_illegal
      $fatal(1, "tensor_write: tensor %0d: BEATS=%0d must be at least 1, OFFSET=%0d a multiple of 16", k, BEATS[k], OFFSET[k]);
    end
  end
  localparam int unsigned CW = $clog2(COUNT + 1);
  localparam int unsigned SW = COUNT == 1 ? 1 : $clog2(COUNT);

  logic [CW-1:0] command_q, stream_q;  // the next one to announce; the one whose beats are sent
  logic [31:0] beat_q;
  logic [SW-1:0] command, stream;
  logic sent, take;
  assign command      = command_q[SW-1:0];
  assign stream       = stream_q[SW-1:0];
  assign cmd_valid_o  = run_i && command_q != CW'(COUNT);
  assign cmd_addr_o   = base_i + 64'(OFFSET[command]);
  assign cmd_beats_o  = BEATS[command];
  assign sent         = stream_q == CW'(COUNT);
  assign beat_valid_o = !sent && valid_i[stream];
  assign beat_data_o  = data_i[stream];
  assign take         = beat_valid_o && beat_ready_i;
  assign done_o       = sent && wr_idle_i;  // a beat that was sent belongs to a command, so the master's being idle says it all
  always_comb begin
    ready_o         = '0;
    ready_o[stream] = !sent && beat_ready_i;
  end

  always_ff @(posedge clk_i) begin
    if (cmd_valid_o && cmd_ready_i) command_q <= command_q + 1'b1;
    if (take) begin
      beat_q <= beat_q + 1'b1;
      if (beat_q == BEATS[stream] - 1) begin
        beat_q   <= '0;
        stream_q <= stream_q + 1'b1;
      end
    end
    if (!rst_ni || clear_i) begin
      command_q <= '0;
      stream_q  <= '0;
      beat_q    <= '0;
    end
  end
endmodule
