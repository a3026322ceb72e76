"""Reshape, Flatten, Transpose, Concat and Slice, which only move integers, and Constant, which has them."""

from __future__ import annotations

import math

import numpy as np

from hwgen.runtime.host.plan import Plan, Value, exact_float, value
from hwgen.runtime.host.reader import INT32, Entry


def plan_constant(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """The same integers in each run"""
    array = f.integers_array("value", *INT32)
    lo, hi = int(array.min()), int(array.max())
    return value(plan.constant(array, exact_float(max(abs(lo), abs(hi)))), lo, hi)


def plan_reshape(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """The same integers in row-major order"""
    shape = f.shape("shape")
    if math.prod(shape) != ins[0].data.size:
        raise f.fault(f"makes shape {list(shape)} of {list(ins[0].shape)}, which has another number of elements")
    return value(ins[0].data.reshape(shape), *ins[0].ends)


def plan_flatten(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """All axes into one, row-major"""
    return value(ins[0].data.reshape(-1), *ins[0].ends)


def plan_transpose(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """Output axis i is input axis perm[i]"""
    turned = ins[0].data.transpose(f.axes("perm", len(ins[0].shape)))
    return value(plan.copied(turned), *ins[0].ends)


def plan_slice(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """x[start:stop:step] along the axis"""
    shape = ins[0].shape
    axis = f.integer("axis", 0, len(shape) - 1)
    start = f.integer("start", 0, shape[axis] - 1)
    stop = f.integer("stop", start + 1, shape[axis])
    part = ins[0].data[(*(slice(None),) * axis, slice(start, stop, f.integer("step", 1, shape[axis])))]
    return value(plan.copied(part), *ins[0].ends)


def plan_concat(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """One after the other along the axis"""
    shapes = [x.shape for x in ins]
    axis = f.integer("axis", 0, len(shapes[0]) - 1)
    rest = {(len(s), s[:axis], s[axis + 1 :]) for s in shapes}
    if len(rest) != 1:
        raise f.fault(f"reads shapes {', '.join(map(str, shapes))}, which differ beside axis {axis}")
    size = sum(s[axis] for s in shapes)
    out = plan.buffer((*shapes[0][:axis], size, *shapes[0][axis + 1 :]), np.result_type(*(x.data for x in ins)))
    at = 0
    for x in ins:
        plan.copy(out[(*(slice(None),) * axis, slice(at, at := at + x.shape[axis]))], x.data)
    return value(out, min(x.ends[0] for x in ins), max(x.ends[1] for x in ins))
