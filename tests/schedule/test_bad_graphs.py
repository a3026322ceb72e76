"""Graphs with one thing changed are refused, with an error that names the node, or compiled to what golden computes."""

import random

from hwgen.errors import HwgenError
from hwgen.graph import Graph
from hwgen.graph.random_networks import Sizes, random_network
from hwgen.schedule import compile_graph
from tests.graph.mutate_graph import mutated
from tests.schedule.test_image_meaning import check
from tests.support import cases

SIZES = Sizes(width=8, image=6, tokens=4, layers=1, steps=2)
EACH = 10  # changes of a network


def names(graph: Graph) -> list[str]:
    """What an error may name, as messages write it: nodes and tensors, and parts of them."""
    return [f"'{name}{end}" for name in (*graph.tensors, *(node.name for node in graph.nodes)) for end in "'."]


def test_a_changed_graph_is_refused_by_name_or_runs_as_golden_says(seed):
    refused = ran = 0
    for i in range(cases(12, 400)):
        graph = random_network(seed + i, sizes=SIZES)
        for k in range(EACH):
            changed, what = mutated(graph, random.Random(seed + i * EACH + k))
            where = f"seed {seed}, network {i}, change {k}: {what}"
            try:
                design = compile_graph(changed.validate(), 8, 8)
            except HwgenError as error:
                said = str(error)
                assert "\n" not in said and any(name in said for name in names(changed)), f"{where}: {said}"
                refused += 1
                continue
            except Exception as defect:
                raise AssertionError(where) from defect
            assert check(design, seed, frames=1).latency == design.timing.latency, where
            ran += 1
    print(f"{refused} refused, {ran} ran")
    assert refused and ran
