"""The meaning of every operator, in NumPy integers. This is what hardware and references must equal.

Arrays are int64 and batch first. Each function takes the node's parameters and arrays and returns an array; nothing
here uses floating point except ``dot``, which does so only because it is exact there and faster. Rounding and the two
reciprocals are in ``hwgen.runtime.host.kernels``, for the robot's processor runs them, too.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.graph.types import Tensor, along_axis
from hwgen.runtime.host.kernels import reciprocal, reciprocal_sqrt, round_shift


def run(graph: Graph, inputs: dict[str, np.ndarray], keep: bool = False) -> dict[str, np.ndarray]:
    """Run the graph on integers.

    inputs: one integer array [batch, *shape] per graph input, values within its type.
    Returns int64 arrays by output name; with keep=True, every tensor of the graph by name.
    Raises InputError for a missing input, a wrong shape, a non-integer array or a value outside the input's type.
    """
    values = check_inputs(graph, inputs)
    for node in graph.nodes:
        values[node.output] = evaluate(node, values, graph.tensors)
    return values if keep else {name: values[name] for name in graph.outputs}


def evaluate(node: ops.Node, values: dict[str, np.ndarray], tensors: dict[str, Tensor]) -> np.ndarray:
    """The output of one node, of the tensors' values by name (int64, batch first)."""
    # A constant has no inputs; any tensor tells it the batch.
    names = node.inputs or tuple(values)[:1]
    return EVAL[node.op](node, [values[name] for name in names], [tensors[name] for name in names])


def check_inputs(graph: Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs as int64, after checking names, shapes, dtypes and ranges (raises InputError)."""
    if unknown := set(inputs) - set(graph.inputs):
        raise InputError(f"{sorted(unknown)} is not an input of {graph.name}; its inputs are {graph.inputs}")
    values, batch = {}, None
    for name in graph.inputs:
        t = graph.tensors[name]
        if name not in inputs:
            raise InputError(f"input {name!r} of {graph.name} is missing; give an array [batch, {t.shape}]")
        x = np.asarray(inputs[name])
        if not np.issubdtype(x.dtype, np.integer):
            raise InputError(f"input {name!r} has dtype {x.dtype}; give integers, or use quantize_inputs() first")
        if x.ndim == 0 or x.shape[1:] != t.shape:
            raise InputError(f"input {name!r} has shape {x.shape}; expected (batch, {', '.join(map(str, t.shape))})")
        if batch not in (None, x.shape[0]):
            raise InputError(f"input {name!r} has batch {x.shape[0]} but another input has {batch}")
        batch = x.shape[0]
        if x.size and (x.min() < t.dtype.lo or x.max() > t.dtype.hi):
            raise InputError(f"input {name!r} leaves the range of {t.dtype}: {t.dtype.lo} to {t.dtype.hi}")
        values[name] = x.astype(np.int64)
    return values


def quantize_inputs(graph: Graph, real: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Real inputs [batch, *shape] -> integers: round half to even of real / scale, clamped to the input's range.

    Raises InputError when a value is NaN or infinite.
    """
    out = {}
    for name, x in real.items():
        if name not in graph.inputs:
            raise InputError(f"{name!r} is not an input of {graph.name}; its inputs are {graph.inputs}")
        x, t = np.asarray(x), graph.tensors[name]
        if not np.isfinite(x).all():
            raise InputError(f"input {name!r} holds NaN or infinity; real inputs must be finite")
        lo, hi = graph.input_range(name)
        # float32 division, as in QONNX's Quant; float64 inputs keep their precision.
        x = x.astype(np.float32) if x.dtype != np.float64 else x
        out[name] = np.clip(np.round(x / x.dtype.type(t.scale)), lo, hi).astype(np.int64)
    return out


def dequantize_outputs(graph: Graph, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Integers -> real values (float64): integer * scale, per channel where the output's scale is."""
    return {name: np.asarray(y) * graph.tensors[name].scale_array() for name, y in outputs.items()}


def dot(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Integer matrix product. Every partial sum is an integer below 2**53, so float64 is exact (and uses BLAS)."""
    return (x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)


def linear(node: ops.Linear, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """acc[b, ..., o] = sum over i of x[b, ..., i] * weight[i, o]"""
    return dot(args[0], node.weight)


def windows(x: np.ndarray, kernel, stride, pads, dilation, fill: int = 0) -> np.ndarray:
    """x[b, c, *space] -> view [b, c, *out, *kernel]: the window at each output position, `fill` on padding."""
    n = len(kernel)
    x = np.pad(x, [(0, 0), (0, 0), *((pads[i], pads[n + i]) for i in range(n))], constant_values=fill)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=tuple(range(2, 2 + n)))
    at = tuple(slice(None, None, s) for s in stride) + tuple(slice(None, None, d) for d in dilation)
    return view[(slice(None), slice(None), *at)]


def conv(node: ops.Conv, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """acc[b, o, p] = sum over channels c of o's group and taps k: x[b, c, p*stride + k*dilation - pad] * w[o, c, k]"""
    x, w, n = args[0], node.weight, node.weight.ndim - 2
    view = windows(x, w.shape[2:], node.stride, node.pads, node.dilation)
    out_space = view.shape[2 : 2 + n]
    per_group, outs = x.shape[1] // node.groups, w.shape[0] // node.groups
    view = np.moveaxis(view, 1, 1 + n)  # [b, *out, c, *kernel]
    parts = []
    for g in range(node.groups):
        cols = np.take(view, range(g * per_group, (g + 1) * per_group), axis=1 + n)
        rows = cols.reshape(x.shape[0], -1, per_group * int(np.prod(w.shape[2:])))
        parts.append(dot(rows, w[g * outs : (g + 1) * outs].reshape(outs, -1).T))
    acc = np.concatenate(parts, axis=-1)
    return np.moveaxis(acc, -1, 1).reshape(x.shape[0], w.shape[0], *out_space)


def conv_transpose(node: ops.ConvTranspose1D, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """acc[b, o, n*stride + i - pad] += x[b, c, n] * w[c, o, i] for channels c of o's group, positions n and taps i"""
    x, w = args[0], node.weight
    batch, channels, length = x.shape
    x = x.reshape(batch, node.groups, channels // node.groups, length).swapaxes(2, 3)
    w = w.reshape(node.groups, channels // node.groups, *w.shape[1:])
    begin, size = node.pads[0], node.out_shape([args[0].shape[1:]])[1]
    acc = np.zeros((batch, node.groups, w.shape[2], size + sum(node.pads)), np.int64)
    for i in range(w.shape[3]):
        acc[..., i : i + (length - 1) * node.stride + 1 : node.stride] += dot(x, w[..., i]).swapaxes(2, 3)
    return acc[..., begin : begin + size].reshape(batch, -1, size)


def matmul(node: ops.MatMul, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """acc[b, ..., i, j] = sum over k of a[b, ..., i, k] * b[b, ..., k, j]"""
    return dot(*args)


def constant(node: ops.Constant, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """The same for every observation"""
    return np.broadcast_to(node.value.astype(np.int64), (args[0].shape[0], *node.value.shape))


def requantize(node: ops.Requantize, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """v = in0*mult0 + bias; relu; v += in1*mult1; y = clamp(round_half_even(v / 2**shift), lo, hi)"""
    ndim = args[0].ndim - 1
    mult = [along_axis(m, ndim, node.channel_axis) for m in node.mult]
    v = args[0] * mult[0] + along_axis(node.bias, ndim, node.channel_axis)
    if node.relu:
        v = np.maximum(v, 0)
    if len(args) == 2:
        v = v + args[1] * mult[1]
    return np.clip(round_shift(v, along_axis(node.shift, ndim, node.channel_axis)), node.lo, node.hi)


def lookup(node: ops.Lookup, args: list[np.ndarray], types: list[Tensor]) -> np.ndarray:
    """y = table[x + 128] for signed x, table[x] for unsigned x"""
    return np.asarray(node.table, np.int64)[args[0] + 128 if types[0].dtype.signed else args[0]]


def layernorm(node: ops.LayerNorm, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """Each row over the last axis: z = Q20 of (x - mean) / sqrt(var + eps), then the lane of requantize."""
    z = normalize(args[0], node.eps_int, node.rms)
    v = z * np.asarray(node.gamma_mult, np.int64) + np.asarray(node.bias, np.int64)
    return np.clip(round_shift(v, node.shift), node.lo, node.hi)


def groupnorm(node: ops.GroupNorm, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """Each group of channels with all its positions as one row of LayerNorm, then the lane per channel."""
    x = args[0]
    z = normalize(x.reshape(x.shape[0], node.groups, -1), node.eps_int, rms=False).reshape(x.shape)
    gamma, bias, shift = (along_axis(a, x.ndim - 1, 0) for a in (node.gamma_mult, node.bias, node.shift))
    return np.clip(round_shift(z * gamma + bias, shift), node.lo, node.hi)


def normalize(x: np.ndarray, eps_int: int, rms: bool) -> np.ndarray:
    """Q20 of (x - mean(x)) / sqrt(var(x) + eps) over the last axis (rms: of x / sqrt(mean(x**2) + eps))."""
    d = x.shape[-1]
    s1 = np.zeros((*x.shape[:-1], 1), np.int64) if rms else x.sum(-1, keepdims=True)
    s2 = (x * x).sum(-1, keepdims=True)
    v = d * s2 - s1 * s1 + eps_int  # D**2 * (variance + eps), 1 <= v < 2**49
    r, e = reciprocal_sqrt(v)
    q = (x * d - s1) * r
    shift = 4 + e
    return (q + (np.int64(1) << (shift - 1))) >> shift


def softmax(node: ops.Softmax, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """Each row over the last axis: exponentials from a table, one reciprocal of their sum, one product per element."""
    t = np.asarray(node.table, np.int64)[args[0].max(-1, keepdims=True) - args[0]]  # Q23 of exp(x - max)
    r, e = reciprocal(t.sum(-1, keepdims=True))
    r = (r * node.mult + (1 << 15)) >> 16
    return np.clip(round_shift(t * r, node.shift + e), node.lo, node.hi)


def mul(node: ops.Mul, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """y = clamp(round_half_even(a * b * mult / 2**shift), lo, hi)"""
    ndim = args[0].ndim - 1
    v = args[0] * args[1] * along_axis(node.mult, ndim, node.channel_axis)
    return np.clip(round_shift(v, along_axis(node.shift, ndim, node.channel_axis)), node.lo, node.hi)


def maxpool(node: ops.MaxPool, args: list[np.ndarray], types: list[Tensor]) -> np.ndarray:
    """Largest value of each window; padding holds the smallest value of the type, so it never wins"""
    n = len(node.kernel)
    view = windows(args[0], node.kernel, node.stride, node.pads, (1,) * n, fill=types[0].dtype.lo)
    return view.max(axis=tuple(range(-n, 0)))


def sumpool(node: ops.SumPool, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """Sum of each window, padding is 0"""
    n = len(node.kernel)
    return windows(args[0], node.kernel, node.stride, node.pads, (1,) * n).sum(axis=tuple(range(-n, 0)))


def reshape(node: ops.Reshape | ops.Flatten, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """The same integers in row-major order"""
    return args[0].reshape(args[0].shape[0], *node.out_shape([args[0].shape[1:]]))


def transpose(node: ops.Transpose, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """Output axis i is input axis perm[i] (without batch)"""
    return args[0].transpose(0, *(p + 1 for p in node.perm))


def concat(node: ops.Concat, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """One after the other along the axis"""
    return np.concatenate(args, axis=node.axis % (args[0].ndim - 1) + 1)


def slice_(node: ops.Slice, args: list[np.ndarray], _: list[Tensor]) -> np.ndarray:
    """x[start:stop:step] along the axis"""
    at = [slice(None)] * args[0].ndim
    at[node.axis % (args[0].ndim - 1) + 1] = slice(node.start, node.stop, node.step)
    return args[0][tuple(at)]


EVAL = {
    "Linear": linear, "Conv1D": conv, "Conv2D": conv, "ConvTranspose1D": conv_transpose, "MatMul": matmul,
    "Constant": constant, "Requantize": requantize, "Lookup": lookup, "LayerNorm": layernorm, "GroupNorm": groupnorm,
    "Softmax": softmax, "Mul": mul, "MaxPool": maxpool, "SumPool": sumpool, "Reshape": reshape, "Flatten": reshape,
    "Transpose": transpose, "Concat": concat, "Slice": slice_,
}  # fmt: skip
"""Meaning of every operator: function(node, input arrays, input tensors) -> output array."""
