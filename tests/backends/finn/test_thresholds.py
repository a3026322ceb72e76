"""Thresholds against golden's Requantize, sum by sum."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.backends.finn.kinds import Kind, holding
from hwgen.backends.finn.thresholds import fitted, levels, per_channel, reached_by, staircase, through_table
from hwgen.graph import golden, ops
from tests.support import cases


def _node(rng: np.random.Generator) -> tuple[ops.Requantize, Kind]:
    kind = Kind(int(rng.integers(2, 9)), bool(rng.integers(2)))
    lo, hi = sorted(rng.integers(kind.lo, kind.hi + 1, 2)) if rng.random() < 0.5 else (kind.lo, kind.hi)
    node = ops.Requantize(
        name="q", inputs=("a",), output="y", mult=[rng.integers(0, 1 << int(rng.integers(1, 17)), 3)],
        bias=rng.integers(-1, 2, 3) * rng.integers(0, 1 << int(rng.integers(1, 40)), 3),
        shift=rng.integers(0, int(rng.integers(1, 64)), 3), relu=bool(rng.integers(2)), lo=int(lo), hi=int(hi),
    )  # fmt: skip
    return node, kind


@settings(deadline=None, max_examples=cases(100, 5000))
@given(seed=st.integers(0, 2**32 - 1))
def test_counting_thresholds_is_requantize(seed):
    rng = np.random.default_rng(seed)
    node, kind = _node(rng)
    steps = reached_by(levels(node, kind, 3), per_channel(node.bias, 3), per_channel(node.mult[0], 3))
    sums = np.concatenate([rng.integers(-(1 << 22), 1 << 22, (200, 3)), rng.integers(-50, 50, (50, 3))])
    near = steps[:, rng.integers(0, steps.shape[1], 30)].T + rng.integers(-1, 2, (30, 3))  # at the edges
    sums = np.clip(np.concatenate([sums, near]), -(1 << 22), 1 << 22)
    for t in (steps, fitted(steps, -(1 << 22), 1 << 22)):
        assert (np.diff(t) >= 0).all()
        count = kind.lo + (sums[:, :, None] >= t[None]).sum(-1)
        np.testing.assert_array_equal(count, golden.requantize(node, [sums], []))


def test_ties_go_to_even():
    node = ops.Requantize(name="q", inputs=("a",), output="y", mult=[np.ones(1, np.int64)], bias=np.zeros(1, np.int64),
                          shift=np.ones(1, np.int64), lo=-2, hi=1)  # fmt: skip
    # -3/2 -> -2, -1/2 -> 0, 1/2 -> 0, 3/2 -> 2: level -1 begins at -2/2, 0 at -1/2, 1 at 2/2
    np.testing.assert_array_equal(levels(node, Kind(2, True), 1), [[-2, -1, 2]])


@settings(deadline=None, max_examples=cases(50, 1000))
@given(seed=st.integers(0, 2**32 - 1))
def test_tables(seed):
    """A rising table of thresholds, and any table as its rises minus its falls."""
    rng = np.random.default_rng(seed)
    kind = Kind(int(rng.integers(2, 9)), bool(rng.integers(2)))
    table = rng.integers(kind.lo, kind.hi + 1, int(rng.integers(2, 40)))
    index = np.arange(len(table))
    up, down = staircase(table)
    np.testing.assert_array_equal(table[0] + (index[:, None] >= up).sum(1) - (index[:, None] >= down).sum(1), table)
    rising = np.sort(table)
    own = np.arange(1, len(table), dtype=np.int64)[None]
    steps = through_table(own, 0, rising, kind)
    np.testing.assert_array_equal(kind.lo + (index[:, None] >= steps[0]).sum(1), rising)


def test_narrowest_types():
    names = [holding(*r).name for r in ((0, 1), (0, 255), (0, 256), (-128, 127), (-129, 0), (-1, 200))]
    assert names == ["BINARY", "UINT8", "UINT9", "INT8", "INT9", "INT9"]
