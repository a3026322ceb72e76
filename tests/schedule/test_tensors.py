"""Graphs of rows and images, from the load image on the interpreter: bits as golden says, clocks as predicted."""

import numpy as np
from hypothesis import given, settings

from hwgen.errors import HwgenError
from hwgen.graph import GraphBuilder, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.schedule import compile_graph
from tests.schedule.strategies import arrays, seeds, tensor_graph
from tests.schedule.support import engine, run
from tests.support import cases


def check(graph, array, seed):
    """The graph on the interpreter equals golden, in the clocks predicted."""
    design = compile_graph(graph, *array)
    inputs = random_inputs(graph, seed, 1)
    got, result = run(design, engine(design, seed), {name: x[0] for name, x in inputs.items()})
    for name, want in golden.run(graph, inputs).items():
        np.testing.assert_array_equal(got[name], want[0])
    assert (result.latency, result.issued) == (design.timing.latency, design.timing.issued)


def vector_graph(seed):
    """Results moved about and inputs as they are, joined to a vector that a layer reads."""
    rng, b = np.random.default_rng(seed), GraphBuilder("vector")
    parts = []
    for i in range(rng.integers(1, 4)):
        c, h, w, out = (int(k) for k in rng.integers(1, (20, 5, 5, 40)))
        if kind := rng.integers(3):
            x = b.input(f"x{i}", (c, h, w), 8, True, 1.0)
            x = b.requantize(b.conv2d(x, rng.integers(-8, 8, (out, c, 1, 1)), 1.0), bits=8, scale=2.0)
            x = b.transpose(x, tuple(int(a) for a in rng.permutation(3))) if kind == 2 else x
            x = b.flatten(x)
        else:
            x = b.input(f"x{i}", (c,), 8, True, 2.0)
        parts.insert(int(rng.integers(len(parts) + 1)), x)
    joined = b.concat(parts) if len(parts) > 1 else parts[0]
    weight = rng.integers(-8, 8, (b.graph.tensors[joined].size, int(rng.integers(1, 20))))
    b.output(b.requantize(b.linear(joined, weight, 1.0), bits=8, scale=16.0), "y")
    return b.build()


@settings(max_examples=cases(40, 1000), deadline=None)
@given(seeds, arrays)
def test_joined_vectors_equal_golden(seed, array):
    check(vector_graph(seed), array, seed)


@settings(max_examples=cases(60, 3000), deadline=None)
@given(seeds, arrays)
def test_tensors_equal_golden(seed, array):
    graph = tensor_graph(seed)
    try:
        compile_graph(graph, *array)
    except HwgenError as error:
        assert "too irregularly" in str(error)
        return
    check(graph, array, seed)


def test_a_copied_row_whose_first_bytes_lie_behind_the_others():
    """Row 4 of the copy that the output needs begins with bytes of the second part, and goes on with the first's."""
    b = GraphBuilder("behind")
    x = b.input("x", (3, 12), 8, True, 1.0)
    made = b.requantize(b.linear(x, np.arange(288).reshape(12, 24) % 16 - 8, 1.0), bits=8, scale=1.0)
    b.output(b.concat([made, x], axis=1), "y")
    for seed in range(4):
        check(b.graph.validate(), (8, 8), seed)


def test_groups_of_padding_read_within_the_bank():
    """The copy reads the second input, then the first: its windows go down, and must not go on down for the padding."""
    b = GraphBuilder("down")
    first, second = b.input("first", (4,), 8, True, 1.0), b.input("second", (4,), 8, True, 1.0)
    b.output(b.concat([second, second, first], axis=-1), "y")
    for seed in range(2):
        check(b.graph.validate(), (32, 8), seed)
