"""Axis orders: the graph is channels first, hls4ml channels last.

A `Layout` says which element of a graph tensor stands where in hls4ml's array. Most tensors only have their axes
reordered. One that was flattened keeps the order of before, so that a Linear after Flatten takes its weights' rows in
that order and nothing has to be moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """hls4ml's axis i is axis order[i] of shape, the graph's shape (of a flattened tensor: the shape before)."""

    shape: Shape
    order: tuple[int, ...]

    @property
    def hls_shape(self) -> Shape:
        """The shape of hls4ml's array."""
        return tuple(self.shape[a] for a in self.order)

    @property
    def is_plain(self) -> bool:
        """True when the elements lie as in the graph (axes of size 1 may move)."""
        return same_data(self, plain(self.shape))

    def elements(self) -> np.ndarray:
        """int64 [size]: the graph's (row-major) index of each element of hls4ml's array."""
        return np.arange(prod(self.shape)).reshape(self.shape).transpose(self.order).reshape(-1)

    def transposed(self, perm: tuple[int, ...]) -> Layout:
        """The layout of the graph's Transpose of this tensor, when no element moves."""
        return Layout(tuple(self.shape[a] for a in perm), tuple(perm.index(a) for a in self.order))


def plain(shape: Shape) -> Layout:
    """Axes as in the graph."""
    return Layout(tuple(shape), tuple(range(len(shape))))


def channels_last(shape: Shape) -> Layout:
    """The graph's first axis is hls4ml's last."""
    return Layout(tuple(shape), (*range(1, len(shape)), 0))


def same_data(a: Layout, b: Layout) -> bool:
    """True when the arrays hold the same elements in the same places, whatever their shapes."""
    return a == b or (prod(a.shape) == prod(b.shape) and _long_axes(a) == _long_axes(b)) or (
        prod(a.shape) == prod(b.shape) and np.array_equal(a.elements(), b.elements())
    )  # fmt: skip


def _long_axes(a: Layout) -> tuple:
    """Shape and order without axes of size 1; equal ones hold the same data."""
    axes = [i for i in range(len(a.shape)) if a.shape[i] > 1]
    return tuple(a.shape[i] for i in axes), tuple(axes.index(i) for i in a.order if a.shape[i] > 1)
