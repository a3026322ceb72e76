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
