"""The unit that brings weights from DDR, alone."""

import pytest

from hwgen.build import toolchain
from tests.rtl.runner import RTL, engine_sources, run_bench

SOURCES = engine_sources("bus_fifo", "axi_burst", "axi_rd", "stream_unit")


@pytest.mark.rtl
@pytest.mark.parametrize("columns, ports", [(8, 2), (3, 1), (3, 3), (8, 3)])
def test_stream(tmp_path, seed, columns, ports):
    bench = "tests.rtl.stream.bench_stream"
    run_bench(tmp_path, SOURCES, "stream_unit", bench, {"SEED": seed}, COLUMNS=columns, PORTS=ports)


@pytest.mark.rtl
def test_columns_that_the_ports_cannot_share():
    with pytest.raises(toolchain.ToolError, match="stream_unit: "):
        command = ["verilator", "--lint-only", "-y", RTL, *SOURCES, "--top-module", "stream_unit", "-GPORTS=5"]
        toolchain.run(command)
