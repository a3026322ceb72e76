"""Outputs that end in no quantizer, 32-bit numbers: one row or several, tokens and images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import UnsupportedError
from hwgen.graph.builder import GraphBuilder
from hwgen.schedule.compile import compile_graph
from hwgen.schedule.outputs import MOST_ROWS
from tests.schedule.test_tensors import check
from tests.support import cases


def layer(b: GraphBuilder, rng: np.random.Generator, x: str, out: int) -> str:
    """A layer over the channels of a vector, tokens [T, C] (linear), or an image [C, H, W]."""
    shape = b.graph.tensors[x].shape
    if len(shape) < 3:
        return b.linear(x, rng.integers(-8, 8, (shape[-1], out)), 2.0**-4)
    k = int(rng.choice([1, 3]))
    return b.conv2d(x, rng.integers(-8, 8, (out, shape[0], k, k)), 2.0**-4, pads=(k // 2,) * 4)


def wide_graph(seed: int):
    """A hidden layer or none, then a wide one with or without a residual, beside an 8-bit output or alone."""
    rng, b = np.random.default_rng(seed), GraphBuilder("wide")
    channels, out, *sides = (int(n) for n in rng.integers(1, (70, 70, 9, 9)))
    shape = [(channels,), (sides[0], channels), (channels, *sides)][rng.integers(3)]
    x = b.input("x", shape, 8, True, 1.0)
    if rng.integers(2):
        x = b.requantize(layer(b, rng, x, int(rng.integers(1, 70))), bits=8, scale=4.0)
    if rng.integers(2):
        b.output(b.requantize(layer(b, rng, x, 5), bits=8, scale=4.0), "z")
    residual = b.requantize(layer(b, rng, x, out), bits=8, scale=4.0) if rng.integers(2) else None
    b.output(b.wide(layer(b, rng, x, out), relu=bool(rng.integers(2)), residual=residual), "y")
    return b.build()


@settings(max_examples=cases(30, 1000), deadline=None)
@given(seed=st.integers(0, 2**32), array=st.sampled_from([(8, 8), (16, 8), (8, 16), (16, 32), (64, 8)]))
def test_wide_outputs_equal_golden(seed, array):
    check(wide_graph(seed), array, seed)


def test_too_many_rows_are_refused_by_name():
    rng, b = np.random.default_rng(0), GraphBuilder("long")
    b.output(b.wide(layer(b, rng, b.input("x", (MOST_ROWS + 1, 8), 8, True, 1.0), 3)), "y")
    with pytest.raises(UnsupportedError, match=f"output 'y' has {MOST_ROWS + 1} rows of 32-bit numbers, {MOST_ROWS} "):
        compile_graph(b.build(), 8, 8)
