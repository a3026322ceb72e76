"""Where tensors lie: inputs, results, and what slices, reshapes, transposes and concatenations make of them.

A result lies position by position, the channels of each in one run (`Target`). Moving elements costs nothing when a
matrix operation can read them where they are: it is only another `View`. Where that does not do, a copy is one more
matrix operation.
"""

from __future__ import annotations

import hashlib

import numpy as np

from hwgen.graph import Graph, ops
from hwgen.runtime.abi import ALIGN
from hwgen.schedule import weights, windows
from hwgen.schedule.plan import INPUTS, Buffer, Image, Lane, MatOp, Plan, RowOp, Target, View, row_starts

MOVES = (ops.Reshape, ops.Flatten, ops.Transpose, ops.Concat, ops.Slice)
POSITIONAL = (ops.Conv2D, ops.Conv1D, ops.ConvTranspose1D, ops.MaxPool, ops.SumPool, ops.GroupNorm)
"""Operators over [C, *space]: their channels are the first axis, all others' the last."""


def round_up(value: int, unit: int) -> int:
    """The next multiple of the unit."""
    return -(-value // unit) * unit


class Views:
    """The views of all finished 8-bit tensors by name (`of`); adds buffers and copies to the plan.

    n, m: sides of the array. v: bytes of an activation word.
    """

    def __init__(self, graph: Graph, plan: Plan, n: int, m: int, v: int):
        self.graph, self.plan, self.n, self.m, self.v = graph, plan, n, m, v
        self.of: dict[str, View] = {}
        self.makers = {node.output: node for node in graph.nodes}
        self.first: dict[str, bool] = {}  # what channels_first has found
        self.copies: dict[tuple, View] = {}  # by what was copied: buffer and positions
        self.placed: dict[str, Target] = {}  # tensors that a concatenation wants in its buffer

    def inputs(self) -> None:
        """Lay the graph's inputs out in DDR and in the buffer that the input DMA fills: images that arrive as windows
        behind all others, which lie alike in both."""
        at, images = 0, windows.of_inputs(self.graph, self.n, self.m, self.v)
        for name in (name for name in self.graph.inputs if name not in images):
            tensor = self.graph.tensors[name]
            self.plan.input_offsets[name] = at
            positions = at + np.arange(tensor.size)
            if (axes := self.axes(name)) is not None:
                self.plan.input_axes[name] = axes
                shape = [tensor.shape[axis] for axis in axes]
                positions = positions.reshape(shape).transpose(np.argsort(axes)).reshape(-1)
            self.of[name] = View(INPUTS, positions, tensor.dtype.signed)
            at = round_up(at + tensor.size, ALIGN)
        start, lost = at, 0
        for name, (geometry, band, clocks) in images.items():
            tensor, pitch = self.graph.tensors[name], geometry.words(self.v) * self.v
            self.plan.input_offsets[name], self.plan.input_axes[name] = at, self.axes(name)
            self.plan.images[name] = image = Image(name, geometry, at, start, pitch, band, lost, clocks)
            positions = image.at()[:, None] + np.arange(geometry.size)
            self.of[name] = View(INPUTS, positions.reshape(-1), tensor.dtype.signed)
            at = round_up(at + tensor.size, ALIGN)
            start += image.bytes
            lost += len(positions) * pitch - image.bytes
        self.plan.in_bytes = at
        self.plan.buffers[INPUTS] = Buffer(INPUTS, start)

    def axes(self, name: str) -> tuple[int, ...] | None:
        """The order of an input's or output's axes in DDR: an image's channels last; None: as in the graph."""
        rank = len(self.graph.tensors[name].shape)
        return (*range(1, rank), 0) if rank > 1 and self.channels_first(name) else None

    # --- rows and channels ------------------------------------------------------------------------------------------
    def channels_first(self, name: str) -> bool:
        """Whether a tensor's channels are its first axis: those of images."""
        behind = []  # tensors whose channels are those of what they are made of
        while name not in self.first:
            node = self.makers.get(name)
            behind.append(name)
            if node is None:
                self.first[name] = any(isinstance(node, POSITIONAL) for node in self.graph.consumers(name))
            elif self._keeps_axes(node):
                name = node.inputs[0]
            else:
                self.first[name] = isinstance(node, POSITIONAL)
        self.first.update(dict.fromkeys(behind, self.first[name]))
        return self.first[name]

    def _keeps_axes(self, node: ops.Node) -> bool:
        if isinstance(node, ops.Reshape):
            return self.graph.tensors[node.inputs[0]].shape[:1] == node.shape[:1]
        return isinstance(node, (ops.Requantize, ops.Lookup, ops.Mul, ops.Concat, ops.Slice))

    def rows(self, values: np.ndarray, name: str, first: bool | None = None) -> np.ndarray:
        """Values of a tensor's elements (row-major) as [positions, channels]. first: the first axis is the channels';
        None: as the tensor was made."""
        shape = self.graph.tensors[name].shape
        if first if first is not None else self.channels_first(name):
            return values.reshape(shape[0], -1).T
        return values.reshape(-1, shape[-1])

    def target(self, tensor: str, first: bool, wide: bool = False) -> Target:
        """Where a tensor is written: its place in a concatenation, or a buffer of its own."""
        if tensor in self.placed and not wide:
            return self.placed[tensor]
        shape = self.graph.tensors[tensor].shape
        channels = shape[0] if first else shape[-1]
        return self.own(tensor, self.graph.tensors[tensor].size // channels, channels, wide)

    def own(self, buffer: str, rows: int, channels: int, wide: bool = False) -> Target:
        """A new buffer of that name for so many rows."""
        pitch = round_up(channels, self.v) * (4 if wide else 1)
        self.plan.buffers[buffer] = Buffer(buffer, rows * pitch)
        return Target(buffer, 0, rows, channels, pitch)

    def view(self, target: Target, signed: bool, first: bool) -> View:
        """The view of a result."""
        positions = target.positions()
        return View(target.buffer, np.ascontiguousarray(positions.T if first else positions).reshape(-1), signed)

    # --- moves ------------------------------------------------------------------------------------------------------
    def place_concats(self) -> None:
        """Let the tensors that one concatenation joins be written side by side, so that joining costs nothing."""
        for node in self.graph.nodes:
            if not isinstance(node, ops.Concat) or len(set(node.inputs)) != len(node.inputs):
                continue
            made = [self.graph.producer(name) for name in node.inputs]
            moved = [p is None or isinstance(p, MOVES) for p in made]
            if any(moved) or any(name in self.placed for name in node.inputs):
                self._place_origins(node)
            else:
                self._place(node)

    def _place_origins(self, node: ops.Concat) -> None:
        """Targets of the tensors behind a vector's parts, in the order in which they are made; what has none is copied
        behind them."""
        if len(self.graph.tensors[node.output].shape) > 1:
            return
        at = 0
        for name in filter(None, map(self._origin, node.inputs)):
            first, shape = self.channels_first(name), self.graph.tensors[name].shape
            channels = shape[0] if first else shape[-1]
            rows, pitch = self.graph.tensors[name].size // channels, round_up(channels, self.v)
            self.placed[name] = Target(node.output, at, rows, channels, pitch)
            at += rows * pitch
        if at:
            self.plan.buffers[node.output] = Buffer(node.output, at)

    def _origin(self, name: str) -> str | None:
        """The result whose elements a tensor is, all of them in some order; None when there is none or others read it,
        too."""
        while len(self.graph.consumers(name)) == 1 and name not in self.placed and name not in self.graph.outputs:
            node = self.graph.producer(name)
            if node is None or isinstance(node, (ops.Constant, ops.Concat, ops.Slice)):
                return None
            if not isinstance(node, MOVES):
                return None if self.graph.tensors[name].dtype.is_wide else name
            name = node.inputs[0]
        return None

    def _place(self, node: ops.Concat) -> None:
        """Targets of what a concatenation joins: along the channels, or rows behind rows."""
        shapes = self.graph.in_shapes(node)
        first = [self.channels_first(name) for name in node.inputs]
        if len(set(first)) > 1:
            return
        axis, rank = node.axis % len(shapes[0]), len(shapes[0])
        channel = 0 if first[0] else rank - 1
        channels = [shape[channel] for shape in shapes]
        rows = [int(np.prod(shape)) // shape[channel] for shape in shapes]
        at, pitch = 0, sum(round_up(c, self.v) for c in channels)
        if axis != channel:
            if axis != (1 if first[0] else 0):
                return
            pitch = round_up(channels[0], self.v)
        for name, r, c in zip(node.inputs, rows, channels, strict=True):
            self.placed[name] = Target(node.output, at, r, c, pitch)
            at += round_up(c, self.v) if axis == channel else r * pitch
        self.plan.buffers[node.output] = Buffer(node.output, pitch * rows[0] if axis == channel else at)

    def move(self, node: ops.Node) -> View:
        """The view of a node that only moves elements."""
        views = [self.of[name] for name in node.inputs]
        shapes = self.graph.in_shapes(node)
        if isinstance(node, ops.Concat) and len({v.buffer for v in views}) > 1:
            views = self._joined(node, views)
        arrays = [v.positions.reshape(s) for v, s in zip(views, shapes, strict=True)]
        if isinstance(node, ops.Concat):
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

    def _joined(self, node: ops.Concat, views: list[View]) -> list[View]:
        """Copies of a concatenation's parts in the buffer that holds them all; what is there stays."""
        buffer = self.plan.buffers.setdefault(node.output, Buffer(node.output))
        out = []
        for name, view in zip(node.inputs, views, strict=True):
            if view.buffer != node.output:
                first = self.channels_first(name)
                positions = self.rows(view.positions, name, first)
                target = Target(node.output, buffer.bytes, *positions.shape, round_up(positions.shape[1], self.v))
                buffer.bytes += target.rows * target.pitch
                self.copy(view, positions, f"{node.name}.copy{len(self.plan.ops)}", target)
                view = self.view(target, view.signed, first)
            out.append(view)
        return out

    # --- copies -----------------------------------------------------------------------------------------------------
    def copy(self, view: View, positions: np.ndarray, name: str, target: Target) -> View:
        """A matrix operation that copies bytes at positions [rows, channels] of the view's buffer; returns the view of
        the rows."""
        out, signed = target, view.signed
        if target.rows == 1 and target.channels > self.v and row_starts(positions, self.v) is None:
            # from all over the buffer: word by word, so that each meets its own chunks only
            out = Target(target.buffer, target.start, -(-target.channels // self.v), self.v, self.v)
            more = out.rows * self.v - target.channels
            positions = np.pad(positions, ((0, 0), (0, more)), mode="edge").reshape(out.rows, self.v)
        ones, zeros = np.ones(out.channels, np.int64), np.zeros(out.channels, np.int64)
        lane = Lane(ones, zeros, zeros, -128 if signed else 0, 127 if signed else 255)
        parts = self.select(positions)
        self.plan.ops.append(MatOp(name, View(view.buffer, positions.reshape(-1), signed), parts, lane, out))
        return self.view(target, signed, first=False)

    def select(self, positions: np.ndarray) -> list:
        """Parts of a matrix operation that passes on the bytes at positions [rows, channels]."""
        return weights.select(positions, self.n, self.m, self.v, self.groups(positions.shape[1]))

    def groups(self, channels: int) -> int:
        """Output groups of a row: whole words, so that readers of wider words find every octet counted."""
        return round_up(channels, self.v) // self.m

    def plain(self, view: View, positions: np.ndarray, name: str) -> tuple[View, np.ndarray]:
        """(view, positions [rows, channels]) as given, or of a copy when a row is not one aligned run of bytes."""
        if row_starts(positions, self.v) is not None:
            return view, positions
        return self.fresh(view, positions, name)

    def fresh(
        self, view: View, positions: np.ndarray, name: str, apart_from: str | None = None
    ) -> tuple[View, np.ndarray]:
        """(view, positions [rows, channels]) of a copy in a buffer of its own; of one that was made before, unless that
        is the buffer `apart_from`."""
        key = view.buffer, positions.shape, hashlib.sha256(np.ascontiguousarray(positions)).digest()
        copied = self.copies.get(key)
        if copied is None or copied.buffer == apart_from:
            target = self.own(f"{name}.plain", *positions.shape)
            self.copies[key] = copied = self.copy(view, positions, f"{name}.plain", target)
        return copied, copied.positions.reshape(positions.shape)

    def distinct(self, view: View, positions: np.ndarray, name: str) -> tuple[View, np.ndarray]:
        """As `plain`, but only when a row holds an element twice: the sum of two weights may not fit a weight."""
        row = np.sort(positions[0])
        if (np.diff(row) == 0).any() or (len(positions) > 1 and (np.diff(np.sort(positions, axis=1)) == 0).any()):
            return self.fresh(view, positions, name)
        return view, positions

    def emit(self, op: MatOp | RowOp, signed: bool, first: bool) -> View:
        """Add an operation to the plan; returns the view of its result."""
        self.plan.ops.append(op)
        return self.view(op.out, signed, first)
