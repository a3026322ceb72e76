"""Linear, MatMul and convolutions: matrix products of integers in floating point, by the machine's BLAS.

With |x| <= X, every partial sum of an output, in any order, is an integer of at most X * sum(|w|). Below 2**24 float32
holds them all, so the product is exact, fused or not; otherwise float64 is taken.
"""

from __future__ import annotations

import math

import numpy as np

from hwgen.runtime.host.plan import EXACT64, Plan, Value, exact_float, value
from hwgen.runtime.host.reader import INT32, Entry
from hwgen.runtime.host.windows import MOST, Windows, read_windows


def plan_linear(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """acc[..., o] = sum over i of x[..., i] * weight[i, o]"""
    x = ins[0]
    weight = f.weight("weight", 2)
    if not x.shape or x.shape[-1] != weight.shape[0]:
        raise f.fault(f"reads shape {x.shape}, whose last axis is not its weight's {weight.shape[0]} rows")
    lo, hi, dtype = _sums(f, weight, 0, *x.ends)
    rows = plan.cast(x.data, dtype).reshape(-1, weight.shape[0])
    out = plan.buffer((*x.shape[:-1], weight.shape[1]), dtype)
    plan.do(len(rows) * weight.size, np.dot, rows, plan.constant(weight, dtype), out.reshape(-1, weight.shape[1]))
    return value(out, lo, hi)


def plan_conv(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """acc[o, p] = sum over channels c of o's group and taps k: x[c, p*stride + k*dilation - pad] * w[o, c, k]"""
    x, axes = ins[0], {"Conv1D": 1, "Conv2D": 2}[f.get("op")]
    weight = f.weight("weight", 2 + axes)
    outs, per_group, *kernel = weight.shape
    groups = f.integer("groups", 1, outs)
    windows = read_windows(f, x.shape, tuple(kernel), dilated=True)
    if x.shape[0] != per_group * groups or outs % groups:
        raise f.fault(f"reads {x.shape[0]} channels with a weight of shape {weight.shape} and {groups} groups")
    low, high = x.ends
    ends = (min(low, 0), max(high, 0)) if any(windows.pads) else (low, high)
    lo, hi, dtype = _sums(f, weight.reshape(outs, -1), 1, *ends)
    columns = _columns(plan, x, windows, dtype).reshape(groups, -1, math.prod(windows.counts))
    kernels = plan.constant(weight.reshape(groups, outs // groups, -1), dtype)
    out = plan.buffer((outs, *windows.counts), dtype)
    macs = weight.size * columns.shape[-1]
    if groups == 1:
        plan.do(macs, np.dot, kernels[0], columns[0], out.reshape(outs, -1))
    else:
        plan.do(macs, np.matmul, kernels, columns, out.reshape(groups, outs // groups, -1))
    tail = (1,) * axes
    return value(out, lo.reshape(-1, *tail), hi.reshape(-1, *tail))


def plan_conv_transpose(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """acc[o, n*stride + i - pad] = sum over channels c of o's group, n and i that meet there: x[c, n] * w[c, o, i]"""
    x, weight = ins[0], f.weight("weight", 3)
    channels, outs, taps = weight.shape
    groups, stride = f.integer("groups", 1, channels), f.integer("stride", 1, MOST)
    (begin, end), added = f.integers("pads", 2, 0, MOST), f.integer("output_padding", 0, stride - 1)
    if len(x.shape) != 2 or x.shape[0] != channels or channels % groups:
        raise f.fault(f"reads shape {list(x.shape)} with a weight of shape {weight.shape} and {groups} groups")
    reach = (x.shape[1] - 1) * stride
    size = reach + taps + added - begin - end
    if size < 1:
        raise f.fault(f"cuts {begin} and {end} off its {size + begin + end} outputs, which leaves none")
    kernels = weight.reshape(groups, -1, outs, taps).transpose(0, 3, 2, 1)  # [groups, taps, outs, channels]
    lo, hi, dtype = _meeting(f, kernels, stride, x.ends)
    terms = plan.buffer((groups, taps * outs, x.shape[1]), dtype)
    rows = plan.cast(x.data, dtype).reshape(groups, -1, x.shape[1])
    kernels = plan.constant(kernels, dtype).reshape(groups, taps * outs, -1)
    plan.do(weight.size * x.shape[1], np.matmul, kernels, rows, terms)
    acc = plan.buffer((groups, outs, reach + taps + added), dtype)
    plan.copy(acc, np.zeros(1, dtype))
    for i, term in enumerate(terms.reshape(groups, taps, outs, -1).swapaxes(0, 1)):
        at = acc[..., i : i + reach + 1 : stride]
        plan.compute(np.add, at, term, out=at)
    acc = acc.reshape(groups * outs, -1)
    return value(plan.copied(acc[:, begin : begin + size]) if begin or end else acc, lo, hi)


def _meeting(f: Entry, kernels: np.ndarray, stride: int, ends: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, type]:
    """Extremes [out, 1] of a transposed convolution's sums, and the exact dtype: taps that are a stride apart meet."""
    groups, taps, outs, channels = kernels.shape
    apart = min(stride, taps)
    whole = np.zeros((groups, -(-taps // apart) * apart, outs, channels), np.int8)
    whole[:, :taps] = kernels
    phases = whole.reshape(groups, -1, apart, outs, channels).transpose(0, 3, 2, 1, 4).reshape(groups * outs, apart, -1)
    lo, hi, dtype = _sums(f, phases, 2, min(ends[0], 0), max(ends[1], 0))  # at the ends fewer meet
    return lo.min(1, keepdims=True), hi.max(1, keepdims=True), dtype


def plan_matmul(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """acc[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]"""
    a, b = ins
    if len(a.shape) < 2 or len(a.shape) != len(b.shape) or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
        raise f.fault(f"multiplies shapes {list(a.shape)} and {list(b.shape)}, which are no matrices that fit")
    count, products = a.shape[-1], [x * y for x in a.ends for y in b.ends]
    most = count * a.bound * b.bound
    lo, hi = count * min(products), count * max(products)
    if most >= EXACT64 or lo < INT32[0] or hi > INT32[1]:
        raise f.fault(f"has sums that can reach 2**{math.log2(most):.1f}, beyond 32 bits")
    dtype = exact_float(most)
    out = plan.buffer((*a.shape[:-1], b.shape[-1]), dtype)
    plan.do(a.data.size * b.shape[-1], np.matmul, plan.cast(a.data, dtype), plan.cast(b.data, dtype), out)
    return value(out, lo, hi)


def _columns(plan: Plan, x: Value, windows: Windows, dtype: type) -> np.ndarray:
    """A matrix [channels * taps, positions] of the windows, copied in each run; x itself where it is that matrix."""
    if windows.trivial:
        return plan.cast(x.data, dtype)
    view = windows.view(windows.padded(plan, x.data, 0))  # [c, *counts, *kernel]
    axes = len(windows.counts)
    order = (0, *range(1 + axes, 1 + 2 * axes), *range(1, 1 + axes))
    columns = plan.buffer(tuple(view.shape[i] for i in order), dtype)
    plan.copy(columns, view.transpose(order))
    return columns


def _sums(f: Entry, weight: np.ndarray, axis: int, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray, type]:
    """Extremes of sums of weight * x along an axis of the weight, lo <= x <= hi, and the dtype that is exact."""
    plus = np.maximum(weight, 0).sum(axis, dtype=np.int64)
    minus = np.minimum(weight, 0).sum(axis, dtype=np.int64)
    most = int((plus - minus).max()) * max(abs(lo), abs(hi))  # of any partial sum
    low, high = plus * lo + minus * hi, plus * hi + minus * lo  # within 64 bits where `most` is within 51
    if most >= EXACT64 or low.min() < INT32[0] or high.max() > INT32[1]:
        raise f.fault(f"has sums that can reach 2**{math.log2(most):.1f}, beyond 32 bits")
    return low, high, exact_float(most)
