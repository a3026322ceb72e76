"""The top of a board without a processor: clock, files, its part of the design hash, one table for both ends."""

import dataclasses

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import board_top, rtl, serial_pkg
from hwgen.backends.engine.ecp5_pll import PFD_MHZ, VCO_MHZ, pll
from hwgen.errors import InputError
from hwgen.schedule import compile_graph
from tests.sim import designs
from tests.support import ROOT


@pytest.mark.parametrize("mhz", [*range(10, 401, 5), 12.5, 66.6, 92, 96, 98, 101.5])
def test_pll(mhz):
    made = pll(mhz)
    assert made.mhz == pytest.approx(25 / made.clki_div * made.clkfb_div) and mhz * 0.98 <= made.mhz <= mhz + 1e-6
    assert made.vco_mhz == pytest.approx(made.mhz * made.clkop_div) and VCO_MHZ[0] <= made.vco_mhz <= VCO_MHZ[1]
    assert PFD_MHZ[0] <= 25 / made.clki_div and made.cphase == made.clkop_div - 1
    assert all(1 <= d <= 128 for d in (made.clki_div, made.clkfb_div, made.clkop_div))


@pytest.mark.parametrize("mhz", [1, 3, 33.3, 420, 2000])
def test_pll_cannot(mhz):
    with pytest.raises(InputError, match=f"no {mhz} MHz from 25 MHz"):
        pll(mhz)


def test_boards_with_a_processor_have_no_top():
    for name in boards.names():
        board = boards.load(name)
        assert (
            bool(board_top.files(board, rtl.PORTS)) == (board_top.name(board) is not None) == (board.family == "ecp5")
        )


def test_top_says_clock_and_baud():
    board = boards.load("ulx3s")
    text = board_top.files(board, rtl.PORTS)["ulx3s_top.sv"]
    made = pll(board.clock_mhz, board.ecp5.oscillator_mhz)
    assert f".CLOCK_HZ({round(made.mhz * 1e6)})" in text and f"BAUD         = {board.serial.baud}," in text
    assert f".CLKFB_DIV(   {made.clkfb_div})" in text


def test_design_hash_covers_the_top(monkeypatch):
    board, config = boards.load("ulx3s"), compile_graph(designs.graph(np.random.default_rng(1)), 8, 8).config
    before = rtl.design_hash(config, board)
    slower = dataclasses.replace(board, serial=dataclasses.replace(board.serial, baud=1_000_000))
    assert rtl.design_hash(config, slower) != before == rtl.design_hash(config, board)
    monkeypatch.setattr(board_top, "MEMORY_KIB", 64)
    assert rtl.design_hash(config, board) != before


def test_one_table_for_both_ends():
    """Package and document are those that the table makes: python -m hwgen.backends.engine.serial_pkg."""
    assert (ROOT / "hls_templates/serial/rtl/serial_pkg.sv").read_text() == serial_pkg.package()
    guide = (ROOT / "docs/serial.md").read_text()
    assert serial_pkg.merged(guide) == guide
