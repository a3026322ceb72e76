"""Products of two activations through the KV memory, in both layouts and odd sizes; softmax in between."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import UnsupportedError
from hwgen.graph import GraphBuilder
from hwgen.schedule import compile_graph
from hwgen.schedule.kv import Layout
from tests.schedule.strategies import SIDES, arrays, seeds
from tests.schedule.test_tensors import check
from tests.support import cases

small = st.integers(1, 20)


@settings(max_examples=cases(30, 1000), deadline=None)
@given(seeds, arrays, st.integers(1, 3), small, small, small, st.booleans())
def test_products_equal_golden(seed, array, heads, rows, terms, outputs, turned):
    b = GraphBuilder("product")
    x = b.input("x", (heads, rows, terms), bits=8, signed=True, scale=1.0)
    y = b.input("y", (heads, outputs, terms) if turned else (heads, terms, outputs), bits=8, signed=True, scale=1.0)
    product = b.matmul(x, b.transpose(y, (0, 2, 1)) if turned else y)
    b.output(b.requantize(product, bits=8, scale=64.0), "z")
    check(b.build(), array, seed)


def attention(rng, rows, heads, width):
    """x + projection of softmax(Q K^T) V."""
    b, size = GraphBuilder("attention"), heads * width
    x = b.input("x", (rows, size), bits=8, signed=True, scale=2**-4)

    def linear(t, residual=None):
        weight = rng.integers(-128, 128, (size, size))
        return b.requantize(b.linear(t, weight, 2**-9, weight_bits=8), bits=8, scale=2**-4, residual=residual)

    q, k, v = (b.transpose(b.reshape(linear(x), (rows, heads, width)), (1, 0, 2)) for _ in range(3))
    p = b.softmax(b.requantize(b.matmul(q, b.transpose(k, (0, 2, 1))), bits=8, scale=2**-4))
    o = b.requantize(b.matmul(p, v), bits=8, scale=2**-5)
    b.output(linear(b.reshape(b.transpose(o, (1, 0, 2)), (rows, size)), x), "y")
    return b.build()


@settings(max_examples=cases(15, 500), deadline=None)
@given(seeds, arrays, st.integers(1, 12), st.integers(1, 3), st.integers(1, 33))
def test_attention_equals_golden(seed, array, rows, heads, width):
    check(attention(np.random.default_rng(seed), rows, heads, width), array, seed)


@given(
    st.sampled_from(["KEYS", "VALUES"]), st.sampled_from(SIDES), st.sampled_from(SIDES), small, small, st.integers(1, 3)
)
def test_reader_and_writer_mean_the_same_words(kind, n, m, rows, groups, heads):
    """Every word that is read lies within the operand's, and no two groups are written to one place."""
    v = max(n, m, 16)
    groups *= v // m
    layout = Layout(kind, n, m, rows, groups, -(-rows // v) * (v // m) if kind == "KEYS" else groups, heads)
    chunks = groups * m // n if kind == "KEYS" else -(-rows // n)
    read = layout.read_terms(chunks)[:, None] + layout.read_outputs()
    assert read.min() == 0 and read.max() < layout.words and len(np.unique(read)) == read.size
    at = layout.write_rows()[:, None] + layout.write_groups()
    assert len(np.unique(at)) == at.size and at.max() < layout.write_base(layout.words) * heads


def test_an_unsigned_second_operand_is_refused():
    b = GraphBuilder("product")
    x = b.input("x", (1, 4, 4), bits=8, signed=True, scale=1.0)
    y = b.input("y", (1, 4, 4), bits=8, signed=False, scale=1.0)
    b.output(b.requantize(b.matmul(x, y), bits=8, scale=64.0), "z")
    with pytest.raises(UnsupportedError, match=r"\(MatMul\): its second operand 'y' is unsigned.*int8"):
        compile_graph(b.build(), 8, 8)


@pytest.mark.parametrize("swapped", [False, True])
def test_seven_unsigned_bits_are_values_that_the_array_multiplies(swapped, seed):
    """As keys, whose rows are transposed, and as values."""
    b = GraphBuilder("product")
    x = b.input("x", (1, 4, 4), bits=8, signed=True, scale=1.0)
    y = b.input("y", (1, 4, 4), bits=7, signed=False, scale=1.0)
    y = b.transpose(y, (0, 2, 1)) if swapped else y
    b.output(b.requantize(b.matmul(x, y), bits=8, scale=64.0), "z")
    check(b.build(), (8, 8), seed)
