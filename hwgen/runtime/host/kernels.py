"""The integer kernels behind LayerNorm and Softmax: rounding shift, reciprocal root, reciprocal. int64 NumPy.

They define numbers (docs/numerics.md), so there is one of each: the golden model imports them, too.
"""

from __future__ import annotations

import numpy as np

NORM_ROM = np.array([round(2**16 / np.sqrt((i + 0.5) / 256)) if i >= 256 else 0 for i in range(1024)], np.int64)
"""First guess of 1/sqrt(m), Q16, by the top 10 bits of m (Q24, 1 <= m < 4). Entries below 256 are never read."""

SOFTMAX_ROM = np.array([round(2**28 / (256 + k)) for k in range(257)], np.int64)
"""1/m, Q20, at m = 1 + k/256: the corners of a line of 256 straight pieces."""


def round_shift(v: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """v / 2**shift, rounded half to even. |v| < 2**62, shift 0..63."""
    shift = np.minimum(np.asarray(shift, np.int64), 62)
    half_less_one = np.where(shift > 0, (np.int64(1) << np.maximum(shift - 1, 0)) - 1, 0)
    keep_odd = np.where(shift > 0, (v >> shift) & 1, 0)
    return (v + half_less_one + keep_odd) >> shift


def floor_log2(v: np.ndarray) -> np.ndarray:
    """Index of the highest set bit of v, 1 <= v < 2**53 (frexp is exact there)."""
    return np.frexp(v.astype(np.float64))[1].astype(np.int64) - 1


def reciprocal_sqrt(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1/sqrt(v) = r * 2**-24 * 2**-e for 1 <= v < 2**49: a table, then one Newton step."""
    e = floor_log2(v) >> 1
    # m = (v << 24) >> 2e, written so that it stays within 64 bits.
    m = np.where(2 * e >= 24, v >> np.maximum(2 * e - 24, 0), v << np.maximum(24 - 2 * e, 0))
    r0 = NORM_ROM[m >> 16]
    u = (m * ((r0 * r0) >> 14)) >> 18  # Q24 of m * r0**2, about 1
    return (r0 * (3 * 2**24 - u)) >> 17, e


def reciprocal(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1/s = r * 2**-39 * 2**-e for 2**23 <= s < 2**39, r of 17 bits: a straight line between two entries of a table."""
    e = floor_log2(s) - 23
    m = s >> (e + 3)  # Q20 of s / 2**(23 + e), in [1, 2)
    i, f = (m >> 12) - 256, m & 4095
    drop = ((SOFTMAX_ROM[i] - SOFTMAX_ROM[i + 1]) * f) >> 12
    return (SOFTMAX_ROM[i] - drop + 8) >> 4, e
