/// One engine: bus side, activation memory, matrix unit and, when the policy needs them, the row unit (norms) and the vector unit (products
/// of tensors, maxima of windows) and the stream unit (weights that stay in DDR).
///
/// The units (DIN, MM, ROW, VEC, DOUT, STREAM) run their own programs side by side and meet only through the progress counters and the
/// activation memory. docs/engine.md has the instruction set, the memory map and the timing.
/// Memory ports: the compiler guarantees that no two units use one bank's port in one clock; `conflict` ends the run with an error.
module engine
  import hwgen_pkg::*;
#(
    parameter int          N               = 16,     ///< activations a clock
    parameter int          M               = 32,     ///< outputs a clock
    parameter int          WW              = 4,      ///< bits of a stored weight
    parameter int          BANKS           = 4,      ///< activation banks
    parameter int          ACT_DEPTH       = 512,    ///< words of a bank
    parameter int          WEIGHT_DEPTH    = 1024,   ///< words of the weight memory
    parameter int          PARAM_DEPTH     = 64,     ///< groups of channel parameters
    parameter int          ROW_PARAM_DEPTH = 64,     ///< words of the norms' parameters; 0: no norms
    parameter int          SOFTMAX_SLOTS   = 0,      ///< tables of exponentials; 0: no softmax
    parameter int          ROW_WORDS       = 16,     ///< words of the longest row of a norm or softmax
    parameter int          GROUP_WORDS     = 0,      ///< words of a position of a group norm; 0: none
    parameter int          VEC_PARAM_DEPTH = 0,      ///< words of the vector unit's parameters; 0: no vector unit
    parameter bit          VEC_MUL         = 1,      ///< the vector unit multiplies
    parameter bit          VEC_MAXPOOL     = 1,      ///< the vector unit takes maxima
    parameter bit          VEC_RESIDUAL    = 1,      ///< the vector unit adds a third tensor to products
    parameter int          KV_DEPTH        = 0,      ///< words of the KV memory; 0: none
    parameter int          SLOTS           = 4,      ///< activation tables; 0: none
    parameter int          PROG_DEPTH      = 64,     ///< instructions of the array
    parameter int          UNIT_PROG_DEPTH = 16,     ///< instructions of each other unit
    parameter bit          RESIDUAL        = 1,      ///< residual input
    parameter bit          WIDE            = 1,      ///< 32-bit results
    parameter bit          PADDED          = 1,      ///< steps of the array that read padding
    parameter string       WEIGHT_STYLE    = "auto", ///< kind of memory that holds weights, see `ram_1r1w`
    parameter int          WEIGHT_STYLED   = 0,      ///< columns of a weight word of that kind, the others block RAM; 0: all
    parameter string       PARAM_STYLE     = "auto", ///< kind of memory that holds the array's parameters
    parameter int          WEIGHT_SPLIT    = 0,      ///< words of a part of the weight memory; 0: one part
    parameter string       ACT_STYLE       = "auto", ///< kind of memory that holds activations
    parameter string       PROG_STYLE      = "distributed",  ///< kind of memory that holds the array's program
    parameter int          DSP_BITS        = 27,     ///< wide operand of the part's multiplier: 27, 25 or 18
    parameter bit          MAC_LUTS        = 0,      ///< products of the array in logic cells, not multipliers
    parameter int          WIN_RING        = 0,      ///< bytes of image rows kept for windows, a power of two; 0: no windows
    parameter int          WIN_PORTS       = 1,      ///< parts of a window put together a clock, 1..4
    parameter int          STREAM_PORTS    = 0,      ///< read masters that bring weights during a run; 0: all are resident
    parameter logic [63:0] HASH            = 64'd0   ///< design hash
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    // AXI4-Lite slave
    input  logic [ 11:0] s_axil_awaddr_i,
    input  logic         s_axil_awvalid_i,
    output logic         s_axil_awready_o,
    input  logic [ 31:0] s_axil_wdata_i,
    input  logic [  3:0] s_axil_wstrb_i,
    input  logic         s_axil_wvalid_i,
    output logic         s_axil_wready_o,
    output logic [  1:0] s_axil_bresp_o,
    output logic         s_axil_bvalid_o,
    input  logic         s_axil_bready_i,
    input  logic [ 11:0] s_axil_araddr_i,
    input  logic         s_axil_arvalid_i,
    output logic         s_axil_arready_o,
    output logic [ 31:0] s_axil_rdata_o,
    output logic [  1:0] s_axil_rresp_o,
    output logic         s_axil_rvalid_o,
    input  logic         s_axil_rready_i,
    // AXI4 master, 128 bit
    output logic [ 63:0] m_axi_araddr_o,
    output logic [  7:0] m_axi_arlen_o,
    output logic [  2:0] m_axi_arsize_o,
    output logic [  1:0] m_axi_arburst_o,
    output logic [  3:0] m_axi_arcache_o,
    output logic [  2:0] m_axi_arprot_o,
    output logic         m_axi_arvalid_o,
    input  logic         m_axi_arready_i,
    input  logic [127:0] m_axi_rdata_i,
    input  logic [  1:0] m_axi_rresp_i,
    input  logic         m_axi_rlast_i,
    input  logic         m_axi_rvalid_i,
    output logic         m_axi_rready_o,
    output logic [ 63:0] m_axi_awaddr_o,
    output logic [  7:0] m_axi_awlen_o,
    output logic [  2:0] m_axi_awsize_o,
    output logic [  1:0] m_axi_awburst_o,
    output logic [  3:0] m_axi_awcache_o,
    output logic [  2:0] m_axi_awprot_o,
    output logic         m_axi_awvalid_o,
    input  logic         m_axi_awready_i,
    output logic [127:0] m_axi_wdata_o,
    output logic [ 15:0] m_axi_wstrb_o,
    output logic         m_axi_wlast_o,
    output logic         m_axi_wvalid_o,
    input  logic         m_axi_wready_i,
    input  logic [  1:0] m_axi_bresp_i,
    input  logic         m_axi_bvalid_i,
    output logic         m_axi_bready_o,
    // AXI4 read masters of the stream unit
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][ 63:0] m_axi_w_araddr_o,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  7:0] m_axi_w_arlen_o,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  2:0] m_axi_w_arsize_o,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  1:0] m_axi_w_arburst_o,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  3:0] m_axi_w_arcache_o,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  2:0] m_axi_w_arprot_o,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0]        m_axi_w_arvalid_o,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0]        m_axi_w_arready_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][127:0] m_axi_w_rdata_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0][  1:0] m_axi_w_rresp_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0]        m_axi_w_rlast_i,
    input  logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0]        m_axi_w_rvalid_i,
    output logic [(STREAM_PORTS > 0 ? STREAM_PORTS : 1)-1:0]        m_axi_w_rready_o,
    output logic         irq_o
);
  localparam int MAX_NM = (N > M) ? N : M;
  localparam int V = (MAX_NM > 16) ? MAX_NM : 16;
  localparam int COLS = V / 8;

  // ------------------------------------------------------------------------------------------------ control and buses
  logic run, clear, loaded, conflict;
  progress_t progress, adds;  // adds: of the next clock, less this one's
  logic mm_counts, row_counts, vec_counts, stream_counts;
  assign adds.mm = mm_counts ? count_t'(M / 8) : '0;
  assign adds.row = row_counts ? count_t'(V / 8) : '0;
  assign adds.dout = '0;
  assign adds.vec = vec_counts ? count_t'(V / 8) : '0;
  assign adds.stream = count_t'(stream_counts);
  count_t mm_count, row_count, vec_count, stream_count;
  logic drain, stream_done, stream_bad, stream_idle, stream_err;
  logic [31:0] stream_err_addr;
  logic [63:0] stream_ptr;
  logic [15:0] stream_index;
  logic mm_done, row_done, vec_done, mm_bad, row_bad, vec_bad, ev_issue;
  logic [2:0] ev_wait;
  // Row and stream unit leave a bad instruction in the queue; the others take it before they look at it.
  logic [15:0] din_index, mm_index, row_index, dout_index, vec_index;
  localparam int DIN_WIDTH = (WIN_RING > 0) ? $bits(din_instr_t) : DIN_PLAIN_BITS;
  logic [DIN_WIDTH-1:0] din_word;
  din_instr_t din_instr;
  assign din_instr = din_instr_t'(din_word);
  dout_instr_t dout_instr;
  logic din_valid, din_pop, dout_valid, dout_pop;
  logic ld_we;
  logic [7:0] ld_target;
  logic [23:0] ld_word;
  logic [9:0] ld_beat;
  logic [127:0] ld_data;

  // write ports: 0 MM, 1 ROW, 2 DIN, 3 VEC; word read ports: 0 ROW, 1 DOUT, 2 and 3 VEC
  localparam bit ROW_UNIT = ROW_PARAM_DEPTH > 0 || SOFTMAX_SLOTS > 0;
  localparam int WRITERS = (VEC_PARAM_DEPTH > 0) ? 4 : 3;
  localparam int WORD_READERS = (VEC_PARAM_DEPTH > 0) ? 4 : 2;
  logic [WRITERS-1:0] wr_en;
  logic [WRITERS-1:0][BANK_BITS-1:0] wr_bank;
  logic [WRITERS-1:0][16:0] wr_addr;
  logic [WRITERS-1:0][COLS-1:0] wr_mask;
  logic [WRITERS-1:0][V*8-1:0] wr_data;
  logic [WORD_READERS-1:0] rd_en;
  logic [WORD_READERS-1:0][BANK_BITS-1:0] rd_bank;
  logic [WORD_READERS-1:0][16:0] rd_addr;
  logic [WORD_READERS-1:0][V*8-1:0] rd_data;

  engine_bus #(
      .N(N),
      .M(M),
      .WW(WW),
      .BANKS(BANKS),
      .V(V),
      .WEIGHT_DEPTH(WEIGHT_DEPTH),
      .ACT_DEPTH(ACT_DEPTH),
      .PARAM_DEPTH(PARAM_DEPTH),
      .TABLE_DEPTH(SLOTS),
      .ROW_PARAM_DEPTH(ROW_PARAM_DEPTH),
      .SOFTMAX_SLOTS(SOFTMAX_SLOTS),
      .PROG_DIN_DEPTH(UNIT_PROG_DEPTH),
      .PROG_MM_DEPTH(PROG_DEPTH),
      .PROG_ROW_DEPTH(ROW_UNIT ? UNIT_PROG_DEPTH : 0),
      .PROG_DOUT_DEPTH(UNIT_PROG_DEPTH),
      .VEC_PARAM_DEPTH(VEC_PARAM_DEPTH),
      .PROG_VEC_DEPTH(VEC_PARAM_DEPTH > 0 ? UNIT_PROG_DEPTH : 0),
      .PROG_STREAM_DEPTH(STREAM_PORTS > 0 ? UNIT_PROG_DEPTH : 0),
      .WIN_RING(WIN_RING),
      .WIN_PORTS(WIN_PORTS),
      .HASH(HASH)
  ) u_bus (
      .clk_i,
      .rst_ni,
      .s_axil_awaddr_i,
      .s_axil_awvalid_i,
      .s_axil_awready_o,
      .s_axil_wdata_i,
      .s_axil_wstrb_i,
      .s_axil_wvalid_i,
      .s_axil_wready_o,
      .s_axil_bresp_o,
      .s_axil_bvalid_o,
      .s_axil_bready_i,
      .s_axil_araddr_i,
      .s_axil_arvalid_i,
      .s_axil_arready_o,
      .s_axil_rdata_o,
      .s_axil_rresp_o,
      .s_axil_rvalid_o,
      .s_axil_rready_i,
      .m_axi_araddr_o,
      .m_axi_arlen_o,
      .m_axi_arsize_o,
      .m_axi_arburst_o,
      .m_axi_arcache_o,
      .m_axi_arprot_o,
      .m_axi_arvalid_o,
      .m_axi_arready_i,
      .m_axi_rdata_i,
      .m_axi_rresp_i,
      .m_axi_rlast_i,
      .m_axi_rvalid_i,
      .m_axi_rready_o,
      .m_axi_awaddr_o,
      .m_axi_awlen_o,
      .m_axi_awsize_o,
      .m_axi_awburst_o,
      .m_axi_awcache_o,
      .m_axi_awprot_o,
      .m_axi_awvalid_o,
      .m_axi_awready_i,
      .m_axi_wdata_o,
      .m_axi_wstrb_o,
      .m_axi_wlast_o,
      .m_axi_wvalid_o,
      .m_axi_wready_i,
      .m_axi_bresp_i,
      .m_axi_bvalid_i,
      .m_axi_bready_o,
      .irq_o,
      .run_o(run),
      .clear_o(clear),
      .loaded_o(loaded),
      .progress_o(progress),
      .din_adds_o(adds.din),
      .adds_i(adds),
      .mm_count_i(mm_count),
      .row_count_i(row_count),
      .vec_count_i(vec_count),
      .stream_count_i(stream_count),
      .din_instr_i(din_instr),
      .din_valid_i(din_valid),
      .din_pop_o(din_pop),
      .dout_instr_i(dout_instr),
      .dout_valid_i(dout_valid),
      .dout_pop_o(dout_pop),
      .prog_index_i({stream_index, vec_index - 16'd1, dout_index - 16'd1, row_index, mm_index - 16'd1, din_index - 16'd1}),
      .mm_done_i(mm_done),
      .row_done_i(row_done),
      .vec_done_i(vec_done),
      .stream_done_i(stream_done),
      .mm_bad_instr_i(mm_bad),
      .row_bad_instr_i(row_bad),
      .vec_bad_instr_i(vec_bad),
      .stream_bad_instr_i(stream_bad),
      .stream_ptr_o(stream_ptr),
      .drain_o(drain),
      .stream_idle_i(stream_idle),
      .stream_err_i(stream_err),
      .stream_err_addr_i(stream_err_addr),
      .conflict_i(conflict),
      .ev_issue_i(ev_issue),
      .ev_wait_i(ev_wait),
      .din_wr_en_o(wr_en[2]),
      .din_wr_bank_o(wr_bank[2]),
      .din_wr_addr_o(wr_addr[2]),
      .din_wr_mask_o(wr_mask[2]),
      .din_wr_data_o(wr_data[2]),
      .dout_rd_en_o(rd_en[1]),
      .dout_rd_bank_o(rd_bank[1]),
      .dout_rd_addr_o(rd_addr[1]),
      .dout_rd_data_i(rd_data[1]),
      .ld_we_o(ld_we),
      .ld_target_o(ld_target),
      .ld_word_o(ld_word),
      .ld_beat_o(ld_beat),
      .ld_data_o(ld_data)
  );

  prog_queue #(
      .BEATS (WIN_RING > 0 ? DIN_BEATS : 1),
      .W     (DIN_WIDTH),
      .D     (UNIT_PROG_DEPTH),
      .TARGET(TGT_PROG_DIN)
  ) u_din_queue (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .enable_i(loaded),
      .ld_we_i(ld_we),
      .ld_target_i(ld_target),
      .ld_word_i(ld_word),
      .ld_beat_i(ld_beat),
      .ld_data_i(ld_data),
      .instr_o(din_word),
      .valid_o(din_valid),
      .pop_i(din_pop),
      .index_o(din_index)
  );
  prog_queue #(
      .BEATS (DOUT_BEATS),
      .W     ($bits(dout_instr_t)),
      .D     (UNIT_PROG_DEPTH),
      .TARGET(TGT_PROG_DOUT)
  ) u_dout_queue (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .enable_i(loaded),
      .ld_we_i(ld_we),
      .ld_target_i(ld_target),
      .ld_word_i(ld_word),
      .ld_beat_i(ld_beat),
      .ld_data_i(ld_data),
      .instr_o(dout_instr),
      .valid_o(dout_valid),
      .pop_i(dout_pop),
      .index_o(dout_index)
  );

  // ------------------------------------------------------------------------------------------------ activation memory
  logic a_en, a_zero, r_en;
  logic [BANK_BITS-1:0] a_bank, r_bank;
  logic [ADDR_BITS-1:0] a_addr, r_addr;
  logic [N*8-1:0] a_data;
  logic [M*8-1:0] r_data;

  act_mem #(
      .N(N),
      .M(M),
      .V(V),
      .BANKS(BANKS),
      .D(ACT_DEPTH),
      .STYLE(ACT_STYLE),
      .WRITERS(WRITERS),
      .WORD_READERS(WORD_READERS)
  ) u_act (
      .clk_i,
      .rst_ni,
      .a_en_i(a_en),
      .a_bank_i(a_bank),
      .a_addr_i(a_addr),
      .a_zero_i(a_zero),
      .a_data_o(a_data),
      .r_en_i(r_en),
      .r_bank_i(r_bank),
      .r_addr_i(r_addr),
      .r_data_o(r_data),
      .rd_en_i(rd_en),
      .rd_bank_i(rd_bank),
      .rd_addr_i(rd_addr),
      .rd_data_o(rd_data),
      .wr_en_i(wr_en),
      .wr_bank_i(wr_bank),
      .wr_addr_i(wr_addr),
      .wr_mask_i(wr_mask),
      .wr_data_i(wr_data),
      .conflict_o(conflict)
  );

  // ------------------------------------------------------------------------------------------------ stream unit
  localparam int PARTS = (STREAM_PORTS > 0) ? STREAM_PORTS : 1;  // of a weight word
  logic [PARTS-1:0] st_we;
  logic [PARTS-1:0][23:0] st_word;
  logic [PARTS-1:0][9:0] st_beat;
  logic [PARTS-1:0][127:0] st_data;
  if (STREAM_PORTS > 0) begin : g_stream
    stream_instr_t stream_instr;
    logic stream_valid, stream_pop;
    prog_queue #(
        .BEATS (STREAM_BEATS),
        .W     ($bits(stream_instr_t)),
        .D     (UNIT_PROG_DEPTH),
        .TARGET(TGT_PROG_STREAM)
    ) u_queue (
        .clk_i,
        .rst_ni,
        .clear_i(clear),
        .enable_i(loaded),
        .ld_we_i(ld_we),
        .ld_target_i(ld_target),
        .ld_word_i(ld_word),
        .ld_beat_i(ld_beat),
        .ld_data_i(ld_data),
        .instr_o(stream_instr),
        .valid_o(stream_valid),
        .pop_i(stream_pop),
        .index_o(stream_index)
    );
    stream_unit #(
        .COLUMNS((N * M * WW + 127) / 128),
        .PORTS(STREAM_PORTS)
    ) u_stream (
        .clk_i,
        .rst_ni,
        .run_i(run),
        .clear_i(clear),
        .drain_i(drain),
        .base_i(stream_ptr),
        .progress_i(progress),
        .instr_i(stream_instr),
        .valid_i(stream_valid),
        .pop_o(stream_pop),
        .we_o(st_we),
        .word_o(st_word),
        .beat_o(st_beat),
        .data_o(st_data),
        .count_o(stream_count),
        .counts_o(stream_counts),
        .done_o(stream_done),
        .bad_instr_o(stream_bad),
        .idle_o(stream_idle),
        .err_o(stream_err),
        .err_addr_o(stream_err_addr),
        .m_axi_araddr_o(m_axi_w_araddr_o),
        .m_axi_arlen_o(m_axi_w_arlen_o),
        .m_axi_arsize_o(m_axi_w_arsize_o),
        .m_axi_arburst_o(m_axi_w_arburst_o),
        .m_axi_arcache_o(m_axi_w_arcache_o),
        .m_axi_arprot_o(m_axi_w_arprot_o),
        .m_axi_arvalid_o(m_axi_w_arvalid_o),
        .m_axi_arready_i(m_axi_w_arready_i),
        .m_axi_rdata_i(m_axi_w_rdata_i),
        .m_axi_rresp_i(m_axi_w_rresp_i),
        .m_axi_rlast_i(m_axi_w_rlast_i),
        .m_axi_rvalid_i(m_axi_w_rvalid_i),
        .m_axi_rready_o(m_axi_w_rready_o)
    );
  end else begin : g_no_stream
    assign st_we = '0;
    assign st_word = '0;
    assign st_beat = '0;
    assign st_data = '0;
    assign stream_count = '0;
    assign stream_counts = 1'b0;
    assign stream_index = '0;
    assign stream_done = 1'b1;
    assign stream_bad = 1'b0;
    assign stream_idle = 1'b1;
    assign stream_err = 1'b0;
    assign stream_err_addr = '0;
    assign m_axi_w_araddr_o = '0;
    assign m_axi_w_arlen_o = '0;
    assign m_axi_w_arsize_o = '0;
    assign m_axi_w_arburst_o = '0;
    assign m_axi_w_arcache_o = '0;
    assign m_axi_w_arprot_o = '0;
    assign m_axi_w_arvalid_o = '0;
    assign m_axi_w_rready_o = '0;
    logic unused;
    assign unused = &{1'b0, drain, stream_ptr, m_axi_w_arready_i, m_axi_w_rdata_i, m_axi_w_rresp_i, m_axi_w_rlast_i, m_axi_w_rvalid_i};
  end

  // ------------------------------------------------------------------------------------------------ matrix unit
  mm_unit #(
      .N(N),
      .M(M),
      .V(V),
      .WW(WW),
      .WEIGHT_DEPTH(WEIGHT_DEPTH),
      .PARAM_DEPTH(PARAM_DEPTH),
      .PROG_DEPTH(PROG_DEPTH),
      .RESIDUAL(RESIDUAL),
      .SLOTS(SLOTS),
      .WIDE(WIDE),
      .PADDED(PADDED),
      .KV_DEPTH(KV_DEPTH),
      .STREAM_PORTS(STREAM_PORTS),
      .WEIGHT_STYLE(WEIGHT_STYLE),
      .WEIGHT_STYLED(WEIGHT_STYLED),
      .PARAM_STYLE(PARAM_STYLE),
      .WEIGHT_SPLIT(WEIGHT_SPLIT),
      .PROG_STYLE(PROG_STYLE),
      .DSP_BITS(DSP_BITS),
      .MAC_LUTS(MAC_LUTS)
  ) u_mm (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .enable_i(loaded),
      .run_i(run),
      .ld_we_i(ld_we),
      .ld_target_i(ld_target),
      .ld_word_i(ld_word),
      .ld_beat_i(ld_beat),
      .ld_data_i(ld_data),
      .st_we_i(st_we),
      .st_word_i(st_word),
      .st_beat_i(st_beat),
      .st_data_i(st_data),
      .a_en_o(a_en),
      .a_bank_o(a_bank),
      .a_addr_o(a_addr),
      .a_zero_o(a_zero),
      .a_data_i(a_data),
      .r_en_o(r_en),
      .r_bank_o(r_bank),
      .r_addr_o(r_addr),
      .r_data_i(r_data),
      .wr_en_o(wr_en[0]),
      .wr_bank_o(wr_bank[0]),
      .wr_addr_o(wr_addr[0]),
      .wr_mask_o(wr_mask[0]),
      .wr_data_o(wr_data[0]),
      .progress_i(progress),
      .adds_i(adds),
      .count_o(mm_count),
      .counts_o(mm_counts),
      .done_o(mm_done),
      .bad_instr_o(mm_bad),
      .index_o(mm_index),
      .ev_issue_o(ev_issue),
      .ev_wait_o(ev_wait)
  );

  // ------------------------------------------------------------------------------------------------ row unit
  if (ROW_UNIT) begin : g_row
    row_instr_t row_instr;
    logic row_valid, row_pop;
    prog_queue #(
        .BEATS (ROW_BEATS),
        .W     ($bits(row_instr_t)),
        .D     (UNIT_PROG_DEPTH),
        .TARGET(TGT_PROG_ROW)
    ) u_queue (
        .clk_i,
        .rst_ni,
        .clear_i(clear),
        .enable_i(loaded),
        .ld_we_i(ld_we),
        .ld_target_i(ld_target),
        .ld_word_i(ld_word),
        .ld_beat_i(ld_beat),
        .ld_data_i(ld_data),
        .instr_o(row_instr),
        .valid_o(row_valid),
        .pop_i(row_pop),
        .index_o(row_index)
    );
    row_unit #(
        .V(V),
        .PARAM_DEPTH(ROW_PARAM_DEPTH),
        .SOFTMAX_SLOTS(SOFTMAX_SLOTS),
        .GROUP_WORDS(GROUP_WORDS),
        .ROW_WORDS(ROW_WORDS)
    ) u_row (
        .clk_i,
        .rst_ni,
        .clear_i(clear),
        .run_i(run),
        .instr_i(row_instr),
        .valid_i(row_valid),
        .pop_o(row_pop),
        .progress_i(progress),
        .ld_we_i(ld_we),
        .ld_target_i(ld_target),
        .ld_word_i(ld_word),
        .ld_beat_i(ld_beat),
        .ld_data_i(ld_data),
        .rd_en_o(rd_en[0]),
        .rd_bank_o(rd_bank[0]),
        .rd_addr_o(rd_addr[0]),
        .rd_data_i(rd_data[0]),
        .wr_en_o(wr_en[1]),
        .wr_bank_o(wr_bank[1]),
        .wr_addr_o(wr_addr[1]),
        .wr_mask_o(wr_mask[1]),
        .wr_data_o(wr_data[1]),
        .count_o(row_count),
        .counts_o(row_counts),
        .done_o(row_done),
        .bad_instr_o(row_bad)
    );
  end else begin : g_no_row
    assign row_count = '0;
    assign row_counts = 1'b0;
    assign row_index = '0;
    assign row_done = 1'b1;
    assign row_bad = 1'b0;
    assign rd_en[0] = 1'b0;
    assign rd_bank[0] = '0;
    assign rd_addr[0] = '0;
    assign wr_en[1] = 1'b0;
    assign wr_bank[1] = '0;
    assign wr_addr[1] = '0;
    assign wr_mask[1] = '0;
    assign wr_data[1] = '0;
    logic unused;
    assign unused = &{1'b0, rd_data[0]};
  end

  // ------------------------------------------------------------------------------------------------ vector unit
  if (VEC_PARAM_DEPTH > 0) begin : g_vec
    vec_unit #(
        .V(V),
        .PARAM_DEPTH(VEC_PARAM_DEPTH),
        .PROG_DEPTH(UNIT_PROG_DEPTH),
        .MUL(VEC_MUL),
        .MAXPOOL(VEC_MAXPOOL),
        .RESIDUAL(VEC_RESIDUAL),
        .DSP_BITS(DSP_BITS)
    ) u_vec (
        .clk_i,
        .rst_ni,
        .clear_i(clear),
        .enable_i(loaded),
        .run_i(run),
        .ld_we_i(ld_we),
        .ld_target_i(ld_target),
        .ld_word_i(ld_word),
        .ld_beat_i(ld_beat),
        .ld_data_i(ld_data),
        .rd_en_o(rd_en[3:2]),
        .rd_bank_o(rd_bank[3:2]),
        .rd_addr_o(rd_addr[3:2]),
        .rd_data_i(rd_data[3:2]),
        .wr_en_o(wr_en[3]),
        .wr_bank_o(wr_bank[3]),
        .wr_addr_o(wr_addr[3]),
        .wr_mask_o(wr_mask[3]),
        .wr_data_o(wr_data[3]),
        .progress_i(progress),
        .adds_i(adds),
        .count_o(vec_count),
        .counts_o(vec_counts),
        .done_o(vec_done),
        .bad_instr_o(vec_bad),
        .index_o(vec_index)
    );
  end else begin : g_no_vec
    assign vec_count  = '0;
    assign vec_counts = 1'b0;
    assign vec_index  = '0;
    assign vec_done   = 1'b1;
    assign vec_bad    = 1'b0;
  end
endmodule
