"""Products of two tensors and maxima of windows: graph nodes -> operations of the vector unit."""

from __future__ import annotations

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.graph.types import ACC, Tensor, along_axis
from hwgen.schedule import conv
from hwgen.schedule.plan import Lane, View, row_starts
from hwgen.schedule.vector import VecOp
from hwgen.schedule.views import Views


def product(low, node: ops.Mul, behind: ops.Requantize | None = None) -> None:
    """Mul; one of 32 bits together with the Requantize `behind` it, so that the sum is rounded once (FiLM).

    low: the lowering that goes on.
    """
    name = behind.output if behind else node.output
    out, first, views = low.graph.tensors[name], low.views.channels_first(name), low.views
    residual = None
    if behind and len(behind.inputs) == 2 and (behind.inputs[1] not in low.constants or behind.relu):
        residual = _operand(low, behind.inputs[1], name, first)
    x, x_at = _operand(low, node.inputs[0], name, first)
    second, second_at = _operand(low, node.inputs[1], name, first, apart_from=x)
    if behind:
        lane = low._lane(behind, out, first, behind.relu, residual is not None, len(x_at))
    else:
        lane = _lane(node, out, views, first, low.roles[node.output])
    at = np.stack([x_at, np.zeros_like(x_at), np.zeros_like(x_at)], axis=1)
    target = views.target(name, first)
    one = np.zeros((1, 3), np.int64)
    op = VecOp(name, "MUL", x, at, one, lane, target, None, second, second_at, *(residual or (None, None)))
    views.of[name] = views.emit(op, out.dtype.signed, first)


def check_wide(graph: Graph, node: ops.Mul) -> None:
    """A product of 32 bits must be what one Requantize rounds. Raises UnsupportedError naming the node."""
    readers = graph.consumers(node.output)
    way_out = "give the product 8 bits, or let one Requantize of 8 bits or less read it"
    if node.output in graph.outputs or len(readers) != 1 or not isinstance(readers[0], ops.Requantize):
        raise UnsupportedError(
            f"node {node.name!r} (Mul): its product of 32 bits is no tensor on the engine; {way_out}"
        )
    behind = readers[0]
    if behind.inputs[0] != node.output or graph.tensors[behind.output].dtype.is_wide:
        raise UnsupportedError(f"node {behind.name!r} (Requantize): it adds or keeps a product of 32 bits; {way_out}")
    if np.any(np.asarray(node.mult) != 1) or np.any(np.asarray(node.shift) != 0):
        raise UnsupportedError(f"node {node.name!r} (Mul): its product of 32 bits is scaled; {way_out}")
    if (node.lo, node.hi) != (ACC.lo, ACC.hi):
        raise UnsupportedError(f"node {node.name!r} (Mul): its product of 32 bits is clipped; {way_out}")


def _operand(low, name: str, out: str, first: bool, apart_from: View | None = None) -> tuple[View, np.ndarray]:
    """(view, first byte of each row) of a tensor that is broadcast to `out`: rows of plain bytes, in another buffer
    than `apart_from`, for a bank cannot be read twice in a clock."""
    views, shape = low.views, low.graph.tensors[out].shape
    if name in low.constants:
        views.of.setdefault(name, low._constant(name))
    view = views.of[name]
    positions = np.broadcast_to(view.positions.reshape(low.graph.tensors[name].shape), shape).reshape(-1)
    positions = views.rows(positions, out, first)
    same = (positions == positions[0]).all()  # one row for all
    table = positions[:1] if same else positions
    if row_starts(table, views.v) is None or (apart_from is not None and view.buffer == apart_from.buffer):
        view, table = views.fresh(view, table, f"{out}.{name}", apart_from and apart_from.buffer)
    starts = np.broadcast_to(table[:, 0], len(positions))
    return View(view.buffer, np.unique(table), view.signed), starts


def _lane(node: ops.Mul, out: Tensor, views: Views, first: bool, role: int) -> Lane:
    """The scale of each channel; one row where all rows are alike."""
    fields = [np.broadcast_to(along_axis(f, len(out.shape), node.channel_axis), out.shape).reshape(-1)
              for f in (np.asarray(node.mult, np.int64), np.asarray(node.shift, np.int64))]  # fmt: skip
    mult, shift = (views.rows(field, node.output, first) for field in fields)
    if (mult == mult[0]).all() and (shift == shift[0]).all():
        mult, shift = mult[0], shift[0]
    return Lane(mult, np.zeros_like(mult), shift, node.lo, node.hi, role=role)


def maximum(low, node: ops.MaxPool) -> None:
    """MaxPool: a window's positions are the steps of an output's word; those outside count as the smallest value."""
    views, tensor = low.views, low.graph.tensors[node.inputs[0]]
    shape, view = tensor.shape, views.of[node.inputs[0]]
    grid = view.positions.reshape(shape[0], *([1] * (3 - len(shape))), *shape[1:]).transpose(1, 2, 0)  # [H, W, C]
    even = conv.evenly(grid, views.v)
    if even is None or (even[2] != np.arange(shape[0])).any():
        view, positions = views.fresh(view, grid.reshape(-1, shape[0]), node.name)
        even = conv.evenly(positions.reshape(grid.shape), views.v)
    begin, steps, _ = even
    kernel, stride, pads = tuple(node.kernel), tuple(node.stride), tuple(node.pads)
    if len(kernel) == 1:
        kernel, stride, pads = (1, *kernel), (1, *stride), (0, pads[0], 0, pads[1])
    out = [(grid.shape[i] + pads[i] + pads[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1)]
    at = conv.lattice(out, stride, steps) + [begin - pads[0] * steps[0] - pads[1] * steps[1], -pads[0], -pads[1]]
    one, zero = np.ones(shape[0], np.int64), np.zeros(shape[0], np.int64)
    lane = Lane(one, zero, zero, tensor.dtype.lo, tensor.dtype.hi)
    last = grid.shape[0] - 1, grid.shape[1] - 1
    target = views.target(node.output, first=True)
    op = VecOp(node.output, "MAXPOOL", view, at, conv.lattice(kernel, (1, 1), steps), lane, target, last)
    views.of[node.output] = views.emit(op, tensor.dtype.signed, first=True)
