"""Convolutions and sums over windows as one part of a matrix operation: taps are steps of the reduction."""

from __future__ import annotations

import numpy as np

from hwgen.graph import ops
from hwgen.schedule import weights
from hwgen.schedule.plan import Part, View

Shape = tuple[int, ...]


def operand(node: ops.Node, shape: Shape, view: View, views) -> tuple[View, Part, tuple[int, int] | None]:
    """(operand, part, y and x of the last position when there is padding) of a Conv1D, Conv2D or SumPool over a view
    of [C, *space]; a copy is made first where positions do not lie evenly."""
    grid = view.positions.reshape(shape[0], *([1] * (3 - len(shape))), *shape[1:]).transpose(1, 2, 0)  # [H, W, C]
    even = evenly(grid, views.n)
    if even is None:
        view, positions = views.fresh(view, grid.reshape(-1, shape[0]), node.name)
        even = evenly(positions.reshape(grid.shape), views.n)
    first, steps, pattern = even
    kernel, stride, dilation, pads, weight, groups = _geometry(node, shape[0])
    out = [(grid.shape[i] + pads[i] + pads[2 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    at = lattice(out, stride, steps) + [first - pads[0] * steps[0] - pads[1] * steps[1], -pads[0], -pads[1]]
    taps = lattice(kernel, dilation, steps)
    ys, xs = (taps[None, :, k] + at[[0, -1], None, k] for k in (1, 2))
    last = grid.shape[0] - 1, grid.shape[1] - 1
    if ys.min() >= 0 and xs.min() >= 0 and ys.max() <= last[0] and xs.max() <= last[1]:
        last, at[:, 1:], taps[:, 1:] = None, 0, 0  # no padding
    part = weights.convolution(
        at, taps, pattern, weight, groups, views.n, views.m, views.v, views.groups(weight.shape[2])
    )
    return view, part, last


def evenly(grid: np.ndarray, n: int) -> tuple[int, tuple[int, int], np.ndarray] | None:
    """(first byte, bytes from row to row and from column to column, bytes of the channels from a position's first) of
    positions [H, W, C] that all lie alike within chunks of n bytes; None when they do not."""
    base = grid.min(axis=2) // n * n
    pattern = grid - base[:, :, None]
    if (pattern != pattern[0, 0]).any() or len(np.unique(pattern[0, 0])) < grid.shape[2]:
        return None
    down = int(base[1, 0] - base[0, 0]) if len(base) > 1 else 0
    right = int(base[0, 1] - base[0, 0]) if base.shape[1] > 1 else 0
    y, x = np.indices(base.shape)
    if (base != base[0, 0] + y * down + x * right).any():
        return None
    return int(base[0, 0]), (down, right), pattern[0, 0]


def _geometry(node: ops.Node, channels: int):
    """(kernel, stride, dilation, pads, int8 weight [taps, C / groups, out], groups) in two dimensions."""
    flat = isinstance(node, ops.Conv1D) or (isinstance(node, ops.SumPool) and len(node.kernel) == 1)
    if isinstance(node, ops.SumPool):
        weight = np.ones((channels, 1, *node.kernel), np.int8)
        dilation, groups = (1,) * len(node.kernel), channels
    else:
        weight, dilation, groups = node.weight, node.dilation, node.groups
    kernel, stride, pads = weight.shape[2:], tuple(node.stride), tuple(node.pads)
    if flat:
        kernel, stride, dilation, pads = (1, *kernel), (1, *stride), (1, *dilation), (0, pads[0], 0, pads[1])
    taps = weight.reshape(*weight.shape[:2], -1).transpose(2, 1, 0)
    return kernel, stride, dilation, pads, taps, groups


def lattice(counts, strides, steps) -> np.ndarray:
    """[counts product, 3] bytes, y and x of a grid of positions, the columns inside."""
    y, x = (index.reshape(-1) * stride for index, stride in zip(np.indices(counts), strides, strict=True))
    return np.stack([y * steps[0] + x * steps[1], y, x], axis=1)
