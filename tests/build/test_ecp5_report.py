"""What nextpnr reports, read into figures; spoilt files are named."""

import copy
import json

import pytest

from hwgen.build import ecp5_report
from hwgen.errors import ToolError

SCOPES = r"""
  attribute \module "mm_sequencer$board.u_top.u_seq"
  attribute \hdlname "u_top u_seq"
  cell $scopeinfo \u_top.u_seq
    parameter \TYPE "module"
  end

  attribute \module "requantize"
  cell $scopeinfo \u_top.g_lane[1].u_requantize
    parameter \TYPE "module"
  end
"""


def step(kind, delay, cell, to):
    return {"type": kind, "delay": delay, "from": {"cell": cell, "port": "Q"}, "to": {"cell": to, "port": "D"}}


SEQ, MID, END = "u_top.u_seq.left_q_TRELLIS_FF_Q", "u_top.u_seq.issue_LUT4_Z", "u_top.g_lane[1].u_requantize.y_o_FF"
REPORT = {
    "fmax": {"$glbnet$clk": {"achieved": 97.876, "constraint": 90.009}, "$glbnet$clk_25mhz": {"achieved": 1.0}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge $glbnet$clk", "path": [step("routing", 3.0, "pin", SEQ)]},
        {
            "from": "posedge $glbnet$clk",
            "to": "posedge $glbnet$clk",
            "path": [
                step("clk-to-q", 0.525, SEQ, SEQ),
                step("routing", 1.25, SEQ, MID),
                step("logic", 0.25, MID, MID),
                step("routing", 2.0, MID, END),
                step("logic", 0.5, END, END),
                step("setup", 0.0, END, END),
            ],
        },
    ],
    "utilization": {
        "TRELLIS_COMB": {"used": 20000, "available": 83640},
        "TRELLIS_FF": {"used": 15000, "available": 83640},
        "MULT18X18D": {"used": 96, "available": 156},
        "DP16KD": {"used": 157, "available": 208},
    },
}


@pytest.fixture
def read(tmp_path):
    def write_and_read(report=REPORT, scopes=SCOPES):
        text = report if isinstance(report, str) else json.dumps(report)
        (tmp_path / "report.json").write_text(text)
        (tmp_path / "scopes.il").write_text(scopes)
        return ecp5_report.read(tmp_path / "report.json", tmp_path / "scopes.il", "clk")

    return write_and_read


def test_figures_and_the_path_in_modules(read):
    found = read()
    assert found["fmax_mhz"] == 97.88 and found["constraint_mhz"] == 90.01
    assert found["resources"] == {
        "lut": 20000, "ff": 15000, "dsp": 96, "bram36": 79, "uram": 0, "source": "nextpnr",
    }  # fmt: skip
    path = found["critical_path"]
    assert (path["ns"], path["logic_ns"], path["route_ns"], path["levels"]) == (4.53, 1.27, 3.25, 2)
    assert path["from"] == {"cell": SEQ, "module": "mm_sequencer"}
    assert path["to"] == {"cell": END, "module": "requantize"}
    assert path["by_module"] == [
        {"module": "mm_sequencer", "logic_ns": 0.78, "route_ns": 3.25},
        {"module": "requantize", "logic_ns": 0.5, "route_ns": 0.0},
    ]


def test_a_cell_outside_all_instances_is_the_top_s():
    assert ecp5_report.module_of("led_FF", {"u_top": "hwgen_top"}) == "top"
    assert ecp5_report.module_of("u_top.u_x.y", {"u_top": "hwgen_top", "u_top.u_x": "x"}) == "x"
    assert ecp5_report.module_of("u_topper.y", {"u_top": "hwgen_top"}) == "top"


@pytest.mark.parametrize("key", ["fmax", "critical_paths", "utilization"])
def test_a_report_that_lacks_a_part(read, key):
    with pytest.raises(ToolError, match=f"no report of nextpnr-ecp5 .*{key}"):
        read({k: v for k, v in REPORT.items() if k != key})


@pytest.mark.parametrize(
    "spoil", [lambda r: r["utilization"].pop("DP16KD"), lambda r: r["fmax"].update({"$glbnet$clk": 3})]
)
def test_a_report_with_a_strange_part(read, spoil):
    report = copy.deepcopy(REPORT)
    spoil(report)
    with pytest.raises(ToolError, match="no report of nextpnr-ecp5"):
        read(report)


def test_truncated_empty_and_missing_files(read, tmp_path):
    with pytest.raises(ToolError, match="no whole JSON file"):
        read(json.dumps(REPORT)[:200])
    with pytest.raises(ToolError, match="is empty"):
        read("")
    with pytest.raises(ToolError, match="scopes.il names no module"):
        read(scopes="nothing")
    with pytest.raises(ToolError, match="nothing.json is missing"):
        ecp5_report.read(tmp_path / "nothing.json", tmp_path / "scopes.il", "clk")


def test_another_clock_and_no_path(read):
    report = copy.deepcopy(REPORT)
    report["critical_paths"].pop()
    with pytest.raises(ToolError, match="holds no path of the clock"):
        read(report)
    report["fmax"].pop("$glbnet$clk")
    with pytest.raises(ToolError, match="times no clock 'clk'"):
        read(report)
