"""The whole ulx3s over its serial pins: cocotb at the pins, and the same chip as a library for what takes longer."""

import random

import numpy as np
import pytest

from hwgen import boards, resources
from hwgen.backends.engine import board_top, generate
from hwgen.backends.engine.ecp5_pll import pll
from hwgen.backends.options import Options
from hwgen.build import toolchain, verilate
from hwgen.graph.builder import GraphBuilder
from hwgen.policies import shipped
from hwgen.runtime import Accelerator
from hwgen.runtime.serial import LineError, SerialPort
from hwgen.schedule import compile_graph
from tests.rtl.runner import run_bench
from tests.rtl.serial.board import SimLine, build
from tests.support import FULL

pytestmark = pytest.mark.rtl
BOARD = boards.load("ulx3s")
CLOCK_HZ = round(pll(BOARD.clock_mhz).mhz * 1e6)


def small(rng: np.random.Generator):
    """Two layers without norms: an image of two bursts, for what the line takes is what the bench takes."""
    b = GraphBuilder("small")
    x = b.input("x", (16,), scale=2**-6)
    for rows, columns in ((16, 16), (16, 12)):
        weight = rng.integers(-8, 8, (rows, columns))
        x = b.linear(x, weight, 2.0**-6, rng.normal(size=columns), weight_bits=4)
        x = b.requantize(x, bits=8, signed=True, scale=2**-4)
    b.output(x, "y")
    return b.build()


@pytest.fixture
def folder(tmp_path, rng):
    """DIR for ulx3s."""
    generate.write(compile_graph(small(rng), 8, 8), BOARD, tmp_path / "design")
    return tmp_path / "design"


def sources(folder):
    return [*verilate.sources(folder), resources.path("sim", "ecp5", "EHXPLLL.sv")]


def test_pins(tmp_path, folder, seed):
    retry = round(0.006 * CLOCK_HZ)
    env = {
        "HWGEN_DIR": folder,
        "CLOCK_HZ": CLOCK_HZ,
        "BAUD": BOARD.serial.baud,
        "GIVE_UP": 4 * retry / CLOCK_HZ,
        "LONG": int(FULL),
    }
    ran = run_bench(
        tmp_path, sources(folder), "ulx3s_top", "tests.rtl.serial.bench_board", env,
        build_args=("--assert", "-Wno-fatal"), seed=seed, RETRY_CLOCKS=retry, TRIES=2,
    )  # fmt: skip
    assert ran == 3


def test_lint(folder):
    """The generated top itself is clean; its library is linted module by module."""
    top = board_top.name(BOARD)
    words = ["verilator", "--lint-only", "-Wall", "-Wno-UNUSEDPARAM", "--top-module", top, *sources(folder)]
    toolchain.run(words, env=toolchain.environment())


@pytest.mark.full
def test_head_of_a_policy(tmp_path, seed):
    """A policy's whole head at 3 Mbaud: every golden vector, a noisy cable, and the reset button in the middle."""
    graph = shipped.save_part("demo-nonorm:head", tmp_path)
    generate.generate(graph, BOARD.name, Options(array=(8, 8)), tmp_path / "design")
    library = build(tmp_path / "design", RETRY_CLOCKS=board_top.retry_clocks(CLOCK_HZ, BOARD.serial.baud) // 4)
    line, rng = SimLine(library, CLOCK_HZ, BOARD.serial.baud), random.Random(seed)

    def noise(_: str, data: bytes) -> bytes:
        return bytes(rng.randrange(256) if rng.random() < 1e-3 else byte for byte in data)

    package = tmp_path / "design" / "policy.hwpkg"
    with SerialPort(line, clock=line) as port, Accelerator(package, device=port, clock=line) as head:
        print(f"load of {len(head.package.image)} bytes: {line.now():.3f} s")
        begin, vectors = line.now(), head.selftest()["vectors"]
        print(f"{vectors} inferences: {(line.now() - begin) / vectors * 1e3:.2f} ms each")
        line.corrupt = noise
        head.selftest()
        line.corrupt = None
        assert port.line_stats()["resent"]
        line.press()
        with pytest.raises(LineError, match="reset"):
            head.selftest()
        head.reset(download=True)
        head.selftest()
