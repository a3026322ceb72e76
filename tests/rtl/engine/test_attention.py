"""Attention on the whole engine, keys and values in the KV memory: bits as golden says, clocks as predicted."""

import numpy as np
import pytest

from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.random_graphs import random_inputs
from tests.rtl.engine.support import engine, package
from tests.schedule.test_attention import attention
from tests.support import cases

ARRAYS = cases([(8, 16)], [(8, 16), (16, 8), (8, 8), (16, 32), (32, 64)])
GRAPHS = cases(6, 100)

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a[0]}x{a[1]}")
def test_rtl_equals_golden_in_every_bit_and_clock(array, seed, tmp_path):
    config, code, library = engine(*array, kv_depth=128)
    for i in range(GRAPHS):
        rng = np.random.default_rng((seed, i))
        rows, heads, width = (int(rng.integers(1, most)) for most in (14, 4, 34))
        graph = attention(rng, rows, heads, width)
        inputs = random_inputs(graph, (seed, i), 2)
        design, pkg = package(graph, config, code, tmp_path)
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        where = f"seed {seed}, graph {i}: {rows} rows, {heads} heads of {width}"
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        assert set(result.latency.tolist()) == {design.timing.latency}, where
