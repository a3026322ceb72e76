/// Walks over the windows of an image and says, step by step, which bytes of the ring make the next word.
///
/// Contract: the image lies in the ring as it came, row after row, channels innermost (HWC), so a window is `taps`+1 segments of `seg` bytes
/// that follow one another in its rows. A step covers PORTS segments at most; a word of V bytes takes as many steps as its segments ask for, so
/// no segment is cut but at a word's end. For port i a step gives the ring address of lane 0 (as if the segment began before the word) and
/// the lanes [lo, hi) that it fills: those of its segment within its row of the image. Rows outside the image fill none.
/// A window begins when `received_i` reaches the beat of its last byte, or all beats of the image (`upto`).
/// Latency: `go_i` in clock c with the walker at rest: first step in c+1 at the earliest, then one a clock; a step of clock t is shown in
/// t+2. `pop_o` in the clock of the last step. `limit_o` counts the beats that fit the ring: the first row of the windows in work and all
/// behind it stay; it moves two clocks after the last step of a row of windows.
module win_walk
  import hwgen_pkg::*;
#(
    parameter int unsigned V     = 32,    ///< bytes of an activation word
    parameter int unsigned PORTS = 2,     ///< segments a clock, 1..4
    parameter int unsigned RING  = 4096,  ///< bytes of the ring, a power of two
    localparam int unsigned RW   = $clog2(RING),
    localparam int unsigned LW   = $clog2(V) + 1
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       clear_i,
    input  din_instr_t                 instr_i,     ///< stays until `pop_o`
    input  logic                       go_i,        ///< level: `instr_i` is to be run
    output logic                       pop_o,
    input  logic       [         19:0] received_i,  ///< beats that came into the ring
    output logic signed [        21:0] limit_o,     ///< beats that may have come
    output logic                       active_o,    ///< level: an instruction is in work
    // a step
    output logic                       step_o,
    output logic                       word_o,      ///< it completes the word
    output logic       [BANK_BITS-1:0] bank_o,
    output logic       [         16:0] addr_o,      ///< of that word
    output logic       [PORTS-1:0][RW-1:0] from_o,
    output logic       [PORTS-1:0][LW-1:0] lo_o,
    output logic       [PORTS-1:0][LW-1:0] hi_o
);
  if (PORTS < 1 || PORTS > 4) begin : g_illegal
    $fatal(1, "win_walk: PORTS=%0d must be 1 to 4", PORTS);
  end
  typedef logic signed [24:0] flat_t;  // a byte of the stream of images
  typedef logic signed [15:0] lane_t;  // a lane, also before and behind the word
  typedef logic signed [17:0] column_t;  // a byte of an image row

  // What of the instruction does not change: registers, for sums begin there.
  lane_t [PORTS:0] seg_q;  // i segments
  logic [PORTS:0][RW-1:0] hop_q;  // i image rows
  flat_t step_q, row_step_q;

  // Where it is.
  logic [13:0] rows_q, cols_q;  // left behind this one
  logic [7:0] words_q;
  flat_t row_at_q;  // the first segment of the row's first window
  flat_t row_need_q, need_q;  // end of the window's last segment, rounded up to a beat
  logic [RW-1:0] at_q;  // the first segment
  column_t x_q;
  logic signed [14:0] y_q, y_tap_q;
  logic [7:0] tap_q;  // first segment of the step
  logic [RW-1:0] tap_at_q;
  lane_t lo_q;  // its first lane
  logic [16:0] word_at_q;

  // The step.
  lane_t [PORTS:0] lo;
  logic [PORTS:0] begun;  // port i's segment begins at lane V at the latest
  logic ready, go, word, last_word, last_col, last_row;
  logic [2:0] skip;  // segments that end with this word
  always_comb begin
    skip = '0;
    for (int i = 0; i <= int'(PORTS); i++) begin
      lo[i] = lo_q + seg_q[i];
      begun[i] = lo[i] <= lane_t'(V);
      if (begun[i]) skip = 3'(i);
    end
  end
  assign ready = 21'(need_q >>> 4) <= $signed({1'b0, received_i}) || received_i >= instr_i.upto;
  assign go = active_o && ready;
  assign word = lo[PORTS] >= lane_t'(V) || tap_q + 8'(PORTS) > 8'(instr_i.taps);
  assign last_word = words_q == 0;
  assign last_col = cols_q == 0;
  assign last_row = rows_q == 0;
  assign pop_o = go && word && last_word && last_col && last_row;

  flat_t row_at, row_need;
  assign row_at   = row_at_q + row_step_q;
  assign row_need = row_need_q + row_step_q;
  logic signed [14:0] y_next;
  assign y_next = y_q + 15'(instr_i.y_step);

  always_ff @(posedge clk_i) begin
    if (!active_o) begin
      for (int i = 0; i <= int'(PORTS); i++) begin
        seg_q[i] <= lane_t'(i) * lane_t'(instr_i.seg);
        hop_q[i] <= RW'(i) * RW'(instr_i.row_bytes);
      end
      step_q     <= flat_t'(instr_i.x_step);
      row_step_q <= flat_t'(instr_i.row_step);
      rows_q     <= instr_i.rows;
      cols_q     <= instr_i.cols;
      words_q    <= instr_i.words;
      if (go_i) row_at_q <= flat_t'(instr_i.at);
      row_need_q <= flat_t'(instr_i.at) + flat_t'(instr_i.span) + 25'sd15;
      need_q     <= flat_t'(instr_i.at) + flat_t'(instr_i.span) + 25'sd15;
      at_q       <= RW'(instr_i.at);
      x_q        <= -column_t'(instr_i.pad);
      y_q        <= 15'($signed(instr_i.y));
      y_tap_q    <= 15'($signed(instr_i.y));
      tap_q      <= '0;
      tap_at_q   <= RW'(instr_i.at);
      lo_q       <= '0;
      word_at_q  <= 17'(instr_i.addr >> $clog2(V / 16));
    end else if (go) begin
      if (!word) begin
        tap_q    <= tap_q + 8'(PORTS);
        y_tap_q  <= y_tap_q + 15'(PORTS);
        tap_at_q <= tap_at_q + hop_q[PORTS];
        lo_q     <= lo[PORTS];
      end else begin
        word_at_q <= word_at_q + 1'b1;
        if (!last_word) begin
          words_q  <= words_q - 1'b1;
          tap_q    <= tap_q + 8'(skip);
          y_tap_q  <= y_tap_q + 15'(skip);
          tap_at_q <= tap_at_q + hop_q[skip];
          lo_q     <= lo[skip] - lane_t'(V);
        end else begin
          words_q  <= instr_i.words;
          tap_q    <= '0;
          lo_q     <= '0;
          cols_q   <= last_col ? instr_i.cols : cols_q - 1'b1;
          x_q      <= last_col ? -column_t'(instr_i.pad) : x_q + column_t'(step_q);
          at_q     <= last_col ? RW'(row_at) : at_q + RW'(step_q);
          tap_at_q <= last_col ? RW'(row_at) : at_q + RW'(step_q);
          need_q   <= last_col ? row_need : need_q + step_q;
          y_tap_q  <= last_col ? y_next : y_q;
          if (last_col && !last_row) begin
            rows_q     <= rows_q - 1'b1;
            row_at_q   <= row_at;
            row_need_q <= row_need;
            y_q        <= y_next;
          end
        end
      end
    end
    active_o <= active_o ? !pop_o : go_i;
    limit_o  <= 22'(row_at_q >>> 4) + 22'(RING / 16);
    if (!rst_ni || clear_i) begin
      active_o <= 1'b0;
      row_at_q <= '0;
      limit_o  <= 22'(RING / 16);
    end
  end

  // Clock t+1: what each port does. `first` and `end` are the part of a segment that lies within the image's row.
  logic step_q1, word_q1;
  logic [16:0] addr_q1;
  lane_t [PORTS-1:0] lo_q1;
  logic [PORTS-1:0][RW-1:0] at_q1;
  logic [PORTS-1:0] valid_q1;
  lane_t first_q1, end_q1;
  column_t right;  // bytes from the window's first column to the end of the row
  assign right = column_t'(instr_i.row_bytes) - x_q;
  always_ff @(posedge clk_i) begin
    step_q1  <= go && rst_ni && !clear_i;
    word_q1  <= word;
    addr_q1  <= word_at_q;
    first_q1 <= x_q < 0 ? lane_t'(-x_q) : '0;
    end_q1   <= right < column_t'(seg_q[1]) ? lane_t'(right) : seg_q[1];
    for (int i = 0; i < int'(PORTS); i++) begin
      lo_q1[i]    <= lo[i];
      at_q1[i]    <= tap_at_q + hop_q[i];
      valid_q1[i] <= tap_q + 8'(i) <= 8'(instr_i.taps) && y_tap_q + 15'(i) >= 0
                     && y_tap_q + 15'(i) < $signed({1'b0, instr_i.y_size});
    end
  end

  /// A lane, moved into the word: 0..V.
  function automatic logic [LW-1:0] clip(lane_t lane);
    return lane < 0 ? '0 : lane > lane_t'(V) ? LW'(V) : LW'(lane);
  endfunction

  // Clock t+2.
  always_ff @(posedge clk_i) begin
    step_o <= step_q1 && rst_ni && !clear_i;
    word_o <= word_q1;
    addr_o <= addr_q1;
    for (int i = 0; i < int'(PORTS); i++) begin
      from_o[i] <= at_q1[i] - RW'(lo_q1[i]);
      lo_o[i]   <= clip(lo_q1[i] + first_q1);
      hi_o[i]   <= valid_q1[i] ? clip(lo_q1[i] + end_q1) : '0;
    end
  end

  // The bank stays for a whole instruction, and the next one's first step comes two clocks after the last step at the earliest.
  logic [BANK_BITS-1:0] bank_q1;
  always_ff @(posedge clk_i) begin
    bank_q1 <= instr_i.bank;
    bank_o  <= bank_q1;
  end
  logic unused;
  assign unused = &{1'b0, instr_i, at_q, begun};
endmodule
