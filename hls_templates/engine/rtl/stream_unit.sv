/// Executes the STREAM program: brings weights from DDR into the weight memory while the array works.
///
/// A weight word is COLUMNS beats. Port p, a read master of its own, brings MINE = COLUMNS / PORTS of them (rounded up; what the last port
/// has beyond the word is padding that the memory has no column for) from p * MINE on, each straight to its place,
/// so that PORTS beats arrive a clock. The regions of the ports lie `stride` beats apart in the buffer, each a word's beats behind the other's.
/// Contract: an EXEC instruction fills `words` words from `word` on, port p with the beats from base_i + 16 (offset + p * stride) on.
/// It starts when progress[gate_unit] >= gate and all ports take the command; DEPTH instructions may have beats under way, so addresses go
/// ahead of beats. A NOP, or no words, does nothing. `progress_i` is the gates' alone: no place of a word is known to be free but by its gate.
/// Latency: with the instruction at the queue's head and its gate open, the commands are shown in the same clock, the addresses one later. A
/// beat that arrives in clock c is a write in clock c+1. A word whose last beat of all ports is written in clock c counts from c+1 on; one a
/// clock counts, which is as many as come unless a port was ahead. Beats are never stalled.
module stream_unit
  import hwgen_pkg::*;
#(
    parameter int unsigned COLUMNS = 16,  ///< beats of a weight word, some for each port
    parameter int unsigned PORTS   = 1,   ///< read masters
    parameter int unsigned DEPTH   = 8    ///< instructions under way, a power of two
) (
    input  logic                    clk_i,
    input  logic                    rst_ni,
    input  logic                    run_i,         ///< level
    input  logic                    clear_i,       ///< back to the start
    input  logic                    drain_i,       ///< level: see `axi_rd`
    input  logic       [      63:0] base_i,        ///< stream buffer
    input  progress_t               progress_i,
    // program queue
    input  stream_instr_t           instr_i,
    input  logic                    valid_i,
    output logic                    pop_o,
    // weight memory: each port's columns have a loader bus of their own (`ld_*` of `wide_mem`)
    output logic [PORTS-1:0]        we_o,
    output logic [PORTS-1:0][ 23:0] word_o,
    output logic [PORTS-1:0][  9:0] beat_o,        ///< of the port's columns
    output logic [PORTS-1:0][127:0] data_o,
    //
    output count_t                  count_o,       ///< words that are there
    output logic                    counts_o,      ///< `count_o` grows at the end of this clock
    output logic                    done_o,        ///< level: the program is done
    output logic                    bad_instr_o,   ///< level: unknown opcode at the head
    output logic                    idle_o,        ///< nothing is under way on any port
    output logic                    err_o,         ///< a beat failed
    output logic       [      31:0] err_addr_o,    ///< low half of its address
    // AXI4, read channels of each port
    output logic [PORTS-1:0][ 63:0] m_axi_araddr_o,
    output logic [PORTS-1:0][  7:0] m_axi_arlen_o,
    output logic [PORTS-1:0][  2:0] m_axi_arsize_o,
    output logic [PORTS-1:0][  1:0] m_axi_arburst_o,
    output logic [PORTS-1:0][  3:0] m_axi_arcache_o,
    output logic [PORTS-1:0][  2:0] m_axi_arprot_o,
    output logic [PORTS-1:0]        m_axi_arvalid_o,
    input  logic [PORTS-1:0]        m_axi_arready_i,
    input  logic [PORTS-1:0][127:0] m_axi_rdata_i,
    input  logic [PORTS-1:0][  1:0] m_axi_rresp_i,
    input  logic [PORTS-1:0]        m_axi_rlast_i,
    input  logic [PORTS-1:0]        m_axi_rvalid_i,
    output logic [PORTS-1:0]        m_axi_rready_o
);
  localparam int unsigned MINE = (COLUMNS + PORTS - 1) / PORTS;  // columns of a port
  if (PORTS < 1 || (PORTS - 1) * MINE >= COLUMNS || MINE > 1024) begin : g_illegal
    $fatal(1, "stream_unit: COLUMNS=%0d must be 1..1024 for each of PORTS=%0d", COLUMNS, PORTS);
  end

  // Issue: to all ports at once.
  logic ended_q, ready, exec, nop, go;
  logic [PORTS-1:0] free, takes;  // a port has a place for the command; takes it
  logic [31:0] beats;  // of a port
  assign exec  = instr_i.opcode == OP_EXEC && instr_i.words != 0;
  assign nop   = instr_i.opcode == OP_NOP || (instr_i.opcode == OP_EXEC && instr_i.words == 0);
  assign ready = run_i && valid_i && !ended_q && reached(progress_i, instr_i.gate_unit, instr_i.gate);
  assign go    = ready && exec && &free && &takes;
  assign pop_o = go || (ready && nop);
  assign beats = 32'(instr_i.words) * MINE;

  logic [PORTS-1:0] empty, idle, err;
  logic [PORTS-1:0][31:0] err_addr;
  logic [PORTS-1:0] ahead;  // a port has words that do not count yet
  assign counts_o = &ahead;
  assign done_o   = ended_q && &empty && ahead == 0;
  assign idle_o   = &idle;
  assign err_o    = err != 0;
  always_comb begin
    err_addr_o = err_addr[0];
    for (int p = 1; p < int'(PORTS); p++) if (err[p]) err_addr_o = err_addr[p];
  end

  typedef struct packed {
    logic [ADDR_BITS-1:0] word;
    logic [ADDR_BITS-1:0] last;  // of the words from it on
  } place_t;
  for (genvar p = 0; p < PORTS; p++) begin : g_port
    logic full, expect_beats, take, whole, last;
    logic [127:0] data;
    place_t place;
    logic [ADDR_BITS-1:0] at_q;  // words of the oldest instruction that have arrived
    logic [9:0] beat_q;
    count_t ahead_q;
    logic whole_q;

    axi_rd u_rd (
        .clk_i,
        .rst_ni,
        .cmd_valid_i    (go),
        .cmd_ready_o    (takes[p]),
        .cmd_addr_i     (base_i + {32'b0, 32'(instr_i.offset) + 32'(p) * 32'(instr_i.stride)} * 64'd16),
        .cmd_beats_i    (beats),
        .beat_valid_o   (take),
        .beat_ready_i   (1'b1),
        .beat_data_o    (data),
        .drain_i,
        .idle_o         (idle[p]),
        .err_o          (err[p]),
        .err_addr_o     (err_addr[p]),
        .m_axi_araddr_o (m_axi_araddr_o[p]),
        .m_axi_arlen_o  (m_axi_arlen_o[p]),
        .m_axi_arsize_o (m_axi_arsize_o[p]),
        .m_axi_arburst_o(m_axi_arburst_o[p]),
        .m_axi_arcache_o(m_axi_arcache_o[p]),
        .m_axi_arprot_o (m_axi_arprot_o[p]),
        .m_axi_arvalid_o(m_axi_arvalid_o[p]),
        .m_axi_arready_i(m_axi_arready_i[p]),
        .m_axi_rdata_i  (m_axi_rdata_i[p]),
        .m_axi_rresp_i  (m_axi_rresp_i[p]),
        .m_axi_rlast_i  (m_axi_rlast_i[p]),
        .m_axi_rvalid_i (m_axi_rvalid_i[p]),
        .m_axi_rready_o (m_axi_rready_o[p])
    );
    bus_fifo #(
        .W($bits(place_t)),
        .DEPTH(DEPTH)
    ) u_places (
        .clk_i,
        .rst_ni,
        .clear_i,
        .push_i (go),
        .data_i ({instr_i.word, instr_i.words - ADDR_BITS'(1)}),
        .pop_i  (take && whole && last),
        .valid_o(expect_beats),
        .full_o (full),
        .data_o (place)
    );
    assign free[p]  = !full;
    assign whole    = beat_q == 10'(MINE - 1);
    assign last     = at_q == place.last;
    assign ahead[p] = ahead_q != 0 || whole_q;
    assign empty[p] = !expect_beats;

    always_ff @(posedge clk_i) begin
      we_o[p]   <= take;
      word_o[p] <= 24'(place.word + at_q);
      beat_o[p] <= beat_q;
      data_o[p] <= data;
      whole_q   <= take && whole;  // a word's last beat is a write in this clock
      if (take) beat_q <= whole ? '0 : beat_q + 1'b1;
      if (take && whole) at_q <= last ? '0 : at_q + 1'b1;
      ahead_q <= ahead_q + count_t'(whole_q) - count_t'(counts_o);
      if (!rst_ni || clear_i) begin
        we_o[p] <= 1'b0;
        whole_q <= 1'b0;
        beat_q  <= '0;
        at_q    <= '0;
        ahead_q <= '0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (pop_o && instr_i.last) ended_q <= 1'b1;
    if (ready && !exec && !nop) bad_instr_o <= 1'b1;
    count_o <= count_o + count_t'(counts_o);
    if (!rst_ni || clear_i) begin
      ended_q     <= 1'b0;
      bad_instr_o <= 1'b0;
      count_o     <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, instr_i};
endmodule
