"""The whole bus side, with program queues, activation memory and array played by the bench."""

import pytest

from tests.rtl.bus.image import HASH, TARGETS
from tests.rtl.bus.support import run_bench


@pytest.mark.rtl
@pytest.mark.parametrize("v", [16, 64, pytest.param(32, marks=pytest.mark.full)])
def test_engine_bus(tmp_path, seed, v):
    depths = {f"{name}_DEPTH": depth for name, (depth, _) in TARGETS.items()}
    run_bench(
        tmp_path,
        "engine_bus",
        "bench_engine_bus",
        {"SEED": seed, "V": v},
        HASH=f"64'h{HASH:x}",
        V=v,
        ACT_DEPTH=77,
        **depths,
    )
