"""The boards: the figures of the parts, and that every wrong field is named."""

import re

import pytest

pytest.importorskip("tomllib", reason="reading boards needs Python 3.11")

import tomllib  # noqa: E402

from hwgen import boards  # noqa: E402
from hwgen.errors import InputError  # noqa: E402

TEXTS = {name: boards.resources.path("boards", name, "board.toml").read_text() for name in boards.names()}
GOOD = TEXTS["zcu104"]


def leaves(data: dict, prefix: str = ""):
    """Every field of a file that is no table, by dotted name."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


# Of one board of each family: the others have the same fields.
FIELDS = [(name, field) for name in ("zcu104", "pynq-z2", "ulx3s") for field, _ in leaves(tomllib.loads(TEXTS[name]))]
NONSENSE = ("[]", "true", "-7", '"\\u0000"', "nan", "1e999", "{ a = 1 }", "1979-05-27", "99999999999999999999")


def read(folder, text: str) -> boards.Board:
    (folder / "board.toml").write_text(text)
    return boards.read(folder)


def line_of(text: str, field: str) -> str:
    """The line of ``text`` that sets the field."""
    table, _, key = field.rpartition(".")
    head = rf"^\[{re.escape(table)}\].*\n(?:(?!\[).*\n)*?" if table else r"^"
    return re.search(rf"{head}({re.escape(key)} = .*)", text, re.M)[1]


@pytest.mark.parametrize("name", boards.names())
def test_every_board_reads(name):
    board = boards.load(name)
    assert board.name == name and board.folder.is_dir()
    ecp5 = board.family == "ecp5"
    assert ecp5 == (not board.memory.ports) == (board.processor is None) == (board.serial is not None)
    assert ecp5 == (board.ecp5 is not None)
    assert abs(board.clock.made(board.clock_mhz) - board.clock_mhz) < 0.01 * board.clock_mhz


# Part; LUT, FF, DSP, BRAM36, URAM, LUTs that can be memory: AMD DS891, DS987, DS190, Lattice FPGA-DS-02012.
PARTS = {
    "zcu104": ("xczu7ev-ffvc1156-2-e", (230400, 460800, 1728, 312, 96, 101760)),
    "kv260": ("xck26-sfvc784-2LV-c", (117120, 234240, 1248, 144, 64, 57600)),
    "kr260": ("xck26-sfvc784-2LV-c", (117120, 234240, 1248, 144, 64, 57600)),
    "ultra96v2": ("xczu3eg-sbva484-1-i", (70560, 141120, 360, 216, 0, 28800)),
    "pynq-z2": ("xc7z020clg400-1", (53200, 106400, 220, 140, 0, 17400)),
    "ulx3s": ("LFE5U-85F-6BG381C", (83640, 83640, 156, 104, 0, 41820)),
}
# Reference clock in MHz times the feedback divider of the PLL, and what it is divided by for the assumed clock.
PLLS = {
    "zcu104": (33.333, 45, 6), "kv260": (33.333, 45, 6), "kr260": (33.333, 45, 6), "ultra96v2": (33.3333, 45, 8),
    "pynq-z2": (50, 20, 10),
}  # fmt: skip
# Memory in bytes that the accelerator reaches, registers, widest port.
SYSTEMS = {
    "zcu104": (2 << 30, 0xA000_0000, 128), "kv260": (4 << 30, 0xA000_0000, 128), "kr260": (4 << 30, 0xA000_0000, 128),
    "ultra96v2": (2 << 30, 0xA000_0000, 128), "pynq-z2": (512 << 20, 0x4000_0000, 64),
}  # fmt: skip


def test_no_board_is_left_out():
    assert set(PARTS) == set(boards.names()) == {*PLLS, "ulx3s"} == {*SYSTEMS, "ulx3s"}


@pytest.mark.parametrize("name", PARTS)
def test_budgets(name):
    board = boards.load(name)
    r = board.resources
    assert (board.part, (r.lut, r.ff, r.dsp, r.bram36, r.uram, r.lutram)) == PARTS[name]


@pytest.mark.parametrize("name", PLLS)
def test_clocks(name):
    clock, (reference, times, divider) = boards.load(name).clock, PLLS[name]
    assert clock.pll_mhz == pytest.approx(reference * times)
    assert clock.made(clock.assumed_mhz) == pytest.approx(reference * times / divider)
    assert clock.assumed_mhz == pytest.approx(reference * times / divider, rel=1e-4)


@pytest.mark.parametrize("name", SYSTEMS)
def test_addresses(name):
    board = boards.load(name)
    found = (board.memory.bytes, board.processor.base, max(board.memory.ports.values()))
    assert found == SYSTEMS[name] and len(board.memory.ports) == 4


def test_a_clock_that_the_pll_makes():
    clock = boards.load("ultra96v2").clock
    assert clock.made(200) == pytest.approx(1499.9985 / 8)
    assert clock.made(99) == pytest.approx(1499.9985 / 15)
    assert boards.load("ulx3s").clock.made(81.5) == 81.5


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


# The board definition may be left out, and a port is one of several.
@pytest.mark.parametrize("name, field", [pair for pair in FIELDS if not re.match("board_part|memory.ports", pair[1])])
def test_a_field_left_out_is_named(tmp_path, name, field):
    text = TEXTS[name]
    with pytest.raises(InputError, match=re.escape(f"field {field} is missing")):
        read(tmp_path, text.replace(line_of(text, field), ""))


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name, field", FIELDS)
def test_a_field_of_nonsense_is_named(tmp_path, name, field, value):
    text = TEXTS[name]
    with pytest.raises(InputError, match=re.escape(f"field {field}")):
        read(tmp_path, text.replace(line_of(text, field), f"{field.rpartition('.')[2]} = {value}"))


@pytest.mark.parametrize("name, field", FIELDS)
def test_a_misspelt_field_is_named(tmp_path, name, field):
    text = TEXTS[name]
    line = line_of(text, field)
    with pytest.raises(InputError, match=re.escape(f"field {field}x is unknown")):
        read(tmp_path, text.replace(line, line.replace(" =", "x =", 1)))


@pytest.mark.parametrize(
    ("field", "line", "wrong"),
    [
        ("family", 'family = "zynqmp"', 'family = "virtex"'),
        ("part", 'part = "xczu7ev-ffvc1156-2-e"', 'part = ""'),
        ("part", 'part = "xczu7ev-ffvc1156-2-e"', 'part = "xc7z020clg400-1"'),
        ("clock.assumed_mhz", "assumed_mhz = 250", "assumed_mhz = 200"),
        ("clock.assumed_mhz", "assumed_mhz = 250", "assumed_mhz = 375"),
        ("clock.min_mhz", "min_mhz = 1", "min_mhz = 334"),
        ("resources.dsp", "dsp = 1728", "dsp = -1"),
        ("resources.uram", "uram = 96", "uram = 9.6"),
        ("resources.luts", "lut = 230400", "lut = 230400\nluts = 230400"),
        ("resources.lutram", "lutram = 101760", "lutram = 230401"),
        ("memory.regions", "[[0x00000000, 0x80000000]]", "[[0, 4096], [4095, 1]]"),
        ("memory.regions", "[[0x00000000, 0x80000000]]", "[[0, 0]]"),
        ("memory.ports.S_AXI_HP0_FPD", "S_AXI_HP0_FPD = 128", "S_AXI_HP0_FPD = 256"),
        ("memory.ports.S_AXI_HP4_FPD", "S_AXI_HP0_FPD = 128", "S_AXI_HP4_FPD = 128"),
        ("processor.type", "zynq_ultra_ps_e", "processing_system7"),
        ("processor.base", "base = 0xA0000000", "base = 0x40000000"),
        ("processor.base", "base = 0xA0000000", "base = 0xA0000100"),
        ("processor.base", "M_AXI_HPM0_FPD", "M_AXI_HPM1_FPD"),
        ("processor.pynq", ">=3.1,<5", "newest"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(tmp_path, field, line, wrong):
    assert line in GOOD
    with pytest.raises(InputError, match=re.escape(f"field {field}")) as caught:
        read(tmp_path, GOOD.replace(line, wrong))
    assert str(tmp_path / "board.toml") in str(caught.value)


def test_a_board_without_memory_ports_is_refused(tmp_path):
    with pytest.raises(InputError, match="field memory.ports is .*at least one"):
        read(tmp_path, re.sub(r"S_AXI_HP\d_FPD = 128\n", "", GOOD))


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    text = GOOD.replace("lut = 230400\n", "").replace('"xczu7ev', '7 #"').replace("port = ", "prt = ")
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    told = str(caught.value)
    assert all(f"field {name}" in told for name in ("part", "resources.lut", "processor.port", "processor.prt"))


@pytest.mark.parametrize("text", ["= 3", "\x00", "a = [" * 5000])
def test_not_toml(tmp_path, text):
    with pytest.raises(InputError, match="is not TOML"):
        read(tmp_path, text)
