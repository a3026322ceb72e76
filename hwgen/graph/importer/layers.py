"""MatMul, Gemm, Conv, ConvTranspose, BatchNormalization, Pad: products of an activation with constants or another."""

from __future__ import annotations

import numpy as np

from hwgen.graph.importer.context import Context, constant
from hwgen.graph.importer.materialize import narrow_source
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.schema import check_axes
from hwgen.graph.importer.values import Affine, Const, Padded, QConst, Raw, Value, collapse


def matmul(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """x @ W, or the product of two activations (attention); a constant on the left, or in heads, is an activation"""
    x, w = args
    if isinstance(w, Const) and not isinstance(x, Const) and max(w.array.shape[:-2], default=1) == 1:
        return _linear(ctx, node, x, _weight(node, w), None)
    rank = next(len(a.shape) for a in args if not isinstance(a, Const))
    sources, gain = [], 1.0
    for a in args:
        a = constant_tensor(ctx, node, a, rank) if isinstance(a, Const) else a
        source, factor, bias = narrow_source(ctx.builder, a, node, "an operand is not quantized")
        if np.any(bias):
            node.unsupported("an operand has an offset that is not quantized; insert a Quant node before it")
        sources.append(source)
        gain *= factor
    shapes = [ctx.tensor(s).shape for s in sources]
    if min(map(len, shapes)) < 2 or shapes[0][:-2] != shapes[1][:-2] or shapes[0][-1] != shapes[1][-2]:
        node.unsupported(f"it multiplies {shapes[0]} by {shapes[1]} (without batch); leading axes must be equal, so "
                         "reshape one side (grouped queries: the rows of a group below each other)")  # fmt: skip
    return ctx.value_of(ctx.builder.matmul(*sources, name=node.outputs[0])).scaled(np.float64(gain))


def gemm(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """alpha * x @ W + beta * c"""
    x, w, c = (*args, None)[:3]
    if node.attrs.get("transA", 0) or isinstance(x, Const) or not isinstance(w, Const):
        node.unsupported("only x @ W with a constant W is possible; export it as Linear (transA = 0)")
    w = _weight(node, w)
    if node.attrs.get("transB", 0):
        w = transposed(w, (1, 0))
    y = _linear(ctx, node, x, w, c).scaled(np.float64(node.attrs.get("alpha", 1.0)))
    if c is None:
        return y
    if not isinstance(c, Const):
        node.unsupported("its third input is not constant; use MatMul and Add")
    return y.shifted(ctx.const_for(node, c.array.astype(np.float64) * node.attrs.get("beta", 1.0), y))


def transposed(w: QConst, perm: tuple[int, ...]) -> QConst:
    scale = w.scale.transpose(perm) if w.scale.ndim else w.scale
    return QConst(w.array.transpose(perm), w.ints.transpose(perm), scale, w.bits)


def _weight(node: OnnxNode, w: Const) -> QConst:
    """The quantized weight; constants that are whole numbers of 8 bits or less count as quantized with scale 1."""
    if not isinstance(w, QConst):
        a = np.asarray(w.array)
        if not np.isfinite(a).all():
            node.unsupported("its weights hold NaN or infinity; check the trained model")
        if a.dtype == bool or (a != np.round(a)).any() or a.min() < -128 or a.max() > 127:
            node.unsupported("its weights are not quantized; put a Quant node (2 to 8 bits) between weights and node")
        bits = max(2, int(max(a.max(), -a.min() - 1)).bit_length() + 1)
        return QConst(a, a.astype(np.int64), np.ones(()), bits)
    bits = max(2, int(max(w.ints.max(), -w.ints.min() - 1)).bit_length() + 1)
    if bits > 8:
        node.unsupported(f"its weights need {bits} bits (signed); 2 to 8 are possible, so quantize them further")
    return QConst(w.array, w.ints, w.scale, w.bits if w.bits <= 8 else bits)


def _per_output(node: OnnxNode, w: QConst, axis: int) -> np.ndarray:
    """The weight scale as one number, or one per output channel (axis of the weight)."""
    s = collapse(w.scale)
    if s.ndim and any(n > 1 for i, n in enumerate(s.shape) if i != axis):
        node.unsupported("its weight scale varies along the inputs; use one scale per tensor or per output channel")
    return s.reshape(-1) if s.ndim else s


def _acc_name(ctx: Context, node: OnnxNode, bias: Value | None) -> str:
    """The accumulator has the name of the ONNX edge only if it means the same."""
    return node.outputs[0] if bias is None else ctx.fresh(f"{node.outputs[0]}_acc")


def _linear(ctx: Context, node: OnnxNode, x: Value, w: QConst, inside: Value | None) -> Affine:
    while w.ints.ndim > 2 and w.ints.shape[0] == 1:
        w = QConst(w.array[0], w.ints[0], w.scale[0] if w.scale.ndim else w.scale, w.bits)
    if w.ints.ndim != 2:
        node.unsupported(f"its weight has shape {w.ints.shape}; a matrix [in, out] is needed")
    source, gain, bias = narrow_source(ctx.builder, x, node, "its input is not quantized")
    if ctx.tensor(source).shape[-1] != w.ints.shape[0]:
        node.unsupported(f"its input ends in {ctx.tensor(source).shape} but its weight has {w.ints.shape[0]} rows")
    sw = _per_output(node, w, axis=1)
    acc = ctx.builder.linear(source, w.ints, sw, weight_bits=w.bits, name=_acc_name(ctx, node, inside))
    y = ctx.value_of(acc).scaled(np.float64(gain))
    if np.any(bias):
        if bias.ndim and max(bias.shape[:-1], default=1) > 1:
            node.unsupported("its input has an offset that varies along several axes; insert a Quant node before it")
        rows = np.broadcast_to(bias.reshape(-1), (w.ints.shape[0],))
        y = y.shifted(ctx.const_for(node, rows @ (w.ints * sw), y))
    return y


def conv(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Convolution with constant weights, 1 or 2 spatial axes"""
    x, w, c = (*args, None)[:3]
    if not isinstance(w, Const):
        node.unsupported("its weights are not constant; only constant weights are possible")
    w = _weight(node, w)
    n = w.ints.ndim - 2
    if n not in (1, 2):
        node.unsupported(f"it has {n} spatial axes; 1 or 2 are possible")
    check_axes(node, n)
    extra = x.pads if isinstance(x, Padded) else (0,) * (2 * n)
    x = x.value if isinstance(x, Padded) else x
    source, gain, bias = narrow_source(ctx.builder, x, node, "its input is not quantized")
    stride = tuple(node.attrs.get("strides", (1,) * n))
    dilation = tuple(node.attrs.get("dilations", (1,) * n))
    kernel = [(k - 1) * d + 1 for k, d in zip(w.ints.shape[2:], dilation, strict=True)]
    space = [s + extra[i] + extra[n + i] for i, s in enumerate(ctx.tensor(source).shape[1:])]
    pads = tuple(a + e for a, e in zip(window_pads(node, space, kernel, stride), extra, strict=True))
    if np.any(bias):
        node.unsupported("its input has an offset that is not quantized; insert a Quant node before it")
    acc = ctx.builder.conv(
        source,
        w.ints,
        _per_output(node, w, axis=0),
        weight_bits=w.bits,
        stride=stride,
        pads=pads,
        dilation=dilation,
        groups=int(node.attrs.get("group", 1)),
        name=_acc_name(ctx, node, c),
    )
    y = ctx.value_of(acc).scaled(np.float64(gain))
    if c is None:
        return y
    if not isinstance(c, Const):
        node.unsupported("its bias is not constant; use Conv and Add")
    return y.shifted(ctx.const_for(node, c.array.reshape(-1, *(1,) * n), y))


def conv_transpose(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Transposed convolution with constant weights, 1 spatial axis"""
    x, w, c = (*args, None)[:3]
    if not isinstance(w, Const):
        node.unsupported("its weights are not constant; only constant weights are possible")
    w, groups = _weight(node, w), int(node.attrs.get("group", 1))
    if w.ints.ndim != 3:
        node.unsupported(f"it has {w.ints.ndim - 2} spatial axes; 1 is possible, so use upsampling on the host or Conv")
    check_axes(node, 1)
    if node.attrs.get("dilations", [1])[0] != 1 or "output_shape" in node.attrs or w.ints.shape[0] % groups:
        node.unsupported("dilation, output_shape and groups that do not divide its inputs are not possible; give pads")
    if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        node.unsupported(f"auto_pad {node.attrs['auto_pad']} is not possible; use explicit pads")
    source, gain, bias = narrow_source(ctx.builder, x, node, "its input is not quantized")
    if np.any(bias):
        node.unsupported("its input has an offset that is not quantized; insert a Quant node before it")
    pads = tuple(node.attrs.get("pads", (0, 0)))
    window = {"stride": node.attrs.get("strides", [1])[0], "output_padding": node.attrs.get("output_padding", [0])[0]}
    acc = ctx.builder.conv_transpose1d(
        source, w.ints, _per_group_output(node, w, groups), weight_bits=w.bits, pads=pads, groups=groups, **window,
        name=_acc_name(ctx, node, c),
    )  # fmt: skip
    y = ctx.value_of(acc).scaled(np.float64(gain))
    if c is None:
        return y
    if not isinstance(c, Const):
        node.unsupported("its bias is not constant; use ConvTranspose and Add")
    return y.shifted(ctx.const_for(node, c.array.reshape(-1, 1), y))


def _per_group_output(node: OnnxNode, w: QConst, groups: int) -> np.ndarray:
    """The scale of a weight [in, out / groups, k] as one number, or one per output channel."""
    ins, outs, taps = w.ints.shape
    s = np.broadcast_to(w.scale, w.ints.shape).reshape(groups, ins // groups, outs, taps)
    if (s != s[:, :1, :, :1]).any():
        node.unsupported("its weight scale varies along the inputs; use one scale per tensor or per output channel")
    return collapse(s[:, 0, :, 0].reshape(-1))


def constant_tensor(ctx: Context, node: OnnxNode, value: Const, rank: int) -> Affine:
    """A quantized constant as a tensor of `rank` axes that every observation shares; the same one each time."""
    if not isinstance(value, QConst):
        node.unsupported("a constant operand is not quantized; put a Quant node (2 to 8 bits, one scale) behind it")
    if id(value) not in ctx.constants:
        ints, scale = value.ints, collapse(value.scale)
        bits = value.bits - (not value.signed)
        if scale.ndim or bits > 8:
            node.unsupported(f"a constant operand has {bits} bits or several scales; use 2 to 8 bits and one scale")
        if ints.ndim > rank + 1 or (ints.ndim == rank + 1 and (ints != ints[:1]).any()):
            node.unsupported(
                f"a constant of shape {ints.shape} is not the same for the whole batch; give it {rank} axes"
            )
        ints = ints[0] if ints.ndim == rank + 1 else ints.reshape((1,) * (rank - ints.ndim) + ints.shape)
        name = ctx.builder.constant(ints, float(scale), bits, value.signed, name=ctx.fresh(f"{node.label}_constant"))
        ctx.constants[id(value)] = (value, name)
    return ctx.value_of(ctx.constants[id(value)][1])


def window_pads(node: OnnxNode, space, kernel, stride) -> tuple[int, ...]:
    """pads of Conv and pooling: begin of each axis, then end of each, with auto_pad resolved."""
    n = len(space)
    mode = node.attrs.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return tuple(node.attrs.get("pads", (0,) * (2 * n)))
    if mode == "VALID":
        return (0,) * (2 * n)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        node.unsupported(f"auto_pad {mode} is unknown; use explicit pads")
    total = [max(0, (-(-s // st) - 1) * st + k - s) for s, k, st in zip(space, kernel, stride, strict=True)]
    begin = [t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in total]
    return (*begin, *(t - b for t, b in zip(total, begin, strict=True)))


def batch_norm(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """(x - mean) / sqrt(var + eps) * gamma + beta per channel (axis 1), as a factor and an offset"""
    x = args[0]
    params = [constant(a) for a in args[1:5]]
    if len(params) < 4 or any(p is None for p in params) or node.attrs.get("training_mode", 0):
        node.unsupported("its statistics are not constant; export the model in evaluation mode")
    if not isinstance(x, Affine):
        node.unsupported("its input is not a sum of quantized values; insert a Quant node before it")
    gamma, beta, mean, var = (np.asarray(p, np.float64) for p in params)
    factor = gamma / np.sqrt(var + np.float64(np.float32(node.attrs.get("epsilon", 1e-5))))
    shape = (-1, *(1,) * (len(x.shape) - 1))
    y = x.scaled(ctx.const_for(node, factor.reshape(shape), x))
    return y.shifted(ctx.const_for(node, (beta - mean * factor).reshape(shape), y))


def pad(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Zeros around the spatial axes, for the convolution that follows"""
    amounts = constant(args[1]) if len(args) > 1 else np.asarray(node.attrs.get("pads", ()))
    fill = constant(args[2]) if len(args) > 2 and args[2] is not None else node.attrs.get("value", 0.0)
    if node.attrs.get("mode", "constant") != "constant" or np.any(np.asarray(fill) != 0) or amounts is None:
        node.unsupported("only constant padding with zeros is possible")
    if len(args) > 3 and args[3] is not None:
        node.unsupported("padding of chosen axes is not possible; give pads for all axes")
    x, n = args[0], len(amounts) // 2
    if not np.any(amounts):
        return x
    if not isinstance(x, Affine) or any(isinstance(s, Raw) for s, _ in x.terms) or n != len(x.shape) + 1:
        node.unsupported("only quantized images or sequences can be padded; insert a Quant node before it")
    if np.any(np.asarray(amounts)[[0, 1, n, n + 1]] != 0) or np.min(amounts) < 0:
        node.unsupported("only the spatial axes can be padded, by amounts of 0 or more")
    return Padded(x, tuple(int(a) for a in (*amounts[2:n], *amounts[n + 2 :])))
