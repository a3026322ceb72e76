"""Vitis HLS: `vitis_hls` on PATH is a script that leaves what the real one leaves, or misbehaves."""

import json
import shutil

import pytest

from hwgen.build import vitis
from hwgen.errors import ToolError
from tests.build.support import hls4ml_design, only, tool

CSYNTH = """<?xml version="1.0" encoding="UTF-8"?>
<profile>
<ReportVersion><Version>2022.2</Version></ReportVersion>
<UserAssignments><unit>ns</unit><TargetClockPeriod>4.00</TargetClockPeriod><ClockUncertainty>1.08</ClockUncertainty>
</UserAssignments>
<PerformanceEstimates>
<PipelineType>dataflow</PipelineType>
<SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>2.871</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><unit>clock cycles</unit><Best-caseLatency>57</Best-caseLatency>
<Average-caseLatency>57</Average-caseLatency><Worst-caseLatency>59</Worst-caseLatency>
<Interval-min>16</Interval-min><Interval-max>17</Interval-max></SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates>
<Resources><BRAM_18K>5</BRAM_18K><DSP>120</DSP><FF>9001</FF><LUT>20500</LUT><URAM>0</URAM></Resources>
<AvailableResources><BRAM_18K>624</BRAM_18K><DSP>1728</DSP><FF>460800</FF><LUT>230400</LUT><URAM>96</URAM>
</AvailableResources>
</AreaEstimates>
</profile>
"""
COSIM = """
+----------+----------+-----------------------------------------------+-----------------------------------------------+
|          |          |                    Latency                    |                    Interval                   |
+   RTL    +  Status  +-----------------------------------------------+-----------------------------------------------+
|          |          |      min      |      avg      |      max      |      min      |      avg      |      max      |
+----------+----------+-----------------------------------------------+-----------------------------------------------+
|      VHDL|        NA|             NA|             NA|             NA|             NA|             NA|             NA|
|   Verilog|      Pass|             58|             58|             58|             16|             16|             16|
+----------+----------+-----------------------------------------------+-----------------------------------------------+
"""
TRANSACTIONS = """transaction        0:                   58                    x
transaction        1:                   61                   17
transaction        2:                   60                   16
"""
SOLUTION = "policy_core_prj/solution1"
FILES = {
    "csynth": f"{SOLUTION}/syn/report/policy_core_csynth.xml",
    "cosim": f"{SOLUTION}/sim/report/policy_core_cosim.rpt",
    "transactions": f"{SOLUTION}/sim/verilog/policy_core.performance.result.transaction.xml",
    "verilog": f"{SOLUTION}/syn/verilog/policy_core.v",
    "results": "tb_data/rtl_cosim_results.log",
}
CONTENT = {
    "csynth": CSYNTH, "cosim": COSIM, "transactions": TRANSACTIONS, "verilog": "module policy_core(); endmodule\n",
    "results": "0.5 -1.23438 \n7 0 \n",
}  # fmt: skip


@pytest.fixture
def design(tmp_path):
    folder = hls4ml_design(tmp_path / "design")
    (folder / "tb_data").mkdir()
    (folder / "tb_data" / "tb_output_predictions.dat").write_text("0.5 -1.234375\n7.0 -0.0\n")
    return folder


def leaves(tmp_path, **changes: str | None) -> str:
    """A script that leaves the files, some changed or (None) absent."""
    lines = [
        "test -f build_prj.tcl || exit 9",
        "grep -q 'cosim *1' build_opt.tcl || exit 8",
        "echo '***** SYNTHESIS *****'",
    ]
    for name, text in (CONTENT | changes).items():
        if text is None:
            continue
        (tmp_path / name).write_text(text)
        lines.append(f"mkdir -p $(dirname {FILES[name]}) && cp {tmp_path / name} {FILES[name]}")
    return "\n".join(lines)


def test_reports_end_in_report_json(design, tmp_path, monkeypatch):
    tool(tmp_path / "bin", "vitis_hls", 'test "$*" = "-f build_prj.tcl" || exit 7\n' + leaves(tmp_path), monkeypatch)
    lines = []
    report = vitis.run(design, lines.append)
    assert lines == ["***** SYNTHESIS *****"] and report == json.loads((design / "report.json").read_text())
    assert report["hls"] == {
        "version": "2022.2", "clock_ns_target": 4.0, "clock_ns_estimated": 2.871, "latency_cycles_min": 57,
        "latency_cycles_max": 59, "interval_min": 16, "interval_max": 17,
        "resources": {
            "lut": 20500, "ff": 9001, "dsp": 120, "bram36": 2.5, "uram": 0, "source": "vitis hls estimate",
        },
        "cosim": {
            "status": "pass", "rtl": "Verilog", "latency_cycles_min": 58, "latency_cycles_max": 61, "interval_min": 16,
            "interval_max": 17, "transactions": 3, "vectors": 2,
        },
    }  # fmt: skip
    assert report["predicted_cycles"] and report["latency_cycles"] is None  # the core's latency is not the system's


def test_the_tool_of_2024_2_is_called_in_its_own_way(design, tmp_path, monkeypatch):
    only(monkeypatch, tmp_path)
    wanted = 'test "$*" = "--mode hls --tcl build_prj.tcl" || exit 7\n'
    tool(tmp_path / "bin", "vitis-run", wanted + leaves(tmp_path), monkeypatch)
    assert vitis.run(design)["hls"]["cosim"]["vectors"] == 2


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"csynth": None}, "csynth.xml is missing.*vitis_hls.log and run Vitis HLS again"),
        ({"csynth": ""}, "csynth.xml is empty"),
        ({"csynth": CSYNTH[: len(CSYNTH) // 2]}, "csynth.xml is no whole XML file"),
        ({"csynth": CSYNTH.replace("TargetClockPeriod", "Clock")}, "has no UserAssignments/TargetClockPeriod"),
        ({"csynth": CSYNTH.replace("20500", "many")}, "AreaEstimates/Resources/LUT is 'many', not a number"),
        (
            {"csynth": CSYNTH.replace("<profile>", "<!DOCTYPE a [<!ENTITY b 'c'>]><profile>")},
            "declares a document type",
        ),
        ({"cosim": COSIM[:300]}, "cosim.rpt has no row of a simulated RTL"),
        ({"cosim": COSIM.replace("Pass", "Fail")}, "co-simulation ended with 'fail'"),
        ({"verilog": None}, "syn/verilog holds no Verilog"),
        ({"results": None}, "rtl_cosim_results.log is missing"),
        ({"results": "0.5 -1.23438 \n7 1 \n"}, "differs from golden in value 3"),
        ({"results": "0.5 -1.23438 \n"}, "holds 2 values"),
        ({"results": "0.5 -1.23438 \n7 x \n"}, "is no list of numbers"),
    ],
)
def test_a_report_that_is_missing_or_spoilt_is_named(design, tmp_path, monkeypatch, changes, told):
    tool(tmp_path / "bin", "vitis_hls", leaves(tmp_path, **changes), monkeypatch)
    with pytest.raises(ToolError, match=told):
        vitis.run(design)
    assert "hls" not in json.loads((design / "report.json").read_text())


def test_without_cosimulation_there_are_no_measured_figures(design, tmp_path, monkeypatch):
    script = leaves(tmp_path, cosim=None, csynth=CSYNTH.replace("59", "undef").replace("57", "?"))
    tool(tmp_path / "bin", "vitis_hls", script, monkeypatch)
    found = vitis.run(design)["hls"]
    assert found["cosim"] is None and found["latency_cycles_max"] is None and found["latency_cycles_min"] is None


def test_a_failed_run_tells_the_tools_own_reason_and_old_reports_do_not_count(design, tmp_path, monkeypatch):
    tool(tmp_path / "bin", "vitis_hls", leaves(tmp_path), monkeypatch)
    vitis.run(design)
    tool(tmp_path / "bin", "vitis_hls", "echo 'ERROR: [HLS 200-70] Compilation errors found'; exit 1")
    with pytest.raises(ToolError, match="HLS 200-70. Compilation errors found"):
        vitis.run(design)
    tool(tmp_path / "bin", "vitis_hls", "exit 0")
    with pytest.raises(ToolError, match="csynth.xml is missing"):
        vitis.run(design)


def test_a_run_that_hangs(design, tmp_path, monkeypatch):
    tool(tmp_path / "bin", "vitis_hls", "sleep 600", monkeypatch)
    monkeypatch.setenv("HWGEN_TOOL_HOURS", str(0.5 / 3600))
    with pytest.raises(ToolError, match="vitis_hls had not ended"):
        vitis.run(design)


def test_without_vitis_the_message_has_the_commands_and_the_project_is_ready(design, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(
        ToolError, match="is complete, but.*install AMD Vitis.*vitis_hls -f build_prj.tcl.*hwgen.build.vitis"
    ):
        vitis.run(design)
    assert "cosim" in (design / "build_opt.tcl").read_text()
