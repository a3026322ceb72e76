"""Policies of the same shapes, one after the other on one engine in the simulator: no reset, no other bitstream."""

import numpy as np
import pytest

from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from tests.backends.engine.test_like import FEATURES, policy
from tests.rtl.engine.support import engine, package
from tests.support import cases

pytestmark = pytest.mark.rtl

WIDTHS = (40, 24, 8)


def test_one_engine_runs_one_policy_after_the_other(seed, tmp_path):
    config, code, library = engine(8, 8)
    rng = np.random.default_rng(seed)
    made = []
    for i in range(cases(4, 40)):
        features = [name for name in FEATURES if rng.integers(2)]
        graph = policy(int(rng.integers(1 << 32)), WIDTHS, features, bits=int(rng.integers(2, 9)))
        folder = tmp_path / str(i)
        folder.mkdir()
        made.append((graph, *package(graph, config, code, folder)))
    with DesignSim(made[0][2], library) as sim:
        for i in rng.integers(0, len(made), 3 * len(made)):
            graph, design, pkg = made[i]
            sim.package = pkg  # on the same simulator
            sim.sim.load(pkg.image)
            inputs = {"x": rng.integers(-128, 128, (3, WIDTHS[0]))}
            result = sim.run(inputs)
            for name, want in golden.run(graph, inputs).items():
                assert np.array_equal(result.outputs[name], want), f"seed {seed}, policy {i}, {name}"
            assert set(result.latency.tolist()) == {design.timing.latency}, f"seed {seed}, policy {i}"
