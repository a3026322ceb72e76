"""Rows, images and convolutions on the whole engine: every bit as golden says, every clock as the compiler says."""

import numpy as np
import pytest

from hwgen.errors import HwgenError
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.random_graphs import random_inputs
from tests.rtl.engine.support import engine, package
from tests.schedule.strategies import tensor_graph
from tests.support import cases

ARRAYS = cases([(8, 8)], [(8, 8), (16, 32), (32, 16), (8, 64), (64, 8)])
GRAPHS = cases(12, 200)

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a[0]}x{a[1]}")
def test_rtl_equals_golden_in_every_bit_and_clock(array, seed, tmp_path):
    config, code, library = engine(*array)
    ran = 0
    for i in range(GRAPHS):
        graph = tensor_graph((seed, i))
        inputs = random_inputs(graph, (seed, i), 2)
        try:
            design, pkg = package(graph, config, code, tmp_path)
        except HwgenError:  # too large, or rows that no instruction reads
            continue
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        where = f"seed {seed}, graph {i}: {[node.op for node in graph.nodes]}"
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        assert set(result.latency.tolist()) == {design.timing.latency}, where
        if design.timing.issued:
            assert result.counters["issued"] == design.timing.issued, where
        ran += 1
    assert ran > GRAPHS // 2
