"""Graph -> Plan: fuse nodes into matrix and row operations, and refuse what the engine lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.graph.phases import without_transposed
from hwgen.graph.types import Tensor, along_axis
from hwgen.schedule import conv, limits, lower_kv, lower_vec, outputs, weights, windows
from hwgen.schedule.kv import Words
from hwgen.schedule.order import arrange
from hwgen.schedule.plan import Buffer, Lane, MatOp, Part, Plan, RowOp, View, row_starts
from hwgen.schedule.roles import roles, weight_role
from hwgen.schedule.views import MOVES, Views

_WAY_OUT = "use --backend hls4ml, or run that part on the host and give the engine the graph behind it"
PADDING = "padding"  # the buffer of what reads nothing
SUMS = (ops.Linear, ops.Conv1D, ops.Conv2D, ops.SumPool, ops.MatMul)
"""Accumulators, which are computed where they are read."""


def lower(graph: Graph, n: int, m: int, v: int) -> Plan:
    """Plan of the graph for an array of n x m with words of v bytes. Raises UnsupportedError naming the node."""
    return _Lowering(without_transposed(graph), n, m, v).run()


class _Lowering:
    def __init__(self, graph: Graph, n: int, m: int, v: int):
        self.graph, self.n, self.m, self.v = graph, n, m, v
        self.plan = Plan()
        self.roles = roles(graph)
        self.views = Views(graph, self.plan, n, m, v)
        self.sums: dict[str, ops.Node] = {}
        self.products: dict[str, ops.Mul] = {}  # of 32 bits
        self.kv: dict[str, Words] = {}  # second operands of products, by the node that reads the product
        self.constants: dict[str, np.ndarray] = {}
        self.fused: set[str] = set()  # nodes done as part of an earlier one

    def run(self) -> Plan:
        limits.check_sizes(self.graph, self.views.channels_first, self.n, self.m, self.v)
        self.views.inputs()
        self.views.place_concats()
        for node in self.graph.nodes:
            if node.name not in self.fused:
                self._node(node)
        for name in self.graph.outputs:
            outputs.leave(self, name)
        arrange(self.plan)
        return self.plan

    # --- operations -------------------------------------------------------------------------------------------------
    def _node(self, node: ops.Node) -> None:
        if isinstance(node, SUMS):
            self.sums[node.output] = node
        elif isinstance(node, ops.Constant):
            self.constants[node.output] = np.asarray(node.value, np.int64)
        elif isinstance(node, ops.Requantize) and node.inputs[0] in self.products:
            lower_vec.product(self, self.products[node.inputs[0]], node)
        elif isinstance(node, ops.Requantize):
            self._requantize(node)
        elif isinstance(node, ops.Lookup):
            self._pass_on(node)
        elif isinstance(node, ops.LayerNorm):
            self._layernorm(node)
        elif isinstance(node, ops.GroupNorm):
            self._groupnorm(node)
        elif isinstance(node, ops.Softmax):
            self._softmax(node)
        elif isinstance(node, ops.Mul) and self.graph.tensors[node.output].dtype.is_wide:
            lower_vec.check_wide(self.graph, node)
            self.products[node.output] = node
        elif isinstance(node, ops.Mul):
            lower_vec.product(self, node)
        elif isinstance(node, ops.MaxPool):
            lower_vec.maximum(self, node)
        elif isinstance(node, (ops.Reshape, ops.Flatten)) and node.inputs[0] in self.sums:
            self._reshape_sum(node)
        elif isinstance(node, MOVES):
            self._move(node)
        else:
            raise UnsupportedError(f"node {node.name!r} ({node.op}): the engine has no such operator; {_WAY_OUT}")

    def _reshape_sum(self, node: ops.Node) -> None:
        """The same sums in the same order, which must stay rows of the same channels."""
        source = self.sums[node.inputs[0]]
        old, new = self.graph.tensors[source.output].shape, self.graph.tensors[node.output].shape
        one_row = isinstance(source, ops.Linear) and int(np.prod(old[:-1])) == 1
        if not one_row and (not isinstance(source, ops.Linear) or old[-1] != new[-1]):
            raise UnsupportedError(
                f"node {node.name!r} ({node.op}): it moves accumulators; put it behind the next Quant"
            )
        self.sums[node.output] = source

    def _move(self, node: ops.Node) -> None:
        if node.inputs[0] in self.sums or self.graph.tensors[node.output].dtype.is_wide:
            raise UnsupportedError(
                f"node {node.name!r} ({node.op}): it moves accumulators; put it behind the next Quant"
            )
        for name in node.inputs:
            self.tensor(name)
        self.views.of[node.output] = self.views.move(node)

    def tensor(self, name: str) -> View:
        """The view of a tensor; a constant is made when something reads it."""
        if name in self.constants and name not in self.views.of:
            self.views.of[name] = self._constant(name)
        return self.views.of[name]

    def _constant(self, name: str) -> View:
        """A constant as a tensor: a matrix operation of biases, whose every step reads padding."""
        first, dtype = self.views.channels_first(name), self.graph.tensors[name].dtype
        table = self.views.rows(self.constants[name].reshape(-1), name, first)
        zeros, groups = np.zeros(table.shape, np.int64), self.views.groups(table.shape[1])
        at = np.tile([0, -1, 0], (len(table), 1))
        nothing = np.zeros((groups, 1, self.m, self.n), np.int8)
        part = Part(np.arange(len(table)), at, np.zeros((1, 3), np.int64), np.zeros(groups, np.int64), nothing)
        self.plan.buffers.setdefault(PADDING, Buffer(PADDING))
        lane = Lane(zeros, table, zeros, dtype.lo, dtype.hi, role=self.roles[name])
        op = MatOp(
            name, View(PADDING, np.zeros(1, np.int64), True), [part], lane, self.views.target(name, first), last=(0, 0)
        )
        return self.views.emit(op, dtype.signed, first)

    def _pass_on(self, node: ops.Lookup) -> None:
        """A table on its own: of a tensor that is passed on."""
        view = self.views.of[node.inputs[0]]
        first = self.views.channels_first(node.inputs[0])
        positions = self.views.rows(view.positions, node.inputs[0], first)
        ones, zeros = np.ones(positions.shape[1], np.int64), np.zeros(positions.shape[1], np.int64)
        lane = Lane(ones, zeros, zeros, -128 if view.signed else 0, 127 if view.signed else 255)
        self._matop(node.output, view, self.views.select(positions), lane, first, table=(node, view.signed))

    def _requantize(self, node: ops.Requantize) -> None:
        out = self.graph.tensors[node.output]
        view, parts, first, last = self._operand(node)
        residual = self._residual(node, view, first) if len(node.inputs) == 2 else None
        relu = node.relu
        if out.dtype.is_wide and (node.lo, node.hi) != (out.dtype.lo, out.dtype.hi):
            relu = relu or residual is None  # which is what a lower bound of 0 means
            if node.lo != 0 or node.hi != out.dtype.hi or residual is not None:
                raise UnsupportedError(
                    f"node {node.name!r} (Requantize): the engine cannot clip a 32-bit result to {node.lo} and "
                    f"{node.hi}; put a Quant of 8 bits or less behind it"
                )
        lane = self._lane(node, out, first, relu, residual is not None, sum(len(part.rows) for part in parts))
        target, table = node.output, None
        readers = self.graph.consumers(node.output)
        if len(readers) == 1 and isinstance(readers[0], ops.Lookup) and node.output not in self.graph.outputs:
            target, table = readers[0].output, (readers[0], out.dtype.signed)
            self.fused.add(readers[0].name)
        op = self._matop(target, view, parts, lane, first, residual=residual, table=table, last=last)
        op.kv = self.kv.get(node.name)

    def _operand(self, node: ops.Requantize) -> tuple[View, list[Part], bool, tuple[int, int] | None]:
        """(operand, its parts, whether the result's channels are its first axis, the last position of what is padded)
        of the sum or tensor that a requantization reads."""
        name, views = node.inputs[0], self.views
        if name in self.sums:
            source = self.sums[name]
            if isinstance(source, ops.MatMul):
                view, parts, self.kv[node.name] = lower_kv.operand(self, source)
                return view, parts, False, None
            view = self.tensor(source.inputs[0])
            if isinstance(source, ops.Linear):
                positions = view.positions.reshape(-1, source.weight.shape[0])
                view, positions = views.distinct(view, positions, source.name)
                groups = views.groups(source.weight.shape[1])
                parts = weights.linear(positions, source.weight, self.n, self.m, groups)
                return view, [replace(part, role=weight_role(source)) for part in parts], False, None
            if source.inputs[0] in self.plan.images:
                return view, self._windows(source, view), True, None
            shape = self.graph.tensors[source.inputs[0]].shape
            view, part, last = conv.operand(source, shape, view, views)
            return view, [replace(part, role=weight_role(source))], True, last
        if self.graph.tensors[name].dtype.is_wide:
            raise UnsupportedError(
                f"node {node.name!r} (Requantize): it reads the 32-bit result {name!r}, which lies in byte planes; "
                f"requantize the accumulator behind it"
            )
        first = views.channels_first(name)
        view = self.tensor(name)
        return view, views.select(views.rows(view.positions, name, first)), first, None

    def _windows(self, node: ops.Node, view: View) -> list[Part]:
        """A convolution of an image that arrives as windows: a part for each band of them."""
        image, weight, parts = self.plan.images[node.inputs[0]], windows.matrix(node.weight), []
        positions, groups = view.positions.reshape(-1, len(weight)), self.views.groups(weight.shape[1])
        size = image.band * image.geometry.cols
        for first in range(0, len(positions), size):
            (part,) = weights.linear(positions[first : first + size], weight, self.n, self.m, groups)
            ahead = image.lost + image.ahead(first * image.pitch)
            parts.append(replace(part, rows=part.rows + first, ahead=int(ahead), role=weight_role(node)))
        return parts

    def _lane(self, node: ops.Requantize, out: Tensor, first: bool, relu: bool, residual: bool, rows: int) -> Lane:
        """The requantization of each channel of so many rows; a constant residual is part of the bias."""
        bias = _elements(node.bias, out, node.channel_axis)
        if len(node.inputs) == 2 and not residual:
            value = np.broadcast_to(self.constants[node.inputs[1]], out.shape).reshape(-1)
            bias = bias + value * _elements(node.mult[1], out, node.channel_axis)
        fields = [_elements(node.mult[0], out, node.channel_axis), bias, _elements(node.shift, out, node.channel_axis)]
        if residual:
            fields.append(_elements(node.mult[1], out, node.channel_axis))
        tables = [self.views.rows(values, node.output, first).reshape(rows, -1) for values in fields]
        if all((table == table[0]).all() for table in tables):  # the same in every row
            tables = [table[0] for table in tables]
        return Lane(*tables[:3], node.lo, node.hi, relu, tables[3] if residual else None, self.roles[node.output])

    def _residual(self, node: ops.Requantize, operand: View, first: bool) -> tuple[View, np.ndarray] | None:
        """The second operand, (view, first byte of each row): plain bytes, in another buffer than the first, for one
        bank cannot be read twice in a clock. None when it is a constant that the bias can hold."""
        out, name, views = self.graph.tensors[node.output], node.inputs[1], self.views
        other = self.graph.tensors[name]
        if name in self.constants:
            if not node.relu:
                return None
            views.of.setdefault(name, self._constant(name))
        view = views.of[name]
        positions = np.broadcast_to(view.positions.reshape(other.shape), out.shape).reshape(-1)
        positions = views.rows(positions, node.output, first)
        if row_starts(positions, self.v) is None or view.buffer == operand.buffer:
            view, positions = views.fresh(view, positions, f"{node.name}.residual", operand.buffer)
        return View(view.buffer, np.unique(positions), view.signed), positions[:, 0]

    def _matop(
        self,
        tensor: str,
        view: View,
        parts: list[Part],
        lane: Lane,
        first: bool,
        *,
        residual: tuple[View, np.ndarray] | None = None,
        table=None,
        last: tuple[int, int] | None = None,
    ) -> MatOp:
        out = self.graph.tensors[tensor]
        wide = out.dtype.is_wide
        rows = sum(len(part.rows) for part in parts)
        target = self.views.target(tensor, first, wide)
        if target.rows != rows:  # a sum of one row under another shape
            target = self.views.own(f"{tensor}.row", rows, out.size // rows, wide)
        bytes_ = None if table is None else _table_bytes(table[0].table, table[1])
        if wide:
            lane = replace(lane, lo=-256, hi=255)
        second, second_at = residual or (None, None)
        op = MatOp(tensor, view, parts, lane, target, last, second, second_at, bytes_, wide)
        self.views.of[tensor] = self.views.emit(op, out.dtype.signed, first)
        return op

    def _groupnorm(self, node: ops.GroupNorm) -> None:
        channels = self.graph.tensors[node.output].shape[:1]
        lane = Lane(
            *(np.broadcast_to(np.asarray(f, np.int64), channels) for f in (node.gamma_mult, node.bias, node.shift)),
            node.lo,
            node.hi,
            role=self.roles[node.output],
        )
        self._rowop(node, lane, first=True, eps=int(node.eps_int), group=channels[0] // node.groups)

    def _layernorm(self, node: ops.LayerNorm) -> None:
        row = self.graph.tensors[node.output].shape[-1:]
        lane = Lane(
            *(np.broadcast_to(np.asarray(f, np.int64), row) for f in (node.gamma_mult, node.bias, node.shift)),
            node.lo,
            node.hi,
            role=self.roles[node.output],
        )
        self._rowop(node, lane, eps=int(node.eps_int), rms=node.rms)

    def _softmax(self, node: ops.Softmax) -> None:
        none = np.zeros(0, np.int64)
        self._rowop(node, Lane(none, none, none, node.lo, node.hi), softmax=node)

    def _rowop(self, node: ops.Node, lane: Lane, first: bool = False, **what) -> None:
        """An operation over the last axis (first: over the channels, the first one), which the row unit reads word by
        word."""
        out = self.graph.tensors[node.output]
        view, name = self.tensor(node.inputs[0]), f"{node.name}.row"
        view, positions = self.views.plain(view, self.views.rows(view.positions, node.output, first), name)
        if len(set(np.diff(positions[:, 0]))) > 1:  # one stride takes the unit from row to row
            view, positions = self.views.fresh(view, positions, name)
        op = RowOp(node.output, view, positions[:, 0], lane, self.views.target(node.output, first), **what)
        self.views.of[node.output] = self.views.emit(op, out.dtype.signed, first)


def _elements(values: np.ndarray, out: Tensor, axis: int) -> np.ndarray:
    """One entry per element of the (row-major) output."""
    return np.broadcast_to(along_axis(np.asarray(values), len(out.shape), axis), out.shape).reshape(-1).astype(np.int64)


def _table_bytes(table: np.ndarray, signed: bool) -> np.ndarray:
    """256 bytes, indexed by the pre-activation as an unsigned byte."""
    index = np.arange(256, dtype=np.uint8)
    at = index.view(np.int8).astype(np.int64) + 128 if signed else index
    return np.asarray(table, np.int64)[at].astype(np.uint8)
