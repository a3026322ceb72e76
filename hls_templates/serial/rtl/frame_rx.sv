/// Bytes of the line into frames: finds END, takes the escapes out, checks the CRC, and keeps one frame until it was dealt with.
///
/// Contract: `valid_o` with the frame at hand until `ready_i`; no byte is taken meanwhile. `good_o`: the CRC is right, and the length is a
/// head, an address, `words_o` words of data (at most MAX_WORDS) and the CRC; all else is void when it is low. Nothing between two ENDs is no frame.
/// A byte with `error_i` spoils its frame. After any garbage, the first END is a beginning again.
/// Latency: two clocks after the END was taken. A byte takes up to three clocks. Data: `rdata_o` two clocks after `re_i`.
module frame_rx
  import serial_pkg::*;
(
    input  logic                         clk_i,
    input  logic                         rst_ni,
    // bytes
    input  logic                         valid_i,
    output logic                         ready_o,
    input  logic [                  7:0] data_i,
    input  logic                         error_i,
    // frame
    output logic                         valid_o,
    input  logic                         ready_i,
    output logic                         good_o,
    output head_t                        head_o,
    output logic [$clog2(MAX_WORDS):0]   words_o,
    input  logic                         re_i,
    input  logic [$clog2(MAX_WORDS)-1:0] raddr_i,
    output logic [                 31:0] rdata_o
);
  localparam int unsigned AW = $clog2(MAX_WORDS);

  typedef enum logic [2:0] {
    TAKE,
    STEP,   // a byte of the frame goes into the CRC
    STORE,  // it was the last of a word
    CHECK,
    HOLD
  } state_t;
  state_t state_q;
  logic escaped_q, spoilt_q, residue_q;
  logic [7:0] byte_q;
  logic [31:0] crc_q, word_q;
  logic [1:0] lane_q;
  logic [AW+1:0] index_q;  // words before this one

  assign ready_o = state_q == TAKE;
  assign valid_o = state_q == HOLD;

  logic head_word, data_word;
  assign head_word = index_q < 2;
  assign data_word = state_q == STORE && !head_word && index_q < (AW + 2)'(MAX_WORDS + 2);

  ram_1r1w #(
      .W(32),
      .D(MAX_WORDS)
  ) u_data (
      .clk_i,
      .we_i   (data_word),
      .waddr_i(AW'(index_q - 2)),
      .wdata_i(word_q),
      .re_i,
      .raddr_i,
      .rdata_o
  );

  always_ff @(posedge clk_i) begin
    residue_q <= crc_q == CRC_RESIDUE;
    unique case (state_q)
      TAKE:
      if (valid_i) begin
        byte_q <= escaped_q ? data_i ^ TURN : data_i;
        if (error_i) spoilt_q <= 1'b1;
        else if (data_i == END) state_q <= CHECK;
        else if (data_i == ESC) escaped_q <= 1'b1;
        else begin
          escaped_q <= 1'b0;
          state_q   <= STEP;
        end
      end
      STEP: begin
        crc_q   <= crc_next(crc_q, byte_q);
        word_q  <= {byte_q, word_q[31:8]};
        lane_q  <= lane_q + 1'b1;
        state_q <= lane_q == 2'd3 ? STORE : TAKE;
      end
      STORE: begin
        if (head_word) head_o <= {word_q, head_o[63:32]};
        if (index_q > (AW + 2)'(MAX_WORDS + 2)) spoilt_q <= 1'b1;
        else index_q <= index_q + 1'b1;
        state_q <= TAKE;
      end
      CHECK: begin
        good_o    <= residue_q && !spoilt_q && !escaped_q && lane_q == 0 && index_q >= 3;
        words_o   <= (AW + 1)'(index_q - 3);
        crc_q     <= '1;
        lane_q    <= '0;
        index_q   <= '0;
        escaped_q <= 1'b0;
        spoilt_q  <= 1'b0;
        state_q   <= index_q == 0 && lane_q == 0 && !spoilt_q && !escaped_q ? TAKE : HOLD;
      end
      default: if (ready_i) state_q <= TAKE;
    endcase
    if (!rst_ni) begin
      state_q   <= TAKE;
      escaped_q <= 1'b0;
      spoilt_q  <= 1'b0;
      crc_q     <= '1;
      lane_q    <= '0;
      index_q   <= '0;
    end
  end
endmodule
