"""The row unit, alone: values equal golden, and every clock is the stated one."""

import pytest

from tests.rtl.row.support import run_bench
from tests.support import cases

FILES = [
    "delay.sv", "delay_valid.sv", "ram_1r1w.sv", "wide_mem.sv", "requantize.sv", "sum_tree.sv", "max_tree.sv",
    "rsqrt_rom.sv", "rsqrt.sv", "reciprocal_rom.sv", "reciprocal.sv", "row_fifo.sv", "row_pass.sv", "row_stats.sv",
    "row_softmax.sv", "row_lane.sv", "row_unit.sv",
]  # fmt: skip

FULL = [(True, 0), (True, 3), (False, 16)]  # norms, tables of exponentials: what only the full run tries, of V = 64


def run(tmp_path, seed, v, depth, slots, rows, longest):
    env = {"SEED": seed, "ROWS": rows, "V": v, "PARAM_DEPTH": depth, "SOFTMAX_SLOTS": slots, "LONGEST": longest}
    sizes = {"V": v, "PARAM_DEPTH": depth, "SOFTMAX_SLOTS": slots, "ROW_WORDS": -(-longest // v)}
    run_bench(tmp_path, "row_unit", FILES, "bench_row_unit", env, **sizes)


@pytest.mark.rtl
@pytest.mark.parametrize(
    "v, norms, slots",
    [(16, True, 2), (32, True, 0), (16, False, 1), *(pytest.param(64, *x, marks=pytest.mark.full) for x in FULL)],
)
def test_equals_golden(tmp_path, seed, v, norms, slots):
    run(tmp_path, seed, v, (600 // v + 3) * norms, slots, cases(400, 4000), longest=600)


@pytest.mark.rtl
@pytest.mark.full
def test_longest_rows(tmp_path, seed):
    run(tmp_path, seed, 64, 1024, 3, 40, longest=65535)
