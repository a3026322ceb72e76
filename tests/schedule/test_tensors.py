"""Graphs of rows and images, from the load image on the interpreter: bits as golden says, clocks as predicted."""

import numpy as np
from hypothesis import given, settings

from hwgen.errors import HwgenError
from hwgen.graph import golden
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
