"""FINN's integer types, and how FINN itself chooses them (qonnx DataType, StreamingEltwise, ChannelwiseOp, MVAU)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXACT = 1 << 24
"""FINN keeps integers in float32 tensors: weights, thresholds and whatever its Python execution passes on are exact
below this."""


@dataclass(frozen=True)
class Kind:
    """A FINN integer type."""

    bits: int
    signed: bool

    @property
    def name(self) -> str:
        """FINN's spelling, e.g. INT8, UINT4, BINARY."""
        if self.bits == 1 and not self.signed:
            return "BINARY"
        return f"{'INT' if self.signed else 'UINT'}{self.bits}"

    @property
    def lo(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1


def holding(lo: int, hi: int) -> Kind:
    """The narrowest type that holds lo to hi; unsigned where it can be."""
    if lo >= 0:
        return Kind(max(1, int(hi).bit_length()), False)
    return Kind(max(int(hi).bit_length(), int(-lo - 1).bit_length()) + 1, True)


INT32 = Kind(32, True)
UINT32 = Kind(32, False)


def weight_kind(weight: np.ndarray, bits: int) -> Kind:
    """The type that a weight is declared with: unsigned without a negative weight.

    Declared signed, FINN would choose its RTL, then shrink the type to an unsigned one that the RTL reads as signed.
    """
    if weight.min() < 0 or not shrinkable(weight):
        return Kind(bits, True)
    return holding(0, int(weight.max()))


def shrinkable(weight: np.ndarray) -> bool:
    """False where FINN's minimize_bit_width goes wrong: weights of -1 and 0 become BIPOLAR, of 0 and 1 BINARY, which
    the HLS units refuse, and sums of zeros UINT0."""
    lo, hi = int(weight.min()), int(weight.max())
    return not (-1 <= lo and hi <= 0 or 0 <= lo and hi <= 1)


def shrunk_weight(weight: np.ndarray) -> Kind:
    """The type that minimize_bit_width gives a weight."""
    lo, hi = int(weight.min()), int(weight.max())
    return holding(lo, hi) if lo < 0 else holding(0, hi)


def product_range(weight: np.ndarray, kind: Kind) -> tuple[int, int]:
    """Smallest and largest sum over axis 0 of weight times any values of a type."""
    w = weight.astype(np.int64)
    up, down = np.where(w > 0, w, 0).sum(0), np.where(w < 0, w, 0).sum(0)
    return int((up * kind.lo + down * kind.hi).min()), int((up * kind.hi + down * kind.lo).max())


def threshold_kind(thresholds: np.ndarray, kind: Kind) -> Kind:
    """The type that minimize_accumulator_width gives thresholds over an input type."""
    lo, hi = min(kind.lo, int(thresholds.min())), max(kind.hi, int(thresholds.max()))
    return holding(lo, hi)
