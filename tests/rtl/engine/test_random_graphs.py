"""Random graphs on the whole engine: every bit as golden says, every clock as the compiler says."""

import numpy as np
import pytest

from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.random_graphs import Limits, random_graph, random_inputs
from tests.rtl.engine.support import engine, package
from tests.schedule.row_graphs import groups_graph, rows_graph
from tests.schedule.strategies import moving_graph
from tests.support import cases

ARRAYS = cases([(8, 8), (16, 32)], [(8, 8), (16, 32), (16, 16), (32, 16), (8, 64), (64, 8)])
GRAPHS = cases(20, 60)
FRAMES = 4

pytestmark = pytest.mark.rtl


KINDS = {
    "powers-of-two": lambda seed: random_graph(seed, Limits(power_of_two=True)),
    "any-scale": lambda seed: random_graph(seed, Limits(power_of_two=False)),
    "moves": lambda seed: moving_graph(seed, 200),
    "rows": lambda seed: rows_graph(np.random.default_rng(seed)),
    "groups": lambda seed: groups_graph(np.random.default_rng(seed)),
}


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a[0]}x{a[1]}")
@pytest.mark.parametrize("kind", KINDS)
def test_rtl_equals_golden_in_every_bit_and_clock(array, kind, seed, tmp_path):
    config, code, library = engine(*array)
    for i in range(GRAPHS):
        graph = KINDS[kind]((seed, i))
        inputs = random_inputs(graph, (seed, i), FRAMES)
        design, pkg = package(graph, config, code, tmp_path)
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        where = f"seed {seed}, graph {i}: {[node.op for node in graph.nodes]}"
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        assert set(result.latency.tolist()) == {design.timing.latency}, where
        timing, seen = design.timing, result.counters
        if timing.issued:
            assert (seen["issued"], seen["compute"]) == (timing.issued, timing.compute), where
            assert [seen["wait_din"], seen["wait_mm"], seen["wait_row"]] == list(timing.waits.values()), where


def test_a_slow_memory_delays_but_changes_no_bit(seed, tmp_path):
    config, code, library = engine(8, 8)
    for i in range(cases(5, 30)):
        graph = random_graph((seed, 1, i), Limits(max_width=100))
        inputs = random_inputs(graph, (seed, i), FRAMES)
        design, pkg = package(graph, config, code, tmp_path)
        with DesignSim(pkg, library) as sim:
            sim.sim.memory_model(read_latency=90, read_jitter=30)
            sim.sim.stalls(seed=seed + i, ar=0.3, r=0.3, aw=0.3, w=0.3, b=0.3)
            result = sim.run(inputs)
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), f"seed {seed}, graph {i}"
        assert (result.latency >= design.timing.latency).all()
