"""LayerNorm and Softmax over the last axis, and GroupNorm. One number for each row comes from the integer kernels, what
is done to every element is floating point on integers below 2**53, so exact.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime.host.kernels import reciprocal, reciprocal_sqrt
from hwgen.runtime.host.lane import BIAS_LIMIT, MAX_SHIFT, MULT_LIMITS, Lane, plan_lane
from hwgen.runtime.host.plan import ELEMENT, Plan, Value, exact_float, value
from hwgen.runtime.host.reader import Entry

MAX_ROW = 65535
EPS_LIMIT = 1 << 40
EXP_ONE = 1 << 23
"""exp(0) in Softmax's table."""
MAX_SOFTMAX_SHIFT = 47
_PASSES, _KERNEL = 8, 64
"""What is done to each element, and what the integer kernels cost a row, in elements."""


def plan_layernorm(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """z = Q20 of (x - mean) / sqrt(var + eps), then the lane with gamma_mult, bias and shift"""
    row = _row(f, ins[0])
    z = _normalized(f, plan, ins[0], row, f.flag("rms"))
    return plan_lane(f, plan, z, _affine(f, row))


def plan_groupnorm(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """The same with groups of channels as rows; gamma_mult, bias and shift per channel"""
    shape = ins[0].shape
    groups = f.integer("groups", 1, max(shape[0] if shape else 1, 1))
    if not shape or shape[0] % groups:
        raise f.fault(f"reads shape {list(shape)}, whose channels do not divide into {groups} groups")
    lane = _affine(f, shape[0], (1,) * (len(shape) - 1))
    x = Value(ins[0].data.reshape(groups, -1), *ins[0].ends)
    z = _normalized(f, plan, x, _row(f, x), rms=False)
    return plan_lane(f, plan, Value(z.data.reshape(shape), z.lo, z.hi), lane)


def _affine(f: Entry, channels: int, tail: tuple[int, ...] = ()) -> Lane:
    """The lane behind a norm; tail: axes behind that of the channels."""
    fields = (
        f.parameter("gamma_mult", channels, 1 - MULT_LIMITS[0], MULT_LIMITS[0] - 1),
        f.parameter("bias", channels, 1 - BIAS_LIMIT, BIAS_LIMIT - 1),
        f.parameter("shift", channels, 0, MAX_SHIFT),
    )
    return Lane(*(v.reshape(-1, *tail) if v.ndim else v for v in fields), *f.clamp())


def _normalized(f: Entry, plan: Plan, x: Value, row: int, rms: bool) -> Value:
    """z of each row, as integers."""
    if x.bound > 255:
        raise f.fault(f"normalizes values up to {x.bound}; 255 is the most")
    data = plan.cast(x.data, np.float64)
    z = plan.buffer(data.shape, np.float64)
    plan.do(_work(data), _normalize, data, f.integer("eps_int", 1, EPS_LIMIT - 1), rms, z)
    most = int(2**20 * np.sqrt(row) * 1.01) + 1  # with room for the error of the reciprocal root
    return value(z, -most, most)


def _normalize(x: np.ndarray, eps: int, rms: bool, z: np.ndarray) -> None:
    """z = (x*D - s1) * r, its lowest 4 + e bits rounded half up; r, e from the D**2 * (variance + eps) of the row."""
    d = x.shape[-1]
    s1 = 0.0 if rms else x.sum(-1, keepdims=True)
    s2 = np.einsum("...i,...i->...", x, x)[..., None]
    r, e = reciprocal_sqrt((d * s2 - s1 * s1 + eps).astype(np.int64))
    np.multiply(x, d, z)
    np.subtract(z, s1, z)
    np.multiply(z, r * np.exp2(-4.0 - e), z)
    np.add(z, 0.5, z)
    np.floor(z, z)


def plan_softmax(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """t = table[max - x]; y = clamp(round_half_even(t * (mult / sum(t))))"""
    x = ins[0]
    _row(f, x)
    if x.ends[1] - x.ends[0] > 255:
        raise f.fault(f"reads values from {x.ends[0]} to {x.ends[1]}; they may span 256 at most")
    table = f.table("table", 0, EXP_ONE)
    if table[0] != EXP_ONE or (np.diff(table) > 0).any():
        raise f.fault("has a table that does not fall from 2**23")
    mult, shift = f.integer("mult", 1 << 16, (1 << 17) - 1), f.integer("shift", 1, MAX_SOFTMAX_SHIFT)
    lo, hi = f.clamp()
    one = int(mult * 2.0 ** (23 - shift) * 1.0001) + 1  # a probability of 1, with its error
    lo, most = max(lo, min(0, hi)), max(lo, min(one, hi))
    index, terms = plan.buffer(x.shape, np.intp), plan.buffer(x.shape, np.float64)
    out = plan.buffer(x.shape, exact_float(max(abs(lo), abs(most))))
    plan.do(_work(x.data), _softmax, x.data, plan.constant(table, np.float64), mult, shift, (lo, hi), index, terms, out)
    return value(out, lo, most)


def _softmax(x, table, mult: int, shift: int, clamp: tuple[int, int], index, terms, out) -> None:
    np.subtract(x.max(-1, keepdims=True), x, index, casting="unsafe")
    np.take(table, index, None, terms, "clip")
    r, e = reciprocal(terms.sum(-1, keepdims=True).astype(np.int64))
    r = (r * mult + (1 << 15)) >> 16
    np.multiply(terms, r * np.exp2(-shift - e.astype(np.float64)), terms)
    np.rint(terms, terms)
    np.clip(terms, *clamp, out=out, casting="same_kind")


def _row(f: Entry, x: Value) -> int:
    if not x.shape or x.shape[-1] > MAX_ROW:
        raise f.fault(f"reads shape {list(x.shape)}; rows of at most {MAX_ROW} elements are possible")
    return x.shape[-1]


def _work(x: np.ndarray) -> int:
    return ELEMENT * (_PASSES * x.size + _KERNEL * (x.size // x.shape[-1]))
