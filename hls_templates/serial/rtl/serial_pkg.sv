/// Constants of the serial line: frames, opcodes, addresses.
/// Made from hwgen/runtime/serial/protocol.py; change that table, not this file.
package serial_pkg;
  // A package offers constants; no module takes all of them.
  // verilator lint_off UNUSEDPARAM
  localparam logic [31:0] MAGIC = 32'h4C534748;
  localparam logic [31:0] VERSION = 32'd1;
  localparam logic [7:0] END = 8'h7E;
  localparam logic [7:0] ESC = 8'h7D;
  localparam logic [7:0] TURN = 8'h20;
  localparam int unsigned MAX_WORDS = 256;
  localparam int unsigned FIFO_BYTES = 2048;
  localparam int unsigned IDENTITY_WORDS = 4;
  localparam int unsigned BRIDGE_WORDS = 9;
  localparam logic [31:0] CRC_RESIDUE = 32'hDEBB20E3;

  localparam logic [7:0] OP_SYNC = 8'h01;
  localparam logic [7:0] OP_READ = 8'h02;
  localparam logic [7:0] OP_WRITE = 8'h03;
  localparam logic [7:0] OP_SERVE = 8'h04;
  localparam logic [7:0] OP_SYNCED = 8'h81;
  localparam logic [7:0] OP_DATA = 8'h82;
  localparam logic [7:0] OP_DONE = 8'h83;
  localparam logic [7:0] OP_FETCH = 8'h84;
  localparam logic [7:0] OP_RESEND = 8'h85;
  localparam logic [7:0] OP_REFUSED = 8'h86;

  // the top four bits of an address
  localparam logic [3:0] SPACE_BRIDGE = 4'h0;
  localparam logic [3:0] SPACE_ENGINE = 4'h1;
  localparam logic [3:0] SPACE_MEMORY = 4'h4;

  // words of the bridge
  localparam int unsigned WORD_MAGIC = 0;
  localparam int unsigned WORD_VERSION = 1;
  localparam int unsigned WORD_MEMORY = 2;
  localparam int unsigned WORD_CLOCK = 3;
  localparam int unsigned WORD_FRAMES = 4;
  localparam int unsigned WORD_DAMAGED = 5;
  localparam int unsigned WORD_LOST = 6;
  localparam int unsigned WORD_REPEATED = 7;
  localparam int unsigned WORD_GIVEN_UP = 8;

  /// The first two words of a frame.
  typedef struct packed {
    logic [31:0] address;
    logic [15:0] count;
    logic [7:0]  number;
    logic [7:0]  opcode;
  } head_t;

  /// The CRC-32 register (0xEDB88320, reflected) after one more byte.
  function automatic logic [31:0] crc_next(logic [31:0] crc, logic [7:0] data);
    logic [31:0] c;
    c = crc ^ {24'b0, data};
    for (int i = 0; i < 8; i++) c = {1'b0, c[31:1]} ^ (c[0] ? 32'hEDB88320 : 32'h0);
    return c;
  endfunction
  // verilator lint_on UNUSEDPARAM
endpackage
