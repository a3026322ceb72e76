"""The loader, alone."""

import pytest

from tests.rtl.bus.image import HASH, TARGETS
from tests.rtl.bus.support import run_bench


@pytest.mark.rtl
def test_loader(tmp_path, seed):
    depths = {f"{name}_DEPTH": depth for name, (depth, _) in TARGETS.items()}
    beats = {f"{name}_BEATS": TARGETS[name][1] for name in ("WEIGHT", "PARAM", "ROW_PARAM")}
    run_bench(tmp_path, "loader", "bench_loader", {"SEED": seed}, HASH=f"64'h{HASH:x}", **depths, **beats)
