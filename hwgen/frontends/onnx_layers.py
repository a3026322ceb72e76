"""Float ONNX: layers with weights, norms, softmax and pooling."""

from __future__ import annotations

import numpy as np

from hwgen.frontends.onnx_values import Const, Fn, Reader, Squeezed, Stat, Ten, Value
from hwgen.graph.importer.model import OnnxNode


def matmul(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """A layer where the second factor is constant, else a product of two tensors"""
    a, b = args
    if isinstance(b, Const) and b.array.ndim == 2:
        x = r.tensor(a, node)
        return Ten(r.net.linear(x.name, r.weight(b.array), None, r.fresh(node.label)), (*x.full[:-1], b.array.shape[1]))
    a, b = r.tensor(a, node), r.tensor(b, node)
    rank = max(len(a.full), len(b.full))
    if min(len(a.full), len(b.full)) < 2:
        node.unsupported("it multiplies by a vector; reshape it to a matrix")
    a, b = (r.reshaped(x, (1,) * (rank - len(x.full)) + x.full, node) for x in (a, b))
    if a.full[:-2] != b.full[:-2]:
        node.unsupported(f"its factors {a.full} and {b.full} differ in their leading axes; expand one to the other's")
    full = (*a.full[:-1], b.full[-1])
    if rank == 2 and 1 in (a.full[0], b.full[0]):  # a leading one that is no batch
        a, b = r.reshaped(a, (1, *a.full), node), r.reshaped(b, (1, *b.full), node)
    name = r.net.matmul(a.name, b.name, r.fresh(node.label))
    return r.reshaped(Ten(name, (1, *r.net.shape(name))), full, node)


def gemm(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """alpha * x @ weight + beta * bias"""
    x, w, c = (*args, None)[:3]
    alpha, beta = float(node.attrs.get("alpha", 1.0)), float(node.attrs.get("beta", 1.0))
    if node.attrs.get("transA", 0) or not isinstance(w, Const) or not (c is None or isinstance(c, Const)):
        node.unsupported("its weight or bias is not constant, or its input is transposed; use MatMul and Add")
    x = r.tensor(x, node)
    weight = r.weight(w.array, (1, 0)) if node.attrs.get("transB", 0) else r.weight(w.array)
    weight = weight if alpha == 1 else weight * np.float32(alpha)
    bias = None if c is None else np.broadcast_to(c.array.ravel() * beta, weight.shape[1]).astype(np.float32)
    return Ten(r.net.linear(x.name, weight, bias, r.fresh(node.label)), (*x.full[:-1], weight.shape[1]))


def conv(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Conv with 1 or 2 spatial axes"""
    x, weight, bias = _operands(r, node, args)
    n = weight.ndim - 2
    window = _window(node, x, weight.shape[2:], n)
    groups = int(node.attrs.get("group", 1))
    name = r.net.conv(x.name, r.weight(weight), bias, r.fresh(node.label), groups=groups, **window)
    return Ten(name, (1, *r.net.shape(name)))


def conv_transpose(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """ConvTranspose with 1 spatial axis"""
    x, weight, bias = _operands(r, node, args)
    attrs = node.attrs
    if weight.ndim != 3 or attrs.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in attrs:
        node.unsupported("transposed convolutions have 1 spatial axis and explicit pads; change the layer")
    if list(attrs.get("dilations", [1])) != [1]:
        node.unsupported("its kernel is dilated; only dilation 1 is possible in transposed convolutions")
    how = {"stride": attrs.get("strides", [1])[0], "pads": tuple(attrs.get("pads", [0, 0]))}
    how |= {"output_padding": attrs.get("output_padding", [0])[0], "groups": int(attrs.get("group", 1))}
    name = r.net.conv_transpose(x.name, r.weight(weight), bias, r.fresh(node.label), **how)
    return Ten(name, (1, *r.net.shape(name)))


def _operands(r: Reader, node: OnnxNode, args: list[Value]) -> tuple[Ten, np.ndarray, np.ndarray | None]:
    x, w, b = (*args, None)[:3]
    if not isinstance(w, Const) or not (b is None or isinstance(b, Const)):
        node.unsupported("its weight or bias is computed; only constant ones are possible")
    x = r.tensor(x, node)
    if x.full[0] != 1 or len(x.full) != w.array.ndim or w.array.ndim not in (3, 4):
        node.unsupported(f"its input is {x.full} with a weight {w.array.shape}; 1 or 2 spatial axes are possible")
    return x, w.array, None if b is None else b.array


def _window(node: OnnxNode, x: Ten, kernel: tuple[int, ...], n: int) -> dict:
    a = node.attrs
    stride, dilation = tuple(a.get("strides", [1] * n)), tuple(a.get("dilations", [1] * n))
    pads, auto = tuple(a.get("pads", [0] * 2 * n)), a.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        sizes = zip(x.full[2:], stride, extent, strict=True)
        total = [max(0, (-(-size // s) - 1) * s + e - size) for size, s, e in sizes]
        less, more = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = (*less, *more) if auto == "SAME_UPPER" else (*more, *less)
    return {"stride": stride, "pads": pads, "dilation": dilation}


def pool(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """MaxPool and AveragePool"""
    x = r.tensor(args[0], node)
    kernel = tuple(node.attrs["kernel_shape"])
    window = _window(node, x, kernel, len(kernel))
    mean = node.op == "AveragePool"
    if any(d != 1 for d in window.pop("dilation")) or len(kernel) not in (1, 2):
        node.unsupported("its windows are dilated or have more than 2 axes; use plain ones")
    if mean and any(window["pads"]) and not node.attrs.get("count_include_pad", 0):
        node.unsupported("its means leave the padding out; export with count_include_pad=True, or pad 0")
    if node.attrs.get("ceil_mode", 0):
        spans = zip(x.full[2:], kernel, window["stride"], window["pads"], window["pads"][len(kernel) :], strict=False)
        if any((size + p + q - k) % s for size, k, s, p, q in spans):
            node.unsupported("ceil_mode adds windows that are not full; export with ceil_mode=False")
    make = r.net.avgpool if mean else r.net.maxpool
    name = make(x.name, kernel=kernel, name=r.fresh(node.label), **window)
    return Ten(name, (1, *r.net.shape(name)))


def global_pool(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """GlobalAveragePool and GlobalMaxPool"""
    x = r.tensor(args[0], node)
    return r.mean(x, node, tuple(range(2, len(x.full))), largest=node.op == "GlobalMaxPool")


def reduce(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """ReduceMean, ReduceSum, ReduceMax"""
    x = args[0]
    axes = node.attrs.get("axes") if len(args) < 2 or args[1] is None else np.ravel(args[1].array).tolist()
    rank, keep = len(x.full), bool(node.attrs.get("keepdims", 1))
    axes = tuple(range(rank)) if not axes else tuple(node.axis(a, rank) for a in axes)
    if node.op == "ReduceMean" and axes == (rank - 1,):
        if (isinstance(x, Stat) and x.kind == "square") or (isinstance(x, Fn) and x.square):
            variance = Stat("variance", x.source, rms=isinstance(x, Fn))
            return variance if keep else Squeezed(variance)
        if isinstance(x, Ten) and keep:
            return Stat("mean", x)
    t = r.tensor(x, node)
    y = r.mean(t, node, axes, keep, largest=node.op == "ReduceMax")
    if node.op != "ReduceSum":
        return y
    count = float(np.prod([t.full[a] for a in axes]))
    return Ten(r.net.affine(y.name, count, 0.0, r.fresh(f"{node.label}.sum")), y.full)


def batch_norm(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """BatchNormalization with the statistics that training left"""
    if not all(isinstance(a, Const) for a in args[1:]) or node.attrs.get("training_mode", 0):
        node.unsupported("it is in training mode; export the model after eval()")
    x = r.tensor(args[0], node)
    gamma, beta, mean, variance = (a.array.astype(np.float64) for a in args[1:5])
    gain = gamma / np.sqrt(variance + float(node.attrs.get("epsilon", 1e-5)))
    name = r.net.affine(x.name, gain, beta - mean * gain, r.fresh(node.label), axis=1 - len(x.full))
    return Ten(name, x.full)


def softmax(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Softmax over any one axis"""
    x = r.tensor(args[0], node)
    rank = len(x.full)
    axis = node.axis(int(node.attrs.get("axis", -1)), rank)
    perm = (*(i for i in range(rank) if i not in (axis, rank - 1)), *({axis, rank - 1} - {axis}), axis)
    back = tuple(int(i) for i in np.argsort(perm))
    x = r.transposed(x, perm, node) if axis != rank - 1 else x
    y = Ten(r.net.softmax(x.name, r.fresh(node.label)), x.full)
    return r.transposed(y, back, node) if axis != rank - 1 else y


def layer_norm(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """LayerNormalization, RMSNormalization over the last axis; RMSNormalization of what is centred is the former"""
    centred = isinstance(args[0], Stat) and args[0].kind == "centred"
    x = args[0].source if centred else r.tensor(args[0], node)
    gamma, beta = ((a.array if isinstance(a, Const) else None) for a in (*args, None, None)[1:3])
    if node.axis(int(node.attrs.get("axis", -1)), len(x.full)) != len(x.full) - 1:
        node.unsupported("it normalizes over more than the last axis; only the last axis is possible")
    if any(a is not None and not isinstance(a, Const) for a in args[1:3]):
        node.unsupported("its scale or bias is computed; only constant ones are possible")
    n = x.full[-1]
    gamma = np.ones(n, np.float32) if gamma is None else np.broadcast_to(gamma.ravel(), n)
    beta = np.zeros(n, np.float32) if beta is None else np.broadcast_to(beta.ravel(), n)
    eps, rms = float(node.attrs.get("epsilon", 1e-5)), node.op != "LayerNormalization" and not centred
    return Ten(r.net.layernorm(x.name, gamma, beta, eps, r.fresh(node.label), rms), x.full)


def group_norm(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """GroupNormalization (scale per group before opset 21), InstanceNormalization"""
    x = r.tensor(args[0], node)
    if not all(isinstance(a, Const) for a in args[1:3]) or x.full[0] != 1:
        node.unsupported("its scale or bias is computed, or it has no batch of 1; only constant ones are possible")
    channels = x.full[1]
    groups = channels if node.op == "InstanceNormalization" else int(node.attrs["num_groups"])
    gamma, beta = (np.repeat(a.array, channels // a.array.size) for a in args[1:3])
    eps = float(node.attrs.get("epsilon", 1e-5))
    return Ten(r.net.groupnorm(x.name, groups, gamma, beta, eps, r.fresh(node.label)), x.full)
