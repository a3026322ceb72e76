"""Networks as policies are made of, compiled: the interpreter computes golden's outputs, at the predicted clock."""

import pytest

from hwgen.graph.phases import without_transposed
from hwgen.graph.random_networks import KINDS, random_network
from hwgen.schedule import compile_graph
from tests.schedule.test_image_meaning import check
from tests.support import cases


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_clocks(kind, seed):
    for i in range(cases(2, 100)):
        graph = without_transposed(random_network(seed + i, kind))
        design = compile_graph(graph, *[(8, 8), (16, 16), (16, 32)][i % 3])
        assert check(design, seed + i).latency == design.timing.latency, f"{kind}, seed {seed + i}"
