"""Random graphs for the vector unit: gates, FiLM, maxima of windows, with what comes before and behind."""

from __future__ import annotations

import numpy as np

from hwgen.graph import Graph, GraphBuilder


def vector_graph(seed) -> Graph:
    """A graph with one to four products, FiLMs and maxima over [T, C] or [C, H, W]."""
    rng, b = np.random.default_rng(seed), GraphBuilder("vector")
    return _image(rng, b) if rng.integers(2) else _tokens(rng, b)


def _weight(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-100, 100, shape)


def _eight(rng: np.random.Generator, b: GraphBuilder, acc: str) -> str:
    """An accumulator as 8 bits, signed or not."""
    signed = bool(rng.integers(2))
    return b.requantize(acc, bits=8, signed=signed, scale=2.0 ** -rng.integers(1, 4), relu=not signed)


def _tokens(rng: np.random.Generator, b: GraphBuilder) -> Graph:
    tokens, channels = int(rng.integers(1, 9)), int(rng.integers(1, 60))
    x = b.input("x", (tokens, int(rng.integers(1, 40))), bits=8, signed=True, scale=2.0**-5)
    c = b.input("c", (1, int(rng.integers(1, 40))), bits=8, signed=True, scale=2.0**-5)

    def layer(of: str, out: int) -> str:
        return _eight(rng, b, b.linear(of, _weight(rng, b.tensor(of).shape[-1], out), 2.0**-7))

    h = layer(x, channels)
    for _ in range(rng.integers(1, 4)):
        factor = h if rng.random() < 0.2 else layer(x if rng.integers(2) else c, channels)
        kind = int(rng.integers(3))
        if kind == 0:
            h = b.mul(h, factor, bits=8, signed=True, scale=2.0**-2)
        else:
            product = b.product(h, factor)
            beta = layer(x if rng.integers(2) else c, channels) if kind == 1 else None  # made behind the product
            h = b.requantize(product, scale=2.0**-2, relu=bool(rng.integers(2)), residual=beta)
        if rng.integers(2):
            h = b.layernorm(h, 20.0, 0.0, bits=8, scale=2.0**-3) if channels > 1 else h
    b.output(layer(h, int(rng.integers(1, 20))) if rng.integers(2) else h, "y")
    return b.build()


def _image(rng: np.random.Generator, b: GraphBuilder) -> Graph:
    height, width, channels = (int(v) for v in rng.integers(4, 9, 3))
    x = b.input("x", (channels, height, width), bits=8, signed=True, scale=2.0**-5)
    x = b.requantize(x, bits=8, signed=True, scale=2.0**-5)  # behind it, no windows need be cut out of an input
    h = _eight(rng, b, b.conv2d(x, _weight(rng, int(rng.integers(1, 40)), channels, 1, 1), 2.0**-7))
    kernel = tuple(int(v) for v in rng.integers(1, 4, 2))
    pads = tuple(int(rng.integers(0, k)) for k in (*kernel, *kernel))
    h = b.maxpool(h, kernel, tuple(int(v) for v in rng.integers(1, 3, 2)), pads)
    if rng.integers(2):
        gate = b.reshape(_eight(rng, b, b.sumpool(h)), (b.tensor(h).shape[0], 1, 1))
        h = b.mul(h, gate, bits=8, signed=True, scale=2.0**-1)
    b.output(h, "y")
    return b.build()
