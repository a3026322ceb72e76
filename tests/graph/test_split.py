"""Parts of a graph, one after the other, make the integers of the whole."""

import numpy as np
import pytest

from hwgen.errors import GraphError
from hwgen.graph import GraphBuilder, golden, ops
from hwgen.graph.random_graphs import Limits, random_graph, random_inputs
from hwgen.graph.random_networks import KINDS, random_network
from hwgen.graph.split import chain, cuts, split
from tests.support import cases


def same_as_whole(graph, places, seed):
    """Run the parts as a chain; every output must be the whole graph's."""
    inputs = random_inputs(graph, seed, batch=4)
    want = golden.run(graph, inputs)
    got = chain(split(graph, places), inputs, golden.run)
    return all(np.array_equal(got[name], value) for name, value in want.items())


def places_of(graph, most, rng):
    """Some places that can be cut, in order."""
    found = [cut.at for cut in cuts(graph, most)]
    return sorted(rng.choice(found, size=min(len(found), int(rng.integers(1, 4))), replace=False).tolist())


@pytest.mark.parametrize("most", [1, 2])
def test_parts_of_random_graphs_are_the_whole(seed, most):
    rng, cut = np.random.default_rng(seed), 0
    for i in range(cases(8, 500)):
        graph = random_graph(seed + i, Limits(vectors=False, max_width=40))
        if places := places_of(graph, most, rng):
            cut += 1
            assert same_as_whole(graph, places, seed), (seed + i, places)
    assert cut


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_parts_of_networks_are_the_whole(seed, kind):
    rng = np.random.default_rng(seed)
    for i in range(cases(1, 40)):
        graph = random_network(seed + i, kind)
        if places := places_of(graph, 3, rng):
            assert same_as_whole(graph, places, seed), (seed + i, places)


def two_layers():
    rng, b = np.random.default_rng(1), GraphBuilder("two")
    x = b.input("x", (6,), bits=8, signed=True, scale=2**-4)
    a = b.requantize(b.linear(x, rng.integers(-7, 8, (6, 5)), 2**-4, weight_bits=4), bits=8, scale=2**-2)
    c = b.requantize(b.linear(a, rng.integers(-7, 8, (5, 4)), 2**-4, weight_bits=4), bits=8, scale=2**-2)
    b.output(c, "y")
    return b.build()


def test_a_place_tells_what_crosses_and_how_much_is_in_front():
    graph = two_layers()
    (cut,) = cuts(graph)
    first, second = split(graph, [cut.at])
    assert cut.crossing == tuple(first.outputs) == tuple(second.inputs) and cut.macs == first.macs() == 30
    assert first.macs() + second.macs() == graph.macs() and second.outputs == ["y"]


def test_a_swapped_weight_is_seen():
    """The comparison is of the integers, not of the shapes."""
    graph = two_layers()
    (cut,) = cuts(graph)
    parts = split(graph, [cut.at])
    inputs = random_inputs(graph, 1)
    linear = next(node for node in parts[1].nodes if isinstance(node, ops.Linear))
    right, linear.weight = linear.weight, np.roll(linear.weight, 1, axis=0)
    wrong = chain(parts, inputs, golden.run)
    linear.weight = right
    assert not np.array_equal(wrong["y"], golden.run(graph, inputs)["y"])


@pytest.mark.parametrize("places", [[0], [99], [2, 2], [3, 1]])
def test_places_out_of_order_are_refused(places):
    with pytest.raises(GraphError, match="cannot be cut at"):
        split(two_layers(), places)


def test_an_accumulator_is_not_handed_over():
    with pytest.raises(GraphError, match="is wide; cut behind the Requantize"):
        split(two_layers(), [1])
