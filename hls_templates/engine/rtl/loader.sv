/// Reads the load image from DDR, checks it, and writes memories over the loader bus.
///
/// Contract: while `load_i`, one read command for the whole image, then the beats: header, sections, END. The image must end exactly with its
/// END beat; every word must lie inside the depth of its target. Then `done_o`, else `err_o` with code and beat index; both hold
/// until `load_i` falls, which also resets the loader. Memories written before an error keep what was written.
/// Latency: a beat taken in clock c is on the loader bus in clock c+1. What a header says is judged in the two clocks after it, in which no
/// beat is taken; `done_o`/`err_o` three clocks after the deciding header, two after a beat of words that is one too many.
/// One beat a clock, but a table beat takes 16: tables are written entry by entry (`ld_beat_o` counts entries 0..255, the
/// entry is `ld_data_o[7:0]`), so that table memories have a byte-wide write port.
module loader
  import hwgen_pkg::*;
#(
    parameter logic [63:0] HASH            = '0,  ///< design hash that the image must name
    parameter int unsigned WEIGHT_DEPTH    = 0,   ///< words of each target; 0: the target is absent
    parameter int unsigned PARAM_DEPTH     = 0,
    parameter int unsigned TABLE_DEPTH     = 0,
    parameter int unsigned ROW_PARAM_DEPTH = 0,
    parameter int unsigned SOFTMAX_SLOTS   = 0,
    parameter int unsigned PROG_DIN_DEPTH  = 0,
    parameter int unsigned PROG_MM_DEPTH   = 0,
    parameter int unsigned PROG_ROW_DEPTH  = 0,
    parameter int unsigned PROG_DOUT_DEPTH = 0,
    parameter int unsigned VEC_PARAM_DEPTH = 0,
    parameter int unsigned PROG_VEC_DEPTH  = 0,
    parameter int unsigned PROG_STREAM_DEPTH = 0,
    parameter int unsigned WEIGHT_BEATS    = 1,   ///< beats of a word, 1..1024
    parameter int unsigned PARAM_BEATS     = 1,
    parameter int unsigned ROW_PARAM_BEATS = 1,
    parameter int unsigned VEC_PARAM_BEATS = 1
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    input  logic         load_i,         ///< level while the LOAD command is under way
    input  logic [ 63:0] base_i,         ///< image address
    input  logic [ 31:0] beats_i,        ///< image length
    // read command and beats
    output logic         cmd_valid_o,
    input  logic         cmd_ready_i,
    output logic [ 63:0] cmd_addr_o,
    output logic [ 31:0] cmd_beats_o,
    input  logic         beat_valid_i,
    output logic         beat_ready_o,
    input  logic [127:0] beat_data_i,
    // loader bus
    output logic         ld_we_o,
    output logic [  7:0] ld_target_o,
    output logic [ 23:0] ld_word_o,
    output logic [  9:0] ld_beat_o,
    output logic [127:0] ld_data_o,
    //
    output logic         done_o,
    output logic         err_o,
    output logic [  7:0] err_code_o,
    output logic [ 31:0] err_info_o,     ///< image beat
    output logic [ 31:0] beats_taken_o
);
  if (WEIGHT_BEATS < 1 || WEIGHT_BEATS > 1024 || PARAM_BEATS < 1 || PARAM_BEATS > 1024 || ROW_PARAM_BEATS < 1 || ROW_PARAM_BEATS > 1024)
  begin : g_illegal
    $fatal(1, "loader: a word must have 1..1024 beats (weight %0d, param %0d, row param %0d)", WEIGHT_BEATS, PARAM_BEATS, ROW_PARAM_BEATS);
  end
  localparam int unsigned TABLE_BEATS = 16;
  localparam int unsigned SOFTMAX_BEATS = 256;

  typedef enum logic [1:0] {
    HEADER,
    SECTION,
    WORDS,
    FINISHED
  } state_t;
  state_t state_q;

  // What is known of the target that a section header names.
  logic [7:0] target;
  logic [31:0] depth;
  logic [9:0] last_beat;
  logic known;
  assign target = beat_data_i[23:16];
  always_comb begin
    known     = 1'b1;
    depth     = 32'd0;
    last_beat = 10'd0;
    unique case (target)
      TGT_WEIGHT: begin
        depth     = 32'(WEIGHT_DEPTH);
        last_beat = 10'(WEIGHT_BEATS - 1);
      end
      TGT_PARAM: begin
        depth     = 32'(PARAM_DEPTH);
        last_beat = 10'(PARAM_BEATS - 1);
      end
      TGT_TABLE: begin
        depth     = 32'(TABLE_DEPTH);
        last_beat = 10'(TABLE_BEATS - 1);
      end
      TGT_ROW_PARAM: begin
        depth     = 32'(ROW_PARAM_DEPTH);
        last_beat = 10'(ROW_PARAM_BEATS - 1);
      end
      TGT_SOFTMAX_TABLE: begin
        depth     = 32'(SOFTMAX_SLOTS);
        last_beat = 10'(SOFTMAX_BEATS - 1);
      end
      TGT_VEC_PARAM: begin
        depth     = 32'(VEC_PARAM_DEPTH);
        last_beat = 10'(VEC_PARAM_BEATS - 1);
      end
      TGT_PROG_DIN: begin
        depth     = 32'(PROG_DIN_DEPTH);
        last_beat = 10'(DIN_BEATS - 1);
      end
      TGT_PROG_MM: begin
        depth     = 32'(PROG_MM_DEPTH);
        last_beat = 10'(MM_BEATS - 1);
      end
      TGT_PROG_ROW: begin
        depth     = 32'(PROG_ROW_DEPTH);
        last_beat = 10'(ROW_BEATS - 1);
      end
      TGT_PROG_DOUT: begin
        depth     = 32'(PROG_DOUT_DEPTH);
        last_beat = 10'(DOUT_BEATS - 1);
      end
      TGT_PROG_VEC: begin
        depth     = 32'(PROG_VEC_DEPTH);
        last_beat = 10'(VEC_BEATS - 1);
      end
      TGT_PROG_STREAM: begin
        depth     = 32'(PROG_STREAM_DEPTH);
        last_beat = 10'(STREAM_BEATS - 1);
      end
      TGT_END: ;
      default: known = 1'b0;
    endcase
  end

  // Header checks: told apart while the header is there, compared in the next clock, judged in the one behind it.
  logic [23:0] first, words;
  logic take, is_end;
  logic [31:0] taken_q;
  logic begun_q, empty_q;  // `load_i` since a clock; an image of no beats
  logic [31:0] rest_q;  // beats behind the next one
  logic last_of_image_q;  // the next beat is the last one
  logic check_q, check_header_q, check_last_q;  // what is compared: the image's header or a section's; it was the last beat
  logic judge_q, good_q, end2_q;  // what is judged; END
  logic [7:0] code_q;  // when it is not good
  logic over_q, void_q;  // the last beat was taken in a section; there is none
  logic magic_ok_q, hash_ok_q, known_q, end_q;
  logic [31:0] depth_q, past_q;  // past_q: behind the last word
  assign first  = beat_data_i[55:32];
  assign words  = beat_data_i[87:64];
  assign is_end = target == TGT_END;
  always_ff @(posedge clk_i) begin
    check_q         <= take && (state_q == HEADER || state_q == SECTION);
    check_header_q  <= state_q == HEADER;
    check_last_q    <= last_of_image_q;
    magic_ok_q      <= state_q == HEADER ? beat_data_i[31:0] == IMAGE_MAGIC && beat_data_i[63:32] == ABI_VERSION :
        beat_data_i[15:0] == SECTION_MAGIC;
    hash_ok_q       <= beat_data_i[127:64] == HASH;
    known_q         <= known;
    end_q           <= is_end;
    depth_q         <= depth;
    past_q          <= 32'(first) + 32'(words);
    begun_q         <= rst_ni && load_i;
    empty_q         <= beats_i == 0;
    rest_q          <= !begun_q ? beats_i - 1'b1 : take ? rest_q - 1'b1 : rest_q;
    last_of_image_q <= begun_q && (take ? rest_q == 32'd1 : rest_q == 0);
    // END must be the last beat, and only END may be.
    judge_q <= check_q;
    good_q  <= magic_ok_q && (check_header_q ? !check_last_q && hash_ok_q :
        known_q && (past_q <= depth_q || end_q) && end_q == check_last_q);
    end2_q  <= end_q && !check_header_q;
    code_q  <= check_header_q && magic_ok_q && !check_last_q ? ERR_HASH : ERR_BAD_IMAGE;
    over_q  <= state_q == WORDS && take && last_of_image_q;
    void_q  <= state_q == HEADER && begun_q && empty_q;
    if (!rst_ni || !load_i) begin
      check_q <= 1'b0;
      judge_q <= 1'b0;
      over_q  <= 1'b0;
      void_q  <= 1'b0;
    end
  end

  // Position in the section.
  logic [7:0] target_q;
  logic [23:0] word_q, left_q;  // left_q: words after this one
  logic [9:0] beat_q, last_beat_q;
  logic table_q;
  logic [3:0] entry_q;  // of the table beat that is on the loader bus
  logic table_busy_q;  // entries of it follow
  logic hold_q;  // no beat is taken: not loading, ended, judging a header or writing a table

  logic cmd_sent_q;
  assign cmd_valid_o   = begun_q && !cmd_sent_q && !empty_q;
  assign cmd_addr_o    = base_i;
  assign cmd_beats_o   = beats_i;
  assign beat_ready_o  = !hold_q;
  assign take          = beat_valid_i && beat_ready_o;
  assign beats_taken_o = taken_q;

  logic fail;
  assign fail = (judge_q && !good_q) || over_q || void_q;

  always_ff @(posedge clk_i) begin
    hold_q <= !rst_ni || !load_i || fail || check_q || state_q == FINISHED || (take && (state_q != WORDS || table_q)) ||
        (table_busy_q && entry_q != 4'd14);
    ld_we_o <= 1'b0;
    if (cmd_valid_o && cmd_ready_i) cmd_sent_q <= 1'b1;
    if (take) taken_q <= taken_q + 1'b1;

    if (table_busy_q) begin
      ld_we_o        <= 1'b1;
      ld_beat_o[3:0] <= entry_q + 1'b1;
      ld_data_o      <= 128'(ld_data_o[127:8]);
      entry_q        <= entry_q + 1'b1;
      table_busy_q   <= entry_q != 4'd14;
    end

    if (take) begin
      unique case (state_q)
        HEADER: state_q <= SECTION;
        SECTION: begin
          target_q    <= target;
          word_q      <= first;
          left_q      <= words - 1'b1;
          beat_q      <= '0;
          last_beat_q <= last_beat;
          table_q     <= target == TGT_TABLE;
          if (is_end) state_q <= FINISHED;
          else if (words != 0) state_q <= WORDS;
        end
        WORDS: begin
          ld_we_o     <= 1'b1;
          ld_target_o <= target_q;
          ld_word_o   <= word_q;
          ld_beat_o   <= table_q ? {2'b0, beat_q[3:0], 4'b0} : beat_q;
          ld_data_o   <= beat_data_i;
          if (table_q) begin
            entry_q      <= '0;
            table_busy_q <= 1'b1;
          end
          beat_q <= beat_q + 1'b1;
          if (beat_q == last_beat_q) begin
            beat_q <= '0;
            word_q <= word_q + 1'b1;
            left_q <= left_q - 1'b1;
            if (left_q == 0) state_q <= SECTION;
          end
        end
        default: ;
      endcase
    end
    if (judge_q && good_q && end2_q) done_o <= 1'b1;
    if (fail) begin
      err_o        <= 1'b1;
      err_code_o   <= judge_q ? code_q : ERR_BAD_IMAGE;
      err_info_o   <= taken_q - 32'(judge_q || over_q);
      state_q      <= FINISHED;
      table_busy_q <= 1'b0;  // nothing is written behind an error
      ld_we_o      <= 1'b0;
    end

    if (!rst_ni || !load_i) begin
      state_q      <= HEADER;
      taken_q      <= '0;
      cmd_sent_q   <= 1'b0;
      table_busy_q <= 1'b0;
      ld_we_o      <= 1'b0;
      done_o       <= 1'b0;
      err_o        <= 1'b0;
      err_code_o   <= ERR_NONE;
      err_info_o   <= '0;
    end
  end
endmodule
