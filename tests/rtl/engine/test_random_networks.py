"""Networks as policies are made of on the whole engine: every bit as golden says, every clock as the compiler says."""

from functools import cache

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import rtl
from hwgen.build.verilate import build
from hwgen.errors import FitError
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.phases import without_transposed
from hwgen.graph.random_graphs import random_inputs
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from tests.rtl.engine.support import BOARD, everything, package
from tests.support import ROOT, cases

ARRAY = (8, 8)
NETWORKS = cases(2, 17)  # of each kind: more than 100 in full
SIZES = Sizes(width=16, layers=1, steps=2)

pytestmark = pytest.mark.rtl


@cache
def engine():
    """The engine with every unit, and programs as long as unrolled loops need."""
    units = {"vec_param_depth": 256, "vec_mul": True, "vec_maxpool": True, "vec_residual": True, "kv_depth": 256}
    config = everything(*ARRAY, **units).resized(prog_depth=1024, param_depth=4096)
    folder = ROOT / "build" / "test-cache" / "engine-networks-8x8"
    code = rtl.write(config, boards.load(BOARD), "networks", folder)
    return config, code, build(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_rtl_equals_golden_in_every_bit_and_clock(kind, seed, tmp_path):
    config, code, library = engine()
    for i in range(NETWORKS):
        where = f"{kind}, seed {seed + i}"
        graph = random_network(seed + i, kind, SIZES)
        inputs = random_inputs(graph, seed, 2)
        try:
            design, pkg = package(without_transposed(graph), config, code, tmp_path)
        except FitError as refused:  # too large for this engine
            print(f"{where} is left out: {refused}")
            continue
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        assert set(result.latency.tolist()) == {design.timing.latency}, where
