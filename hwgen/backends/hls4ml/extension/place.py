"""Where a node stands: shapes, ranges and layout of what it reads, and how templates walk over that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import ops
from hwgen.graph.types import IntType

MAX_RANK = 4
"""Axes of a tensor, without batch, that the templates loop over."""


@dataclass(frozen=True)
class Place:
    """Where a node stands in the hls4ml model.

    shapes: of the inputs, as laid out there (channels last where hls4ml wants that); out_shape: of the output.
    types: the graph's types of the inputs. ranges: (lo, hi) of the integers that can occur. result: (bits, signed) of
    the output. perm: axis i here is axis perm[i] of the graph.
    """

    node: ops.Node
    shapes: tuple[tuple[int, ...], ...]
    out_shape: tuple[int, ...]
    types: tuple[IntType, ...]
    ranges: tuple[tuple[int, int], ...]
    result: tuple[int, bool]
    perm: tuple[int, ...]

    def axis(self, graph_axis: int) -> int:
        """The axis here that an axis of the graph (negative counts from the end) became."""
        return self.perm.index(graph_axis % len(self.perm))

    def unsupported(self, reason: str, way_out: str) -> UnsupportedError:
        """An error that names the node."""
        return UnsupportedError(f"{self.node.op} {self.node.name!r} {reason} (hls4ml backend); {way_out}")

    def bounds(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest integer of input i, as arrays of one entry."""
        lo, hi = self.ranges[i]
        return np.array([lo], np.int64), np.array([hi], np.int64)

    def check_rows(self) -> None:
        """Raise UnsupportedError unless the graph's last axis is the last one here, too."""
        if self.perm[-1] != len(self.perm) - 1:
            raise self.unsupported("works on the last axis, which this layout moves", "put a Transpose before it")


def padded(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape with ones in front, MAX_RANK axes in all."""
    return (1,) * (MAX_RANK - len(shape)) + tuple(shape)


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Steps through a row-major tensor per axis of what it broadcasts to; 0 where it is repeated."""
    steps, step = [], 1
    for size in reversed(padded(shape)):
        steps.append(0 if size == 1 else step)
        step *= size
    return tuple(reversed(steps))


def numbered(prefix: str, values: Sequence[int]) -> dict[str, int]:
    """Constants prefix0, prefix1, ..."""
    return {f"{prefix}{i}": int(v) for i, v in enumerate(values)}


def parameters(place: Place, axis: int, **arrays: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Arrays of equal length (1 if all are scalar), and the constants that say which entry an element reads.

    axis: the graph's axis that they run along.
    """
    flat = {name: np.asarray(a, np.int64).reshape(-1) for name, a in arrays.items()}
    n = 1 if all(np.all(a == a[0]) for a in flat.values()) else max(a.size for a in flat.values())
    flat = {name: a[:1] if n == 1 else a for name, a in flat.items()}
    at = place.axis(axis)
    steps = strides([n if i == at else 1 for i in range(len(place.perm))])
    return {name: np.broadcast_to(a, n).copy() for name, a in flat.items()}, numbered("p", steps)


def operand(place: Place, i: int, prefix: str) -> tuple[dict[str, int | bool], dict[str, int | bool], int]:
    """Constants that say which element of input i an output element reads, those that differ in io_stream, and the
    clocks that reading it first takes there.

    A stream of the output's shape is read packet by packet beside it; a smaller one is read whole first and held.
    """
    shape, out = place.shapes[i], place.out_shape
    lockstep = prod(shape) == prod(out)
    last = (0, 0, 0, 1) if out[-1] > 1 else (0, 0, 0, 0)
    held = {f"{prefix}held": not lockstep, f"{prefix}size": prod(shape)}
    if not lockstep:
        return numbered(prefix, strides(shape)) | held, {}, prod(shape) // shape[-1]
    return numbered(prefix, strides(shape)) | held, numbered(prefix, last) | {f"{prefix}size": out[-1]}, 0
