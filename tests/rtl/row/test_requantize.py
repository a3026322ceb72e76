"""The requantize lane, alone."""

import pytest

from tests.rtl.row.support import run_bench
from tests.support import cases


@pytest.mark.rtl
@pytest.mark.parametrize("residual, dsp_bits", [(0, 27), (1, 27), (1, 18)])
def test_equals_formula(tmp_path, seed, residual, dsp_bits):
    run_bench(
        tmp_path,
        "requantize",
        ["requantize.sv"],
        "bench_requantize",
        {"SEED": seed, "CASES": cases(20_000, 500_000), "RESIDUAL": residual},
        RESIDUAL=residual,
        DSP_BITS=dsp_bits,
    )
