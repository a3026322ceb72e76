"""Vivado's run from start to reports. The `vivado` on PATH is the model in tclsh, or a script that misbehaves."""

import json
import shutil
import subprocess
import sys

import pytest

from hwgen import boards
from hwgen.build import vivado, vivado_run
from hwgen.errors import ToolError
from tests.build.support import MODEL, engine_design, needs_tclsh, tool

# vivado -mode batch -nojournal -nolog -source build.tcl -tclargs JOBS
AS_MODEL = f'test "$1 $2 $5 $7" = "-mode batch -source -tclargs" && exec tclsh {MODEL} "$6" "$8"'


@pytest.fixture
def design(tmp_path):
    folder = engine_design(tmp_path / "design")
    vivado.write_vivado(folder, boards.load("zcu104"), "engine")
    return folder


@pytest.fixture
def as_model(tmp_path, monkeypatch):
    tool(tmp_path / "bin", "vivado", AS_MODEL, monkeypatch)


@needs_tclsh
def test_a_run_leaves_bit_hwh_and_figures(design, as_model):
    lines = []
    bit = vivado_run.run(design, lines.append)
    assert bit.is_file() and bit.with_suffix(".hwh").is_file() and bit.parent == design / "vivado" / "result"
    assert any("slack 0.123 ns at 249.997500 MHz" in line for line in lines)
    report = json.loads((design / "report.json").read_text())
    assert report["resources"] == {
        "lut": 61234, "ff": 70321, "dsp": 271, "bram36": 72.5, "uram": 32, "lutram": 2048,
        "source": "vivado",
    }  # fmt: skip
    assert report["vivado"]["wns_ns"] == 0.123 and report["vivado"]["power_w"] == 3.912
    assert report["vivado"]["timing_met"] is True and report["vivado"]["clock_mhz"] == 249.9975
    assert report["vivado"]["wpws_ns"] == 1.25 and report["vivado"]["tns_ns"] == 0
    assert report["predicted_cycles"] and report["spans"]  # what was there stays


@needs_tclsh
def test_negative_slack_names_the_cells_and_leaves_no_bitstream(design, as_model, monkeypatch):
    monkeypatch.setenv("HWGEN_MODEL", "slacks {-0.4 -0.3 -0.25}")
    with pytest.raises(
        ToolError, match=r"NetDelay_high:-0.3/.*ExtraTimingOpt:-0.25/.*u_mm/sum_q_reg\[17\] \(module mm_unit\)"
    ):
        vivado_run.run(design)
    assert not list((design / "vivado" / "result").glob("*.bit"))
    with pytest.raises(ToolError, match="timing is not met at 249.998 MHz: slack -0.25 ns.*module mm_unit"):
        vivado_run.read_back(design)
    assert "vivado" not in json.loads((design / "report.json").read_text())


@needs_tclsh
@pytest.mark.parametrize(
    "name, content, told",
    [
        ("utilization.rpt", None, "utilization.rpt is missing"),
        ("utilization.rpt", "", "utilization.rpt is empty"),
        ("utilization.rpt", "| CLB LUTs | 12", "has no row 'CLB LUTs'"),
        ("utilization.rpt", "| CLB LUTs | 12 | 0 |\n| CLB Regi", "has no row 'CLB Registers'"),
        ("timing.rpt", "WNS(ns)\n", "timing.rpt has no design timing summary"),
        ("timing.rpt", None, "timing.rpt is missing"),
        ("power.rpt", "Power Report\n", "has no row 'Total On-Chip Power"),
        ("summary.txt", "design_hash=00", "summary.txt lacks 'clock_mhz'"),
        ("summary.txt", "clock_mhz=fast\n", "summary.txt lacks could not convert"),
        ("summary.txt", None, "summary.txt is missing"),
        ("random.bit", None, "random.bit is missing or empty"),
        ("random.hwh", "", "random.hwh is missing or empty"),
    ],
)
def test_a_missing_or_spoilt_report_is_named(design, as_model, name, content, told):
    vivado_run.run(design)
    file = design / "vivado" / "result" / name
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(ToolError, match=told):
        vivado_run.read_back(design)


@needs_tclsh
def test_a_clock_pulse_that_is_too_narrow(design, as_model, monkeypatch):
    monkeypatch.setenv("HWGEN_MODEL", "pulse -0.041")
    with pytest.raises(ToolError, match="timing is not met .* pulse width slack -0.041 ns"):
        vivado_run.run(design)


@needs_tclsh
def test_the_results_of_another_design_are_refused(design, as_model):
    vivado_run.run(design)
    manifest = json.loads((design / "manifest.json").read_text())
    (design / "manifest.json").write_text(json.dumps(manifest | {"design_hash": "0" * 16}))
    with pytest.raises(ToolError, match="is of another design"):
        vivado_run.read_back(design)


@pytest.mark.parametrize(
    "script, told",
    [
        (
            "echo 'ERROR: [Common 17-345] A valid license was not found for xczu7ev'; exit 1",
            "valid license was not found",
        ),
        ("exit 0", "summary.txt is missing"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_a_vivado_that_fails_or_does_nothing(design, tmp_path, monkeypatch, script, told):
    tool(tmp_path / "bin", "vivado", script, monkeypatch)
    with pytest.raises(ToolError, match=told):
        vivado_run.run(design)


def test_a_vivado_that_hangs(design, tmp_path, monkeypatch):
    tool(tmp_path / "bin", "vivado", "sleep 600", monkeypatch)
    monkeypatch.setenv("HWGEN_TOOL_HOURS", str(0.5 / 3600))
    with pytest.raises(ToolError, match="vivado had not ended"):
        vivado_run.run(design)


def test_without_vivado_the_message_has_the_command(design, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolError, match="install AMD Vivado.*vivado -mode batch -source build.tcl"):
        vivado_run.run(design)


@needs_tclsh
def test_reports_from_another_machine_are_read_by_hand(design, as_model, tmp_path):
    vivado_run.run(design)
    words = [sys.executable, "-m", "hwgen.build.vivado_run"]
    done = subprocess.run([*words, str(design)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "report.json has the figures" in done.stdout
    (design / "vivado" / "result" / "summary.txt").unlink()
    done = subprocess.run([*words, str(design)], capture_output=True, text=True)
    assert done.returncode == 2 and "summary.txt is missing" in done.stderr and "Traceback" not in done.stderr
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and "usage" in done.stderr
    done = subprocess.run([*words, str(tmp_path / "nowhere")], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
