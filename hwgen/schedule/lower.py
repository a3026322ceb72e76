"""Graph -> Plan: fuse nodes into matrix and row operations, and refuse what the engine lacks."""

from __future__ import annotations

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.graph.types import Tensor, along_axis
from hwgen.schedule.plan import INPUTS, Buffer, Lane, MatOp, Output, Plan, RowOp, View
from hwgen.schedule.views import MOVES, Views, round_up

_WAY_OUT = "use --backend hls4ml, or run that part on the host and give the engine the graph behind it"
NOT_YET = {
    "Conv2D": f"convolutions have no RTL in this version; {_WAY_OUT}",
    "Conv1D": f"convolutions have no RTL in this version; {_WAY_OUT}",
    "MaxPool": f"pooling has no RTL in this version; {_WAY_OUT}",
    "SumPool": f"pooling has no RTL in this version; {_WAY_OUT}",
    "Mul": f"products of two tensors (FiLM, gating) have no RTL in this version; {_WAY_OUT}",
    "Softmax": f"softmax has no RTL in this version; {_WAY_OUT}",
}


def lower(graph: Graph, m: int, v: int) -> Plan:
    """Plan of the graph for an array with m outputs and words of v bytes. Raises UnsupportedError naming the node."""
    return _Lowering(graph, m, v).run()


class _Lowering:
    def __init__(self, graph: Graph, m: int, v: int):
        self.graph, self.m, self.v = graph, m, v
        self.plan = Plan()
        self.views = Views(graph, self.plan, v)
        self.sums: dict[str, ops.Linear] = {}  # accumulators, computed where they are read
        self.fused: set[str] = set()  # nodes done as part of an earlier one

    def run(self) -> Plan:
        self.views.inputs()
        self.views.place_concats()
        for node in self.graph.nodes:
            if node.name not in self.fused:
                self._node(node)
        for name in self.graph.outputs:
            self._output(name)
        self._order()
        return self.plan

    # --- operations -------------------------------------------------------------------------------------------------
    def _node(self, node: ops.Node) -> None:
        if node.op in NOT_YET:
            raise UnsupportedError(f"node {node.name!r} ({node.op}): {NOT_YET[node.op]}")
        if isinstance(node, ops.Linear):
            self._vector(node, 0)
            self.sums[node.output] = node
        elif isinstance(node, ops.Requantize):
            self._requantize(node)
        elif isinstance(node, ops.Lookup):
            view = self.views.of[node.inputs[0]]
            ones, zeros = np.ones(view.size, np.int64), np.zeros(view.size, np.int64)
            lane = Lane(ones, zeros, zeros, -128 if view.signed else 0, 127 if view.signed else 255)
            self._matop(node.output, *self.views.identity(view), lane, table=(node, view.signed))
        elif isinstance(node, ops.LayerNorm):
            self._layernorm(node)
        elif isinstance(node, (ops.Reshape, ops.Flatten)) and node.inputs[0] in self.sums:
            self.sums[node.output] = self.sums[node.inputs[0]]  # the same sums in the same order
        elif isinstance(node, MOVES):
            if node.inputs[0] in self.sums or self.graph.tensors[node.output].dtype.is_wide:
                raise UnsupportedError(
                    f"node {node.name!r} ({node.op}): it moves accumulators; put it behind the next Quant"
                )
            self.views.of[node.output] = self.views.move(node)
        else:
            raise UnsupportedError(f"node {node.name!r} ({node.op}): the engine has no such operator; {_WAY_OUT}")

    def _vector(self, node: ops.Node, index: int) -> None:
        shape = self.graph.tensors[node.inputs[index]].shape
        if int(np.prod(shape[:-1], dtype=np.int64)) != 1:
            raise UnsupportedError(
                f"node {node.name!r} ({node.op}): its input has shape {shape}; in this version the engine takes one "
                "vector at a time, so flatten it, give each row its own graph, or use --backend hls4ml"
            )

    def _requantize(self, node: ops.Requantize) -> None:
        out = self.graph.tensors[node.output]
        first = node.inputs[0]
        if first in self.sums:
            linear = self.sums[first]
            view, weight = self.views.distinct(self.views.of[linear.inputs[0]], linear.name), linear.weight
        elif self.graph.tensors[first].dtype.is_wide:
            raise UnsupportedError(
                f"node {node.name!r} (Requantize): it reads the 32-bit result {first!r}, which lies in byte planes; "
                f"requantize the accumulator behind it"
            )
        else:
            view, weight = self.views.identity(self.views.of[first])
        residual = self._residual(node, view) if len(node.inputs) == 2 else None
        relu = node.relu
        if out.dtype.is_wide and (node.lo, node.hi) != (out.dtype.lo, out.dtype.hi):
            relu = relu or residual is None  # which is what a lower bound of 0 means
            if node.lo != 0 or node.hi != out.dtype.hi or residual is not None:
                raise UnsupportedError(
                    f"node {node.name!r} (Requantize): the engine cannot clip a 32-bit result to {node.lo} and "
                    f"{node.hi}; put a Quant of 8 bits or less behind it"
                )
        lane = Lane(
            _channels(node.mult[0], out, node.channel_axis),
            _channels(node.bias, out, node.channel_axis),
            _channels(node.shift, out, node.channel_axis),
            node.lo,
            node.hi,
            relu,
            _channels(node.mult[1], out, node.channel_axis) if residual else None,
        )
        target, table = node.output, None
        readers = self.graph.consumers(node.output)
        if len(readers) == 1 and isinstance(readers[0], ops.Lookup) and node.output not in self.graph.outputs:
            target, table = readers[0].output, (readers[0], out.dtype.signed)
            self.fused.add(readers[0].name)
        self._matop(target, view, weight, lane, residual=residual, table=table)

    def _residual(self, node: ops.Requantize, operand: View) -> View:
        """The second operand: plain bytes, in another buffer than the first, for one bank cannot be read twice in a
        clock."""
        out, other = self.graph.tensors[node.output], self.graph.tensors[node.inputs[1]]
        view = self.views.of[node.inputs[1]]
        if other.shape != out.shape:
            positions = np.broadcast_to(view.positions.reshape(other.shape), out.shape).reshape(-1)
            view = View(view.buffer, positions, view.signed)
        view = self.views.plain(view, f"{node.name}.residual")
        if view.buffer != operand.buffer:
            return view
        name = f"{node.name}.operand"
        self.plan.buffers[name] = Buffer(name, round_up(view.size, self.v))
        return self.views.copy(view, name, name, 0)

    def _matop(
        self,
        tensor: str,
        view: View,
        weight: np.ndarray | None,
        lane: Lane,
        *,
        residual: View | None = None,
        table=None,
    ) -> None:
        out = self.graph.tensors[tensor]
        wide = out.dtype.is_wide
        size = round_up(out.size, self.m) * 4 if wide else out.size
        buffer, start = self.views.buffer(tensor, size)
        bytes_ = None if table is None else _table_bytes(table[0].table, table[1])
        if wide:
            lane = Lane(lane.mult, lane.bias, lane.shift, -256, 255, lane.relu, lane.rmult)
        op = MatOp(tensor, view, weight, lane, buffer, start, out.size, residual, bytes_, wide)
        self.views.of[tensor] = self.views.emit(op, out.dtype.signed)

    def _layernorm(self, node: ops.LayerNorm) -> None:
        self._vector(node, 0)
        out = self.graph.tensors[node.output]
        view = self.views.plain(self.views.of[node.inputs[0]], f"{node.name}.row")
        lane = Lane(
            _channels(node.gamma_mult, out, -1),
            _channels(node.bias, out, -1),
            _channels(node.shift, out, -1),
            node.lo,
            node.hi,
        )
        buffer, start = self.views.buffer(node.output, out.size)
        op = RowOp(node.output, view, lane, buffer, start, out.size, int(node.eps_int), node.rms)
        self.views.of[node.output] = self.views.emit(op, out.dtype.signed)

    def _output(self, name: str) -> None:
        tensor = self.graph.tensors[name]
        if name in self.sums:
            raise UnsupportedError(
                f"output {name!r} is an accumulator; requantize it (a wide Requantize keeps all 32 bits)"
            )
        view = self.views.of[name]
        start = view.start_if_plain(self.v)
        if view.buffer == INPUTS or start is None or self._taken(view.buffer):
            buffer = f"{name}.output"
            self.plan.buffers[buffer] = Buffer(buffer, round_up(view.size, self.v))
            view, start = self.views.copy(view, buffer, buffer, 0), 0
        op = next(i for i, o in enumerate(self.plan.ops) if o.out == view.buffer and 0 <= start - o.out_start < o.size)
        self.plan.buffers[view.buffer].keep = True
        self.plan.outputs.append(Output(name, view.buffer, start, view.size, tensor.dtype.is_wide, op))

    def _taken(self, buffer: str) -> bool:
        return any(o.buffer == buffer for o in self.plan.outputs)

    # --- order ------------------------------------------------------------------------------------------------------
    def _order(self) -> None:
        """Run a row operation right behind the operation that makes its input; note who writes and reads each
        buffer."""
        plan = self.plan
        order: list[int] = []
        for i, op in enumerate(plan.ops):
            at = len(order)
            if isinstance(op, RowOp):
                made = [k for k, j in enumerate(order) if plan.ops[j].out == op.x.buffer]
                at = made[-1] + 1 if made else 0
                while at < len(order) and isinstance(plan.ops[order[at]], RowOp):
                    at += 1
            order.insert(at, i)
        where = {old: new for new, old in enumerate(order)}
        plan.ops = [plan.ops[i] for i in order]
        for output in plan.outputs:
            output.op = where[output.op]
        for i, op in enumerate(plan.ops):
            plan.buffers[op.out].writers.append(i)
            plan.buffers[op.x.buffer].readers.append(i)
            if isinstance(op, MatOp) and op.residual is not None:
                plan.buffers[op.residual.buffer].readers.append(i)


def _channels(values: np.ndarray, out: Tensor, axis: int) -> np.ndarray:
    """One entry per element of the (row-major) output."""
    return np.broadcast_to(along_axis(np.asarray(values), len(out.shape), axis), out.shape).reshape(-1).astype(np.int64)


def _table_bytes(table: np.ndarray, signed: bool) -> np.ndarray:
    """256 bytes, indexed by the pre-activation as an unsigned byte."""
    index = np.arange(256, dtype=np.uint8)
    at = index.view(np.int8).astype(np.int64) + 128 if signed else index
    return np.asarray(table, np.int64)[at].astype(np.uint8)
