"""The reciprocal square root, alone, and its table."""

import pytest

from hwgen.backends.engine import rom
from tests.rtl.row.support import RTL, run_bench
from tests.support import cases


@pytest.mark.rtl
def test_equals_formula(tmp_path, seed):
    files = ["delay.sv", "delay_valid.sv", "rsqrt_rom.sv", "rsqrt.sv"]
    run_bench(tmp_path, "rsqrt", files, "bench_rsqrt", {"SEED": seed, "CASES": cases(20_000, 300_000)})


def test_table_is_up_to_date():
    assert (RTL / "rsqrt_rom.sv").read_text() == rom.rsqrt_rom(), "run python -m hwgen.backends.engine.rom"
