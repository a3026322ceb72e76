"""Networks as policies are made of on the whole engine: golden, JAX, TensorFlow and the RTL compute the same integers,
and every run takes the clocks that the compiler said.

In full, engines of seven kinds that store weights of 3 to 8 bits run 17 networks each, with weights of 2 bits and
more, and a table shows how many of them used each operator and each kind of instruction. They differ in how many
kernel rows they join a clock where images arrive as windows, and in how many memory ports bring the weights that their
memory does not hold.
"""

from collections import Counter

import numpy as np
import pytest

from hwgen.errors import FitError
from hwgen.evaluate.design_sim import DesignSim
from hwgen.graph import golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from hwgen.reference import verify
from hwgen.reference.base import present
from tests.rtl.engine.support import network_engine, package
from tests.schedule.coverage import instructions, table
from tests.support import cases

ENGINES = cases(
    [(8, 8)],
    [(8, 8), (16, 8, 8, 3, 3), (8, 16, 4, 1), (8, 8, 8, 2, 2), (16, 16, 8, 4), (16, 32, 6, 3, 2), (32, 16, 3)],
)
"""Arguments of `network_engine`."""
NETWORKS = cases(4, 17)
ATTEMPTS = 2 * NETWORKS
"""Some networks are too large for the engine that exists, or have wider weights."""
EXACT = [name for name in present() if name.endswith("-int")]

pytestmark = pytest.mark.rtl


def drawn(seed: int, i: int, widest: int):
    """Network i of a seed: the kinds take turns."""
    rng = np.random.default_rng((seed, i))
    sizes = Sizes(width=int(rng.choice([12, 16, 24])), layers=int(rng.integers(1, 3)), steps=2,
                  power_of_two=bool(rng.integers(3)), weight_bits=tuple(range(2, widest + 1)))  # fmt: skip
    return random_network(int(rng.integers(2**32)), list(KINDS)[(seed + i) % len(KINDS)], sizes)


@pytest.mark.parametrize("which", ENGINES, ids=lambda which: "-".join(map(str, which)))
def test_all_compute_golden_s_bits_and_the_rtl_takes_the_predicted_clocks(which, seed, tmp_path):
    config, code, library = network_engine(*which)
    ran, found = 0, Counter()
    for i in range(ATTEMPTS):
        graph = drawn(seed, i, config.ww)
        where = f"{graph.name} (seed {seed}, network {i})"
        inputs = random_inputs(graph, (seed, i), 2)
        try:
            design, pkg = package(graph, config, code, tmp_path)
        except FitError as refused:
            print(f"{where} is left out: {refused}")
            continue
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(result.outputs[name], want), where
        assert set(result.latency.tolist()) == {design.timing.latency}, where
        for reference in verify(graph, EXACT, inputs).exact:
            assert reference.mismatches == 0, f"{where}: {reference.who.name}, {reference.first}"
        found.update(Counter({node.op for node in graph.nodes}) + Counter(instructions(design.program)))
        found["STREAM"] += bool(design.stream)
        if (ran := ran + 1) == NETWORKS:
            break
    print(f"\n{config.n}x{config.m}, weights of {config.ww} bits, seed {seed}: {ran} networks\n{table(found)}")
    assert ran == NETWORKS
