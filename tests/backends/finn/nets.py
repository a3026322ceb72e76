"""Graphs that FINN can hold, with every layer that the exporter knows."""

from __future__ import annotations

import numpy as np

from hwgen.graph import Graph
from hwgen.graph.builder import GraphBuilder
from hwgen.graph.random_graphs import Limits, random_graph

MLP = Limits(norms=False, rms=False, wide=False, max_width=48, blocks=5)


def _weights(rng: np.random.Generator, *shape: int, bits: int = 4) -> np.ndarray:
    return rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), shape)


def mlp(seed: int) -> Graph:
    """Any MLP, with residuals and tables."""
    return random_graph(seed, MLP)


def arbitrary_scales(seed: int) -> Graph:
    """Scales that are no powers of two, of both signs where a multiplier may have them, and ties."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("arbitrary")
    x = b.input("x", (12,))
    a = b.linear(x, _weights(rng, 12, 8), rng.uniform(0.01, 0.02, 8), rng.normal(size=8), weight_bits=4)
    y = b.requantize(a, bits=5, scale=0.0371)
    graph_bits = int(rng.integers(2, 9))
    b.output(b.requantize(b.linear(y, _weights(rng, 8, 6, bits=8), 0.013), bits=graph_bits, scale=0.11))
    graph = b.build()
    turned = next(n for n in graph.nodes if n.op == "Requantize")
    turned.mult[0] = turned.mult[0] * np.where(rng.random(8) < 0.5, -1, 1)
    return graph.validate()


def odd_weights(seed: int) -> Graph:
    """Weights without a negative value; of -1 and 0; all zero: FINN's bit width minimization stumbles over them."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("odd_weights")
    x = b.input("x", (6,), signed=False)
    for i in range(3):
        if i <= seed % 3:
            w = (rng.integers(0, 8, (6, 6)), -rng.integers(0, 2, (6, 6)), np.zeros((6, 6), np.int64))[i]
            acc = b.linear(x, w, 2.0**-4, rng.integers(-4, 99, 6) * 2.0**-2, weight_bits=4)
            x = b.requantize(acc, signed=bool(i % 2), scale=2.0**-1, residual=x)
    b.output(x)
    return b.build()


def wide(seed: int) -> Graph:
    """A 32-bit output with a bias."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("wide")
    x = b.input("x", (9,), signed=False)
    a = b.linear(x, _weights(rng, 9, 5), 2.0**-6, rng.integers(-99, 99, 5) * 2.0**-6, weight_bits=4)
    b.output(b.wide(a))
    return b.build()


def relu_in_sum(seed: int) -> Graph:
    """relu(acc) + residual, signed and unsigned."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("relu_in_sum")
    x = b.input("x", (8,), scale=2.0**-4)
    y = b.requantize(b.linear(x, _weights(rng, 8, 8), 2.0**-4, weight_bits=4), relu=True, residual=x, scale=2.0**-3)
    z = b.requantize(y, signed=False, scale=2.0**-3)
    a = b.linear(z, _weights(rng, 8, 8), 2.0**-4, weight_bits=4)
    b.output(b.requantize(a, relu=True, residual=z, signed=False, scale=2.0**-2))
    return b.build()


def tables(seed: int) -> Graph:
    """A table that never falls, one that falls and rises, one of noise."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("tables")
    x = b.input("x", (6,), scale=2.0**-5)
    y = b.activation(b.requantize(b.linear(x, _weights(rng, 6, 7), 2.0**-4, weight_bits=4), scale=2.0**-4), "tanh",
                     scale=2.0**-7)  # fmt: skip
    y = b.activation(b.requantize(b.linear(y, _weights(rng, 7, 5), 2.0**-3, weight_bits=4), scale=2.0**-5), "gelu",
                     scale=2.0**-5)  # fmt: skip
    noise = np.zeros(256, np.int64)
    noise[120:136] = rng.integers(-8, 8, 16)
    y = b.requantize(b.linear(y, _weights(rng, 5, 4), 2.0**-3, weight_bits=4), bits=4, scale=2.0**-1)
    b.output(b.lookup(y, noise, bits=4))
    return b.build()


def cnn(seed: int) -> Graph:
    """A square image through convolutions (stride, padding on one side, dilation, groups, depthwise) and pools."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("cnn")
    side = int(rng.integers(6, 10))
    x = b.input("image", (4, side, side), signed=bool(rng.integers(2)), bits=int(rng.integers(4, 9)), scale=2.0**-7)
    convs = [
        {"shape": (6, 4, 3, 3), "stride": 2, "pads": (0, 0, 1, 1)},
        {"shape": (4, 1, 3, 3), "groups": 4, "pads": 1},
        {"shape": (6, 2, 3, 3), "groups": 2, "dilation": (2, 1), "pads": (2, 1, 2, 1)},
        {"shape": (5, 4, 1, 1), "stride": int(rng.integers(1, 3))},
    ]
    spec = convs[int(rng.integers(len(convs)))]
    shape = spec.pop("shape")
    acc = b.conv(x, _weights(rng, *shape), 2.0**-3, rng.normal(size=shape[0]), weight_bits=4, **spec)
    y = b.requantize(acc, scale=2.0**-4, signed=bool(rng.integers(2)))
    pool = int(rng.integers(4))
    if pool == 0:
        y = b.maxpool(y, 3, stride=2, pads=1)
    elif pool == 1:
        y = b.requantize(b.sumpool(y), scale=2.0**-1)
    elif pool == 2:
        y = b.requantize(b.sumpool(y, 2, stride=1), scale=2.0**-3)
    y = b.flatten(y)
    width = b.tensor(y).shape[0]
    b.output(b.requantize(b.linear(y, _weights(rng, width, 3), 2.0**-4, weight_bits=4), scale=2.0**-1))
    return b.build()


def line(seed: int) -> Graph:
    """A signal over time: Conv1D, residual, pool."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("line")
    x = b.input("signal", (4, 12), scale=2.0**-5)
    a = b.conv(x, _weights(rng, 4, 4, 3), 2.0**-4, weight_bits=4, pads=1)
    y = b.requantize(a, residual=x, scale=2.0**-4)
    b.output(b.maxpool(y, 2))
    return b.build()


def rows(seed: int) -> Graph:
    """Several vectors through the same matrices."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("rows")
    x = b.input("tokens", (5, 6), scale=2.0**-4)
    y = b.requantize(b.linear(x, _weights(rng, 6, 6), 2.0**-4, weight_bits=4), residual=x, scale=2.0**-3)
    z = b.requantize(b.linear(y, _weights(rng, 6, 4), 2.0**-3, weight_bits=4), scale=2.0**-1)
    if seed % 3 == 0:  # one vector of them all: row by row
        z = b.flatten(z)
    b.output(z)
    if seed % 3 == 1:
        acc = b.linear(b.flatten(z), _weights(rng, 20, 3), 2.0**-4, weight_bits=4)
        b.output(b.requantize(acc, scale=2.0**-1))
    return b.build()


def film(seed: int) -> Graph:
    """An image times and plus a vector made of a second input."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("film")
    x = b.input("image", (3, 8, 8), signed=False, scale=2.0**-8)
    text = b.input("text", (5,), scale=2.0**-5)
    acc = b.conv(x, _weights(rng, 4, 3, 3, 3), 2.0**-5, weight_bits=4, stride=2, pads=(0, 0, 1, 1))
    y = b.requantize(acc, bits=int(rng.integers(3, 9)), scale=2.0**-3, signed=bool(rng.integers(2)))

    def vector() -> str:
        a = b.linear(text, _weights(rng, 5, 4), 2.0**-4, weight_bits=4)
        bits = int(rng.integers(3, 9))
        return b.reshape(b.requantize(a, bits=bits, scale=2.0**-4, signed=bool(rng.integers(2))), (4, 1, 1))

    y = b.film(y, vector(), vector(), signed=False, scale=2.0**-2)
    b.output(b.flatten(y))
    return b.build()


def gate(seed: int) -> Graph:
    """The product of two vectors, and a sum of two."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("gate")
    x = b.input("x", (6,), scale=2.0**-5)
    left, right = (
        b.requantize(b.linear(x, _weights(rng, 6, 5), 2.0**-4, weight_bits=4), bits=bits, scale=2.0**-4, signed=signed)
        for bits, signed in ((8, True), (6, False))
    )
    y = b.mul(left, right, scale=2.0**-3)
    b.output(b.requantize(y, residual=left, scale=2.0**-3))
    return b.build()


NETS = {
    f.__name__: f for f in (mlp, arbitrary_scales, odd_weights, wide, relu_in_sum, tables, cnn, line, rows, film, gate)
}
"""Every family by name."""
