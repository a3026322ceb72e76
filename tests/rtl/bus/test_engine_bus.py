"""The whole bus side, with program queues, activation memory and array played by the bench."""

import pytest

from tests.rtl.bus.image import HASH, TARGETS
from tests.rtl.bus.support import HERE, RTL, run_bench


@pytest.mark.rtl
@pytest.mark.parametrize("v", [16, 64, pytest.param(32, marks=pytest.mark.full)])
def test_engine_bus(tmp_path, seed, v):
    depths = {f"{name}_DEPTH": depth for name, (depth, _) in TARGETS.items()}
    run_bench(
        tmp_path,
        "engine_bus",
        "bench_engine_bus,bench_engine_faults",
        {"SEED": seed, "V": v},
        HASH=f"64'h{HASH:x}",
        V=v,
        ACT_DEPTH=77,
        **depths,
    )


@pytest.mark.rtl
@pytest.mark.parametrize("v", [32, pytest.param(16, marks=pytest.mark.full), pytest.param(64, marks=pytest.mark.full)])
def test_copies_with_other_models(tmp_path, seed, v):
    """With the real program queues and activation memory, against cocotbext-axi's AXI models."""
    more = [RTL / f"{name}.sv" for name in ("delay", "delay_valid", "ram_1r1w", "wide_mem", "prog_queue", "act_mem")]
    run_bench(tmp_path, "tb_copy", "bench_copy", {"SEED": seed, "V": v}, (*more, HERE / "tb_copy.sv"), V=v)
