"""A tensor of the graph as a stream, and what the parts of the lowering share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from hwgen.backends.finn.kinds import Kind
from hwgen.backends.finn.net import Net
from hwgen.backends.finn.streams import Stream
from hwgen.backends.finn.sums import Sum
from hwgen.backends.hls4ml.layers import ABSENT
from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.graph.types import Tensor

ELSEWHERE = "use the backend engine or hls4ml"


@dataclass(frozen=True)
class Value:
    """A tensor of the graph as a stream. flip: per channel +1 or -1, the stream is flip * tensor. terms: a sum that
    is not made yet (a product waits for what is added to it). flat: where a Flatten declared an image or rows a
    vector, the stream's axes (after the first) in the vector's order."""

    stream: Stream
    axis: int
    flip: np.ndarray | int = 1
    sum: Sum | None = None
    flat: tuple[int, ...] = ()


class Part:
    """What every part of the lowering has: the graph, the network that grows, the streams so far."""

    graph: Graph
    net: Net
    values: dict[str, Value]
    done: set[str]

    def fail(self, node: ops.Node, why: str) -> NoReturn:
        """Raise UnsupportedError about a node."""
        elsewhere = "use the backend engine" if node.op in ABSENT else ELSEWHERE
        raise UnsupportedError(f"node {node.name!r} ({node.op}): {why}; {elsewhere}")

    def sole(self, name: str) -> ops.Node | None:
        """The only reader of a tensor, None if it has several or is an output."""
        readers = self.graph.consumers(name)
        return readers[0] if len(readers) == 1 and name not in self.graph.outputs else None

    def put(self, node: ops.Node, like: Value, stream: Stream) -> None:
        """A node's output, laid out as another value."""
        self.values[node.output] = Value(stream, like.axis, flat=like.flat)

    def check_window(self, node, x: Stream, kernel) -> None:
        """FINN: a line of pixels has no second kernel axis."""
        for size, k in zip(x.shape[1:3], kernel, strict=True):
            if size == 1 and k != 1 and x.shape[1:3] != (1, 1):
                self.fail(node, f"FINN slides a {tuple(kernel)} window over images, not over a line {x.shape[1:3]}")


def lay_out(graph: Graph, name: str) -> tuple[tuple[int, ...], int]:
    """Shape of a tensor's stream, channels last, and its channel axis in the graph (negative)."""
    shape = graph.tensors[name].shape
    if len(shape) == 3:
        return (1, *shape[1:], shape[0]), -3
    if len(shape) == 2:
        slides = any(isinstance(n, ops.Conv1D) or len(getattr(n, "kernel", ())) == 1 for n in graph.nodes)
        return ((1, shape[1], 1, shape[0]), -2) if slides else ((1, 1, *shape), -1)
    raise UnsupportedError(f"tensor {name!r} has {len(shape)} axes; FINN takes vectors, rows and images: {ELSEWHERE}")


def kind_of(t: Tensor) -> Kind:
    """FINN's type of a tensor."""
    return Kind(t.dtype.bits, t.dtype.signed)


def table_of(node: ops.Lookup, t: Tensor) -> np.ndarray:
    """Outputs for t's lowest value, the next, ... to its highest."""
    start = 128 if t.dtype.signed else 0
    return np.asarray(node.table, np.int64)[start + t.dtype.lo : start + t.dtype.hi + 1]
