"""The window unit inside the input unit: words equal NumPy's windows, and every write comes in its clock."""

import pytest

from tests.rtl.runner import engine_sources, run_bench

pytestmark = pytest.mark.rtl
full = pytest.mark.full
MODULES = ("delay", "delay_valid", "ram_1r1w", "bus_fifo", "win_ring", "win_walk", "win_unit", "need_wait", "din_unit")


@pytest.mark.parametrize(
    "v, ports, ring",
    [(32, 2, 4096), (64, 3, 2048), (16, 1, 2048), pytest.param(64, 1, 16384, marks=full),
     pytest.param(16, 4, 1024, marks=full), pytest.param(32, 3, 16384, marks=full)],
)  # fmt: skip
def test_windows(tmp_path, seed, v, ports, ring):
    env = {"V": v, "PORTS": ports, "RING": ring}
    run_bench(
        tmp_path, engine_sources(*MODULES), "din_unit", "tests.rtl.window.bench_window", env, seed=seed,
        V=v, WIN_RING=ring, WIN_PORTS=ports,
    )  # fmt: skip
