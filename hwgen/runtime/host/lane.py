"""Requantize, Mul and Lookup: the element-wise operators, and the lane that LayerNorm ends in as well.

The lane computes v = x * mult + bias, relu, v += residual, round half to even of v / 2**shift, clamp. Here it is
x * (mult / 2**shift) + bias / 2**shift in floating point: dividing by a power of two only moves the exponent, so every
product and sum is an integer times 2**-shift, exact as long as the integers stay below 2**24 (float32) or 2**51
(float64), which is known beforehand; `rint` rounds half to even.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.runtime.host.kernels import round_shift
from hwgen.runtime.host.plan import ELEMENT, EXACT64, Plan, Value, exact_float, value
from hwgen.runtime.host.reader import INT32, Entry

MULT_LIMITS = (1 << 17, 1 << 26)
BIAS_LIMIT = 1 << 47
MAX_SHIFT = 63


@dataclass(frozen=True)
class Lane:
    """mult, bias, shift: int64, broadcastable against the tensor; so is residual's multiplier."""

    mult: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    lo: int
    hi: int
    relu: bool = False
    residual: tuple[Value, np.ndarray] | None = None


def plan_requantize(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """v = in0 * mult[0] + bias; relu; v += in1 * mult[1]; y = clamp(round_half_even(v / 2**shift), lo, hi)"""
    x = ins[0]
    along = _Along(f, x.shape)
    mult = [along(m) for m in f.parameters("mult", along.count, MULT_LIMITS[: len(ins)])]
    residual = (ins[1], mult[1]) if len(ins) == 2 else None
    if residual and _broadcast(f, ins) != x.shape:
        raise f.fault(f"adds a residual of shape {ins[1].shape}, which does not broadcast to {x.shape}")
    bias = along(f.parameter("bias", along.count, 1 - BIAS_LIMIT, BIAS_LIMIT - 1))
    shift = along(f.parameter("shift", along.count, 0, MAX_SHIFT))
    return plan_lane(f, plan, x, Lane(mult[0], bias, shift, *f.clamp(), f.flag("relu"), residual))


def plan_mul(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """y = clamp(round_half_even(a * b * mult / 2**shift), lo, hi)"""
    shape = _broadcast(f, ins)
    along = _Along(f, shape)
    mult = along(f.parameter("mult", along.count, 1 - MULT_LIMITS[0], MULT_LIMITS[0] - 1))
    lane = Lane(mult, np.int64(0), along(f.parameter("shift", along.count, 0, MAX_SHIFT)), *f.clamp())
    bound = ins[0].bound * ins[1].bound
    if bound > INT32[1]:
        raise f.fault(f"multiplies values up to {ins[0].bound} and {ins[1].bound}: a product beyond 32 bits")
    lo, hi = _product_range(ins[0], ins[1])
    product = plan.buffer(shape, exact_float(bound))
    plan.compute(np.multiply, ins[0].data, ins[1].data, out=product)
    return plan_lane(f, plan, value(product, lo, hi), lane)


def plan_lookup(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """y = table[x + offset]; offset: 128 for signed x, 0 for unsigned x"""
    x, offset = ins[0], f.integer("offset", 0, 128)
    table, (lo, hi) = f.table("table", *INT32), x.ends
    if lo + offset < 0 or hi + offset > 255:
        raise f.fault(f"looks values from {lo} to {hi} up in a table for {-offset} to {255 - offset}")
    index, out = plan.buffer(x.shape, np.intp), plan.buffer(x.shape, exact_float(int(np.abs(table).max())))
    work = ELEMENT * index.size
    plan.do(work, np.add, x.data, offset, out=index, casting="unsafe")
    plan.do(work, np.take, plan.constant(table, out.dtype), index, None, out, "clip")
    return value(out, table.min(), table.max())


def plan_lane(f: Entry, plan: Plan, x: Value, lane: Lane) -> Value:
    """The lane on x. Complains where a sum could reach 2**51."""
    lo, hi, peak = _sums(x, lane)
    if peak >= EXACT64:
        raise f.fault(f"has sums that can reach 2**{np.log2(float(peak)):.1f}, beyond the 2**51 of the lane")
    lo, hi = round_shift(lo, lane.shift), round_shift(hi, lane.shift)
    clamps = [(np.maximum, lane.lo)] if lo.min() < lane.lo else []
    clamps += [(np.minimum, lane.hi)] if hi.max() > lane.hi else []
    dtype = exact_float(max(peak, *(abs(limit) for _, limit in clamps), 0))
    unit = np.exp2(-lane.shift.astype(np.float64))
    work, now = plan.buffer(x.shape, dtype), x.data

    def step(function, *args) -> None:
        nonlocal now
        plan.compute(function, now, *args, out=work)
        now = work

    factor, offset = lane.mult * unit, lane.bias * unit
    if now.dtype != dtype or (factor != 1).any():
        step(np.multiply, plan.constant(factor, dtype))
    if offset.any():
        step(np.add, plan.constant(offset, dtype))
    if lane.relu:
        step(np.maximum, dtype(0))
    if lane.residual:
        other, mult = lane.residual
        scaled = plan.constant(mult * unit, dtype)  # along an axis that the residual may not have
        added = plan.buffer(np.broadcast_shapes(other.shape, scaled.shape), dtype)
        plan.compute(np.multiply, other.data, scaled, out=added)
        step(np.add, added)
    if lane.shift.any():
        step(np.rint)
    for function, limit in clamps:
        step(function, dtype(limit))
    done = value(now, np.clip(lo, lane.lo, lane.hi), np.clip(hi, lane.lo, lane.hi))
    return value(plan.cast(now, exact_float(done.bound)), done.lo, done.hi)


def _sums(x: Value, lane: Lane) -> tuple[np.ndarray, np.ndarray, int]:
    """Smallest and largest v before the shift, and the largest magnitude of its parts together."""
    lo, hi = _scaled(x, lane.mult)
    peak = np.maximum(-lo, hi) + np.abs(lane.bias)
    lo, hi = lo + lane.bias, hi + lane.bias
    if lane.relu:
        lo, hi = np.maximum(lo, 0), np.maximum(hi, 0)
    if lane.residual:
        low, high = _scaled(*lane.residual)
        lo, hi, peak = lo + low, hi + high, peak + np.maximum(-low, high)
    return lo, hi, int(np.max(peak))


def _scaled(x: Value, mult: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = x.lo * mult, x.hi * mult
    return np.minimum(a, b), np.maximum(a, b)


def _product_range(a: Value, b: Value) -> tuple[np.ndarray, np.ndarray]:
    ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return np.minimum.reduce(np.broadcast_arrays(*ends)), np.maximum.reduce(np.broadcast_arrays(*ends))


def _broadcast(f: Entry, ins: list[Value]) -> tuple[int, ...]:
    """The common shape, by NumPy's rule for shapes of as many axes (a batch stands before them)."""
    a, b = (x.shape for x in ins)
    if len(a) != len(b) or any(n != m and 1 not in (n, m) for n, m in zip(a, b, strict=True)):
        raise f.fault(f"reads shapes {a} and {b}, which do not broadcast")
    return tuple(map(max, a, b))


class _Along:
    """Shapes a parameter so that it runs along the node's channel axis; numbers stay numbers."""

    def __init__(self, f: Entry, shape: tuple[int, ...]) -> None:
        axis = f.get("channel_axis")
        if axis is None:
            self.count, self._tail = 0, ()
        else:
            axis = f.integer("channel_axis", 0, len(shape) - 1)
            self.count, self._tail = shape[axis], (1,) * (len(shape) - axis - 1)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, *self._tail) if values.ndim else values
