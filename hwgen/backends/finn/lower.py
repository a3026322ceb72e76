"""The integer graph as FINN layers: `lower(graph, board)`; what FINN cannot hold is an error that names the node.

Every operator is exact: thresholds and tables come from golden's integers, residuals and products are integer streams.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwgen.backends.finn import kinds, product
from hwgen.backends.finn.kinds import Kind
from hwgen.backends.finn.net import Net, Stream
from hwgen.backends.finn.sums import Sum, Term, combine
from hwgen.backends.finn.thresholds import (
    NEVER,
    identity,
    levels,
    per_channel,
    reached_by,
    staircase,
    through_table,
)
from hwgen.boards import Board
from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.graph.types import Tensor

ELSEWHERE = "use the backend engine or hls4ml"
BOARDS = {"zcu104": "ZCU104", "kv260": "KV260_SOM", "ultra96v2": "Ultra96-V2", "pynq-z2": "Pynq-Z2"}
"""Our boards as FINN v0.10.1 spells them (finn.util.basic.pynq_part_map)."""
MAX_STEPS_BITS = 10
"""Widest half of a table that rises and falls: 2**10 - 1 thresholds."""
IMPOSSIBLE = {
    "LayerNorm": "FINN has no LayerNorm for this board",
    "Softmax": "FINN has no softmax",
    "Transpose": "FINN's streams keep their order, it has no transpose",
    "Slice": "FINN has no slice of a stream",
}


@dataclass(frozen=True)
class Value:
    """A tensor of the graph as a stream. flip: per channel +1 or -1, the stream is flip * tensor. terms: a sum that
    is not made yet (a product waits for what is added to it). flat: an image that a Flatten declared a vector."""

    stream: Stream
    axis: int
    flip: np.ndarray | int = 1
    sum: Sum | None = None
    flat: bool = False


def board_name(board: Board) -> str:
    """FINN's name of a board. Raises UnsupportedError where FINN has none."""
    if board.name not in BOARDS:
        raise UnsupportedError(
            f"FINN v0.10.1 does not know the board {board.name}; it takes {', '.join(BOARDS)}, and every board takes "
            "the backend engine"
        )
    return BOARDS[board.name]


def lower(graph: Graph, board: Board) -> Net:
    """The network of a graph for a board. Raises UnsupportedError naming node, reason and way out."""
    board_name(board)
    return _Lowering(graph, board).run()


def lay_out(graph: Graph, name: str) -> tuple[tuple[int, ...], int]:
    """Shape of a tensor's stream, channels last, and its channel axis in the graph (negative)."""
    shape = graph.tensors[name].shape
    if len(shape) == 3:
        return (1, *shape[1:], shape[0]), -3
    if len(shape) == 2:
        conv = any(isinstance(n, (ops.Conv1D, ops.MaxPool, ops.SumPool)) for n in graph.nodes)
        return ((1, shape[1], 1, shape[0]), -2) if conv else ((1, 1, *shape), -1)
    raise UnsupportedError(f"tensor {name!r} has {len(shape)} axes; FINN takes vectors, rows and images: {ELSEWHERE}")


class _Lowering:
    def __init__(self, graph: Graph, board: Board):
        self.graph = graph
        flat = all(len(t.shape) == 1 for t in graph.tensors.values()) and not _has(graph, ops.Mul)
        weights = [n.weight for n in graph.nodes if isinstance(n, (ops.Linear, ops._Conv))]
        sums = any(isinstance(n, ops.SumPool) and not self.is_global(n) for n in graph.nodes)  # weights of 1
        shrink = not sums and all(kinds.shrinkable(w) for w in weights)
        self.net = Net(2 if flat else 4, shrink, narrow_weights=board.family == "zynq7")
        self.values: dict[str, Value] = {}
        self.done: set[str] = set()

    def run(self) -> Net:
        """Inputs, nodes, outputs."""
        for name in self.graph.inputs:
            t = self.graph.tensors[name]
            shape, axis = self.layout(name)
            self.values[name] = Value(self.net.input(name, shape, _kind(t)), axis)
            self.net.ports[name] = (shape, axis, False)
        for node in self.graph.nodes:
            if node.name not in self.done:
                self.net.source = node.name
                self.lower(node)
        for name in self.graph.outputs:
            x = self.values[name]
            self.net.output(x.stream, name)
            self.net.ports[name] = (x.stream.shape, x.axis, x.flat)
        return self.net

    def layout(self, name: str) -> tuple[tuple[int, ...], int]:
        """Stream shape and channel axis of a tensor."""
        shape = self.graph.tensors[name].shape
        return (self.net.vector_shape(shape[0]), -1) if len(shape) == 1 else lay_out(self.graph, name)

    def fail(self, node: ops.Node, why: str) -> None:
        """Raise UnsupportedError about a node."""
        raise UnsupportedError(f"node {node.name!r} ({node.op}): {why}; {ELSEWHERE}")

    def lower(self, node: ops.Node) -> None:
        """Add one node's layers."""
        if node.op in IMPOSSIBLE:
            self.fail(node, IMPOSSIBLE[node.op])
        getattr(self, "_" + node.op.lower())(node)

    def sole(self, name: str) -> ops.Node | None:
        """The only reader of a tensor, None if it has several or is an output."""
        readers = self.graph.consumers(name)
        return readers[0] if len(readers) == 1 and name not in self.graph.outputs else None

    # -- matrices ------------------------------------------------------------------------------------------------

    def _linear(self, node: ops.Linear) -> None:
        x = self.values[node.inputs[0]]
        weight, stream = node.weight.astype(np.int64), x.stream
        if x.flat:
            _, h, w, c = stream.shape
            weight = weight.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(h * w * c, -1)
            stream = self.net.windows(stream, (h, w), (1, 1))
        elif x.axis != -1:
            self.fail(node, "FINN multiplies along the channels of a stream, and this axis is none")
        self._multiply(node, stream, weight, -1)

    def _conv2d(self, node: ops.Conv2D) -> None:
        x = self.values[node.inputs[0]].stream
        kernel, pads = node.weight.shape[2:], tuple(node.pads)
        self._conv(node, x, kernel, node.stride, pads, node.dilation)

    def _conv1d(self, node: ops.Conv1D) -> None:
        x = self.values[node.inputs[0]].stream
        self._conv(node, x, (*node.weight.shape[2:], 1), (*node.stride, 1), (node.pads[0], 0, node.pads[1], 0),
                   (*node.dilation, 1))  # fmt: skip

    def _conv(self, node, x: Stream, kernel, stride, pads, dilation) -> None:
        axis = lay_out(self.graph, node.output)[1]
        weight = node.weight.astype(np.int64).reshape(*node.weight.shape[:2], *kernel)
        x = self.net.pad(x, pads)
        self._check_window(node, x, kernel, stride, dilation)
        if node.groups == x.channels == weight.shape[0] and node.groups > 1 and tuple(kernel) != (1, 1):
            x = self.net.windows(x, kernel, stride, dilation, depthwise=True)
            weight, flip = self._flipped(node, weight, axis=0)
            out = self.net.depthwise(x, weight, node.weight_bits)
            self.values[node.output] = Value(out, axis, flip)
            return
        x = self.net.windows(x, kernel, stride, dilation)
        weight = _dense(weight, node.groups).transpose(2, 3, 1, 0)
        self._multiply(node, x, weight.reshape(-1, weight.shape[-1]), axis)

    def _check_window(self, node, x: Stream, kernel, stride, dilation) -> None:
        """FINN: a line of pixels has no second kernel axis."""
        for size, k in zip(x.shape[1:3], kernel, strict=True):
            if size == 1 and k != 1 and x.shape[1:3] != (1, 1):
                self.fail(node, f"FINN slides a {tuple(kernel)} window over images, not over a line {x.shape[1:3]}")

    def _multiply(self, node, x: Stream, weight: np.ndarray, axis: int) -> None:
        weight, flip = self._flipped(node, weight, axis=1)
        self.values[node.output] = Value(self.net.matmul(x, weight, node.weight_bits), axis, flip)

    def _flipped(self, node, weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray | int]:
        """Weights with the sign turned in the channels whose Requantize has a negative multiplier."""
        reader = self.sole(node.output)
        if not isinstance(reader, ops.Requantize) or len(reader.inputs) != 1 or reader.is_wide:
            return weight, 1
        flip = np.where(per_channel(reader.mult[0], weight.shape[axis]) < 0, -1, 1)
        turned = weight * np.expand_dims(flip, tuple(i for i in range(weight.ndim) if i != axis))
        if turned.max() >= 1 << (node.weight_bits - 1):
            return weight, 1
        return turned, flip

    # -- requantize ----------------------------------------------------------------------------------------------

    def _requantize(self, node: ops.Requantize) -> None:
        x = self.values[node.inputs[0]]
        if node.relu and len(node.inputs) == 2:
            if node.is_wide:
                self.fail(node, "a relu inside a 32-bit sum has no layer in FINN")
            self._relu_then_add(node)
            return
        if node.is_wide:
            self._wide(node)
            return
        t = self.graph.tensors[node.output]
        stream, thresholds = self._summed(node, levels(node, _kind(t), x.stream.channels))
        out, kind = node, _kind(t)
        reader = self.sole(node.output)
        if isinstance(reader, ops.Lookup):
            table = _table(reader, t)[node.lo - t.dtype.lo : node.hi - t.dtype.lo + 1]
            if (np.diff(table) >= 0).all():
                out, kind = reader, _kind(self.graph.tensors[reader.output])
                steps = thresholds[:, node.lo - t.dtype.lo : node.hi - t.dtype.lo]
                thresholds = through_table(steps, node.lo, table, kind)
                self.done.add(reader.name)
        self._put(out, x, self.net.threshold(stream, thresholds, kind))

    def _put(self, node, like: Value, stream: Stream) -> None:
        self.values[node.output] = Value(stream, like.axis, flat=like.flat)

    def _sum(self, node: ops.Requantize) -> Sum:
        """The sum that a Requantize rounds: first input times its multiplier, plus a residual."""
        x = self.values[node.inputs[0]]
        self._check_axis(node, x)
        mult = [self._along(node, m, x) for m in node.mult]
        base = x.sum or Sum([Term(x.stream, np.ones(x.stream.channels, np.int64) * x.flip)])
        terms = [Term(t.stream, t.factor * mult[0]) for t in base.terms]
        if len(node.inputs) == 2:
            r = self.values[node.inputs[1]]
            if r.flat != x.flat:
                self.fail(node, "its residual lies in another order of channels")
            terms.append(Term(r.stream, mult[1]))
        return Sum(terms)

    def _summed(self, node: ops.Requantize, v: np.ndarray) -> tuple[Stream, np.ndarray]:
        """The stream to compare, and the thresholds on it, from thresholds v on golden's sum."""
        x = self.values[node.inputs[0]]
        total = combine(self.net, self._sum(node), x.sum.shape if x.sum else x.stream.shape)
        bias = self._along(node, node.bias, x)
        steps = reached_by(v, bias, total.divisor)
        moved = np.abs(steps) < NEVER
        return total.stream, np.where(moved, steps + total.offset[:, None], steps)

    def _along(self, node, values, x: Value) -> np.ndarray:
        return per_channel(values, x.stream.channels)

    def _check_axis(self, node: ops.Requantize, x: Value) -> None:
        arrays = [*node.mult, node.bias, node.shift]
        if all(np.size(a) == 1 for a in arrays):
            return
        rank = len(self.graph.tensors[node.output].shape)
        if x.flat or node.channel_axis % rank != x.axis % rank:
            self.fail(node, "its parameters run along an axis that is not the channels of FINN's stream")

    def _wide(self, node: ops.Requantize) -> None:
        """A 32-bit output: the sum itself, bias by a ChannelwiseOp."""
        x = self.values[node.inputs[0]]
        if node.relu or np.any(np.asarray(node.shift) != 0):
            self.fail(node, "a 32-bit output that is rounded or clipped has no layer in FINN; quantize it to 8 bits")
        total = combine(self.net, self._sum(node), x.sum.shape if x.sum else x.stream.shape)
        stream = self.net.affine(total.stream, "mul", total.divisor)
        bias = self._along(node, node.bias, x) - total.offset * total.divisor
        stream = self.net.affine(stream, "add", bias)
        self._put(node, x, stream)

    def _relu_then_add(self, node: ops.Requantize) -> None:
        """q(relu(u) + r) = max(q(u + r), q(r)), for q never falls: the second plus what the first has more."""
        x, r = (self.values[i] for i in node.inputs)
        kind = _kind(self.graph.tensors[node.output])
        plain = replace(node, relu=False)
        full = self.net.threshold(*self._summed(plain, levels(plain, kind, x.stream.channels)), kind)
        least = Sum([Term(r.stream, self._along(node, node.mult[1], x))])
        total = combine(self.net, least, x.stream.shape)
        zero = np.zeros(x.stream.channels, np.int64)
        steps = reached_by(levels(plain, kind, x.stream.channels), zero, total.divisor)
        steps = np.where(np.abs(steps) < NEVER, steps + total.offset[:, None], steps)
        floor = self.net.threshold(total.stream, steps, kind)
        # More: 0 .. 2**bits - 1, as an unsigned stream; a signed floor is subtracted from minus that.
        more_kind = Kind(kind.bits, False)
        more = self.net.threshold(self.net.subtract(full, floor), identity(0, more_kind), more_kind)
        negative = self.net.affine(more, "mul", np.array([-1]))
        signed, offset = (floor, 0) if kind.signed else (self.net.affine(floor, "add", np.array([-1])), -1)
        best = self.net.subtract(signed, negative)
        self._put(node, x, self.net.threshold(best, identity(kind.lo, kind) + offset, kind))

    # -- tables and products -------------------------------------------------------------------------------------

    def _lookup(self, node: ops.Lookup) -> None:
        x, t = self.values[node.inputs[0]], self.graph.tensors[node.inputs[0]]
        kind, table = _kind(self.graph.tensors[node.output]), _table(node, t)
        own = identity(t.dtype.lo, _kind(t))
        if (np.diff(table) >= 0).all():
            self._put(node, x, self.net.threshold(x.stream, through_table(own, t.dtype.lo, table, kind), kind))
            return
        up, down = staircase(table)
        bits = max(len(up), len(down)).bit_length()
        if bits > MAX_STEPS_BITS:
            self.fail(node, f"its table rises and falls by {len(up) + len(down)} in all, FINN's thresholds go to "
                            f"{2**MAX_STEPS_BITS - 1}")  # fmt: skip
        half = Kind(bits, False)
        sides = [self.net.threshold(x.stream, _filled(s + t.dtype.lo, half), half) for s in (up, down)]
        moved = identity(kind.lo, kind) - int(table[0])
        self._put(node, x, self.net.threshold(self.net.subtract(*sides), moved, kind))

    def _mul(self, node: ops.Mul) -> None:
        a, b = (self.values[i] for i in node.inputs)
        if a.flat or b.flat:
            self.fail(node, "a flattened image has no channels to multiply along")
        if np.prod(a.stream.shape) < np.prod(b.stream.shape):
            a, b = b, a
        if b.stream.shape not in (a.stream.shape, (*(1,) * (len(a.stream.shape) - 1), a.stream.channels)):
            self.fail(node, "FINN can repeat one vector of channels over an image, nothing else")
        total = product.product(self.net, a.stream, b.stream)
        shape, axis = total.shape, a.axis
        value = Value(a.stream, axis, sum=total)
        out = self.graph.tensors[node.output]
        if not out.dtype.is_wide:
            lane = ops.Requantize(name=node.name, inputs=(node.output,), output=node.output, mult=[node.mult],
                                  bias=np.zeros(1, np.int64), shift=node.shift, lo=node.lo, hi=node.hi,
                                  channel_axis=node.channel_axis)  # fmt: skip
            self.values[node.output] = replace(value, stream=Stream("", shape, a.stream.kind, 0, 0))
            self._requantize(lane)
            return
        if not isinstance(self.sole(node.output), ops.Requantize):
            self.fail(node, "a 32-bit product must be read by one Requantize")
        self.values[node.output] = value

    # -- space ---------------------------------------------------------------------------------------------------

    def _window(self, node) -> tuple[Stream, tuple, tuple, tuple]:
        x = self.values[node.inputs[0]].stream
        if len(node.kernel) == 1:
            return x, (*node.kernel, 1), (*node.stride, 1), (node.pads[0], 0, node.pads[1], 0)
        return x, tuple(node.kernel), tuple(node.stride), tuple(node.pads)

    def _maxpool(self, node: ops.MaxPool) -> None:
        x, kernel, stride, pads = self._window(node)
        like = self.values[node.inputs[0]]
        tiles = kernel == stride and not any(pads) and not (x.shape[1] % kernel[0] or x.shape[2] % kernel[1])
        square = x.shape[1] == x.shape[2] and kernel[0] == kernel[1]
        if tiles and (square or x.shape[2] == kernel[1] == 1) and kernel != (1, 1):
            self._put(node, like, self.net.maxpool(x, kernel))
            return
        kind, shift = x.kind, 0
        if any(pads) and kind.signed:  # FINN pads with 0, which must not win
            shift = -kind.lo
            x = self.net.affine(x, "add", np.array([shift]))
        x = self.net.pad(x, pads)
        self._check_window(node, x, kernel, stride, (1, 1))
        if kernel != (1, 1):
            x = self.net.window_max(self.net.windows(x, kernel, stride, depthwise=True), kernel)
        else:
            x = self.net.windows(x, kernel, stride)
        if shift:
            x = self.net.threshold(x, identity(0, Kind(kind.bits, False)), kind)
        self._put(node, like, x)

    def is_global(self, node: ops.SumPool) -> bool:
        """Whether one window covers all pixels."""
        space = self.graph.tensors[node.inputs[0]].shape[1:]
        return tuple(node.kernel) == tuple(space) and not any(node.pads) and np.prod(space) > 1

    def _sumpool(self, node: ops.SumPool) -> None:
        x, kernel, stride, pads = self._window(node)
        like = self.values[node.inputs[0]]
        if self.is_global(node):
            self._put(node, like, self.net.total(x))
            return
        x = self.net.pad(x, pads)
        self._check_window(node, x, kernel, stride, (1, 1))
        if kernel == (1, 1):
            self._put(node, like, self.net.windows(x, kernel, stride))
            return
        ones = np.ones((x.channels, 1, *kernel), np.int64)
        self._put(node, like, self.net.depthwise(self.net.windows(x, kernel, stride, depthwise=True), ones, 2))

    # -- shapes --------------------------------------------------------------------------------------------------

    def _flatten(self, node) -> None:
        x = self.values[node.inputs[0]]
        shape = self.graph.tensors[node.output].shape
        single = x.stream.shape[:-1] == (1,) * (len(x.stream.shape) - 1)
        if len(shape) == 1:
            self.values[node.output] = Value(x.stream, -1, flat=not single)
        elif single and np.prod(shape) == max(shape):
            axis = lay_out(self.graph, node.output)[1]
            if shape[axis] != x.stream.channels:
                self.fail(node, "only a vector that becomes the channels of one pixel keeps its order in FINN")
            self.values[node.output] = Value(x.stream, axis)
        else:
            self.fail(node, f"FINN's streams keep their shape; {self.graph.tensors[node.inputs[0]].shape} cannot "
                            f"become {shape}")  # fmt: skip

    _reshape = _flatten

    def _concat(self, node: ops.Concat) -> None:
        xs = [self.values[i] for i in node.inputs]
        rank = len(self.graph.tensors[node.output].shape)
        if any(x.flat for x in xs) or any(node.axis % rank != x.axis % rank for x in xs):
            self.fail(node, "FINN concatenates channels only")
        self.values[node.output] = Value(self.net.concat([x.stream for x in xs]), xs[0].axis)


def _has(graph: Graph, op: type) -> bool:
    return any(isinstance(n, op) for n in graph.nodes)


def _kind(t: Tensor) -> Kind:
    return Kind(t.dtype.bits, t.dtype.signed)


def _table(node: ops.Lookup, t: Tensor) -> np.ndarray:
    """Outputs for t's lowest value, the next, ... to its highest."""
    start = 128 if t.dtype.signed else 0
    return np.asarray(node.table, np.int64)[start + t.dtype.lo : start + t.dtype.hi + 1]


def _filled(steps: np.ndarray, kind: Kind) -> np.ndarray:
    """All thresholds of an unsigned type: those given, then ones that nothing reaches."""
    return np.concatenate([steps, np.full(kind.hi - len(steps), NEVER)])[None]


def _dense(weight: np.ndarray, groups: int) -> np.ndarray:
    """A grouped convolution's weight with the zeros between groups written out."""
    if groups == 1:
        return weight
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    full = np.zeros((weight.shape[0], ins * groups, *weight.shape[2:]), weight.dtype)
    for g in range(groups):
        full[g * outs : (g + 1) * outs, g * ins : (g + 1) * ins] = weight[g * outs : (g + 1) * outs]
    return full
