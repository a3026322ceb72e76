"""docs/boards.md: a board that hwgen does not know, from its board.toml to a checked folder for Vivado."""

import json
import re
import textwrap

import pytest

from hwgen import boards
from hwgen.backends.options import Options
from hwgen.build import bitstream, synth_xilinx
from hwgen.cli.common import graph_file
from hwgen.errors import InputError, ToolError
from hwgen.evaluate import board_table
from tests.build.support import needs_tclsh, only
from tests.support import ROOT


def recipe() -> str:
    """The board.toml that docs/boards.md shows."""
    text = (ROOT / "docs" / "boards.md").read_text()
    return textwrap.dedent(re.search(r"^( *)```toml\n(.*?)^ *```$", text, re.M | re.S)[2])


# The board of the recipe, and a made-up carrier of a ZU3EG with board files that are nobody's we know.
OURS = {
    "zcu102": {},
    "carrier": {
        "xczu9eg-ffvb1156-2-e": "xczu3eg-sfvc784-1-e", "xilinx.com:zcu102:part0": "mylab.org:carrier:part0",
        "assumed_mhz = 250": "assumed_mhz = 150", "lut = 274080": "lut = 70560", "ff = 548160": "ff = 141120",
        "dsp = 2520": "dsp = 360", "bram36 = 912": "bram36 = 216", "lutram = 144000": "lutram = 28800",
        "S_AXI_HP0_FPD = 128\n": "S_AXI_HPC0_FPD = 64\n", "M_AXI_HPM0_FPD": "M_AXI_HPM0_LPD",
        "0xA0000000": "0x80010000",
    },
}  # fmt: skip


@pytest.fixture(params=OURS)
def folder(request, tmp_path):
    text = recipe()
    for old, new in OURS[request.param].items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / request.param).mkdir()
    (tmp_path / request.param / "board.toml").write_text(text)
    return tmp_path / request.param


@needs_tclsh
def test_a_board_of_ones_own_goes_all_the_way(folder, tmp_path, monkeypatch, capsys):
    assert folder.name not in boards.names()
    board_table.show(str(folder), True)
    fits = json.loads(capsys.readouterr().out)["fits"]["demo:head"]
    monkeypatch.setattr(synth_xilinx, "_synthesize", lambda *arguments: {"DSP48E2": fits["resources"]["dsp"]})
    only(monkeypatch, tmp_path, "tclsh")
    out = tmp_path / "out"
    with graph_file("demo:head") as graph, pytest.raises(ToolError, match="Vivado is not on PATH.*checked") as caught:
        bitstream.bitstream(graph, str(folder), "engine", Options(), out)
    assert "model of Vivado" in str(caught.value) and f"{fits['resources']['dsp']:,} of" in str(caught.value)
    report = json.loads((out / "report.json").read_text())
    assert report["array"] == fits["array"] and report["board"] == folder.name
    settings = (out / "vivado" / "settings.tcl").read_text()
    board = boards.load(str(folder))
    port, bits = next(iter(board.memory.ports.items()))
    assert f"{{m_axi {port} {bits}}}" in settings and f"{{{board.part}}}" in settings
    assert f"{{0x{board.processor.base:X}}}" in settings


@needs_tclsh
def test_board_files_that_amd_does_not_have(tmp_path, monkeypatch):
    (tmp_path / "board.toml").write_text(recipe().replace("xilinx.com:zcu102", "xilinx.com:zcu103"))
    only(monkeypatch, tmp_path, "tclsh")
    with graph_file("demo:head") as graph, pytest.raises(ToolError, match="has no board files for"):
        bitstream.bitstream(graph, f"{tmp_path}/", "engine", Options(), tmp_path / "out", None, False)


def test_a_slip_is_named(tmp_path):
    (tmp_path / "board.toml").write_text(recipe().replace("uram = 0\n", ""))
    with pytest.raises(InputError, match="field resources.uram is missing"):
        boards.load(f"{tmp_path}/")
    (tmp_path / "board.toml").write_text(recipe().replace("pll_mhz = 1499.985", "pll_mhz = 1066"))
    with pytest.raises(InputError, match="clock.assumed_mhz is 250.0; .* 266.5 is the nearest"):
        boards.load(f"{tmp_path}/")
