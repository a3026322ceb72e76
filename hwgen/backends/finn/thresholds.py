"""Requantize and Lookup as FINN's thresholds: y = lowest + number of thresholds that the input reaches.

A Requantize never falls when its accumulator rises (per channel; a negative multiplier is turned around first), so it
is the list of the smallest sums that reach each output level. They are integers computed from golden's definition:
ties, float scales and biases leave no trace of rounding. FINN's RTL wants all 2**n - 1 thresholds of an n-bit output
and takes a missing one for a narrow range, so levels below the clamp get a threshold that every sum reaches and levels
above one that none reaches.
"""

from __future__ import annotations

import numpy as np

from hwgen.backends.finn.kinds import Kind
from hwgen.graph import ops

NEVER = 1 << 60
"""A threshold above every sum; its negative lies below every sum."""


def per_channel(values: np.ndarray | int, channels: int) -> np.ndarray:
    """A scalar or an array as int64 [channels]."""
    return np.broadcast_to(np.asarray(values, np.int64).reshape(-1), (channels,))


def levels(node: ops.Requantize, kind: Kind, channels: int) -> np.ndarray:
    """Smallest v (of golden.requantize, after the sum) that gives at least kind.lo + 1, + 2, ...: [channels, steps].

    Half to even: k - 1/2 rounds up to k only if k is even.
    """
    k = np.arange(kind.lo + 1, kind.hi + 1, dtype=np.int64)[None]
    shift = per_channel(node.shift, channels)[:, None]
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    # |k| < 2**8: beyond a shift of 52 every level but those near zero lies outside |v| < 2**51
    wide = np.minimum(shift, 52)
    v = (k << wide) - np.where(shift > 52, 1 << 51, half) + np.where((shift > 0) & (k % 2 != 0), 1, 0)
    v = np.where(k <= node.lo, -NEVER, np.where(k > node.hi, NEVER, v))
    if node.relu and len(node.inputs) == 1:
        v = np.where(v <= 0, -NEVER, v)
    return v


def reached_by(v: np.ndarray, bias: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Smallest x with factor * x + bias >= v, per channel; factor >= 0 (0: all or none)."""
    bias, factor = bias[:, None], factor[:, None]
    x = -((bias - v) // np.maximum(factor, 1))
    x = np.where(factor == 0, np.where(bias >= v, -NEVER, NEVER), x)
    return np.where(v == NEVER, NEVER, np.where(v == -NEVER, -NEVER, x))


def through_table(thresholds: np.ndarray, lo: int, table: np.ndarray, kind: Kind) -> np.ndarray:
    """Thresholds of table[y] from those of y; table[i] belongs to y = lo + i and never falls."""
    k = np.arange(kind.lo + 1, kind.hi + 1)
    first = np.searchsorted(table, k, side="left")  # smallest i with table[i] >= k
    ends = np.concatenate([np.full((len(thresholds), 1), -NEVER), thresholds, np.full((len(thresholds), 1), NEVER)], 1)
    return ends[:, first]


def identity(lo: int, kind: Kind) -> np.ndarray:
    """Thresholds of y = clamp(x): [1, steps]; values below lo cannot come."""
    k = np.arange(kind.lo + 1, kind.hi + 1, dtype=np.int64)
    return np.where(k <= lo, -NEVER, k)[None]


def fitted(thresholds: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """Thresholds for an input of lo to hi, moved to where they mean the same within lo to hi + 1."""
    return np.clip(thresholds, lo, hi + 1)


def staircase(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A table over 0, 1, 2, ... as table[0] + (thresholds reached going up) - (thresholds reached going down)."""
    step = np.diff(table)
    at = np.arange(1, len(table))
    return np.repeat(at, np.maximum(step, 0)), np.repeat(at, np.maximum(-step, 0))
