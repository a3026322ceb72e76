"""The arithmetic of a requantize lane, laid out for HLS: widths from bounds, the rounding half folded into the bias.

Half-to-even costs no adder this way: t = v + 2**(shift-1) (the constant is part of the bias), y = t >> shift, and when
all dropped bits of t are zero v was a tie, so bit 0 of y is cleared.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from hwgen.backends.hls4ml.extension.place import Place
from hwgen.backends.hls4ml.extension.spec import ap, bits_of, signed_bits

Bounds = tuple[np.ndarray, np.ndarray]
"""Lowest and highest value, int64, per parameter."""


def product(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a*b."""
    corners = [x * y for x in a for y in b]
    return np.minimum.reduce(corners), np.maximum.reduce(corners)


def exactly(values: np.ndarray) -> Bounds:
    """Bounds of constants."""
    return values, values


def plus(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a+b."""
    return a[0] + b[0], a[1] + b[1]


def half(shift: np.ndarray) -> np.ndarray:
    """2**shift / 2, rounded down: what is added before the shift."""
    return np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)


def always_zero(v: Bounds, shift: np.ndarray) -> np.ndarray:
    """True where v / 2**shift rounds to zero for every v (ties go to zero, too)."""
    peak = np.maximum(np.abs(v[0]), np.abs(v[1]))
    return (shift > 0) & (peak <= half(shift))


def settled(values: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Parameters with 0 where the lane's result is zero anyway (0 / 2**0 is that as well)."""
    return np.where(dead, 0, values)


def round_shift(v: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """v / 2**shift, half to even."""
    t = v + half(shift)
    tie = (shift > 0) & ((t & ((np.int64(1) << shift) - 1)) == 0)
    return (t >> shift) & ~tie.astype(np.int64)


@dataclass(frozen=True)
class Tail:
    """The end of a lane: rounding and clamping. out: bounds of what comes out; the lane must hold that, too."""

    out: Bounds
    constants: dict[str, int | bool]

    @staticmethod
    def make(place: Place, v: Bounds, shift: np.ndarray) -> Tail:
        """For sums v (before the half is added). Raises UnsupportedError when the result type is too narrow."""
        node = place.node
        lo, hi = int(round_shift(v[0], shift).min()), int(round_shift(v[1], shift).max())
        clamps = {"clamp_lo": lo < node.lo, "clamp_hi": hi > node.hi, "lo": int(node.lo), "hi": int(node.hi)}
        lo, hi = (min(max(bound, node.lo), node.hi) for bound in (lo, hi))
        # A bound that nothing reaches is not compared with; it must only be printable.
        clamps["lo"] = clamps["lo"] if clamps["clamp_lo"] else lo
        clamps["hi"] = clamps["hi"] if clamps["clamp_hi"] else hi
        check_result(place, lo, hi)
        return Tail((np.array([lo]), np.array([hi])), clamps)


def check_result(place: Place, lo: int, hi: int) -> None:
    """Raise UnsupportedError unless the output's type holds lo..hi."""
    bits, signed = place.result
    need = bits_of(lo, hi)
    if need[0] + (signed and not need[1]) > bits or (need[1] and not signed):
        raise place.unsupported(
            f"makes values {lo} to {hi}, which {ap(bits, signed)} does not hold", f"give it {ap_text(lo, hi, signed)}"
        )


def ap_text(lo: int, hi: int, signed: bool) -> str:
    """A type that holds lo..hi and is signed if asked for or needed."""
    bits, needs_sign = bits_of(lo, hi)
    return ap(bits + (signed and not needs_sign), signed or needs_sign)


def sum_type(*steps: Bounds) -> str:
    """The signed HLS type that holds every one of these."""
    return ap(signed_bits(*(int(s[0].min()) for s in steps), *(int(s[1].max()) for s in steps)))


def power_of_two(factor: np.ndarray) -> np.ndarray:
    """True where a factor is 0 or +-2**k, so that multiplying is wiring."""
    return (np.abs(factor) & (np.abs(factor) - 1)) == 0


def multiplies(*factors: np.ndarray) -> bool:
    """Whether any constant factor needs a multiplier."""
    return not all(power_of_two(f).all() for f in factors)


def product_clocks(a: Bounds, constants: np.ndarray) -> int:
    """Clocks of a product with constants: none for wiring, 2 in one DSP slice (27 x 18 bits), 3 in more."""
    if not multiplies(constants):
        return 0
    return factor_clocks(signed_bits(int(a[0].min()), int(a[1].max())), signed_bits(*constants.tolist()))


def factor_clocks(*bits: int) -> int:
    """Clocks of a product of two signed operands of these widths."""
    return 2 if min(bits) <= 18 and max(bits) <= 27 else 3


def work(place: Place, factors: list[np.ndarray]) -> dict[str, int]:
    """Spec's groups, products and stream_products of an elementwise operator, from the factors per parameter."""
    size, groups = prod(place.out_shape), prod(place.out_shape[:-1])
    share = sum(float((~power_of_two(f)).mean()) for f in factors)
    return {"groups": groups, "products": ceil(size * share), "stream_products": ceil(place.out_shape[-1] * share)}
