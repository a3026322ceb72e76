"""Products and maxima compiled and run by the interpreter: golden's values, the stated clock, no port twice."""

import numpy as np
import pytest

from hwgen.errors import UnsupportedError
from hwgen.graph import GraphBuilder, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.schedule import compile_graph
from tests.schedule.support import engine, run
from tests.schedule.vector_graphs import vector_graph
from tests.support import cases

ARRAYS = ((8, 8), (16, 8), (8, 32), (16, 32), (32, 64))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a[0]}x{a[1]}")
def test_equals_golden_in_the_stated_clock(array, seed):
    for i in range(cases(12, 400)):
        graph = vector_graph((seed, i))
        where = f"seed {seed}, graph {i}: {[node.op for node in graph.nodes]}"
        design = compile_graph(graph, *array)
        inputs = random_inputs(graph, (seed, i), 1)
        got, result = run(design, engine(design, seed), {name: x[0] for name, x in inputs.items()})
        for name, want in golden.run(graph, inputs).items():
            assert np.array_equal(got[name], want[0]), where
        assert result.latency == design.timing.latency, where
        assert result.waits["ROW"] == design.timing.waits["ROW"], where


def film(rng, keep=False, bits=8, twice=False):
    b = GraphBuilder("film")
    x = b.input("x", (4, 20), bits=8, signed=True, scale=2.0**-5)
    g = b.input("g", (1, 20), bits=8, signed=True, scale=2.0**-5)
    product = b.product(x, g, name="product")
    y = b.requantize(product, bits=8, signed=True, scale=2.0**-4, name="sum")
    if twice:
        b.output(b.requantize(product, bits=8, signed=True, scale=2.0**-3), "z")
    b.output(product if keep else y, "y")
    return b.build()


@pytest.mark.parametrize("how", [{"keep": True}, {"twice": True}])
def test_a_product_of_32_bits_is_refused_with_a_way_out(how, rng):
    with pytest.raises(UnsupportedError, match=r"\(Mul\).*32 bits.*let one Requantize"):
        compile_graph(film(rng, **how), 8, 8)


def test_a_clipped_product_of_32_bits_is_refused(rng):
    graph = film(rng)
    graph.producer("product").lo = 0
    with pytest.raises(UnsupportedError, match=r"'product' \(Mul\): its product of 32 bits is clipped; give"):
        compile_graph(graph.validate(), 8, 8)
