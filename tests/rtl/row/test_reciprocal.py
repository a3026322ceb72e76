"""The reciprocal, alone, and its table."""

import pytest

from hwgen.backends.engine import rom
from tests.rtl.row.support import RTL, run_bench
from tests.support import cases


@pytest.mark.rtl
def test_equals_formula(tmp_path, seed):
    files = ["delay.sv", "delay_valid.sv", "reciprocal_rom.sv", "reciprocal.sv"]
    run_bench(tmp_path, "reciprocal", files, "bench_reciprocal", {"SEED": seed, "CASES": cases(4_000, 300_000)})


def test_table_is_up_to_date():
    text = (RTL / "reciprocal_rom.sv").read_text()
    assert text == rom.reciprocal_rom(), "run python -m hwgen.backends.engine.rom"
