"""The bridge between the wire and the engine's buses, under everything that the line and both sides can do to it."""

import pytest

from tests.rtl.runner import run_bench
from tests.rtl.serial.support import sources

pytestmark = pytest.mark.rtl


def test_bridge(tmp_path, seed):
    parameters = {"CLOCK_HZ": 100_000_000, "BAUD": 12_500_000, "MEMORY_KIB": 4, "SLOTS": 2}
    parameters |= {"RETRY_CLOCKS": 60_000, "TRIES": 2}
    ran = run_bench(
        tmp_path, sources(), "serial_bridge", "tests.rtl.serial.bench_bridge", parameters, seed=seed,
        **parameters,
    )  # fmt: skip
    assert ran == 13
