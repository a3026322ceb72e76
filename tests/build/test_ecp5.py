"""The open ECP5 flow: with tools that are scripts, and, in the full run, the real ones up to a routed bitstream."""

import json
from pathlib import Path

import pytest

from hwgen import boards
from hwgen.backends.options import Options
from hwgen.build import bitstream, ecp5, ecp5_tools, yosys
from hwgen.cli.common import graph_file
from hwgen.errors import InputError, ToolError
from tests.build.support import engine_design, tool
from tests.build.test_ecp5_report import REPORT, SCOPES

VERSION = 'if [ "$1" = --version ]; then echo "nextpnr-ecp5 -- Next Generation (Version 0.7-1-gabc)"; exit; fi\n'


def routes(*achieved):
    """A nextpnr that reaches the n-th clock with the n-th seed of the flow."""
    cases = ""
    for seed, mhz in zip(ecp5.SEEDS, achieved, strict=False):
        report = REPORT | {"fmax": {"$glbnet$clk": {"achieved": mhz, "constraint": 90.0 * ecp5.ASKED}}}
        cases += f"{seed}) cat > head.timing.json <<'E'\n{json.dumps(report)}\nE\n;;\n"
    return (
        VERSION
        + 'seed=0; for w in "$@"; do [ "$last" = --seed ] && seed=$w; [ "$w" = --no-route ] && place=1; last=$w; done\n'
        + '[ "$place" ] && echo "iteration 1: wirelen = 99" && echo "iteration 2: wirelen = 1$seed" && exit\n'
        + (f"echo 'Info: Max frequency for clock'; echo text > head.config; case $seed in {cases} esac")
    )


@pytest.fixture
def design(tmp_path, monkeypatch):
    """A generated engine, yosys that leaves its files, and tools that do well."""
    folder = engine_design(tmp_path / "design", "ulx3s")
    manifest = json.loads((folder / "manifest.json").read_text()) | {"name": "head"}
    (folder / "manifest.json").write_text(json.dumps(manifest))

    def synthesized(commands, *, cwd: Path, log: Path, **_):
        assert any("synth_ecp5 -top ulx3s_top" in command for command in commands)
        assert (cwd / "primitives.v").is_file()
        log.write_text("done\n")
        (cwd / "head.json").write_text('{"modules": {"ulx3s_top": {"cells": {}}}}')
        (cwd / "scopes.il").write_text(SCOPES)

    monkeypatch.setattr(yosys, "run", synthesized)
    tool(tmp_path / "bin", "nextpnr-ecp5", routes(95.5), monkeypatch)
    tool(tmp_path / "bin", "ecppack", 'test -f "$2" && echo bits > "$3"')
    return folder


def test_a_bitstream_and_its_figures(design):
    lines = []
    bit = ecp5.run(design, lines.append)
    assert bit == design / "ecp5" / "head.bit" and bit.read_text() == "bits\n"
    report = json.loads((design / "report.json").read_text())
    found = report["ecp5"]
    assert (found["clock_mhz"], found["fmax_mhz"], found["timing_met"], found["seed"]) == (
        90.0,
        95.5,
        True,
        ecp5.SEEDS[0],
    )
    assert found["design_hash"] == report["design_hash"] and found["tool"] == "nextpnr-ecp5 0.7-1-gabc"
    assert found["critical_path"]["to"]["module"] == "requantize"
    assert report["resources"]["source"] == "nextpnr" and report["resources"]["dsp"] == 96
    asked = boards.load("ulx3s").clock_mhz * ecp5.ASKED
    pins = (design / "ecp5" / "head.lpf").read_text()
    assert "FREQUENCY PORT" in pins and f'FREQUENCY NET "clk" {asked:.3f} MHZ;' in pins
    assert any(f"seed {ecp5.SEEDS[0]}" in line for line in lines) and any("Max frequency" in line for line in lines)


def test_seeds_are_tried_until_one_meets_the_clock(design, tmp_path):
    tool(tmp_path / "bin", "nextpnr-ecp5", routes(88, 89.99, 90))
    ecp5.run(design)
    assert json.loads((design / "report.json").read_text())["ecp5"]["seed"] == ecp5.SEEDS[2]


def test_the_shortest_wires_are_routed_first(design, tmp_path):
    lengths = 'case "$*" in *"--seed 1"*) n=320;; *"--seed 2"*) n=310;; *"--seed 3"*) n=302;; esac\n'
    route = routes(91, 92, 93).replace("= 1$seed", "= $n")
    tool(tmp_path / "bin", "nextpnr-ecp5", lengths + route)
    lines = []
    ecp5.run(design, lines.append, seeds=(1, 2, 3))
    found = json.loads((design / "report.json").read_text())["ecp5"]
    assert (found["seed"], found["fmax_mhz"]) == (3, 93)
    assert "length of the wires: seed 1 320, seed 2 310, seed 3 302" in lines


def test_a_clock_that_is_missed_names_the_slowest_modules(design, tmp_path):
    before = (design / "report.json").read_text()
    tool(tmp_path / "bin", "nextpnr-ecp5", routes(88, 89.5, 87))
    told = (
        rf"not met at 90 MHz with 3 seeds: the best, {ecp5.SEEDS[1]}, reaches 89.5 MHz; "
        r".* through mm_sequencer -> requantize \(u_top"
    )
    with pytest.raises(ToolError, match=told):
        ecp5.run(design, seeds=ecp5.SEEDS[:3])
    assert not (design / "ecp5" / "head.bit").exists()
    assert (design / "report.json").read_text() == before


@pytest.mark.parametrize(
    "name, script, told",
    [
        (
            "nextpnr-ecp5",
            VERSION + "echo 'ERROR: no bel left'; exit 1",
            "nextpnr-ecp5 failed .*no bel left .*place1.log",
        ),
        ("nextpnr-ecp5", VERSION + "exit 0", "head.timing.json is missing"),
        ("nextpnr-ecp5", VERSION + "echo '{' > head.timing.json", "no whole JSON"),
        ("ecppack", "echo 'ERROR: bad config'; exit 3", "ecppack failed with exit code 3: ERROR: bad config"),
        ("ecppack", "exit 0", "head.bit is missing or empty though ecppack ended well"),
    ],
)
def test_what_a_tool_does_wrong_is_told(design, tmp_path, name, script, told):
    tool(tmp_path / "bin", name, script)
    with pytest.raises(ToolError, match=told):
        ecp5.run(design)


def test_a_tool_that_hangs_is_stopped(design, tmp_path, monkeypatch):
    monkeypatch.setenv("HWGEN_TOOL_HOURS", "0.0002")
    tool(tmp_path / "bin", "nextpnr-ecp5", VERSION + "exec sleep 600")
    with pytest.raises(ToolError, match="nextpnr-ecp5 had not ended after .* HWGEN_TOOL_HOURS"):
        ecp5.run(design)


def test_folders_that_are_not_for_it(design, tmp_path):
    with pytest.raises(InputError, match="is for zcu104, which has no ECP5"):
        ecp5.run(engine_design(tmp_path / "other"))
    (design / "rtl" / "ulx3s_top.sv").unlink()
    with pytest.raises(InputError, match="lacks ulx3s_top.sv"):
        ecp5.run(design)


def test_without_tools_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(ecp5_tools.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ToolError, match="nextpnr-ecp5 is neither on PATH .*make env"):
        ecp5_tools.find("nextpnr-ecp5")


def test_other_backends_make_no_bitstream_for_it(tmp_path):
    with pytest.raises(InputError, match="backend hls4ml makes no bitstream for ulx3s"):
        bitstream.bitstream(tmp_path / "x.onnx", "ulx3s", "hls4ml", Options(), tmp_path / "out")


def test_yosys_reads_the_whole_board(tmp_path):
    """Its sources, as generated: every name declared before its use, every module there."""
    folder = engine_design(tmp_path / "design", "ulx3s")
    files = [f"rtl/{file.name}" for file in (folder / "rtl").glob("*.sv")]
    (folder / "primitives.v").write_text(ecp5_tools.primitives().read_text())
    commands = [yosys.read_slang("ulx3s_top", [*files, "primitives.v"]), "hierarchy -check -top ulx3s_top"]
    yosys.run(commands, cwd=folder, log=tmp_path / "log", limit_hours=0.1)


@pytest.mark.full
def test_the_demo_s_head_is_routed_at_90_mhz(tmp_path):
    """The real tools, from the QONNX file to the .bit: a quarter of an hour."""
    assert boards.load("ulx3s").clock_mhz >= 90
    with graph_file("demo-nonorm:head") as graph:
        bit = bitstream.bitstream(graph, "ulx3s", "engine", Options(array=(8, 8)), tmp_path / "head")
    report = json.loads((tmp_path / "head" / "report.json").read_text())
    assert bit.stat().st_size > 100_000
    assert report["ecp5"]["timing_met"] and report["ecp5"]["fmax_mhz"] >= 90
    assert report["array"] == [8, 8] and report["resources"]["dsp"] <= 156
