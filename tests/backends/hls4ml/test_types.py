import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.backends.hls4ml.types import HlsType, fraction_of, holding, tensor_types, weight_type
from hwgen.graph import ACC, GraphBuilder, Tensor
from tests.backends.hls4ml.graphs import mlp


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (HlsType(8), "ap_fixed<8,8>"),
        (HlsType(8, False, 4), "ap_ufixed<8,4>"),
        (HlsType(4, True, 7), "ap_fixed<4,-3>"),
        (HlsType(5, True, -2), "ap_fixed<5,7>"),
    ],
)
def test_spelling(kind, text):
    assert str(kind) == text


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_the_smallest_type_that_holds_a_range(a, b):
    lo, hi = sorted((a, b))
    t = holding(lo, hi)

    def bounds(bits):
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if t.signed else (0, (1 << bits) - 1)

    assert bounds(t.bits)[0] <= lo and hi <= bounds(t.bits)[1]
    assert t.bits == 1 or not (bounds(t.bits - 1)[0] <= lo and hi <= bounds(t.bits - 1)[1])
    assert t.signed == (lo < 0)


@pytest.mark.parametrize(
    ("scale", "fraction"),
    [(1.0, 0), (0.25, 2), (8.0, -3), (0.3, 0), (np.array([0.5, 0.5]), 1), (np.array([0.5, 0.25]), 0)],
)
def test_the_binary_point_follows_a_power_of_two(scale, fraction):
    assert fraction_of(Tensor("t", (2,), ACC, scale)) == fraction


def test_accumulators_are_as_wide_as_their_range_and_products_line_up():
    graph = mlp((6, 5, 4))
    types, ranges = tensor_types(graph), graph.ranges()
    for node in (n for n in graph.nodes if n.op == "Linear"):
        acc, r = types[node.output], ranges[node.output]
        assert acc == holding(int(np.min(r.lo)), int(np.max(r.hi)), acc.fraction)
        x = types[node.inputs[0]]
        w = weight_type(node, x, acc)
        assert w.bits == 4 and x.fraction + w.fraction == acc.fraction


def test_a_wide_result_is_signed_also_where_nothing_is_negative():
    b = GraphBuilder("positive")
    acc = b.linear(b.input("x", (4,), 8, signed=False), np.ones((4, 2), int), 1.0, None, 2)
    b.output(b.reshape(b.wide(acc, relu=True), (2, 1)), "y")
    types = tensor_types(b.build())
    assert all(types[name].signed for name in types if name != "x")


def test_a_wide_result_is_longer_than_a_byte_however_small_its_values():
    b = GraphBuilder("small")
    acc = b.linear(b.input("x", (2,), 4), np.ones((2, 2), int), 1.0, None, 2)
    b.output(b.reshape(b.wide(acc), (2, 1)), "y")
    types = tensor_types(b.build())
    assert all(types[name].bits > 8 for name in types if name != "x")
