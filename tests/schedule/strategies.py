"""Hypothesis strategies: arrays, and vector graphs that the engine takes."""

import numpy as np
from hypothesis import strategies as st

from hwgen.graph import Graph, GraphBuilder
from hwgen.graph.random_graphs import Limits, random_graph

SIDES = (8, 16, 32, 64)

arrays = st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def graphs(draw, max_width: int = 200, **limits):
    """A random graph of vectors: layers, residuals, norms, tables, wide outputs; or one that moves elements, too."""
    if draw(st.integers(0, 2)) == 0:
        return moving_graph(draw(seeds), max_width)
    exact = draw(st.booleans())
    return random_graph(draw(seeds), Limits(power_of_two=exact, max_width=max_width, **limits))


def moving_graph(seed, max_width: int) -> Graph:
    """Slices, concatenations (of views, results, the same tensor twice), transposes, and what computes between them.

    All tensors are int8 of scale 1, so that any can be joined with any.
    """
    rng, b = np.random.default_rng(seed), GraphBuilder("moving")

    def width() -> int:
        return int(2 ** rng.uniform(0, np.log2(max_width)))

    def size(x: str) -> int:
        return b.tensor(x).shape[0]

    def linear(x: str) -> str:
        acc = b.linear(x, rng.integers(-128, 128, (size(x), width())), 2.0**-9, weight_bits=8)
        return b.requantize(acc, bits=8, scale=1.0, relu=bool(rng.integers(2)))

    def cut(x: str) -> str:
        start = int(rng.integers(size(x)))
        stop = int(rng.integers(start, size(x))) + 1
        return b.slice(x, 0, start, stop, int(rng.integers(1, 4)))

    def turn(x: str) -> str:
        rows = int(rng.choice([k for k in range(1, size(x) + 1) if size(x) % k == 0]))
        return b.flatten(b.transpose(b.reshape(x, (rows, size(x) // rows)), (1, 0)))

    def join(x: str) -> str:
        return b.concat([x, *(str(pool[i]) for i in rng.integers(len(pool), size=rng.integers(1, 3)))])

    def add(x: str) -> str:
        same = [t for t in pool if size(t) == size(x)]
        return b.requantize(x, bits=8, scale=1.0, residual=str(rng.choice(same)))

    def norm(x: str) -> str:
        return b.layernorm(x, 20.0, 0.0, bits=8, scale=1.0) if size(x) > 1 else x

    def table(x: str) -> str:
        return b.lookup(x, rng.integers(-128, 128, 256), bits=8, scale=1.0)

    pool = [b.input(f"x{i}", (width(),), bits=8, signed=True, scale=1.0) for i in range(rng.integers(1, 4))]
    for _ in range(rng.integers(1, 9)):
        make = rng.choice([linear, linear, cut, turn, join, join, add, norm, table])
        x = str(rng.choice(pool))
        if size(made := make(x)) <= 4 * max_width:
            pool.append(made)
    made = [t for t in dict.fromkeys(pool) if t not in b.graph.inputs and not b.graph.consumers(t)]
    for i, x in enumerate(made or [b.requantize(pool[0], bits=8, scale=1.0)]):
        b.output(x, f"y{i}")
    return b.build()


def tensor_graph(seed, size: int = 6, width: int = 40) -> Graph:
    """Rows of channels and images: layers over rows, convolutions of any shape, sums over windows, norms, residuals,
    tables, joins along channels, flattenings. All tensors are int8 of scale 1.

    size: rows and pixels of a side at most. width: channels at most.
    """
    rng, b = np.random.default_rng(seed), GraphBuilder("tensors")

    def small(most: int) -> int:
        return int(rng.integers(1, most + 1))

    def channels() -> int:
        return int(2 ** rng.uniform(0, np.log2(width)))

    def quantize(acc: str, residual: str | None = None) -> str:
        return b.requantize(acc, bits=8, scale=1.0, relu=bool(rng.integers(2)), residual=residual)

    def linear(x: str) -> str:
        weight = rng.integers(-128, 128, (b.tensor(x).shape[-1], channels()))
        return quantize(b.linear(x, weight, 2.0**-9, weight_bits=8))

    def conv(x: str) -> str:
        inputs, *space = b.tensor(x).shape
        groups = int(rng.choice([g for g in range(1, inputs + 1) if inputs % g == 0]))
        groups = groups if rng.integers(2) else int(rng.choice([1, inputs]))
        kernel = [small(min(3, s + 1)) for s in space]
        dilation = [small(2) for _ in space]
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        pads = [int(rng.integers(max(r - s, 0), r + 1)) for r, s in zip(reach * 2, [*space] * 2, strict=True)]
        outputs = groups * small(max(width // groups, 1))
        weight = rng.integers(-128, 128, (outputs, inputs // groups, *kernel))
        return quantize(b.conv(x, weight, 2.0**-10, weight_bits=8, stride=[small(3) for _ in space], pads=pads,
                               dilation=dilation, groups=groups))  # fmt: skip

    def pool(x: str) -> str:
        kernel = [small(min(3, s)) for s in b.tensor(x).shape[1:]]
        return quantize(b.avgpool(x, kernel, stride=[small(2) for _ in kernel]))

    def add(x: str) -> str:
        same = [t for t in pool_ if b.tensor(t).shape == b.tensor(x).shape]
        return quantize(x, residual=str(rng.choice(same)))

    def norm(x: str) -> str:
        return b.layernorm(x, 20.0, 0.0, bits=8, scale=1.0) if b.tensor(x).shape[-1] > 1 else x

    def table(x: str) -> str:
        return b.lookup(x, rng.integers(-128, 128, 256), bits=8, scale=1.0)

    def turn(x: str) -> str:
        shape = b.tensor(x).shape
        return b.transpose(x, tuple(rng.permutation(len(shape)))) if rng.integers(2) else b.reshape(x, (shape[0], -1))

    def join(x: str) -> str:
        shape = b.tensor(x).shape
        axis = int(rng.integers(len(shape)))
        rest = (*shape[:axis], *shape[axis + 1 :])
        fit = [t for t in pool_ if len(s := b.tensor(t).shape) == len(shape) and (*s[:axis], *s[axis + 1 :]) == rest]
        return b.concat([x, str(rng.choice(fit))], axis=axis)

    shapes = [(small(size), channels()), (channels(), small(size), small(size)), (channels(), small(size))]
    pool_ = [b.input(f"x{i}", shapes[rng.integers(3)], bits=8, signed=True, scale=1.0) for i in range(small(2))]
    for _ in range(small(6)):
        x = str(rng.choice(pool_))
        image = len(b.tensor(x).shape) > 1
        make = rng.choice([linear, conv, conv, pool, add, norm, table, join, turn] if image else [linear, add, norm])
        if int(np.prod(b.tensor(made := make(x)).shape)) <= 40 * width:
            pool_.append(made)
    made = [t for t in dict.fromkeys(pool_) if t not in b.graph.inputs and not b.graph.consumers(t)]
    for i, x in enumerate(made or [b.requantize(pool_[0], bits=8, scale=1.0)]):
        b.output(x, f"y{i}")
    return b.build()
