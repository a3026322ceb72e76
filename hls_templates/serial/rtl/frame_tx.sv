/// Frames into bytes of the line: END, words with escapes, CRC, END.
///
/// Contract: a frame taken (`valid_i` and `ready_o`) is sent whole; its `words_i` words of data are taken one by one from `data_*`, whenever
/// they come, and nothing of the next frame before. A byte every two clocks at most.
module frame_tx
  import serial_pkg::*;
(
    input  logic                       clk_i,
    input  logic                       rst_ni,
    // frame
    input  logic                       valid_i,
    output logic                       ready_o,
    input  head_t                      head_i,
    input  logic [$clog2(MAX_WORDS):0] words_i,
    input  logic                       data_valid_i,
    output logic                       data_ready_o,
    input  logic [               31:0] data_i,
    // bytes
    output logic                       valid_o,
    input  logic                       ready_i,
    output logic [                7:0] data_o
);
  localparam int unsigned WW = $clog2(MAX_WORDS) + 1;

  typedef enum logic [2:0] {
    IDLE,
    WORD,   // the next word is chosen
    BYTE,   // a byte of it
    SEND,   // that is on its way
    CLOSE
  } state_t;
  state_t state_q;
  logic [1:0] part_q;  // 0 head, 1 address, 2 data, 3 CRC
  logic [WW-1:0] left_q;
  logic [31:0] address_q, word_q, crc_q;
  logic [1:0] lane_q;
  logic turn_q;  // the byte behind an ESC

  logic special;
  assign special      = word_q[7:0] == END || word_q[7:0] == ESC;
  assign ready_o      = state_q == IDLE && !valid_o;
  assign data_ready_o = state_q == WORD && part_q == 2 && left_q != 0;

  always_ff @(posedge clk_i) begin
    valid_o <= valid_o && !ready_i;
    unique case (state_q)
      IDLE:
      if (valid_i && ready_o) begin
        {address_q, word_q} <= head_i;
        left_q              <= words_i;
        part_q              <= 2'd0;
        lane_q              <= '0;
        crc_q               <= '1;
        turn_q              <= 1'b0;
        valid_o             <= 1'b1;
        data_o              <= END;
        state_q             <= BYTE;
      end
      WORD: begin
        lane_q  <= '0;
        state_q <= BYTE;
        if (part_q == 1) word_q <= address_q;
        else if (left_q != 0) begin
          word_q <= data_i;
          if (data_valid_i) left_q <= left_q - 1'b1;
          else state_q <= WORD;
        end else begin
          word_q <= ~crc_q;
          part_q <= 2'd3;
        end
      end
      BYTE:
      if (!valid_o) begin
        valid_o <= 1'b1;
        data_o  <= turn_q ? word_q[7:0] ^ TURN : special ? ESC : word_q[7:0];
        turn_q  <= special && !turn_q;
        if (turn_q || !special) state_q <= SEND;
      end
      SEND: begin
        crc_q  <= crc_next(crc_q, word_q[7:0]);
        word_q <= {8'b0, word_q[31:8]};
        lane_q <= lane_q + 1'b1;
        if (lane_q != 2'd3) state_q <= BYTE;
        else if (part_q == 3) state_q <= CLOSE;
        else begin
          if (part_q != 2) part_q <= part_q + 1'b1;
          state_q <= WORD;
        end
      end
      default:
      if (!valid_o) begin
        valid_o <= 1'b1;
        data_o  <= END;
        state_q <= IDLE;
      end
    endcase
    if (!rst_ni) begin
      state_q <= IDLE;
      valid_o <= 1'b0;
    end
  end
endmodule
