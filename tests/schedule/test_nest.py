"""Walks of addresses become loop nests that walk the same, or pieces of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwgen.schedule.nest import nest, pieces

walks = st.lists(st.tuples(st.integers(1, 4), st.integers(-9, 9), st.integers(-9, 9)), max_size=4)


def walked(levels, start):
    """The walk of loops, innermost first."""
    out = np.array([start], np.int64)
    for count, stride in levels:
        out = (out[None] + np.arange(count)[:, None, None] * np.asarray(stride)).reshape(-1, len(start))
    return out


@given(walks)
def test_a_nest_walks_what_loops_walked(loops):
    walk = walked([(count, strides) for count, *strides in loops], [5, -3])
    found = nest(walk)
    assert found is not None and len(found) <= len(loops)
    np.testing.assert_array_equal(walked(found, walk[0]), walk)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 3))
def test_pieces_are_nests_and_make_the_whole(steps, levels):
    walk = np.cumsum(steps)[:, None]
    found = pieces(walk, levels)
    np.testing.assert_array_equal(np.concatenate([walk[piece] for piece in found]), walk)
    for piece in found:
        loops = nest(walk[piece])
        assert len(loops) <= levels
        np.testing.assert_array_equal(walked(loops, walk[piece][0]), walk[piece])


def test_an_irregular_walk_has_none():
    assert nest(np.array([[0], [1], [5], [6], [7]])) is None
    assert [piece.stop for piece in pieces(np.array([[0], [1], [5], [6], [7]]), 2)] == [2, 5]
