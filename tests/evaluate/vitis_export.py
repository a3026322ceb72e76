"""A small network, and Verilog for it in the style in which Vitis HLS exports hls4ml projects, written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.backends import shell
from hwgen.backends.design import write_common
from hwgen.backends.shell import CoreDescription, CorePort
from hwgen.graph import Graph
from hwgen.graph.builder import GraphBuilder
from hwgen.runtime import abi
from hwgen.runtime.package import write_package

TOP, LATENCY = "myproject", 7
INPUTS, HIDDEN, OUTPUTS, BITS = 4, 5, 3, 24  # BITS of an output element


def graph(rng: np.random.Generator) -> Graph:
    """Linear, ReLU to 8 bits, Linear to 32 bits."""
    b = GraphBuilder("small")
    x = b.input("x", (INPUTS,), scale=2**-4)
    a = b.linear(x, rng.integers(-8, 8, (INPUTS, HIDDEN)), 2.0**-4, rng.normal(size=HIDDEN), weight_bits=4)
    h = b.requantize(a, bits=8, signed=False, scale=2**-4, relu=True)
    y = b.linear(h, rng.integers(-8, 8, (HIDDEN, OUTPUTS)), 2.0**-4, rng.normal(size=OUTPUTS), weight_bits=4)
    b.output(b.wide(y), "y")
    return b.build()


def design(folder: Path, net: Graph, io: str) -> CoreDescription:
    """The parts of a generated hls4ml folder that the simulation of its export reads."""
    core = CoreDescription(
        TOP, io, (CorePort("x", "x", 8, True, (INPUTS,), (0,), INPUTS),),
        (CorePort("y", "layer4_out", BITS, True, (OUTPUTS,), (0,), OUTPUTS),), LATENCY,
    )  # fmt: skip
    board, plan = boards.load("zcu104"), shell.plan(core)
    folder.mkdir(parents=True, exist_ok=True)
    code = shell.write(net.name, board, core, folder)
    common = {"name": net.name, "board": board.name, "backend": "hls4ml", "clock_mhz_assumed": board.clock_mhz,
              "design_hash": f"{code:016x}", "predicted_cycles": plan.predicted_cycles}  # fmt: skip
    manifest = common | {"abi": abi.ABI_VERSION, "watchdog_cycles": 50_000, "core": core.as_dict()}
    manifest |= shell.manifest_ports(net, core)
    report = common | {
        "macs": net.macs(),
        "multipliers": net.macs(),
        "latency_cycles": None,
        "predicted_source": "formula",
    }
    vectors = write_common(folder, net, None, manifest, report)
    write_package(folder / "policy.hwpkg", manifest, shell.image(code), vectors)
    return core


def export(folder: Path, net: Graph, io: str, wrong: bool = False) -> Path:
    """Write the export below a Vitis project folder, as solution1/impl/verilog; `wrong`: one weight differs."""
    target = folder / f"{TOP}_prj" / "solution1" / "impl" / "verilog"
    target.mkdir(parents=True)
    (target / f"{TOP}.v").write_text(_parallel(net) if io == "parallel" else _stream(net))
    (target / f"{TOP}_w4_ROM_AUTO_1R.v").write_text(_ROM)
    second = net.nodes[2].weight.astype(int)
    words = [sum((int(w) & 0xF) << 4 * i for i, w in enumerate(second[:, o])) for o in range(OUTPUTS)]
    words[1] ^= int(wrong)
    (target / f"{TOP}_w4_ROM_AUTO_1R.dat").write_text("".join(f"{word:0{HIDDEN}x}\n" for word in words))
    decoy = folder / f"{TOP}_prj" / "solution1" / "sim" / "verilog"
    decoy.mkdir(parents=True)
    (decoy / f"{TOP}.v").write_text("module myproject (ap_clk);\ninput ap_clk;\nendmodule\n")
    return target


_ROM = f"""`timescale 1 ns / 1 ps
module {TOP}_w4_ROM_AUTO_1R (address0, ce0, q0, clk);
parameter DataWidth = {4 * HIDDEN};
parameter AddressWidth = 2;
parameter AddressRange = {OUTPUTS};
input[AddressWidth-1:0] address0;
input ce0;
output reg[DataWidth-1:0] q0;
input clk;
(* ram_style = "auto" *)reg [DataWidth-1:0] rom0[0:AddressRange-1];
initial begin
    $readmemh("./{TOP}_w4_ROM_AUTO_1R.dat", rom0);
end
always @(posedge clk) begin
    if (ce0) begin
        q0 <= rom0[address0];
    end
end
endmodule
"""


def _lanes(node, count: int) -> list[tuple[int, int, int]]:
    """(mult, bias, shift) of each channel of a Requantize."""
    values = (node.mult[0], node.bias, node.shift)
    return [tuple(int(np.broadcast_to(v, (count,))[i]) for v in values) for i in range(count)]


def _rounded(value: str, shift: int) -> str:
    """Half to even."""
    return f"(({value} + {(1 << shift - 1) - 1} + $signed({{1'b0, {value}[{shift}]}})) >>> {shift})" if shift else value


def _arithmetic(net: Graph) -> str:
    """The ROM, the hidden layer h_* of x_reg, and `result`, output o_reg of it and the ROM's word."""
    first, relu, _, last = net.nodes
    lines = [
        "wire [1:0] w4_address0;", f"wire [{4 * HIDDEN - 1}:0] w4_q0;",
        f"{TOP}_w4_ROM_AUTO_1R w4_U (.clk(ap_clk), .address0(w4_address0), .ce0(1'b1), .q0(w4_q0));",
    ]  # fmt: skip
    for k, (mult, bias, shift) in enumerate(_lanes(relu, HIDDEN)):
        terms = " + ".join(f"$signed(x_reg[{8 * i + 7}:{8 * i}]) * ({int(first.weight[i, k])})" for i in range(INPUTS))
        lines += [
            f"wire signed [63:0] acc_{k} = {terms};",
            f"wire signed [63:0] v_{k} = acc_{k} * ({mult}) + ({bias});",
            f"wire signed [63:0] r_{k} = v_{k}[63] ? 64'sd0 : v_{k};",
            f"wire signed [63:0] q_{k} = {_rounded(f'r_{k}', shift)};",
            f"wire [7:0] h_{k} = q_{k} > {relu.hi} ? 8'd{relu.hi} : q_{k}[7:0];",
        ]
    terms = " + ".join(f"$signed({{1'b0, h_{k}}}) * $signed(w4_q0[{4 * k + 3}:{4 * k}])" for k in range(HIDDEN))
    lines += [f"wire signed [63:0] sum = {terms};", "reg signed [63:0] result;"]
    cases = ""
    for o, (mult, bias, shift) in enumerate(_lanes(last, OUTPUTS)):
        lines.append(f"wire signed [63:0] s_{o} = sum * ({mult}) + ({bias});")
        cases += f"        2'd{o}: result = {_rounded(f's_{o}', shift)};\n"
    lines.append(f"always @(*) begin\n    case (o_reg)\n{cases}        default: result = 0;\n    endcase\nend")
    return "\n".join(lines)


def _parallel(net: Graph) -> str:
    names = [f"layer4_out_{i}" for i in range(OUTPUTS)]
    outs = "".join(f"        {n},\n        {n}_ap_vld,\n" for n in names).rstrip(",\n")
    declared = "".join(f"output  [{BITS - 1}:0] {n};\noutput   {n}_ap_vld;\n" for n in names)
    driven = "".join(
        f"assign {n} = result[{BITS - 1}:0];\nassign {n}_ap_vld = ap_CS_fsm[3] & (o_reg == 2'd{i});\n"
        for i, n in enumerate(names)
    )
    return f"""// ==============================================================
// Version: 2023.2
// ==============================================================

`timescale 1 ns / 1 ps

(* CORE_GENERATION_INFO="{TOP}_{TOP},hls_ip_2023_2,{{HLS_INPUT_TYPE=cxx}}" *)

module {TOP} (
        ap_clk,
        ap_rst,
        ap_start,
        ap_done,
        ap_idle,
        ap_ready,
        x,
        x_ap_vld,
{outs}
);

parameter    ap_ST_fsm_state1 = 4'd1;

input   ap_clk;
input   ap_rst;
input   ap_start;
output   ap_done;
output   ap_idle;
output   ap_ready;
input  [{8 * INPUTS - 1}:0] x;
input   x_ap_vld;
{declared}
(* fsm_encoding = "none" *) reg   [3:0] ap_CS_fsm;
reg [{8 * INPUTS - 1}:0] x_reg;
reg [1:0] o_reg;
initial begin
    #0 ap_CS_fsm = 4'd1;
end
{_arithmetic(net)}
assign w4_address0 = ap_CS_fsm[3] ? o_reg + 2'd1 : 2'd0;
assign ap_done = ap_CS_fsm[3] & (o_reg == 2'd{OUTPUTS - 1});
assign ap_ready = ap_done;
assign ap_idle = ap_CS_fsm[0] & ~ap_start;
{driven}
always @ (posedge ap_clk) begin
    if (ap_rst == 1'b1) begin
        ap_CS_fsm <= ap_ST_fsm_state1;
    end else begin
        if (ap_CS_fsm[0] & ap_start & x_ap_vld) begin
            x_reg <= x;
            ap_CS_fsm <= 4'd2;
        end else if (ap_CS_fsm[1]) begin
            ap_CS_fsm <= 4'd4;
        end else if (ap_CS_fsm[2]) begin
            ap_CS_fsm <= 4'd8;
            o_reg <= 2'd0;
        end else if (ap_CS_fsm[3]) begin
            o_reg <= o_reg + 2'd1;
            if (ap_done) ap_CS_fsm <= ap_ST_fsm_state1;
        end
    end
end

endmodule //{TOP}
"""


def _stream(net: Graph) -> str:
    lanes = "".join(
        f"        if (o_reg == 2'd{i}) y_reg[{32 * i + BITS - 1}:{32 * i}] <= result[{BITS - 1}:0];\n"
        for i in range(OUTPUTS)
    )
    return f"""`timescale 1 ns / 1 ps
module {TOP} (
        x_TDATA,
        layer4_out_TDATA,
        ap_clk,
        ap_rst_n,
        x_TVALID,
        x_TREADY,
        ap_start,
        layer4_out_TVALID,
        layer4_out_TREADY,
        ap_done,
        ap_ready,
        ap_idle
);

input  [{8 * INPUTS - 1}:0] x_TDATA;
output  [{32 * OUTPUTS - 1}:0] layer4_out_TDATA;
input   ap_clk;
input   ap_rst_n;
input   x_TVALID;
output   x_TREADY;
input   ap_start;
output   layer4_out_TVALID;
input   layer4_out_TREADY;
output   ap_done;
output   ap_ready;
output   ap_idle;

reg [2:0] state;
reg [{8 * INPUTS - 1}:0] x_reg;
reg [{32 * OUTPUTS - 1}:0] y_reg;
reg [1:0] o_reg;
{_arithmetic(net)}
assign w4_address0 = state == 3'd2 ? o_reg + 2'd1 : 2'd0;
assign x_TREADY = state == 3'd0 & ap_start;
assign ap_ready = x_TREADY & x_TVALID;
assign layer4_out_TVALID = state == 3'd3;
assign layer4_out_TDATA = y_reg;
assign ap_done = layer4_out_TVALID & layer4_out_TREADY;
assign ap_idle = state == 3'd0 & ~ap_start;

always @ (posedge ap_clk) begin
    if (ap_rst_n == 1'b0) begin
        state <= 3'd0;
    end else if (ap_ready) begin
        x_reg <= x_TDATA;
        state <= 3'd1;
    end else if (state == 3'd1) begin
        o_reg <= 2'd0;
        state <= 3'd2;
    end else if (state == 3'd2) begin
        o_reg <= o_reg + 2'd1;
{lanes}        if (o_reg == 2'd{OUTPUTS - 1}) state <= 3'd3;
    end else if (ap_done) begin
        state <= 3'd0;
    end
end
endmodule
"""
