"""MaxPool and SumPool, one axis after the other, one tap of the window after the other."""

from __future__ import annotations

import math

import numpy as np

from hwgen.runtime.host.plan import Plan, Value, exact_float, value
from hwgen.runtime.host.reader import INT32, Entry
from hwgen.runtime.host.windows import Windows, read_windows

_MOST = 1 << 16


def plan_maxpool(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """Largest value of each window; padding holds `fill`, the smallest value of the type, so it never wins"""
    fill = f.integer("fill", *INT32)
    x, windows = ins[0], _read(f, ins[0])
    lo, hi = x.ends
    if fill > lo:
        raise f.fault(f"pads with {fill}, which can win over values from {lo}")
    if windows.on_padding:
        lo = fill
    dtype = exact_float(max(-fill, x.bound))
    return value(_pool(plan, windows, plan.cast(x.data, dtype), fill, np.maximum), lo, hi)


def plan_sumpool(f: Entry, plan: Plan, ins: list[Value]) -> Value:
    """Sum of each window, padding is 0"""
    x, windows = ins[0], _read(f, ins[0])
    lo, hi = x.ends
    if any(windows.pads):
        lo, hi = min(lo, 0), max(hi, 0)
    count = math.prod(windows.kernel)
    lo, hi = lo * count, hi * count
    if lo < INT32[0] or hi > INT32[1]:
        raise f.fault(f"has sums from {lo} to {hi}, beyond 32 bits")
    x = plan.cast(x.data, exact_float(max(-lo, hi)))
    return value(_pool(plan, windows, x, 0, np.add), lo, hi)


def _read(f: Entry, x: Value) -> Windows:
    return read_windows(f, x.shape, f.integers("kernel", max(1, len(x.shape) - 1), 1, _MOST))


def _pool(plan: Plan, windows: Windows, x: np.ndarray, fill: int, best: np.ufunc) -> np.ndarray:
    x = windows.padded(plan, x, fill)
    for i, (kernel, stride, count) in enumerate(zip(windows.kernel, windows.stride, windows.counts, strict=True)):
        before = (slice(None),) * (i + 1)
        taps = [x[(*before, slice(k, k + (count - 1) * stride + 1, stride))] for k in range(kernel)]
        x = plan.buffer(taps[0].shape, x.dtype)
        plan.copy(x, taps[0])
        for tap in taps[1:]:
            plan.compute(best, x, tap, out=x)
    return x
