"""Networks as policies are made of, compiled: the interpreter computes golden's outputs, at the predicted clock."""

from collections import Counter

import pytest

from hwgen.graph import ops
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from hwgen.schedule import compile_graph
from tests.schedule.coverage import EVERY, instructions, table
from tests.schedule.test_image_meaning import check
from tests.support import cases


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_clocks(kind, seed):
    for i in range(cases(2, 100)):
        graph = random_network(seed + i, kind)
        design = compile_graph(graph, *[(8, 8), (16, 16), (16, 32)][i % 3])
        assert check(design, seed + i).latency == design.timing.latency, f"{kind}, seed {seed + i}"


def test_networks_reach_every_operator_and_every_path_of_the_engine():
    """Always the same networks, so that this says something about the generator and not about luck."""
    found = Counter()
    for i in range(cases(12, 60)):
        for kind in KINDS:
            graph = random_network(i, kind, Sizes(width=16, layers=2, steps=2))
            design = compile_graph(graph, *[(8, 8), (16, 16), (32, 16)][i % 3])
            found.update(Counter({node.op for node in graph.nodes}) + Counter(instructions(design.program)))
    print(table(found))
    assert set(found) == set(ops.OPS) | EVERY
