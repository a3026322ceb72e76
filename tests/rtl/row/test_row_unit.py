"""The row unit, alone: values equal golden, and every clock is the stated one."""

import pytest

from tests.rtl.row.support import run_bench
from tests.support import cases

FILES = [
    "delay.sv", "delay_valid.sv", "ram_1r1w.sv", "wide_mem.sv", "requantize.sv", "sum_tree.sv", "max_tree.sv",
    "rsqrt_rom.sv", "rsqrt.sv", "reciprocal_rom.sv", "reciprocal.sv", "row_fifo.sv", "row_pass.sv", "row_stats.sv",
    "row_groups.sv",
    "row_softmax.sv", "row_lane.sv", "row_unit.sv",
]  # fmt: skip

# bytes of a word; whether there are norms; tables of exponentials; words of a position of a GroupNorm
PARTS = [(16, True, 2, 3), (32, True, 0, 0), (16, False, 1, 0)]
FULL = [(64, True, 0, 1), (64, True, 3, 8), (64, False, 16, 0), (32, True, 0, 5)]


def run(tmp_path, seed, v, depth, slots, group_words, rows, longest):
    sizes = {"V": v, "PARAM_DEPTH": depth, "SOFTMAX_SLOTS": slots, "GROUP_WORDS": group_words}
    env = {"SEED": seed, "ROWS": rows, "LONGEST": longest, **sizes}
    run_bench(tmp_path, "row_unit", FILES, "bench_row_unit", env, ROW_WORDS=-(-longest // v), **sizes)


@pytest.mark.rtl
@pytest.mark.parametrize(
    "v, norms, slots, group_words", [*PARTS, *(pytest.param(*parts, marks=pytest.mark.full) for parts in FULL)]
)
def test_equals_golden(tmp_path, seed, v, norms, slots, group_words):
    run(tmp_path, seed, v, (600 // v + 3) * norms, slots, group_words, cases(400, 4000), longest=600)


@pytest.mark.rtl
@pytest.mark.full
def test_longest_rows(tmp_path, seed):
    run(tmp_path, seed, 64, 1024, 3, 1024, 40, longest=65535)
