"""From real scales to the integers of the requantize lane: multiplier, bias and shift.

The lane computes round_half_even((in0 * mult0 + bias [+ in1 * mult1]) / 2**shift). Wanted is
round_half_even(in0 * ratio0 + offset [+ in1 * ratio1]), where ratio = input scale / output scale, and offset = real
bias / output scale. Power-of-two scales are met exactly, ties included; others as closely as the lane's widths allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, floor, frexp, isfinite, ldexp

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph.graph import BIAS_LIMIT, EXP_ONE, MAX_SOFTMAX_SHIFT, MULT_LIMITS, SUM_LIMIT

TOP_SHIFT = 62
STEEP = 2.0**15
"""A ratio at which one step of the input exceeds the range of an 8-bit output."""


@dataclass
class LaneParams:
    """mult: one int64 array per input; bias, shift: int64 arrays, all of one length (1 or channels).

    exact: the lane gives the exactly rounded result for every input.
    """

    mult: list[np.ndarray]
    bias: np.ndarray
    shift: np.ndarray
    exact: bool


def lane_params(
    ratios: list[np.ndarray | float],
    offset: np.ndarray | float,
    bounds: list[np.ndarray | int],
    out_bound: int,
    where: str,
) -> LaneParams:
    """Choose multiplier, bias and shift for every channel.

    ratios: per input, input scale / output scale (scalar or per channel; sign free). offset: real bias / output scale.
    bounds: per input, the largest magnitude of its integers. out_bound: the largest magnitude of the output's clamp.
    where: what to name in an error. Raises UnsupportedError when a ratio is too large for the lane.
    """
    columns = np.broadcast_arrays(*[np.atleast_1d(np.asarray(a, np.float64)) for a in (*ratios, offset, *bounds)])
    n = len(ratios)
    done: dict[tuple, tuple] = {}
    rows = []
    for row in zip(*(c.tolist() for c in columns), strict=True):
        if row not in done:
            done[row] = fit_channel(row[:n], row[n], row[n + 1 :], out_bound, where)
        rows.append(done[row])
    mult = [np.array([r[0][i] for r in rows], np.int64) for i in range(n)]
    bias, shift = (np.array([r[k] for r in rows], np.int64) for k in (1, 2))
    return LaneParams(mult, bias, shift, all(r[3] for r in rows))


def fit_channel(
    ratios: tuple[float, ...], offset: float, bounds: tuple[float, ...], out_bound: int, where: str
) -> tuple[tuple[int, ...], int, int, bool]:
    """(multipliers, bias, shift, exact) of one channel; see lane_params."""
    if not all(map(isfinite, (*ratios, offset))):
        raise UnsupportedError(f"{where}: a scale or bias is NaN or infinite; check the model's parameters")
    if len(ratios) == 1 and abs(ratios[0]) >= STEEP > 2 * out_bound:
        ratios, offset = steep((ratios[0], offset), bounds[0], out_bound)
    # Beyond this the output is saturated whatever the inputs are, so a larger offset says no more.
    enough = 2 + out_bound + sum(abs(r) * b for r, b in zip(ratios, bounds, strict=True))
    if abs(offset) > enough:
        offset = float(np.copysign(floor(enough) + 1, offset))
    top = largest_shift(ratios, offset, bounds)
    if top < 0:
        raise UnsupportedError(
            f"{where}: input scale / output scale = {max(map(abs, ratios)):.3g} is too large for the requantize lane "
            f"(below {MULT_LIMITS[0]}), or the bias of {offset:.3g} output steps is; choose a coarser output scale"
        )
    needed = max(map(fraction_bits, ratios))
    if needed <= top:
        shift = min(max(needed, fraction_bits(offset)), top)
        mults = tuple(int(ldexp(r, shift)) for r in ratios)
        if fraction_bits(offset) <= shift:
            return *reduced(mults, int(ldexp(offset, shift)), shift), True
        if shift >= max(2, needed + 1):
            # The sum without the offset's tail is even at this shift. The tail can only break a tie or decide on
            # which side of one the sum lies, so one sticky bit stands for all of it.
            return mults, 2 * floor(ldexp(offset, shift - 1)) + 1, shift, True
    mults = tuple(round(ldexp(r, top)) for r in ratios)
    return *reduced(mults, round(ldexp(offset, top)), top), False


def steep(line: tuple[float, float], bound: float, out_bound: int) -> tuple[tuple[float], float]:
    """A line so steep that one step of the input crosses the whole output range (as batch norm makes of dead channels).

    Only one integer k lies within the range; all others saturate. So any steep line through the same point is the same,
    and the value at that point may be rounded here.
    """
    ratio, offset = line
    k = float(np.clip(np.round(-offset / ratio), -bound - 1, bound + 1))
    inside = max(-out_bound - 2, min(out_bound + 2, round(Fraction(offset) + int(k) * Fraction(ratio))))
    slope = float(np.copysign(STEEP, ratio))
    return (slope,), inside - k * slope


def reduced(mults: tuple[int, ...], bias: int, shift: int) -> tuple[tuple[int, ...], int, int]:
    """The same lane with common factors of two taken out, so that equal lanes have equal parameters."""
    common = bias
    for m in mults:
        common |= m
    k = min(shift, (common & -common).bit_length() - 1) if common else shift
    return tuple(m >> k for m in mults), bias >> k, shift - k


def largest_shift(ratios: tuple[float, ...], offset: float, bounds: tuple[float, ...]) -> int:
    """The largest shift at which multipliers, bias and sum stay within the lane's widths; -1 if there is none."""
    shift = TOP_SHIFT
    for r, limit in zip(ratios, MULT_LIMITS, strict=False):
        shift = min(shift, frexp(limit)[1] - 1 - frexp(r)[1]) if r else shift
    shift = min(shift, frexp(BIAS_LIMIT)[1] - 1 - frexp(offset)[1]) if offset else shift
    while shift >= 0 and not fits(ratios, offset, bounds, shift):
        shift -= 1
    return max(shift, -1)


def fits(ratios: tuple[float, ...], offset: float, bounds: tuple[float, ...], shift: int) -> bool:
    """Whether everything stays within the lane's widths at this shift."""
    mults, bias = [abs(round(ldexp(r, shift))) for r in ratios], abs(round(ldexp(offset, shift))) + 1
    total = bias + sum(m * b for m, b in zip(mults, bounds, strict=True))
    return all(m < lim for m, lim in zip(mults, MULT_LIMITS, strict=False)) and bias < BIAS_LIMIT and total < SUM_LIMIT


def fraction_bits(x: float) -> int:
    """The least s for which x * 2**s is an integer (x finite)."""
    return float(x).as_integer_ratio()[1].bit_length() - 1


def quantize_array(real: np.ndarray, scale: np.ndarray | float, lo: int, hi: int) -> np.ndarray:
    """Integers of a Quant node as QONNX's executor computes them: float32 division, clamp, round half to even."""
    x = np.asarray(real, np.float32) / np.asarray(scale, np.float32)
    return np.round(np.clip(x, np.float32(lo), np.float32(hi))).astype(np.int64)


def clamp_code(real: float, scale: float) -> int:
    """A clamp bound as an integer of the output: round half to even of real / scale; infinities become +-2**62."""
    return int(np.round(np.clip(real / scale, -(2.0**62), 2.0**62)))


def fixed_norm_eps(eps: float, row: int, scale: float) -> int:
    """The integer eps of LayerNorm: round(eps * row**2 / scale**2), within 1 and 2**40 - 1."""
    value = eps * row * row / (scale * scale)
    return int(max(1, min(round(min(value, 2.0**41)), 2**40 - 1)))


def softmax_table(step: float) -> np.ndarray:
    """256 integers: round(2**23 * exp(-d * step)) for d = 0..255 steps below the largest value."""
    return np.array([round(EXP_ONE * exp(-d * step)) for d in range(256)], np.int64)


def softmax_scale(scale: float, where: str) -> tuple[int, int]:
    """(mult, shift) of a Softmax whose output has this scale: 1 / scale = mult * 2**(23 - shift), mult of 17 bits.

    Raises UnsupportedError, naming ``where``, for a scale that no shift reaches (below 2**-39 or above 2**7).
    """
    fraction, exponent = frexp(1 / scale)  # fraction within 1/2 and 1
    mult, shift = round(ldexp(fraction, 17)), 40 - exponent
    if mult == 1 << 17:
        mult, shift = mult >> 1, shift - 1
    if not 1 <= shift <= MAX_SOFTMAX_SHIFT:
        raise UnsupportedError(f"{where}: its output scale is {scale:.6g}; probabilities need one near 2**-8")
    return mult, shift
