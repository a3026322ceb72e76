/// Constants and types of the binary interface: registers, status codes, load image, instructions.
/// Made from hwgen/runtime/abi.py; change that table, not this file.
package hwgen_pkg;
  // A package offers constants; no module takes all of them.
  // verilator lint_off UNUSEDPARAM

  localparam logic [31:0] MAGIC = 32'h4E475748;
  localparam logic [31:0] ABI_VERSION = 32'd2;
  localparam logic [31:0] IMAGE_MAGIC = 32'h4D495748;
  localparam logic [15:0] SECTION_MAGIC = 16'h5348;
  localparam int BEAT_BITS = 128;
  localparam int LEVELS = 6;
  localparam int COUNT_BITS = 14;
  localparam int ADDR_BITS = 20;
  localparam int PADDR_BITS = 12;
  localparam int NEED_BITS = 24;
  localparam int BANK_BITS = 3;
  localparam int COORD_BITS = 11;
  localparam int V_BITS = 52;
  localparam int DIN_PLAIN_BITS = 109;
  localparam int PARAM_BITS = 99;
  localparam int PARAM_BITS_PLAIN = 72;

  // registers (byte offsets)
  localparam logic [11:0] REG_MAGIC = 12'h000;
  localparam logic [11:0] REG_ABI = 12'h004;
  localparam logic [11:0] REG_HASH_LO = 12'h008;
  localparam logic [11:0] REG_HASH_HI = 12'h00C;
  localparam logic [11:0] REG_CONFIG = 12'h010;
  localparam logic [11:0] REG_WEIGHT_DEPTH = 12'h014;
  localparam logic [11:0] REG_ACT_DEPTH = 12'h018;
  localparam logic [11:0] REG_CONTROL = 12'h020;
  localparam logic [11:0] REG_STATUS = 12'h024;
  localparam logic [11:0] REG_ERROR_INFO = 12'h028;
  localparam logic [11:0] REG_LOAD_PTR_LO = 12'h030;
  localparam logic [11:0] REG_LOAD_PTR_HI = 12'h034;
  localparam logic [11:0] REG_LOAD_BEATS = 12'h038;
  localparam logic [11:0] REG_IN_PTR_LO = 12'h040;
  localparam logic [11:0] REG_IN_PTR_HI = 12'h044;
  localparam logic [11:0] REG_OUT_PTR_LO = 12'h048;
  localparam logic [11:0] REG_OUT_PTR_HI = 12'h04C;
  localparam logic [11:0] REG_STREAM_PTR_LO = 12'h050;
  localparam logic [11:0] REG_STREAM_PTR_HI = 12'h054;
  localparam logic [11:0] REG_WATCHDOG = 12'h060;
  localparam logic [11:0] REG_LATENCY = 12'h080;
  localparam logic [11:0] REG_ISSUED = 12'h084;
  localparam logic [11:0] REG_WAIT_DIN = 12'h088;
  localparam logic [11:0] REG_WAIT_MM = 12'h08C;
  localparam logic [11:0] REG_WAIT_ROW = 12'h090;
  localparam logic [11:0] REG_TAIL = 12'h094;
  localparam logic [11:0] REG_COMPUTE = 12'h098;
  localparam logic [11:0] REG_RUNS = 12'h09C;

  // error codes
  localparam logic [7:0] ERR_NONE = 8'd0;
  localparam logic [7:0] ERR_AXI_READ = 8'd1;
  localparam logic [7:0] ERR_AXI_WRITE = 8'd2;
  localparam logic [7:0] ERR_BAD_IMAGE = 8'd3;
  localparam logic [7:0] ERR_HASH = 8'd4;
  localparam logic [7:0] ERR_BAD_INSTRUCTION = 8'd5;
  localparam logic [7:0] ERR_WATCHDOG = 8'd6;
  localparam logic [7:0] ERR_NOT_LOADED = 8'd7;
  localparam logic [7:0] ERR_PORT_CONFLICT = 8'd8;

  // targets of image sections
  localparam logic [7:0] TGT_WEIGHT = 8'd1;
  localparam logic [7:0] TGT_PARAM = 8'd2;
  localparam logic [7:0] TGT_TABLE = 8'd3;
  localparam logic [7:0] TGT_ROW_PARAM = 8'd4;
  localparam logic [7:0] TGT_VEC_PARAM = 8'd5;
  localparam logic [7:0] TGT_SOFTMAX_TABLE = 8'd6;
  localparam logic [7:0] TGT_PROG_DIN = 8'd8;
  localparam logic [7:0] TGT_PROG_MM = 8'd9;
  localparam logic [7:0] TGT_PROG_ROW = 8'd10;
  localparam logic [7:0] TGT_PROG_DOUT = 8'd11;
  localparam logic [7:0] TGT_PROG_VEC = 8'd12;
  localparam logic [7:0] TGT_PROG_STREAM = 8'd13;
  localparam logic [7:0] TGT_END = 8'd255;

  // instruction words
  localparam logic [3:0] OP_EXEC = 4'd1;
  localparam logic [3:0] OP_NOP = 4'd2;
  localparam logic [3:0] ROWOP_LAYERNORM = 4'd1;
  localparam logic [3:0] ROWOP_RMSNORM = 4'd2;
  localparam logic [3:0] ROWOP_SOFTMAX = 4'd3;
  localparam logic [3:0] ROWOP_GROUPNORM = 4'd4;
  localparam logic [3:0] VECOP_MUL = 4'd1;
  localparam logic [3:0] VECOP_MAXPOOL = 4'd2;
  localparam logic W_WEIGHTS = 1'd0;
  localparam logic W_KV = 1'd1;
  localparam logic [1:0] O_ACTIVATIONS = 2'd0;
  localparam logic [1:0] O_KEYS = 2'd1;
  localparam logic [1:0] O_VALUES = 2'd2;
  localparam logic [2:0] UNIT_DIN = 3'd0;
  localparam logic [2:0] UNIT_MM = 3'd1;
  localparam logic [2:0] UNIT_ROW = 3'd2;
  localparam logic [2:0] UNIT_DOUT = 3'd3;
  localparam logic [2:0] UNIT_VEC = 3'd4;
  localparam logic [2:0] UNIT_STREAM = 3'd5;
  localparam logic [2:0] UNIT_NONE = 3'd7;
  localparam logic [1:0] DIN_COPY = 2'd0;
  localparam logic [1:0] DIN_STREAM = 2'd1;
  localparam logic [1:0] DIN_WINDOWS = 2'd2;
  localparam int DIN_BEATS = 3;
  localparam int MM_BEATS = 9;
  localparam int ROW_BEATS = 3;
  localparam int DOUT_BEATS = 2;
  localparam int VEC_BEATS = 9;
  localparam int STREAM_BEATS = 1;

  typedef logic [23:0] count_t;

  /// Octets (8 bytes) written by each unit in this run; of stream: weight words.
  typedef struct packed {
    count_t stream;
    count_t vec;
    count_t dout;
    count_t row;
    count_t mm;
    count_t din;
  } progress_t;

  /// One channel's requantization: v = acc * mult + bias (+ residual * rmult), then shifted right.
  typedef struct packed {
    logic [26:0] rmult;
    logic [47:0] bias;
    logic [5:0] shift;
    logic [17:0] mult;
  } param_t;

  typedef struct packed {
    logic [19:0] upto;
    logic [13:0] rows;
    logic [13:0] cols;
    logic [7:0] words;
    logic [5:0] taps;
    logic [13:0] y_size;
    logic [19:0] row_step;
    logic [5:0] y_step;
    logic [13:0] y;
    logic [11:0] pad;
    logic [11:0] x_step;
    logic [11:0] seg;
    logic [15:0] row_bytes;
    logic [21:0] span;
    logic [24:0] at;
    logic [1:0] kind;
    logic [19:0] addr;
    logic [2:0] bank;
    logic [19:0] beats;
    logic [31:0] offset;
    logic [23:0] gate;
    logic [2:0] gate_unit;
    logic last;
    logic [3:0] opcode;
  } din_instr_t;

  typedef struct packed {
    logic [5:0][19:0] r_step;
    logic [5:0][10:0] x_step;
    logic [5:0][10:0] y_step;
    logic [5:0][11:0] p_step;
    logic [5:0][19:0] o_step;
    logic [5:0][23:0] need_step;
    logic [5:0][19:0] w_step;
    logic [5:0][19:0] a_step;
    logic [5:0][13:0] count;
    logic [9:0] x_last;
    logic [9:0] y_last;
    logic [10:0] x;
    logic [10:0] y;
    logic [8:0] hi;
    logic [8:0] lo;
    logic [3:0] slot;
    logic lookup;
    logic wide;
    logic relu;
    logic residual;
    logic r_signed;
    logic [19:0] r;
    logic [2:0] r_bank;
    logic [11:0] p;
    logic [19:0] o;
    logic [2:0] o_bank;
    logic [1:0] o_kind;
    logic [23:0] need;
    logic [19:0] w;
    logic w_bank;
    logic [19:0] a;
    logic [2:0] a_bank;
    logic a_signed;
    logic [5:0] red_mask;
    logic [2:0] dep_unit;
    logic [23:0] gate;
    logic [2:0] gate_unit;
    logic last;
    logic [3:0] opcode;
  } mm_instr_t;

  typedef struct packed {
    logic [15:0] elements;
    logic [13:0] group;
    logic [3:0] slot;
    logic [5:0] shift;
    logic [16:0] mult;
    logic [39:0] eps;
    logic [15:0] rows;
    logic [13:0] words;
    logic [15:0] length;
    logic [11:0] param;
    logic [19:0] dst_stride;
    logic [19:0] dst;
    logic [2:0] dst_bank;
    logic [19:0] src_stride;
    logic [19:0] src;
    logic [2:0] src_bank;
    logic [7:0] need_step;
    logic [23:0] need;
    logic [2:0] dep_unit;
    logic [8:0] hi;
    logic [8:0] lo;
    logic x_signed;
    logic [3:0] op;
    logic [23:0] gate;
    logic [2:0] gate_unit;
    logic last;
    logic [3:0] opcode;
  } row_instr_t;

  typedef struct packed {
    logic [7:0] need_step;
    logic [23:0] need;
    logic [2:0] dep_unit;
    logic [1:0] ptr;
    logic [19:0] addr;
    logic [2:0] bank;
    logic [19:0] beats;
    logic [31:0] offset;
    logic [23:0] gate;
    logic [2:0] gate_unit;
    logic last;
    logic [3:0] opcode;
  } dout_instr_t;

  typedef struct packed {
    logic [5:0][19:0] r_step;
    logic [5:0][10:0] x_step;
    logic [5:0][10:0] y_step;
    logic [5:0][11:0] p_step;
    logic [5:0][19:0] o_step;
    logic [5:0][23:0] need_step;
    logic [5:0][19:0] w_step;
    logic [5:0][19:0] a_step;
    logic [5:0][13:0] count;
    logic [9:0] x_last;
    logic [9:0] y_last;
    logic [10:0] x;
    logic [10:0] y;
    logic [8:0] hi;
    logic [8:0] lo;
    logic relu;
    logic residual;
    logic r_signed;
    logic [19:0] r;
    logic [2:0] r_bank;
    logic [11:0] p;
    logic [19:0] o;
    logic [2:0] o_bank;
    logic [23:0] need;
    logic [19:0] w;
    logic [2:0] b_bank;
    logic b_signed;
    logic [19:0] a;
    logic [2:0] a_bank;
    logic a_signed;
    logic [5:0] red_mask;
    logic [2:0] dep_unit;
    logic [3:0] op;
    logic [23:0] gate;
    logic [2:0] gate_unit;
    logic last;
    logic [3:0] opcode;
  } vec_instr_t;

  typedef struct packed {
    logic [19:0] words;
    logic [19:0] word;
    logic [27:0] stride;
    logic [27:0] offset;
    logic [23:0] gate;
    logic [2:0] gate_unit;
    logic last;
    logic [3:0] opcode;
  } stream_instr_t;

  /// What `unit` has counted; 0 for UNIT_NONE.
  function automatic count_t counted(progress_t progress, logic [2:0] unit);
    unique case (unit)
      UNIT_DIN: return progress.din;
      UNIT_MM: return progress.mm;
      UNIT_ROW: return progress.row;
      UNIT_DOUT: return progress.dout;
      UNIT_VEC: return progress.vec;
      UNIT_STREAM: return progress.stream;
      default: return '0;
    endcase
  endfunction

  /// Whether `unit` has written at least `need` octets; UNIT_NONE never waits.
  function automatic logic reached(progress_t progress, logic [2:0] unit, count_t need);
    unique case (unit)
      UNIT_DIN: return progress.din >= need;
      UNIT_MM: return progress.mm >= need;
      UNIT_ROW: return progress.row >= need;
      UNIT_DOUT: return progress.dout >= need;
      UNIT_VEC: return progress.vec >= need;
      UNIT_STREAM: return progress.stream >= need;
      default: return 1'b1;
    endcase
  endfunction

  // verilator lint_on UNUSEDPARAM
endpackage
