"""`hwgen boards`: every board, what fits it, and the reason where nothing does."""

import json
import re

import pytest

from hwgen import backends, boards
from hwgen.backends.options import Options
from hwgen.cli.common import graph_file
from hwgen.errors import InputError
from hwgen.evaluate import board_table

NAMES = boards.names()


@pytest.fixture(scope="module")
def rows():
    graphs = {text: board_table._graph(text) for text in board_table.GRAPHS}
    return {name: board_table.describe(boards.load(name), graphs) for name in NAMES}


def test_the_tables_hold_every_board(capsys):
    board_table.show(None, False)
    lines = capsys.readouterr().out.splitlines()
    named = [line.split()[0] for line in lines if line.split() and line.split()[0] in NAMES]
    assert named == NAMES * 2 and max(map(len, lines)) <= board_table.WIDTH
    assert sum("too large" in line for line in lines) == len(TOO_LARGE)
    row = next(line for line in lines if line.split()[:1] == ["zcu104"])
    assert all(f"{figure:,}" in row for figure in (230400, 460800, 1728, 312, 96, 101760))


@pytest.mark.parametrize("name", NAMES)
def test_one_board_in_full(name, capsys):
    board_table.show(name, False)
    told = capsys.readouterr().out
    board = boards.load(name)
    assert board.title in told and board.part in told and f"{board.resources.lut:,}" in told
    assert all(port in told for port in board.memory.ports)
    assert board.clock.pll_mhz is None or f"{board.clock.pll_mhz:.9g}\n" in re.sub(" +\n", "\n", told)
    assert (f"{board.processor.base:#x}" if board.processor else f"{board.serial.baud:,}") in told


def test_json_holds_the_fields_of_board_toml(capsys):
    board_table.show(None, True)
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(found) == NAMES
    assert found["pynq-z2"]["processor"]["base"] == 0x4000_0000 and found["ulx3s"]["processor"] is None
    assert found["ultra96v2"]["clock"]["made_mhz"] == pytest.approx(187.4998, abs=1e-3)
    board_table.show("kv260", True)
    assert json.loads(capsys.readouterr().out) == found["kv260"]


TOO_LARGE = {("ulx3s", "demo")}


def test_something_fits_every_board_that_comes_along(rows):
    for name, row in rows.items():
        for text, fits in row["fits"].items():
            if (name, text) in TOO_LARGE:
                assert "no array fits" in fits["reason"]
                continue
            assert fits["predicted_cycles"] > 0, (name, text)
            need = fits["resources"]
            assert all(need[kind] <= row["resources"][kind] for kind in need if kind in row["resources"])


@pytest.mark.parametrize("text", board_table.GRAPHS)
def test_it_is_what_generate_makes(rows, text, tmp_path):
    with graph_file(text) as file:
        backends.generate(file, "ultra96v2", "engine", Options(), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    fits = rows["ultra96v2"]["fits"][text]
    assert (fits["array"], fits["predicted_cycles"]) == (report["array"], report["predicted_cycles"])
    assert fits["latency_us_assumed"] == pytest.approx(report["latency_us_assumed"], abs=1e-3)


def test_the_reason_why_nothing_fits(tmp_path, capsys):
    text = (boards.load("pynq-z2").folder / "board.toml").read_text()
    (tmp_path / "board.toml").write_text(re.sub("bram36 = .*", "bram36 = 1", text))
    board_table.show(f"{tmp_path}/", True)
    fits = json.loads(capsys.readouterr().out)["fits"]
    assert all("on the chip" in found["reason"] or "fits" in found["reason"] for found in fits.values())


def test_an_unknown_board():
    with pytest.raises(InputError, match="unknown board 'zcu14'"):
        board_table.show("zcu14", False)
