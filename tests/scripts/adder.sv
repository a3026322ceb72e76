/// What a FINN layer looks like from outside: adds a weight to each beat. 8'hff makes it hang, 8'hfe say too much.
module adder (
    input  logic       ap_clk,
    input  logic       ap_rst_n,
    input  logic [7:0] weights_V_TDATA,
    input  logic       weights_V_TVALID,
    output logic       weights_V_TREADY,
    input  logic [7:0] in0_V_TDATA,
    input  logic       in0_V_TVALID,
    output logic       in0_V_TREADY,
    output logic [7:0] out_V_TDATA,
    output logic       out_V_TVALID,
    input  logic       out_V_TREADY
);
  logic hung_q, again_q;
  wire take = in0_V_TVALID && in0_V_TREADY;

  assign in0_V_TREADY = (!out_V_TVALID || out_V_TREADY) && !again_q && weights_V_TVALID && !hung_q;
  assign weights_V_TREADY = take;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      {hung_q, again_q, out_V_TVALID} <= '0;
    end else if (take) begin
      out_V_TDATA <= in0_V_TDATA + weights_V_TDATA;
      out_V_TVALID <= 1;
      hung_q <= in0_V_TDATA == 8'hff;
      again_q <= in0_V_TDATA == 8'hfe;
    end else if (out_V_TREADY) begin
      out_V_TVALID <= again_q;
      again_q <= 0;
    end
  end
endmodule
