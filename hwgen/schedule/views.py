"""Where tensors lie: inputs, results, and what slices, reshapes, transposes and concatenations make of them.

Moving elements costs nothing when a matrix operation reads the result: it is only another `View`. Where plain bytes are
needed, a copy is one more matrix operation.
"""

from __future__ import annotations

import numpy as np

from hwgen.graph import Graph, ops
from hwgen.runtime.abi import ALIGN
from hwgen.schedule.plan import INPUTS, Buffer, Lane, MatOp, Plan, RowOp, View

MOVES = (ops.Reshape, ops.Flatten, ops.Transpose, ops.Concat, ops.Slice)


def round_up(value: int, unit: int) -> int:
    """The next multiple of the unit."""
    return -(-value // unit) * unit


class Views:
    """The views of all finished 8-bit tensors by name (`of`); adds buffers and copies to the plan.

    v: bytes of an activation word.
    """

    def __init__(self, graph: Graph, plan: Plan, v: int):
        self.graph, self.plan, self.v = graph, plan, v
        self.of: dict[str, View] = {}
        self.placed: dict[str, tuple[str, int]] = {}  # tensors that a concatenation wants in its buffer

    def inputs(self) -> None:
        """Lay the graph's inputs out in the buffer that the input DMA fills."""
        at = 0
        for name in self.graph.inputs:
            tensor = self.graph.tensors[name]
            self.plan.input_offsets[name] = at
            self.of[name] = View(INPUTS, at + np.arange(tensor.size), tensor.dtype.signed)
            at = round_up(at + tensor.size, ALIGN)
        self.plan.in_bytes = at
        self.plan.buffers[INPUTS] = Buffer(INPUTS, at)

    def place_concats(self) -> None:
        """Let the tensors that one concatenation joins be written side by side, so that joining costs nothing."""
        for node in self.graph.nodes:
            if not isinstance(node, ops.Concat) or len(set(node.inputs)) != len(node.inputs):
                continue
            made = [self.graph.producer(name) for name in node.inputs]
            if any(
                p is None or isinstance(p, MOVES) or t in self.placed for p, t in zip(made, node.inputs, strict=True)
            ):
                continue
            at = 0
            for name in node.inputs:
                self.placed[name] = (node.output, at)
                at = round_up(at + self.graph.tensors[name].size, self.v)
            self.plan.buffers[node.output] = Buffer(node.output, at)

    def move(self, node: ops.Node) -> View:
        """The view of a node that only moves elements."""
        views = [self.of[name] for name in node.inputs]
        shapes = self.graph.in_shapes(node)
        arrays = [v.positions.reshape(s) for v, s in zip(views, shapes, strict=True)]
        if isinstance(node, ops.Concat):
            if len({v.buffer for v in views}) > 1:
                views = [self._part(node, name) for name in node.inputs]
                arrays = [v.positions.reshape(s) for v, s in zip(views, shapes, strict=True)]
            out = np.concatenate(arrays, axis=node.axis)
        elif isinstance(node, ops.Transpose):
            out = arrays[0].transpose(node.perm)
        elif isinstance(node, ops.Slice):
            index = [slice(None)] * len(shapes[0])
            index[node.axis] = slice(node.start, node.stop, node.step)
            out = arrays[0][tuple(index)]
        else:
            out = arrays[0]
        return View(views[0].buffer, out.reshape(-1), views[0].signed)

    def _part(self, node: ops.Concat, name: str) -> View:
        """Copy one part of a concatenation to the buffer that holds them all."""
        buffer = self.plan.buffers.setdefault(node.output, Buffer(node.output))
        start = buffer.bytes
        buffer.bytes = round_up(start + self.graph.tensors[name].size, self.v)
        return self.copy(self.of[name], f"{node.name}.copy{len(self.plan.ops)}", node.output, start)

    def copy(self, view: View, name: str, buffer: str, start: int) -> View:
        """A matrix operation that copies a view to plain bytes of a buffer."""
        ones, zeros = np.ones(view.size, np.int64), np.zeros(view.size, np.int64)
        lane = Lane(ones, zeros, zeros, -128 if view.signed else 0, 127 if view.signed else 255)
        return self.emit(MatOp(name, *self.identity(view), lane, buffer, start, view.size), view.signed)

    def identity(self, view: View) -> tuple[View, np.ndarray | None]:
        """(view, weight) of a matrix operation that passes a view on: the identity, or a selection of scattered
        elements."""
        if view.start_if_plain(self.v) is not None:
            return view, None
        used, where = np.unique(view.positions, return_inverse=True)
        weight = np.zeros((len(used), view.size), np.int8)
        weight[where, np.arange(view.size)] = 1
        return View(view.buffer, used, view.signed), weight

    def plain(self, view: View, name: str) -> View:
        """The view, or a copy of it when its elements are scattered."""
        if view.start_if_plain(self.v) is not None:
            return view
        self.plan.buffers[f"{name}.plain"] = Buffer(f"{name}.plain", round_up(view.size, self.v))
        return self.copy(view, f"{name}.plain", f"{name}.plain", 0)

    def distinct(self, view: View, name: str) -> View:
        """The view, or a plain copy when it holds an element twice: the sum of two weights may not fit a weight."""
        return view if len(np.unique(view.positions)) == view.size else self.plain(view, name)

    def buffer(self, tensor: str, size: int) -> tuple[str, int]:
        """Where a tensor is written: its place in a concatenation, or a buffer of its own."""
        if tensor in self.placed:
            return self.placed[tensor]
        self.plan.buffers[tensor] = Buffer(tensor, round_up(size, self.v))
        return tensor, 0

    def emit(self, op: MatOp | RowOp, signed: bool) -> View:
        """Add an operation to the plan; returns the view of its result."""
        self.plan.ops.append(op)
        return View(op.out, op.out_start + np.arange(op.size), signed)
