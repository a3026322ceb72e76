import numpy as np
import pytest

from hwgen.backends.hls4ml.cost import Weighted, csd_digits, depth, of_moving
from hwgen.backends.hls4ml.types import HlsType


def test_canonical_signed_digits():
    def digits(w):  # the textbook algorithm
        count = 0
        while w:
            if w & 1:
                d = 2 - (w & 3)
                w, count = w - d, count + 1
            w >>= 1
        return count

    values = np.arange(-300, 300)
    assert csd_digits(values).tolist() == [digits(abs(int(v))) for v in values]


@pytest.mark.parametrize(("addends", "clocks"), [(1, 2), (2, 3), (4, 3), (5, 4), (16, 4), (17, 5)])
def test_depth_of_an_adder_tree(addends, clocks):
    assert depth(addends) == clocks


def layer(**more) -> Weighted:
    weight = np.array([[1, 0], [3, -4], [7, 0], [0, 5]])
    return Weighted(weight, HlsType(8), HlsType(4), HlsType(14), **more)


def test_unrolled_products_are_those_with_a_weight():
    cost = layer().unrolled()
    assert cost.multipliers == 5 and cost.dsp == 0 and cost.bram36 == 0
    # 3, 7 and 5 take one adder each, -4 none; three weights are added in the first sum, two in the second.
    assert cost.lut == 3 * 12 + 3 * 14
    assert cost.cycles == cost.first == cost.last == depth(4)


def test_folded_products_are_those_of_one_clock():
    cost = layer().folded(2)
    assert cost.multipliers == 4 and cost.bram36 == 1 and cost.dsp == 0
    assert cost.lut == 4 * (20 + 14)
    assert cost.cycles == 2 - 1 + depth(3)


def test_wide_operands_take_dsp_slices():
    wide = Weighted(np.ones((4, 2), int), HlsType(16), HlsType(8), HlsType(27))
    assert wide.folded(4).dsp == 2


def test_positions_one_after_the_other_and_side_by_side():
    conv = layer(positions=12)
    assert conv.unrolled().cycles == 12 - 1 + depth(4)
    assert conv.unrolled(4).cycles == 3 - 1 + depth(4) and conv.unrolled(4).multipliers == 20
    assert conv.folded(2).cycles == 12 * layer().folded(2).cycles


def test_a_stream_of_pixels_takes_a_clock_each_and_overlaps():
    conv = layer(positions=9, pixels=25, window=12)
    assert conv.unrolled().cycles == 25 - 1 + depth(4)
    assert conv.unrolled().first == 12 + depth(4) and conv.unrolled().last == depth(4)
    assert conv.folded(4).cycles == 9 * layer().folded(4).cycles + 16


def test_a_vector_in_packets_is_read_first():
    assert layer(packets=2).folded(4).cycles == layer().folded(4).cycles + 2


def test_a_transposition_of_a_stream_reads_all_before_it_writes():
    assert of_moving("Transpose", 4, 3).cycles == 7 and of_moving("Repack", 4, 3).cycles == 4
