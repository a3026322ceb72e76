"""The row unit, alone: values equal golden, and every clock is the stated one."""

import pytest

from tests.rtl.row.support import run_bench
from tests.support import cases

FILES = [
    "delay.sv", "delay_valid.sv", "ram_1r1w.sv", "wide_mem.sv", "requantize.sv", "sum_tree.sv", "rsqrt_rom.sv",
    "rsqrt.sv", "row_stats.sv", "row_lane.sv", "row_unit.sv",
]  # fmt: skip


def run(tmp_path, seed, v, depth, rows, longest):
    env = {"SEED": seed, "ROWS": rows, "V": v, "PARAM_DEPTH": depth, "LONGEST": longest}
    run_bench(tmp_path, "row_unit", FILES, "bench_row_unit", env, V=v, PARAM_DEPTH=depth)


@pytest.mark.rtl
@pytest.mark.parametrize("v", [16, 32, pytest.param(64, marks=pytest.mark.full)])
def test_equals_golden(tmp_path, seed, v):
    run(tmp_path, seed, v, 600 // v + 3, cases(400, 4000), longest=600)


@pytest.mark.rtl
@pytest.mark.full
def test_longest_rows(tmp_path, seed):
    run(tmp_path, seed, 64, 1024, 40, longest=65535)
