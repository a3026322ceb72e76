"""The check by synthesis: what is counted, what is refused, and that generated RTL passes it."""

import json
import subprocess
import sys

import pytest

from hwgen import boards
from hwgen.build import synth_xilinx, yosys
from hwgen.errors import FitError, InputError, ToolError
from tests.build.support import BOARDS, engine_design

SMALL = """
module multiply (input logic clk_i, input logic signed [7:0] a_i, b_i, output logic signed [15:0] p_o);
  logic signed [7:0] a_q, b_q;
  always_ff @(posedge clk_i) {a_q, b_q, p_o} <= {a_i, b_i, 16'(a_q) * 16'(b_q)};
endmodule
module memory #(parameter int D = 512, parameter int W = 36) (
    input logic clk_i, we_i, input logic [$clog2(D)-1:0] at_i, input logic [W-1:0] d_i, output logic [W-1:0] q_o
);
  logic [W-1:0] mem[D];
  always_ff @(posedge clk_i) begin
    if (we_i) mem[at_i] <= d_i;
    q_o <= mem[at_i];
  end
endmodule
module hwgen_top (
    input logic clk_i, we_i, input logic [9:0] at_i, input logic [4:0] low_i, input logic [71:0] d_i,
    output logic [71:0] q_o, output logic [7:0] r_o,
    input logic signed [5:0][7:0] a_i, input logic signed [7:0] b_i, output logic signed [5:0][15:0] p_o
);
  for (genvar i = 0; i < 6; i++) begin : g_multiply
    multiply u_multiply (.clk_i, .a_i(a_i[i]), .b_i, .p_o(p_o[i]));
  end
  memory #(.D(1024), .W(72)) u_block (.clk_i, .we_i, .at_i, .d_i, .q_o);
  memory #(.D(32), .W(8)) u_small (.clk_i, .we_i, .at_i(low_i), .d_i(d_i[7:0]), .q_o(r_o));
endmodule
"""


def design(folder, text=SMALL):
    """A folder with RTL and a report, as far as the check looks at it."""
    (folder / "rtl").mkdir(parents=True)
    (folder / "rtl" / "hwgen_top.sv").write_text(text)
    (folder / "report.json").write_text(json.dumps({"board": "zcu104", "predicted_cycles": 7}))
    return folder


@pytest.mark.parametrize("board, family", [("zcu104", "xcup"), ("pynq-z2", "xc7")])
def test_what_is_counted(tmp_path, board, family):
    lines = []
    found = synth_xilinx.run(design(tmp_path), boards.load(board), lines.append)
    assert (found["dsp"], found["bram36"], found["uram"], found["family"]) == (6, 2, 0, family)
    assert 4 <= found["lutram"] <= 16 and found["lut"] >= found["lutram"]
    assert found["version"] == yosys.version()
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "board": "zcu104", "predicted_cycles": 7, "yosys": found,
    }  # fmt: skip
    assert any("TECHMAP" in line for line in lines)
    told = synth_xilinx.told(found, boards.load(board))
    assert f"6 of {boards.load(board).resources.dsp:,} dsp" in told and "built" not in told


def test_cells_as_the_vendor_counts_them():
    cells = {
        "LUT6": 3,
        "LUT2": 2,
        "RAM32M": 1,
        "SRL16E": 2,
        "FDRE": 9,
        "RAMB18E2": 3,
        "URAM288": 1,
        "MUXF7": 8,
        "CARRY8": 1,
    }
    assert synth_xilinx.count(cells) == {"lut": 11, "ff": 9, "dsp": 0, "bram36": 1.5, "uram": 1, "lutram": 6}


def test_more_than_the_board_has(tmp_path, monkeypatch):
    monkeypatch.setattr(synth_xilinx, "_synthesize", lambda *arguments: {"DSP48E2": 6, "RAMB36E2": 2, "LUT6": 80})
    text = (boards.load("zcu104").folder / "board.toml").read_text()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "board.toml").write_text(text.replace("dsp = 1728", "dsp = 5").replace("bram36 = 312", "bram36 = 1"))
    with pytest.raises(FitError, match="yosys counts 6 dsp of 5, 2 bram36 of 1 on mine: take a smaller --array"):
        synth_xilinx.run(design(tmp_path / "design"), boards.load(str(folder)))
    assert json.loads((tmp_path / "design" / "report.json").read_text())["yosys"]["dsp"] == 6  # it can be looked at


@pytest.mark.parametrize(
    "change, told",
    [
        (("input logic clk_i", "input logic clk_i;"), "yosys failed .*yosys.log.*: hwgen_top.sv:2: ERROR: expected"),
        (("u_small (.clk_i,", "u_small (.clk_x,"), "yosys failed .*yosys.log.*: hwgen_top.sv:.* ERROR: .*'clk_x'"),
        (("module multiply", "module divide"), "unknown module 'multiply'"),
    ],
)
def test_rtl_that_does_not_synthesize(tmp_path, change, told):
    with pytest.raises(ToolError, match=told):
        synth_xilinx.run(design(tmp_path, SMALL.replace(*change, 1)), boards.load("zcu104"))


def test_yosys_that_takes_too_long_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("HWGEN_TOOL_HOURS", str(0.05 / 3600))
    with pytest.raises(ToolError, match="had not ended after .* HWGEN_TOOL_HOURS"):
        synth_xilinx.run(design(tmp_path), boards.load("zcu104"))


def test_without_yosys(tmp_path, monkeypatch):
    monkeypatch.setattr(yosys.importlib.metadata, "version", absent)
    with pytest.raises(ToolError, match="the Python package pyosys is missing"):
        synth_xilinx.run(design(tmp_path), boards.load("zcu104"))


def absent(name):
    raise yosys.importlib.metadata.PackageNotFoundError(name)


def test_a_board_of_another_vendor(tmp_path):
    with pytest.raises(InputError, match="ulx3s is ecp5: synth_xilinx is for zynqmp and zynq7"):
        synth_xilinx.run(design(tmp_path), boards.load("ulx3s"))


def test_on_the_command_line(tmp_path):
    words = [sys.executable, "-m", "hwgen.build.synth_xilinx"]
    done = subprocess.run([*words, str(design(tmp_path))], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "6 of 1,728 dsp" in done.stdout
    done = subprocess.run([*words, str(tmp_path / "rtl")], capture_output=True, text=True)
    assert done.returncode == 2 and "report.json is missing" in done.stderr


@pytest.mark.full
@pytest.mark.parametrize("board", BOARDS)
def test_a_generated_engine_synthesizes_and_fits(tmp_path, board):
    folder = engine_design(tmp_path, board)
    found = synth_xilinx.run(folder, boards.load(board))
    forecast = json.loads((folder / "report.json").read_text())["resources"]
    assert found["dsp"] == forecast["dsp"] and found["ff"] > 1000 and found["bram36"] > 0
