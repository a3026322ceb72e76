"""Products and maxima on the whole engine: every bit as golden says, every clock as the compiler says."""

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import rtl
from hwgen.build.verilate import build
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.random_graphs import random_inputs
from tests.rtl.engine.support import BOARD, everything, package
from tests.schedule.vector_graphs import vector_graph
from tests.support import ROOT, cases

pytestmark = pytest.mark.rtl
FRAMES = 3


@pytest.mark.parametrize("array", cases([(8, 8)], [(8, 8), (16, 32), (32, 16)]), ids=lambda a: f"{a[0]}x{a[1]}")
def test_rtl_equals_golden_in_every_bit_and_clock(array, seed, tmp_path):
    config = everything(*array).resized(
        vec_param_depth=64, vec_mul=True, vec_maxpool=True, vec_residual=True, padded=True
    )
    folder = ROOT / "build" / "test-cache" / f"engine-vec-{array[0]}x{array[1]}"
    code = rtl.write(config, boards.load(BOARD), "vector", folder)
    library = build(folder)
    for i in range(cases(15, 100)):
        graph = vector_graph((seed, i))
        inputs = random_inputs(graph, (seed, i), FRAMES)
        design, pkg = package(graph, config, code, tmp_path)
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        where = f"seed {seed}, graph {i}: {[node.op for node in graph.nodes]}"
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        timing, seen = design.timing, result.counters
        assert set(result.latency.tolist()) == {timing.latency}, where
        assert [seen["wait_din"], seen["wait_mm"], seen["wait_row"]] == list(timing.waits.values()), where
