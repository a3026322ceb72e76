"""Receiver and transmitter at the board's ratio of clock and baud, at the smallest, and at a slow one."""

from pathlib import Path

import pytest

from hwgen.build import toolchain
from hwgen.errors import ToolError
from tests.rtl.runner import run_bench
from tests.rtl.serial.support import sources

pytestmark = pytest.mark.rtl
TB = Path(__file__).with_name("tb_uart.sv")


@pytest.mark.parametrize(
    "clock_hz, baud",
    [(80_000_000, 3_000_000), pytest.param(24_000_000, 3_000_000, marks=pytest.mark.full),
     pytest.param(95_833_333, 115_200, marks=pytest.mark.full)],
)  # fmt: skip
def test_uart(tmp_path, seed, clock_hz, baud):
    parameters = {"CLOCK_HZ": clock_hz, "BAUD": baud}
    files = [file for file in sources() if file.stem in ("uart_rx", "uart_tx")]
    ran = run_bench(
        tmp_path, [*files, TB], "tb_uart", "tests.rtl.serial.bench_uart", parameters, seed=seed, **parameters
    )
    assert ran == 4


@pytest.mark.parametrize(
    "module, parameters, says",
    [
        ("uart_rx", {"BAUD": 12_000_000}, "cannot be made"),
        ("uart_rx", {"BAUD": 500}, "2 % exact"),
        ("uart_tx", {"BAUD": 12_000_000}, "cannot be made"),
        ("byte_fifo", {"DEPTH": 100}, "power of two"),
        ("host_window", {"SLOTS": 3}, "power of two"),
        ("host_window", {"TRIES": 1}, "TRIES=1"),
        ("axi_serve_rd", {"BEATS": 256}, "room for 4 slots"),
        ("serial_bridge", {"MEMORY_KIB": 4}, "at least twice SLOTS"),
    ],
)
def test_parameters_that_cannot_be(module, parameters, says):
    words = ["verilator", "--lint-only", "--top-module", module, *(f"-G{k}={v}" for k, v in parameters.items())]
    with pytest.raises(ToolError, match=says):
        toolchain.run([*words, *sources()], env=toolchain.environment())
