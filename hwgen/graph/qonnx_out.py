"""Integer graph -> QONNX, for files and for other tools.

The model imports to a graph that computes the same integers, and QONNX's own executor gives the same values as the
golden model wherever float32 is exact (power-of-two scales). Biases finer than float32 are split into two Add nodes.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from hwgen.graph import ops
from hwgen.graph.activations import activation_table
from hwgen.graph.graph import MOVES, Graph
from hwgen.graph.qonnx_writer import Writer
from hwgen.graph.ranges import lane_bounds
from hwgen.graph.scaling import lane_params, softmax_scale
from hwgen.graph.types import ACC, IntType, Tensor, along_axis

NAMED = {"sigmoid": "Sigmoid", "tanh": "Tanh", "gelu": "Gelu", "gelu_tanh": "Gelu", "mish": "Mish",
         "softplus": "Softplus", "elu": "Elu", "erf": "Erf", "silu": "Silu"}  # fmt: skip
"""Functions that are written as ONNX operators; other tables are written as Gather."""


def save(graph: Graph, path: str | Path, batch: int = 1) -> None:
    """Write the graph as a QONNX file (see to_model)."""
    onnx.save(to_model(graph, batch), str(path))


def to_model(graph: Graph, batch: int = 1) -> onnx.ModelProto:
    """The graph as a QONNX model, with a fixed batch size (QONNX's executor needs one)."""
    w = Writer(graph, batch)
    for name in graph.inputs:
        w.input(graph.tensors[name])
    for node in graph.nodes:
        WRITE[node.op](w, node)
        if node.op in MOVES and node.inputs[0] in w.factor:
            w.factor[node.output] = w.factor[node.inputs[0]]
    return w.finish()


def _weights(w: Writer, node, axis: int) -> str:
    x, out = w.tensor(node.inputs[0]), w.tensor(node.output)
    scale = np.asarray(out.scale, np.float64) / x.scale
    if scale.ndim and isinstance(node, ops.ConvTranspose1D):
        ins, outs = node.weight.shape[:2]
        scale = np.repeat(scale.reshape(node.groups, outs), ins // node.groups, axis=0)[..., None]
    elif scale.ndim:
        scale = scale.reshape([-1 if i == axis else 1 for i in range(node.weight.ndim)])
    scale = scale.astype(np.float32)
    # Layers that share an array (steps of a loop) share the initializer.
    same = (id(node.weight), node.weight_bits, scale.shape, scale.tobytes())
    if same not in w.weights:
        name = w.const(f"{node.output}_weight", node.weight.astype(np.float32) * scale)
        w.weights[same] = w.quant(name, w.fresh(f"{node.output}_weight_quant"), IntType(node.weight_bits), scale)
    return w.weights[same]


def _linear(w: Writer, node: ops.Linear) -> None:
    weight = _weights(w, node, axis=1)
    w.edge[node.output] = w.node("MatMul", [w.edge[node.inputs[0]], weight], node.output)


def _conv(w: Writer, node: ops.Conv) -> None:
    weight = _weights(w, node, axis=0)
    w.edge[node.output] = w.node(
        "Conv", [w.edge[node.inputs[0]], weight], node.output, kernel_shape=list(node.weight.shape[2:]),
        strides=list(node.stride), pads=list(node.pads), dilations=list(node.dilation), group=node.groups,
    )  # fmt: skip


def _conv_transpose(w: Writer, node: ops.ConvTranspose1D) -> None:
    weight = _weights(w, node, axis=1)
    w.edge[node.output] = w.node(
        "ConvTranspose", [w.edge[node.inputs[0]], weight], node.output, kernel_shape=[node.weight.shape[2]],
        strides=[node.stride], pads=list(node.pads), output_padding=[node.output_padding], group=node.groups,
    )  # fmt: skip


def _matmul(w: Writer, node: ops.MatMul) -> None:
    w.edge[node.output] = w.node("MatMul", [w.edge[i] for i in node.inputs], node.output)


def _constant(w: Writer, node: ops.Constant) -> None:
    t = w.tensor(node.output)
    real = np.broadcast_to(node.value.astype(np.float32) * np.float32(t.scale), (w.batch, *t.shape))
    w.edge[node.output] = w.quant(w.const(f"{node.output}_value", real), node.output, t.dtype, t.scale)


def _sumpool(w: Writer, node: ops.SumPool) -> None:
    # ONNX has only the mean; the factor is taken up by the Requantize that reads it.
    w.edge[node.output] = w.node(
        "AveragePool", [w.edge[node.inputs[0]]], node.output, kernel_shape=list(node.kernel),
        strides=list(node.stride), pads=list(node.pads), count_include_pad=1,
    )  # fmt: skip
    w.factor[node.output] = float(prod(node.kernel))


def _maxpool(w: Writer, node: ops.MaxPool) -> None:
    w.edge[node.output] = w.node(
        "MaxPool", [w.edge[node.inputs[0]]], node.output, kernel_shape=list(node.kernel), strides=list(node.stride),
        pads=list(node.pads),
    )  # fmt: skip


def _rational(mult, shift) -> np.ndarray:
    return np.ldexp(np.asarray(mult, np.float64), -np.asarray(shift, np.int64))


def _split(values: np.ndarray) -> list[np.ndarray]:
    """A float64 array as a sum of at most two float32 arrays."""
    first = np.asarray(values, np.float64).astype(np.float32)
    rest = (values - first.astype(np.float64)).astype(np.float32)
    return [first, rest] if rest.any() else [first]


def _scale_edge(w: Writer, edge: str, base: str, gain: np.ndarray, ndim: int, axis: int) -> str:
    """Multiply an edge by a gain, in two steps where one float32 is not precise enough."""
    first = np.asarray(gain, np.float64).astype(np.float32)
    again = np.where(first == 0, 1, gain / np.where(first == 0, 1, first.astype(np.float64))).astype(np.float32)
    for g in (first, again) if (again != 1).any() else (first,):
        edge = w.node("Mul", [edge, w.const(f"{base}_gain", along_axis(g, ndim, axis))], w.fresh(f"{base}_mul"))
    return edge


def _requantize(w: Writer, node: ops.Requantize) -> None:
    ins, out = [w.tensor(i) for i in node.inputs], w.tensor(node.output)
    ndim, axis = len(ins[0].shape), node.channel_axis
    wanted = [_rational(m, node.shift) for m in node.mult]
    natural = [np.asarray(t.scale) / np.asarray(out.scale) for t in ins]
    edges = [w.edge[i] for i in node.inputs]
    natural[0] = natural[0] / w.factor.get(node.inputs[0], 1.0)
    offset = _rational(node.bias, node.shift)
    if not _reproduces(w, node, natural, offset, wanted):
        for i, (n, r) in enumerate(zip(natural, wanted, strict=True)):
            if np.any(n != r):
                edges[i] = _scale_edge(w, edges[i], node.output, r / n, ndim, axis)
    edge = _bias(w, edges[0], node.output, offset * np.asarray(out.scale), ndim, axis)
    if node.relu:
        edge = w.node("Relu", [edge], w.fresh(f"{node.output}_relu"))
    if len(edges) == 2:
        edge = w.node("Add", [edge, edges[1]], w.fresh(f"{node.output}_sum"))
    _finish(w, node, edge, out)


def _reproduces(w: Writer, node: ops.Requantize, natural, offset, wanted) -> bool:
    """Whether an importer finds this node's multipliers from the scales alone."""
    ins, axis = [w.tensor(i) for i in node.inputs], node.channel_axis
    bounds = lane_bounds([w.ranges[i] for i in node.inputs], axis == ins[0].channel_axis)
    p = lane_params(natural, offset, bounds, max(abs(node.lo), abs(node.hi)), node.name)
    return all(np.all(_rational(m, p.shift) == r) for m, r in zip(p.mult, wanted, strict=True))


def _bias(w: Writer, edge: str, base: str, bias: np.ndarray, ndim: int, axis: int) -> str:
    if not np.any(bias):
        return edge
    for part in _split(np.asarray(bias)):
        edge = w.node("Add", [edge, w.const(f"{base}_bias", along_axis(part, ndim, axis))], w.fresh(f"{base}_add"))
    return edge


def _finish(w: Writer, node, edge: str, out: Tensor) -> None:
    """Clip, where the clamp is not a type's own range, and Quant (none for wide outputs)."""
    full, narrow = out.dtype.bounds(), out.dtype.bounds(narrow=True)
    clamp = (node.lo, node.hi)
    if out.dtype.is_wide:
        lo = None if node.lo == ACC.lo else float(node.lo * np.min(out.scale))
        hi = None if node.hi == ACC.hi else float(node.hi * np.min(out.scale))
    elif clamp in (full, narrow):
        lo = hi = None
    else:
        lo, hi = (None if c == f else float(c * out.scale) for c, f in zip(clamp, full, strict=True))
    if lo is not None or hi is not None:
        args = [edge, *(w.const(f"{node.output}_{n}", v) if v is not None else "" for n, v in (("lo", lo), ("hi", hi)))]
        edge = w.node("Clip", args if args[-1] else args[:-1], w.fresh(f"{node.output}_clip"))
    if out.dtype.is_wide:
        w.edge[node.output] = edge
    else:
        is_narrow = clamp == narrow and clamp != full
        w.edge[node.output] = w.quant(edge, node.output, out.dtype, out.scale, is_narrow)


def _lookup(w: Writer, node: ops.Lookup) -> None:
    x, out = w.tensor(node.inputs[0]), w.tensor(node.output)
    edge, base = w.edge[node.inputs[0]], node.output
    narrow = None
    for n in (False, True):
        if node.fn in NAMED and narrow is None:
            table = activation_table(node.fn, x.dtype, float(x.scale), float(out.scale), *out.dtype.bounds(n))
            narrow = n if np.array_equal(table, node.table) else None
    if narrow is None:
        # index = x / scale (+ 128); half a step more keeps the conversion to integers away from rounding errors.
        start = 128 if x.dtype.signed else 0
        index = w.node("Div", [edge, w.const(f"{base}_step", x.scale)], w.fresh(f"{base}_steps"))
        index = w.node("Add", [index, w.const(f"{base}_start", start + 0.5)], w.fresh(f"{base}_index"))
        index = w.node("Cast", [index], w.fresh(f"{base}_int"), to=TensorProto.INT64)
        table = w.const(f"{base}_table", np.asarray(node.table, np.float64) * out.scale)
        edge = w.node("Gather", [table, index], w.fresh(f"{base}_gather"), axis=0)
    elif node.fn == "silu":
        gate = w.node("Sigmoid", [edge], w.fresh(f"{base}_sigmoid"))
        edge = w.node("Mul", [edge, gate], w.fresh(f"{base}_silu"))
    else:
        attrs = {"approximate": "tanh"} if node.fn == "gelu_tanh" else {}
        edge = w.node(NAMED[node.fn], [edge], w.fresh(f"{base}_{node.fn}"), **attrs)
    w.edge[node.output] = w.quant(edge, node.output, out.dtype, out.scale, bool(narrow))


def _layernorm(w: Writer, node: ops.LayerNorm) -> None:
    x, out = w.tensor(node.inputs[0]), w.tensor(node.output)
    row, base, edge = x.shape[-1], node.output, w.edge[node.inputs[0]]
    eps = float(np.float32(node.eps_int * x.scale**2 / row**2))
    gamma = np.broadcast_to(_rational(node.gamma_mult, node.shift) * out.scale * 2.0**20, (row,))
    beta = np.broadcast_to(_rational(node.bias, node.shift) * out.scale, (row,))
    if node.rms:
        square = w.node("Mul", [edge, edge], w.fresh(f"{base}_square"))
        mean = w.node(
            "ReduceMean", [square, w.const(f"{base}_axes", [-1], np.int64)], w.fresh(f"{base}_mean"), keepdims=1
        )
        mean = w.node("Add", [mean, w.const(f"{base}_eps", eps)], w.fresh(f"{base}_mean_eps"))
        root = w.node("Sqrt", [mean], w.fresh(f"{base}_root"))
        edge = w.node("Div", [edge, root], w.fresh(f"{base}_norm"))
        edge = _scale_edge(w, edge, base, gamma, 1, -1)
        edge = _bias(w, edge, base, beta, 1, -1)
    else:
        first, *rest = _split(beta)
        args = [edge, w.const(f"{base}_gamma", gamma), w.const(f"{base}_beta", first)]
        edge = w.node("LayerNormalization", args, w.fresh(f"{base}_norm"), axis=-1, epsilon=eps)
        for part in rest:
            edge = w.node("Add", [edge, w.const(f"{base}_beta", part)], w.fresh(f"{base}_add"))
    _finish(w, node, edge, out)


def _groupnorm(w: Writer, node: ops.GroupNorm) -> None:
    x, out = w.tensor(node.inputs[0]), w.tensor(node.output)
    base, channels = node.output, x.shape[0]
    eps = float(np.float32(node.eps_int * x.scale**2 / node.row(x.shape) ** 2))
    gamma = np.broadcast_to(_rational(node.gamma_mult, node.shift) * out.scale * 2.0**20, (channels,))
    first, *rest = _split(np.broadcast_to(_rational(node.bias, node.shift) * out.scale, (channels,)))
    args = [w.edge[node.inputs[0]], w.const(f"{base}_gamma", gamma), w.const(f"{base}_beta", first)]
    edge = w.node("GroupNormalization", args, w.fresh(f"{base}_norm"), num_groups=node.groups, epsilon=eps)
    w.shapes[edge] = x.shape  # of which shape inference knows nothing
    for part in rest:
        beta = w.const(f"{base}_beta", along_axis(part, len(x.shape), 0))
        edge = w.node("Add", [edge, beta], w.fresh(f"{base}_add"))
    _finish(w, node, edge, out)


def _softmax(w: Writer, node: ops.Softmax) -> None:
    x, out, edge = w.tensor(node.inputs[0]), w.tensor(node.output), w.edge[node.inputs[0]]
    if node.step != x.scale:
        edge = _scale_edge(w, edge, node.output, np.float64(node.step / x.scale), len(x.shape), -1)
    edge = w.node("Softmax", [edge], w.fresh(f"{node.output}_softmax"), axis=-1)
    wanted = node.mult * 2.0 ** (23 - node.shift) * out.scale  # about 1, or a factor behind the softmax
    if softmax_scale(out.scale, node.name) != (node.mult, node.shift):
        edge = _scale_edge(w, edge, node.output, np.float64(wanted), len(x.shape), -1)
    _finish(w, node, edge, out)


def _mul(w: Writer, node: ops.Mul) -> None:
    a, b, out = (w.tensor(i) for i in (*node.inputs, node.output))
    edge = w.node("Mul", [w.edge[i] for i in node.inputs], w.fresh(f"{node.output}_product"))
    wanted, natural = _rational(node.mult, node.shift), a.scale * b.scale / out.scale
    bound = w.ranges[a.name].bound * w.ranges[b.name].bound
    p = lane_params([natural], 0.0, [bound], max(abs(node.lo), abs(node.hi)), node.name)
    if np.any(_rational(p.mult[0], p.shift) != wanted):
        edge = _scale_edge(w, edge, node.output, wanted / natural, len(out.shape), node.channel_axis)
    _finish(w, node, edge, out)


def _reshape(w: Writer, node: ops.Reshape) -> None:
    shape = w.const(f"{node.output}_shape", [0, *node.shape], np.int64)
    w.edge[node.output] = w.node("Reshape", [w.edge[node.inputs[0]], shape], node.output)


def _flatten(w: Writer, node: ops.Flatten) -> None:
    w.edge[node.output] = w.node("Flatten", [w.edge[node.inputs[0]]], node.output, axis=1)


def _transpose(w: Writer, node: ops.Transpose) -> None:
    perm = [0, *(p + 1 for p in node.perm)]
    w.edge[node.output] = w.node("Transpose", [w.edge[node.inputs[0]]], node.output, perm=perm)


def _concat(w: Writer, node: ops.Concat) -> None:
    rank = len(w.tensor(node.output).shape)
    axis = node.axis % rank + 1
    w.edge[node.output] = w.node("Concat", [w.edge[i] for i in node.inputs], node.output, axis=axis)


def _slice(w: Writer, node: ops.Slice) -> None:
    axis = node.axis % len(w.tensor(node.output).shape) + 1
    parts = (("starts", node.start), ("ends", node.stop), ("axes", axis), ("steps", node.step))
    args = [w.const(f"{node.output}_{n}", [v], np.int64) for n, v in parts]
    w.edge[node.output] = w.node("Slice", [w.edge[node.inputs[0]], *args], node.output)


WRITE = {
    "Linear": _linear, "Conv1D": _conv, "Conv2D": _conv, "ConvTranspose1D": _conv_transpose, "MatMul": _matmul,
    "Constant": _constant, "Requantize": _requantize, "Lookup": _lookup, "LayerNorm": _layernorm,
    "GroupNorm": _groupnorm, "Softmax": _softmax, "Mul": _mul, "MaxPool": _maxpool, "SumPool": _sumpool,
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Concat": _concat, "Slice": _slice,
}  # fmt: skip
"""Writer of every operator."""
