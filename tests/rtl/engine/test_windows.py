"""Images that arrive as windows, on the whole engine: every bit as golden says, every clock as the compiler says."""

from unittest import mock

import numpy as np
import pytest

from hwgen.errors import FitError
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.schedule import windows
from tests.rtl.engine.support import engine, package
from tests.schedule.cameras import camera_graph
from tests.support import cases

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("slow", [False, True], ids=["standard memory", "slow memory"])
@pytest.mark.parametrize("array", cases([(8, 8)], [(8, 8), (16, 32)]), ids=lambda a: f"{a[0]}x{a[1]}")
def test_rtl_equals_golden_in_every_bit_and_clock(array, slow, seed, tmp_path):
    config, code, library = engine(*array)
    ran = 0
    for i in range(cases(20, 100)):
        graph = camera_graph((seed, i), 120)
        inputs = random_inputs(graph, (seed, i), 2)
        try:
            with mock.patch.object(windows, "BAND_BYTES", (300, 1 << 15)[i % 2]):  # in bands, and all of them at once
                design, pkg = package(graph, config, code, tmp_path)
        except FitError:
            continue  # too many windows for this engine's memory
        ran += 1
        with DesignSim(pkg, library) as sim:
            if slow:
                sim.sim.memory_model(read_latency=90, read_jitter=30)
                sim.sim.stalls(seed=seed + i, ar=0.3, r=0.3, aw=0.3, w=0.3, b=0.3)
            result = sim.run(inputs)
        where = f"seed {seed}, graph {i}"
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        assert slow or set(result.latency.tolist()) == {design.timing.latency}, where
    assert ran >= 5, f"seed {seed}"
