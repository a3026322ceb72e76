"""Grouped queries as files spell them out: keys repeated for each head are multiplied with once, to the same result."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.quantize.floats import FloatGraph, FloatNet  # noqa: E402
from hwgen.quantize.shared_heads import share_heads  # noqa: E402
from hwgen.quantize.simplify import simplify  # noqa: E402
from tests.support import cases  # noqa: E402

ORDERS = ("heads, then repeated", "repeated, then heads", "as a transpose")


def scores(order: str, kv: int, group: int, rows: int, tokens: int, d: int, factor: bool) -> FloatGraph:
    """q k^T of `kv * group` heads, k[tokens, kv * d] repeated `group` times."""
    net, heads = FloatNet("g"), kv * group
    q = net.input("q", (heads, rows, d))
    k = net.reshape(net.input("k", (tokens, kv * d)), (tokens, kv, d), "split")
    if order == "heads, then repeated":
        k = net.reshape(net.transpose(k, (1, 0, 2), "heads"), (kv, 1, tokens, d), "apart")
        k = net.reshape(net.concat([k] * group, -3, "copies"), (heads, tokens, d), "all")
    else:
        k = net.reshape(k, (tokens, kv, 1, d), "apart")
        k = net.reshape(net.concat([k] * group, -2, "copies"), (tokens, heads, d), "all")
        k = net.transpose(k, (1, 0, 2), "heads") if order != "as a transpose" else k
    if factor:
        k = net.affine(k, 0.5, 0.0, "factor")
    k = net.transpose(k, (1, 2, 0) if order == "as a transpose" else (0, 2, 1), "turned")
    net.output(net.matmul(q, k, "scores"), "y")
    return net.build()


@settings(max_examples=cases(25, 400), deadline=None)
@given(
    order=st.sampled_from(ORDERS), kv=st.integers(1, 3), group=st.integers(2, 4), rows=st.integers(1, 4),
    tokens=st.integers(1, 5), d=st.integers(1, 4), factor=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_same_product_without_copies(order, kv, group, rows, tokens, d, factor, seed):
    graph, rng = scores(order, kv, group, rows, tokens, d, factor), np.random.default_rng(seed)
    inputs = {name: rng.normal(size=(2, *shape)).astype(np.float32) for name, shape in graph.inputs.items()}
    wanted = copy.deepcopy(graph).run(inputs)["y"]
    graph = simplify(graph)
    np.testing.assert_allclose(graph.run(inputs)["y"], wanted, rtol=1e-5, atol=1e-5)
    (product,) = (node for node in graph.nodes if node.op == "MatMul")
    assert graph.shapes[product.name] == (kv, group * rows, tokens)
    assert not any(node.op == "Concat" for node in graph.nodes)


def test_what_is_repeated_otherwise_stays():
    """Heads that alternate, a b a b, are no groups of neighbours."""
    net = FloatNet("g")
    k = net.reshape(net.input("k", (2, 5, 3)), (1, 2, 5, 3), "apart")
    k = net.reshape(net.concat([k, k], -4, "copies"), (4, 5, 3), "all")
    net.output(net.matmul(net.input("q", (4, 2, 5)), k, "mix"), "y")
    graph = net.build()
    before = [node.name for node in graph.nodes]
    share_heads(graph)
    assert [node.name for node in graph.nodes] == before
