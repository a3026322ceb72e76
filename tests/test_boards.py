"""The boards: the figures of the parts, and that every wrong field is named."""

import re

import pytest

pytest.importorskip("tomllib", reason="reading boards needs Python 3.11")

from hwgen import boards  # noqa: E402
from hwgen.errors import InputError  # noqa: E402

GOOD = boards.resources.path("boards", "zcu104", "board.toml").read_text()


@pytest.mark.parametrize("name", boards.names())
def test_every_board_reads(name):
    board = boards.load(name)
    assert board.name == name
    assert board.folder.is_dir()
    assert (board.family == "ecp5") == (not board.memory.ports)


# Part, LUT, FF, DSP, BRAM36, URAM from the vendors' product tables.
@pytest.mark.parametrize(
    ("name", "part", "held"),
    [
        ("zcu104", "xczu7ev-ffvc1156-2-e", (230400, 460800, 1728, 312, 96)),
        ("kv260", "xck26-sfvc784-2LV-c", (117120, 234240, 1248, 144, 64)),
        ("kr260", "xck26-sfvc784-2LV-c", (117120, 234240, 1248, 144, 64)),
        ("ultra96v2", "xczu3eg-sbva484-1-i", (70560, 141120, 360, 216, 0)),
        ("pynq-z2", "xc7z020clg400-1", (53200, 106400, 220, 140, 0)),
        ("ulx3s", "LFE5U-85F-6BG381C", (83640, 83640, 156, 104, 0)),
    ],
)
def test_budgets(name, part, held):
    board = boards.load(name)
    r = board.resources
    assert (board.part, (r.lut, r.ff, r.dsp, r.bram36, r.uram)) == (part, held)


def test_unknown_board_lists_the_known_and_the_nearest():
    with pytest.raises(InputError, match=r"'zcu10' \(did you mean zcu104\?\): known are kr260, .*zcu104"):
        boards.load("zcu10")


@pytest.mark.parametrize("name", ["", ".", "..", "ZCU104"])
def test_not_a_name(name):
    with pytest.raises(InputError, match="unknown board"):
        boards.load(name)


def test_a_new_board_is_a_folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "board.toml").write_text(GOOD)
    assert boards.load(str(folder)).name == "mine"


def test_a_folder_without_board_toml(tmp_path):
    with pytest.raises(InputError, match="holds no board.toml"):
        boards.load(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("field", "line", "wrong"),
    [
        ("family", 'family = "zynqmp"', 'family = "virtex"'),
        ("part", 'part = "xczu7ev-ffvc1156-2-e"', 'part = ""'),
        ("title", 'title = "AMD ZCU104 evaluation kit"', "title = 3"),
        ("clock.assumed_mhz", "assumed_mhz = 250", "assumed_mhz = 0"),
        ("clock.assumed_mhz", "assumed_mhz = 250", "assumed_mhz = nan"),
        ("clock.assumed_mhz", "assumed_mhz = 250", 'assumed_mhz = "fast"'),
        ("resources.dsp", "dsp = 1728", "dsp = -1"),
        ("resources.dsp", "dsp = 1728", "dsp = true"),
        ("resources.uram", "uram = 96", "uram = 9.6"),
        ("resources.lut", "lut = 230400", ""),
        ("resources.luts", "lut = 230400", "lut = 230400\nluts = 230400"),
        ("memory.ports", 'ports = ["S_AXI_HP0_FPD", "S_AXI_HP1_FPD"', 'ports = ["S_AXI_HP0_FPD", "S_AXI_HP0_FPD"'),
        ("memory.ports", 'ports = ["S_AXI_HP0_FPD"', "ports = [0"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, field, line, wrong):
    assert line in GOOD
    (tmp_path / "board.toml").write_text(GOOD.replace(line, wrong))
    with pytest.raises(InputError, match=re.escape(f"field {field}")) as caught:
        boards.read(tmp_path)
    assert str(tmp_path / "board.toml") in str(caught.value)


def test_not_toml(tmp_path):
    (tmp_path / "board.toml").write_text("= 3")
    with pytest.raises(InputError, match="is not TOML"):
        boards.read(tmp_path)
