/// Address side of an AXI4 master, for reads and writes alike: cuts a command (address, beats) into bursts.
///
/// Contract: INCR bursts of at most 64 beats of 16 bytes that never cross a 1 KiB boundary, hence never a 4 KiB one: the first burst runs to the
/// boundary, all others start on one. A command taken in clock c shows its first `valid_o` in clock c+1, then a burst a clock while
/// `ready_i`, also over command boundaries. The low four bits of the address are ignored; a command of no beats is the user's error.
/// A burst that is shown stays until it is taken, also in drain mode; everything behind it is dropped there.
module axi_burst (
    input  logic        clk_i,
    input  logic        rst_ni,
    // command
    input  logic        cmd_valid_i,
    output logic        cmd_ready_o,  ///< a register: two commands fit
    input  logic [63:0] cmd_addr_i,
    input  logic [31:0] cmd_beats_i,
    // burst
    input  logic        hold_i,       ///< show no new burst; may rise only in the clock after a burst was taken
    output logic        valid_o,
    input  logic        ready_i,
    output logic [63:0] addr_o,
    output logic [ 5:0] len_o,        ///< beats - 1
    //
    input  logic        drain_i,      ///< level: take nothing new
    output logic        idle_o        ///< no command here; a register
);
  logic active_q, next_q;
  logic [59:0] addr_q, next_addr_q;  // in beats
  logic [31:0] left_q, next_beats_q;  // left_q: beats after the first one
  logic many_q, next_many_q;  // more than 64 beats are left: known before the sums are

  logic [31:0] beats;  // of the command that comes to the front
  logic [6:0] past;  // where the last beat lies when it lies in this block of 64
  logic last, taken, accept, load, cmd_many;
  assign beats = next_q ? next_beats_q : cmd_beats_i;
  assign cmd_many = cmd_beats_i > 32'd64;
  assign past  = {1'b0, left_q[5:0]} + {1'b0, addr_q[5:0]};
  assign last  = !many_q && !past[6];
  assign valid_o     = active_q && !hold_i;
  assign taken       = valid_o && ready_i;
  assign addr_o      = {addr_q, 4'b0};
  assign len_o       = last ? left_q[5:0] : ~addr_q[5:0];
  assign cmd_ready_o = !next_q;
  assign accept      = cmd_valid_i && cmd_ready_o && !drain_i;
  assign load        = !active_q || (taken && last);  // the front place is free for a command

  // `idle_o` is a register of its own: what is done begins there.
  logic active, next;  // in the next clock
  always_comb begin
    active = load ? next_q || accept : active_q;
    next   = !load && (next_q || accept);
    if (drain_i) begin
      next = 1'b0;
      if (!valid_o || ready_i) active = 1'b0;
    end
    if (!rst_ni) {active, next} = '0;
  end

  always_ff @(posedge clk_i) begin
    active_q <= active;
    next_q   <= next;
    idle_o   <= !active && !next;
    if (!next_q) begin  // the place behind the front is free: whatever is offered, in case it stays there
      next_addr_q  <= cmd_addr_i[63:4];
      next_beats_q <= cmd_beats_i;
      next_many_q  <= cmd_many;
    end
    if (taken) begin
      addr_q  <= {addr_q[59:6] + 1'b1, 6'b0};
      left_q <= {left_q[31:6] - 26'(!past[6]), past[5:0]};
      many_q <= left_q[31:6] != 26'(!past[6]);
    end
    if (load) begin
      addr_q <= next_q ? next_addr_q : cmd_addr_i[63:4];
      left_q <= beats - 32'd1;
      many_q <= next_q ? next_many_q : cmd_many;
    end
  end
  logic unused;
  assign unused = &{1'b0, cmd_addr_i[3:0]};
endmodule
