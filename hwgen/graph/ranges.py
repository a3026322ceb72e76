"""How large each tensor of a graph can get: interval arithmetic, per channel for accumulators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph import ops
from hwgen.graph.types import Tensor


@dataclass
class Range:
    """Every value lies within lo and hi (ints, or int64 arrays per channel along ``axis`` of the tensor).

    peak: the largest magnitude inside the node before rounding (requantize lanes only).
    """

    lo: int | np.ndarray
    hi: int | np.ndarray
    peak: float = 0.0

    @property
    def bound(self) -> int:
        """Largest magnitude."""
        return int(max(np.max(np.abs(self.lo)), np.max(np.abs(self.hi))))

    def flat(self) -> Range:
        """The same for all channels together."""
        return Range(int(np.min(self.lo)), int(np.max(self.hi)))


def node_range(node: ops.Node, args: list[Range], tensors: list[Tensor]) -> Range:
    """The range of a node's output, given those of its inputs."""
    if isinstance(node, ops.Constant):
        return Range(int(node.value.min()), int(node.value.max()))
    a = args[0]
    if isinstance(node, ops.MatMul):
        corners = [x * y * tensors[0].shape[-1] for x in (a.lo, a.hi) for y in (args[1].lo, args[1].hi)]
        return Range(int(min(corners)), int(max(corners)))
    if isinstance(node, ops.ConvTranspose1D):
        return transposed(node, a.flat())
    if isinstance(node, ops.Linear):
        return weighted(node.weight, a.flat(), axis=0)
    if isinstance(node, ops.Conv):
        x = with_padding(a.flat(), node.pads)
        return weighted(node.weight.reshape(node.weight.shape[0], -1), x, axis=1)
    if isinstance(node, ops.SumPool):
        x, n = with_padding(a.flat(), node.pads), int(np.prod(node.kernel))
        return Range(min(x.lo * n, x.lo), max(x.hi * n, x.hi))
    if isinstance(node, ops.Requantize):
        peak = lane_peak(node, args)
        return clamped(node, peak, int(np.min(node.shift)))
    if isinstance(node, (ops.LayerNorm, ops.GroupNorm)):
        shape = tensors[0].shape
        z = norm_bound(node.row(shape) if isinstance(node, ops.GroupNorm) else shape[-1])
        return Range(node.lo, node.hi, float(np.max(z * np.abs(node.gamma_mult) + np.abs(node.bias))))
    if isinstance(node, ops.Softmax):
        one = int(node.mult * 2.0 ** (23 - node.shift) * 1.0001) + 1  # a probability of 1, with its error
        return Range(max(node.lo, min(0, node.hi)), max(node.lo, min(one, node.hi)))
    if isinstance(node, ops.Mul):
        peak = a.bound * args[1].bound * float(np.abs(node.mult).max())
        return clamped(node, peak, int(np.min(node.shift)))
    if isinstance(node, ops.Lookup):
        return Range(int(np.min(node.table)), int(np.max(node.table)))
    if isinstance(node, ops.Concat):
        flat = [r.flat() for r in args]
        return Range(min(r.lo for r in flat), max(r.hi for r in flat))
    return a.flat()


def clamped(node: ops.Requantize | ops.Mul, peak: float, shift: int) -> Range:
    """The output of a lane whose sum reaches peak before the shift."""
    bound = int(peak / 2.0**shift) + 1
    lo = 0 if getattr(node, "relu", False) and len(node.inputs) == 1 else -bound
    return Range(min(max(node.lo, lo), node.hi), max(min(node.hi, bound), node.lo), peak)


def norm_bound(row: int) -> int:
    """Largest magnitude of LayerNorm's z (Q20): sqrt(row), with room for the error of the reciprocal root."""
    return int(2**20 * np.sqrt(row) * 1.01) + 1


def lane_bounds(ranges: list[Range], per_channel: bool) -> list[np.ndarray | int]:
    """Largest magnitude of each input of a requantize lane; of the first per channel, if its range is."""
    first = ranges[0]
    bound = np.maximum(np.abs(first.lo), np.abs(first.hi)) if per_channel else first.bound
    return [bound, *(r.bound for r in ranges[1:])]


def weighted(w: np.ndarray, x: Range, axis: int) -> Range:
    """Extremes of sums of w * x along an axis of w."""
    total, size = w.sum(axis, dtype=np.int64), np.abs(w.astype(np.int16)).sum(axis, dtype=np.int64)
    plus, minus = (total + size) // 2, (total - size) // 2
    return Range(plus * x.lo + minus * x.hi, plus * x.hi + minus * x.lo)


def transposed(node: ops.ConvTranspose1D, x: Range) -> Range:
    """Extremes per output channel: taps a stride apart meet in one output, fewer of them at the ends."""
    x, w = Range(min(x.lo, 0), max(x.hi, 0)), node.by_output()
    phases = [weighted(w[:, :, p :: node.stride].reshape(len(w), -1), x, axis=1) for p in range(node.stride)]
    return Range(np.min([p.lo for p in phases], axis=0), np.max([p.hi for p in phases], axis=0))


def with_padding(x: Range, pads: tuple[int, ...]) -> Range:
    """Zeros may stand beside the values where there is padding."""
    return Range(min(x.lo, 0), max(x.hi, 0)) if any(pads) else x


def lane_peak(node: ops.Requantize, args: list[Range]) -> float:
    """Largest magnitude of v in Requantize, also in between."""
    peak = np.abs(np.asarray(node.bias, np.float64))
    for r, m in zip(args, node.mult, strict=True):
        bound = np.maximum(np.abs(r.lo), np.abs(r.hi)).astype(np.float64)
        m = np.abs(np.asarray(m, np.float64))
        if bound.size > 1 and m.size not in (1, bound.size):
            bound = bound.max()
        if bound.size > 1 and peak.size not in (1, bound.size):
            bound = bound.max()
        peak = peak + bound * m
    return float(np.max(peak))
