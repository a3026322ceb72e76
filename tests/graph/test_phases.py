"""Transposed convolutions as interleaved ones: the same integers, the same work."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, GraphBuilder, run
from hwgen.graph.phases import without_transposed
from hwgen.graph.random_graphs import random_inputs
from hwgen.graph.random_networks import random_network
from tests.support import cases


def drawn(seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    stride, groups, length = (int(n) for n in rng.integers(1, (5, 3, 8)))
    kernel, more = int(rng.integers(1, 7)), int(rng.integers(0, stride))
    full = (length - 1) * stride + kernel + more
    begin = int(rng.integers(0, full))
    pads = (begin, int(rng.integers(0, full - begin)))
    ins, outs = (groups * int(n) for n in rng.integers(1, 4, 2))
    b = GraphBuilder("t")
    x = b.input("x", (ins, length), signed=bool(rng.integers(2)))
    w, bias = rng.integers(-128, 128, (ins, outs // groups, kernel)), rng.normal(0, 1, outs)
    acc = b.conv_transpose1d(x, w, 2.0 ** rng.integers(-8, -4, outs), bias, 8, stride, pads, more, groups)
    size = b.tensor(acc).shape[1]
    residual = b.input("r", (outs, int(rng.choice([1, size]))), scale=2.0**-4) if rng.integers(2) else None
    b.output(b.requantize(acc, scale=2.0**-2, relu=bool(rng.integers(2)), residual=residual), "y")
    if rng.integers(2):
        b.output(b.requantize(acc, bits=5, scale=2.0**0), "z")
    return b.build()


@settings(max_examples=cases(100, 3000))
@given(st.integers(0, 2**32 - 1))
def test_phases_give_the_same_integers(seed):
    graph = drawn(seed)
    plain, x = without_transposed(graph), random_inputs(graph, seed, 3)
    assert all(n.op != "ConvTranspose1D" for n in plain.nodes)
    want, got = run(graph, x), run(plain, x)
    assert all(np.array_equal(want[n], got[n]) for n in want)


def test_no_work_is_added():
    b = GraphBuilder("up")
    acc = b.conv_transpose1d(b.input("x", (8, 16)), np.ones((8, 8, 4), int), 1.0, stride=2, pads=1)
    b.output(b.requantize(acc, scale=64.0), "y")
    graph = b.build()
    assert without_transposed(graph).macs() == graph.macs() == 8 * 8 * (4 * 16 - 2)


def test_a_u_net_without_them(seed):
    graph = random_network(seed, "unet")
    x = random_inputs(graph, seed, 3)
    assert np.array_equal(run(without_transposed(graph), x)["y"], run(graph, x)["y"])


def test_sums_that_are_not_rounded_are_refused():
    b = GraphBuilder("t")
    acc = b.conv_transpose1d(b.input("x", (2, 3)), np.ones((2, 2, 2), int), 1.0, name="up")
    b.output(b.requantize(b.flatten(acc)), "y")
    with pytest.raises(UnsupportedError, match="'up'.*moved or leave the graph.*Quant node behind"):
        without_transposed(b.build())


def test_other_graphs_stay_what_they_are():
    graph = random_network(3, "film")
    assert without_transposed(graph) is graph
