/// What the bridge does with a frame: the session's numbers, reads and writes, answers.
///
/// Contract: requests are done in the order of their numbers, each once. One that was done already (its answer was lost) is answered again, but
/// its words are not written again; one that is ahead of its turn is left and RESEND names the number that is due; so does a damaged frame.
/// A request that cannot be done is answered by REFUSED and counts as done. SERVE has no number and no answer.
/// While an answer waits for the line, later frames wait for it.
module line_exec
  import serial_pkg::*;
#(
    parameter int unsigned BEATS    = 2048,       ///< of the memory
    parameter int unsigned SLOTS    = 4,          ///< of the host's window: the last 64 * SLOTS beats
    parameter int unsigned CLOCK_HZ = 80_000_000  ///< shown to the host
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    // received frame
    input  logic                         valid_i,
    output logic                         ready_o,
    input  logic                         good_i,
    input  head_t                        head_i,
    input  logic [$clog2(MAX_WORDS):0]   words_i,
    output logic                         re_o,
    output logic [$clog2(MAX_WORDS)-1:0] raddr_o,
    input  logic [                 31:0] rdata_i,           ///< two clocks after re_o
    // answer
    output logic                         valid_o,
    input  logic                         ready_i,
    output head_t                        head_o,
    output logic [$clog2(MAX_WORDS):0]   words_o,
    output logic                         data_valid_o,
    input  logic                         data_ready_i,
    output logic [                 31:0] data_o,
    // engine
    output logic                         lite_valid_o,
    output logic                         lite_write_o,
    output logic [                 11:0] lite_addr_o,
    output logic [                 31:0] lite_wdata_o,
    input  logic                         lite_done_i,
    input  logic                         lite_error_i,
    input  logic [                 31:0] lite_rdata_i,
    // memory
    output logic                         mem_valid_o,
    input  logic                         mem_ready_i,
    output logic                         mem_write_o,
    output logic [$clog2(BEATS)+1:0]     mem_addr_o,        ///< in words
    output logic [                 31:0] mem_wdata_o,
    input  logic [                 31:0] mem_rdata_i,       ///< four clocks after it was taken
    // host's window
    output logic [                  7:0] tag_o,
    input  logic                         wanted_i,
    input  logic [                  8:0] wanted_words_i,
    input  logic [                  7:0] wanted_word_i,
    output logic                         served_o,
    output logic                         refused_o,
    output logic                         alive_o,
    // counters' events
    input  logic                         lost_i,
    input  logic                         repeated_i,
    input  logic                         given_up_i
);
  localparam int unsigned AW = $clog2(BEATS) + 2, CW = $clog2(MAX_WORDS) + 1, SW = $clog2(SLOTS);
  localparam int unsigned MEMORY_BYTES = 16 * (BEATS - 64 * SLOTS);

  typedef enum logic [3:0] {
    IDLE,
    LOOK,    // facts about the frame
    WEIGH,   // whether it is possible
    JUDGE,   // what to do
    LOAD,    // a word of the frame from its buffer
    ACCESS,  // a word read or written
    WAIT,    // its data
    HEAD,    // the answer's first two words
    GIVE,    // a word of its data
    NEXT,    // word
    FINISH
  } state_t;
  state_t state_q;

  // Session.
  logic synced_q;
  logic [7:0] due_q;  // number of the next request

  // Facts, in the clock after them where it fits, and in the one after that whether the request can be done.
  logic [7:0] late_q;  // by how many numbers the request was done already; above 127: it is ahead
  logic [29:0] end_q;
  logic sized_q, read_q, write_q, single_q, sync_q, serve_q;
  logic refuse_q, serves_q;  // SERVE: of nothing; of what was asked for
  logic [3:0] space_q;
  always_ff @(posedge clk_i) begin
    late_q  <= due_q - head_i.number;
    end_q   <= {2'b0, head_i.address[27:0]} + {12'b0, head_i.count, 2'b00};
    sized_q <= head_i.count != 0 && head_i.count <= 16'(MAX_WORDS) && head_i.address[1:0] == 0;
    read_q  <= head_i.opcode == OP_READ && words_i == 0;
    write_q <= head_i.opcode == OP_WRITE && 16'(words_i) == head_i.count;
    space_q <= head_i.address[31:28];
    single_q <= head_i.count == 1;
    sync_q   <= head_i.opcode == OP_SYNC;
    serve_q  <= head_i.opcode == OP_SERVE;
    refuse_q <= wanted_i && head_i.count == 0;
    serves_q <= wanted_i && head_i.count == 16'(wanted_words_i) && 16'(words_i) == head_i.count;
  end
  assign tag_o = head_i.number;

  logic fits_engine_q, fits_memory_q, fits_bridge_q, possible_q;
  always_ff @(posedge clk_i) begin
    fits_engine_q <= space_q == SPACE_ENGINE && single_q && end_q <= 30'h1000;
    fits_memory_q <= space_q == SPACE_MEMORY && end_q <= 30'(MEMORY_BYTES);
    fits_bridge_q <= space_q == SPACE_BRIDGE && end_q <= 30'(4 * BRIDGE_WORDS) && read_q;
    possible_q    <= sized_q && (read_q || write_q) && (fits_engine_q || fits_memory_q || fits_bridge_q);
  end

  // The work at hand.
  typedef enum logic [1:0] {
    BRIDGE,
    ENGINE,
    MEMORY
  } space_t;
  space_t target_q;
  logic writing_q, serving_q;
  logic [AW-1:0] addr_q;  // in words
  logic [CW-1:0] left_q, at_q;
  logic last_q;  // left_q == 1, a clock late, which is early enough
  logic first_q;
  logic [2:0] wait_q;

  // The bridge's own words.
  logic [31:0] frames_q, damaged_q, lost_q, repeated_q, given_up_q;
  logic [31:0] bridge_word;
  always_comb begin
    unique case (int'(addr_q[3:0]))
      WORD_MAGIC: bridge_word = MAGIC;
      WORD_VERSION: bridge_word = VERSION;
      WORD_MEMORY: bridge_word = 32'(MEMORY_BYTES);
      WORD_CLOCK: bridge_word = 32'(CLOCK_HZ);
      WORD_FRAMES: bridge_word = frames_q;
      WORD_DAMAGED: bridge_word = damaged_q;
      WORD_LOST: bridge_word = lost_q;
      WORD_REPEATED: bridge_word = repeated_q;
      WORD_GIVEN_UP: bridge_word = given_up_q;
      default: bridge_word = '0;
    endcase
  end

  assign ready_o      = state_q == FINISH;
  assign re_o         = state_q == LOAD && wait_q == 0;
  assign raddr_o      = at_q[CW-2:0];
  assign valid_o      = state_q == HEAD;
  assign data_valid_o = state_q == GIVE;
  assign lite_valid_o = state_q == ACCESS && target_q == ENGINE;
  assign lite_write_o = writing_q;
  assign lite_addr_o  = {addr_q[9:0], 2'b00};
  assign lite_wdata_o = data_o;
  assign mem_valid_o  = state_q == ACCESS && target_q == MEMORY;
  assign mem_write_o  = writing_q;
  assign mem_addr_o   = addr_q;
  assign mem_wdata_o  = data_o;

  always_ff @(posedge clk_i) begin
    served_o  <= 1'b0;
    refused_o <= 1'b0;
    alive_o   <= 1'b0;
    wait_q    <= '0;
    last_q    <= left_q == 1;
    unique case (state_q)
      IDLE: begin
        if (valid_i) state_q <= LOOK;
      end
      LOOK: state_q <= WEIGH;
      WEIGH: state_q <= JUDGE;
      JUDGE: begin
        target_q  <= space_q == SPACE_ENGINE ? ENGINE : space_q == SPACE_MEMORY ? MEMORY : BRIDGE;
        addr_q    <= AW'(head_i.address[27:2]);
        left_q    <= CW'(head_i.count);
        at_q      <= '0;
        first_q   <= 1'b1;
        writing_q <= 1'b0;
        serving_q <= 1'b0;
        words_o   <= '0;
        head_o    <= '{address: '0, count: '0, number: due_q, opcode: OP_RESEND};
        alive_o   <= good_i;
        if (!good_i) begin
          state_q <= synced_q ? HEAD : FINISH;
        end else if (serve_q) begin
          addr_q    <= {(AW - 8 - SW)'(MEMORY_BYTES / 1024 / SLOTS), head_i.number[SW-1:0], wanted_word_i};
          target_q  <= MEMORY;
          writing_q <= 1'b1;
          serving_q <= 1'b1;
          refused_o <= refuse_q;
          state_q   <= serves_q ? LOAD : FINISH;
        end else if (sync_q) begin
          synced_q <= 1'b1;
          due_q    <= head_i.number + 1'b1;
          target_q <= BRIDGE;
          addr_q   <= '0;
          left_q   <= CW'(IDENTITY_WORDS);
          words_o  <= CW'(IDENTITY_WORDS);
          head_o   <= '{address: '0, count: 16'(IDENTITY_WORDS), number: head_i.number, opcode: OP_SYNCED};
          state_q  <= ACCESS;
        end else if (!synced_q || late_q[7]) begin
          head_o.count <= {15'b0, !synced_q};
          state_q      <= HEAD;
        end else begin
          if (late_q == 0) due_q <= due_q + 1'b1;
          head_o <= '{address: head_i.address, count: head_i.count, number: head_i.number, opcode: !possible_q ? OP_REFUSED : read_q ? OP_DATA : OP_DONE};
          writing_q <= write_q;
          if (read_q && possible_q) words_o <= CW'(head_i.count);
          if (!possible_q || (write_q && late_q != 0)) state_q <= HEAD;
          else state_q <= read_q ? ACCESS : LOAD;
        end
      end
      LOAD: begin
        wait_q <= wait_q + 1'b1;
        if (wait_q == 3'd2) begin
          data_o  <= rdata_i;
          state_q <= ACCESS;
        end
      end
      ACCESS:
      unique case (target_q)
        ENGINE:
        if (lite_done_i) begin
          if (!writing_q) data_o <= lite_rdata_i;
          if (lite_error_i) begin
            head_o.opcode <= OP_REFUSED;
            words_o       <= '0;
            state_q       <= HEAD;
          end else state_q <= writing_q ? NEXT : HEAD;
        end
        MEMORY: if (mem_ready_i) state_q <= writing_q ? NEXT : WAIT;
        default: begin
          data_o  <= bridge_word;
          state_q <= first_q ? HEAD : GIVE;
        end
      endcase
      WAIT: begin
        wait_q <= wait_q + 1'b1;
        if (wait_q == 3'd4) begin
          data_o  <= mem_rdata_i;
          state_q <= first_q ? HEAD : GIVE;
        end
      end
      HEAD:
      if (ready_i) begin
        first_q <= 1'b0;
        state_q <= words_o != 0 ? GIVE : FINISH;
      end
      GIVE: if (data_ready_i) state_q <= NEXT;
      NEXT: begin
        addr_q <= addr_q + 1'b1;
        at_q   <= at_q + 1'b1;
        left_q <= left_q - 1'b1;
        if (!last_q) state_q <= writing_q ? LOAD : ACCESS;
        else begin
          served_o <= serving_q;
          state_q  <= writing_q && !serving_q ? HEAD : FINISH;
        end
      end
      default: state_q <= IDLE;
    endcase
    if (!rst_ni) begin
      state_q   <= IDLE;
      synced_q  <= 1'b0;
      due_q     <= '0;
      served_o  <= 1'b0;
      refused_o <= 1'b0;
      alive_o   <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    frames_q   <= frames_q + 32'(alive_o);
    damaged_q  <= damaged_q + 32'(ready_o && !good_i);
    lost_q     <= lost_q + 32'(lost_i);
    repeated_q <= repeated_q + 32'(repeated_i);
    given_up_q <= given_up_q + 32'(given_up_i);
    if (!rst_ni) begin
      frames_q   <= '0;
      damaged_q  <= '0;
      lost_q     <= '0;
      repeated_q <= '0;
      given_up_q <= '0;
    end
  end
endmodule
