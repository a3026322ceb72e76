"""Graphs and vectors for the tests of references: random ones, and one of every operator."""

from __future__ import annotations

import numpy as np

from hwgen.graph import Graph, GraphBuilder
from hwgen.graph.random_graphs import Limits, random_graph, random_inputs
from hwgen.graph.random_networks import Sizes, random_network

Vectors = dict[str, np.ndarray]


def drawn(seed: int) -> tuple[Graph, Vectors]:
    """A random graph (vectors, images or a network, any scales) and seven random inputs for it."""
    rng = np.random.default_rng(seed)
    if rng.integers(3) == 0:
        graph = random_network(seed, sizes=Sizes(layers=1, steps=2, power_of_two=bool(rng.integers(2))))
        return graph, random_inputs(graph, rng, 7)
    limits = Limits(
        vectors=bool(rng.integers(2)), power_of_two=bool(rng.integers(2)), max_width=80, blocks=4, softmax=True
    )
    graph = random_graph(rng, limits)
    return graph, random_inputs(graph, rng, 7)


def full_house(seed: int = 0) -> tuple[Graph, Vectors]:
    """Every operator once or more, unsigned and grouped and dilated and padded, and nine random inputs."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("full_house")
    image = b.input("image", (3, 13, 11), signed=False, scale=2**-7)
    sound = b.input("sound", (6, 20), bits=5, scale=0.07)
    gamma = b.input("gamma", (8, 1, 1), scale=2**-6)
    beta = b.input("beta", (8, 1, 1), scale=2**-5)

    a = b.conv(image, rng.integers(-7, 8, (8, 3, 3, 3)), 2**-4, rng.normal(0, 1, 8), 4, stride=2, pads=(1, 0, 0, 1))
    x = b.film(b.requantize(a, signed=False, scale=2**-4, relu=True), gamma, beta, scale=2**-3)
    a = b.conv(x, rng.integers(-128, 128, (8, 2, 2, 3)), rng.uniform(0.01, 0.1, 8), groups=4, pads=1, dilation=(2, 1))
    x = b.maxpool(b.requantize(a, scale=1.5), 2, 1, pads=1)
    x = b.mul(x, gamma, signed=False, bits=6, scale=0.3)
    x = b.avgpool(x, (2, 3), signed=False, bits=6, scale=0.25)
    x = b.flatten(b.transpose(x, (1, 2, 0)))

    a = b.conv(sound, rng.integers(-2, 2, (4, 6, 5)), 0.1, weight_bits=2, stride=3, pads=2)
    s = b.layernorm(b.requantize(a, scale=0.05), 1.3, 0.1, bits=6, signed=False, scale=0.25, rms=True)
    s = b.reshape(b.slice(s, 1, 1, 7, 2), (12,))

    x = b.concat([x, s])
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (b.tensor(x).shape[0], 24)), 2**-5, weight_bits=4), scale=2**-3)
    h = b.layernorm(h, rng.normal(1, 0.2, 24), rng.normal(0, 0.5, 24), scale=2**-5, narrow=True)
    for fn in ("gelu", "tanh", "silu", lambda v: np.sin(3 * v)):
        h = b.activation(h, fn, scale=2**-6)
    h = b.requantize(b.linear(h, rng.integers(-8, 8, (24, 24)), 2**-6), scale=2**-5, residual=h, relu=True)
    h = b.softmax(b.reshape(h, (4, 6)), gain=1.7)
    h = b.flatten(b.softmax(h, bits=7, scale=0.011))
    h = attended(b, h, rng)
    b.output(b.wide(b.linear(h, rng.integers(-8, 8, (24, 5)), rng.uniform(0.01, 0.02, 5), rng.normal(0, 1, 5))), "y")
    b.output(b.avgpool(image, scale=2**-6), "mean")
    graph = b.build()
    return graph, random_inputs(graph, rng, 9)


def attended(b: GraphBuilder, h: str, rng: np.random.Generator) -> str:
    """uint7[24] through products of activations (signed and unsigned on either side), GroupNorm, a transposed
    convolution with negative pads and a constant."""
    a = b.reshape(h, (2, 3, 4))
    c = b.constant(rng.integers(-128, 128, (2, 3, 4)), 2**-6)
    q = b.requantize(a, scale=2**-6, residual=c)
    s = b.requantize(b.matmul(q, b.transpose(a, (0, 2, 1))), signed=False, bits=5, scale=2**-5)
    y = b.requantize(b.matmul(s, q), scale=2**-5)
    y = b.requantize(b.matmul(y, b.transpose(c, (0, 2, 1))), scale=2**-4)
    y = b.requantize(b.matmul(s, s), signed=False, scale=0.03, residual=y)
    y = b.groupnorm(b.reshape(y, (6, 3)), 3, rng.normal(1, 0.3, 6), rng.normal(0, 0.3, 6), scale=2**-5)
    w = rng.integers(-8, 8, (6, 2, 4))
    acc = b.conv_transpose1d(y, w, rng.uniform(0.01, 0.1, 4), rng.normal(0, 1, 4), 4, 3, (4, 2), 1, groups=2)
    u = b.requantize(acc, bits=6, signed=False, scale=0.1)
    acc = b.conv_transpose1d(u, rng.integers(-2, 2, (4, 6, 3)), 0.3, stride=2, pads=(1, 0))
    u = b.requantize(acc, scale=0.4)
    return b.slice(b.flatten(u), 0, 0, 24)
