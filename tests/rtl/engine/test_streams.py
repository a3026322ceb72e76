"""Weights that stay in DDR, on the whole engine: every bit as golden says, every clock as the compiler says, and an
engine as new after every fault of a port."""

from pathlib import Path

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.build.verilate import build
from hwgen.errors import FitError
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import GraphBuilder, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.runtime import abi
from hwgen.runtime.package import read_package
from hwgen.runtime.simlib import SimError
from hwgen.schedule import Design, compile_graph, compile_onto
from hwgen.schedule.instructions import Fetch
from tests.rtl.engine.support import network_engine, package
from tests.rtl.engine.test_random_networks import drawn
from tests.support import ROOT, cases

BOARD = boards.load("zcu104")
REG = {item.name: item.offset for item in abi.REGISTERS}
SOFT_RESET = 4
DEPTHS = {1: 40, 2: 64, 3: 80}  # words of weight memory, by ports

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("streams")]  # one engine's folder for all


def layers(rng, n: int, m: int):
    """A few linear layers over some rows, in words of n x m."""
    b = GraphBuilder("layers")
    rows, width = int(rng.integers(1, 30)), int(rng.integers(2, 6)) * n
    x = b.input("x", (rows, width), bits=8, signed=True, scale=2**-6)
    for _ in range(rng.integers(3, 9)):
        out = int(rng.integers(1, 6)) * m - int(rng.integers(m))
        acc = b.linear(x, rng.integers(-127, 128, (width, out)), 2**-9, rng.normal(0, 1, out), weight_bits=8)
        x, width = b.requantize(acc, bits=8, signed=True, scale=2**-5), out
    b.output(x, "y")
    return b.build()


def engine(n: int, m: int, ports: int):
    """(configuration, its folder with RTL and simulator) that all graphs of `layers` share."""
    config = compile_graph(layers(np.random.default_rng(0), n, m), n, m).config
    config = config.resized(
        weight_depth=DEPTHS[ports],
        stream_ports=ports,
        prog_depth=256,
        unit_prog_depth=256,
        act_depth=1024,
        param_depth=128,
    )
    return config, ROOT / "build" / "test-cache" / f"streams-{n}x{m}-{ports}"


def streamed(graph, config) -> Design | None:
    """The graph on that engine; None where it does not fit, or fits without DDR."""
    try:
        design = compile_onto(graph, config)
    except FitError:
        return None
    return design if design.stream else None


def made(n: int, m: int, ports: int, seed) -> tuple[object, Design, Path]:
    """(rng, design, simulator library) of the first graph from the seed on that needs DDR."""
    rng = np.random.default_rng(seed)
    config, folder = engine(n, m, ports)
    while (design := streamed(layers(rng, n, m), config)) is None:
        pass
    generate.write(design, BOARD, folder)
    return rng, design, build(folder)


def same(result, graph, inputs) -> bool:
    return all(np.array_equal(result.outputs[name], want) for name, want in golden.run(graph, inputs).items())


def draw(rng, design, frames: int) -> dict[str, np.ndarray]:
    shape = design.graph.tensors["x"].shape
    return {"x": rng.integers(-128, 128, (frames, *shape)).astype(np.int8)}


ENGINES = cases([(8, 8, 2)], [(8, 8, 1), (8, 8, 2), (16, 16, 3), (16, 32, 3), (32, 8, 1)])


@pytest.mark.parametrize("n, m, ports", ENGINES)
def test_rtl_equals_golden_in_every_bit_and_clock(n, m, ports, seed):
    for i in range(cases(12, 100)):
        rng, design, library = made(n, m, ports, (seed, i))
        folder = engine(n, m, ports)[1]
        with DesignSim(read_package(folder / generate.PACKAGE), library) as sim:
            inputs = draw(rng, design, 3)
            result = sim.run(inputs)
            where = f"seed {seed}, graph {i}"
            assert same(result, design.graph, inputs), where
            assert set(result.latency.tolist()) == {design.timing.latency}, where
            beats = (
                sum(ins.words for ins in design.program.stream if isinstance(ins, Fetch)) * design.config.stream_beats
            )
            assert [sim.sim.traffic(p)["read_beats"] for p in range(1, ports + 1)] == [3 * beats] * ports, where
            sim.sim.memory_model(read_latency=int(rng.integers(1, 100)), read_jitter=30)
            sim.sim.stalls(seed=seed + i, **{c: float(rng.uniform(0, 0.6)) for c in ("ar", "r", "aw", "w", "b")})
            assert same(sim.run(inputs), design.graph, inputs), where


def test_a_fault_of_a_port_ends_the_run_and_no_more(seed):
    """An error names the address; memory that does not answer keeps the engine draining until it does."""
    rng, design, library = made(8, 8, 2, seed)
    package = read_package(engine(8, 8, 2)[1] / generate.PACKAGE)
    inputs = draw(rng, design, 1)
    with DesignSim(package, library) as sim:
        for _ in range(cases(20, 300)):
            port, kind = int(rng.integers(1, 3)), str(rng.choice(["slverr", "decerr", "hang"]))
            bursts = sim.sim.traffic(port)["read_bursts"]
            sim.run(inputs)
            bursts = sim.sim.traffic(port)["read_bursts"] - bursts
            sim.sim.fault("read", kind, burst=int(rng.integers(bursts)), port=port)
            with pytest.raises(SimError, match="WATCHDOG|not finished" if kind == "hang" else "AXI_READ") as caught:
                sim.run(inputs)
            if kind != "hang":
                info = int(str(caught.value).rpartition("info 0x")[2].rstrip(")"), 16)
                first = -(-len(package.image) // 4096) * 4096
                assert first <= info < first + len(package.stream), f"seed {seed}"
            sim.sim.write(REG["CONTROL"], SOFT_RESET)
            if kind == "hang":
                assert sim.sim.wait(2000) & 1 << 5, f"seed {seed}: it drains"
                sim.sim.clear_faults()
            assert sim.sim.wait(5000) & 1, f"seed {seed}: idle"
            sim.sim.load(package.image, stream=package.stream)
            result = sim.run(inputs)
            assert same(result, design.graph, inputs) and set(result.latency.tolist()) == {design.timing.latency}


@pytest.mark.full
@pytest.mark.parametrize("ports", [1, 2])
def test_networks_of_every_operator(ports, seed, tmp_path):
    """Most of their weights in DDR, with every unit of the engine at work beside; in a weight memory of some words."""
    config, code, library = network_engine(8, 8, 8, ports, ports)
    ran = streams = 0
    for i in range(cases(4, 200)):
        graph, where = drawn(seed, i, 8), f"seed {seed}, network {i}"
        inputs = random_inputs(graph, (seed, i), 2)
        try:
            design, pkg = package(graph, config, code, tmp_path)
        except FitError:
            continue
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        assert same(result, graph, inputs), where
        assert set(result.latency.tolist()) == {design.timing.latency}, where
        ran, streams = ran + 1, streams + bool(design.stream)
    print(f"{ran} networks, {streams} of them with weights in DDR")
    assert streams
