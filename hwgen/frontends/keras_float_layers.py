"""Float Keras: layers with weights, attention, norms, functions, sums and products."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.frontends.keras_tensors import Reader, Seen, evaluated
from hwgen.frontends.qkeras_numbers import keras_pads

if TYPE_CHECKING:
    from hwgen.frontends.keras_float import Call


def dense(r: Reader, call: Call) -> Seen:
    """Dense; of an image it is a convolution of one pixel"""
    layer, (x,) = call.layer, call.tensors
    bias = r.array(layer.bias) if layer.use_bias else None
    if x.first:
        n = len(x.shape) - 1
        weight = r.array(layer.kernel, lambda w: w.T.reshape(*w.T.shape, *(1,) * n))
        y = r.made(r.net.conv(x.name, weight, bias, r.fresh(layer.name)), True)
    else:
        y = r.made(r.net.linear(x.name, r.array(layer.kernel), bias, r.fresh(layer.name)), False)
    return r.function(y, layer.activation, f"{layer.name}.activation")


def image(r: Reader, layer, x: Seen) -> tuple[Seen, tuple[int, ...]]:
    """(x with channels first, its space) for a layer with windows."""
    if getattr(layer, "data_format", None) not in (None, "channels_last"):
        raise UnsupportedError(f"its data_format is {layer.data_format}; use channels_last")
    if len(x.shape) not in (2, 3):
        raise UnsupportedError(f"its input has the axes {x.shape}; 1 or 2 axes and channels are possible")
    return r.first(x), x.shape[:-1]


def pads(layer, space: tuple[int, ...], window: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Padding by Keras' rule, causal convolutions included."""
    if layer.padding == "causal":
        return ((layer.kernel_size[0] - 1) * layer.dilation_rate[0], 0)
    return keras_pads(layer, space, window)


def conv(r: Reader, call: Call) -> Seen:
    """Conv1D and Conv2D"""
    layer = call.layer
    weight = r.array(layer.kernel, lambda w: np.moveaxis(w, (-1, -2), (0, 1)))
    return _convolved(r, layer, call.tensors[0], weight, layer.groups)


def depthwise(r: Reader, call: Call) -> Seen:
    """DepthwiseConv1D and DepthwiseConv2D"""
    layer, (x,) = call.layer, call.tensors
    return _convolved(r, layer, x, r.array(layer.kernel, by_channel), x.shape[-1])


def separable(r: Reader, call: Call) -> Seen:
    """SeparableConv1D and 2D: a depthwise convolution, then one of single pixels"""
    layer, (x,) = call.layer, call.tensors
    x, space = image(r, layer, x)
    window = {"stride": tuple(layer.strides), "dilation": tuple(layer.dilation_rate), "pads": pads(layer, space)}
    weight = r.array(layer.depthwise_kernel, by_channel)
    y = r.net.conv(x.name, weight, None, r.fresh(f"{layer.name}.depthwise"), groups=x.shape[-1], **window)
    weight = r.array(layer.pointwise_kernel, lambda w: np.moveaxis(w, (-1, -2), (0, 1)))
    y = r.net.conv(y, weight, r.array(layer.bias) if layer.use_bias else None, r.fresh(layer.name))
    return r.function(r.made(y, True), layer.activation, f"{layer.name}.activation")


def by_channel(kernel: np.ndarray) -> np.ndarray:
    """[*window, C, multiplier] -> [C * multiplier, 1, *window]."""
    *window, channels, multiplier = kernel.shape
    return np.moveaxis(kernel, (-2, -1), (0, 1)).reshape(channels * multiplier, 1, *window)


def _convolved(r: Reader, layer, x: Seen, weight: np.ndarray, groups: int) -> Seen:
    x, space = image(r, layer, x)
    window = {"stride": tuple(layer.strides), "dilation": tuple(layer.dilation_rate), "pads": pads(layer, space)}
    bias = r.array(layer.bias) if layer.use_bias else None
    y = r.net.conv(x.name, weight, bias, r.fresh(layer.name), groups=groups, **window)
    return r.function(r.made(y, True), layer.activation, f"{layer.name}.activation")


def conv_transpose(r: Reader, call: Call) -> Seen:
    """Conv1DTranspose: Keras cuts what a convolution over its result would have padded"""
    layer, (x,) = call.layer, call.tensors
    x, (length,) = image(r, layer, x)
    (kernel,), (stride,), (out, _) = layer.kernel_size, layer.strides, call.shapes[0]
    if tuple(layer.dilation_rate) != (1,):
        raise UnsupportedError("its kernel is dilated; only dilation 1 is possible in transposed convolutions")
    before = max((length - 1) * stride + kernel - out, 0) // 2 if layer.padding == "same" else 0
    behind = (length - 1) * stride + kernel - before - out
    how = {"stride": stride, "pads": (before, max(behind, 0)), "output_padding": max(-behind, 0)}
    weight = r.array(layer.kernel, lambda w: w.transpose(2, 1, 0))
    bias = r.array(layer.bias) if layer.use_bias else None
    y = r.made(r.net.conv_transpose(x.name, weight, bias, r.fresh(layer.name), **how), True)
    return r.function(y, layer.activation, f"{layer.name}.activation")


def attention(r: Reader, call: Call) -> Seen:
    """MultiHeadAttention without masks"""
    layer, given = call.layer, call.given
    known = {"query", "value", "key", "training"}
    if extra := sorted(k for k, v in given.items() if k not in known and v is not None and v is not False):
        raise UnsupportedError(f"it is called with {', '.join(extra)}; only attention to all tokens is possible")
    odd = [k for k in ("_use_gate", "_sliding_window") if getattr(layer, k, None)]
    query, value = r.plain(given["query"]), r.plain(given["value"])
    key = given.get("key")
    key = value if key is None else r.plain(key)
    if odd or any(len(x.shape) != 2 for x in (query, value, key)):
        raise UnsupportedError("its tokens have several axes, or it has a gate or a window; give it [tokens, width]")
    parts = ("query", layer.query_dense, query), ("key", layer.key_dense, key), ("value", layer.value_dense, value)
    q, k, v = (_projected(r, part, x, f"{layer.name}.{name}") for name, part, x in parts)
    mixed = r.net.attention(q, k, v, layer.num_heads, r.fresh(f"{layer.name}.heads"))
    out = layer.output_dense
    weight = r.array(out.kernel, lambda w: w.reshape(-1, w.shape[-1]))
    name = r.fresh(layer.name)
    return r.made(r.net.linear(mixed, weight, r.array(out.bias) if layer.use_bias else None, name), False)


def _projected(r: Reader, layer, x: Seen, name: str) -> str:
    """Tokens as queries, keys or values of all heads."""
    bias = None if layer.bias is None else r.array(layer.bias, np.ravel)
    return r.net.linear(x.name, r.array(layer.kernel, lambda w: w.reshape(len(w), -1)), bias, r.fresh(name))


# -- norms ---------------------------------------------------------------------------------------------------------


def batch_norm(r: Reader, call: Call) -> Seen:
    """BatchNormalization: a factor and an offset per channel"""
    layer, (x,) = call.layer, call.tensors
    mean, var = (np.asarray(v, np.float64) for v in (layer.moving_mean, layer.moving_variance))
    gain = (np.asarray(layer.gamma, np.float64) if layer.scale else 1.0) / np.sqrt(var + layer.epsilon)
    bias = (np.asarray(layer.beta, np.float64) if layer.center else 0.0) - mean * gain
    return r.affine(x, gain, bias, layer.name, _axis(layer.axis, x))


def layer_norm(r: Reader, call: Call) -> Seen:
    """LayerNormalization and RMSNormalization over the last axis"""
    layer, x = call.layer, r.plain(call.tensors[0])
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    rms = type(layer).__name__ == "RMSNormalization"
    if [_axis(axis, x) for axis in axes] != [-1] or getattr(layer, "rms_scaling", False):
        raise UnsupportedError("only the last axis can be normalized, and no rms_scaling; use axis=-1, or "
                               "RMSNormalization")  # fmt: skip
    gamma, beta = (layer.scale, None) if rms else (layer.gamma, layer.beta)
    gamma = 1.0 if gamma is None else r.array(gamma)
    beta = 0.0 if beta is None else r.array(beta)
    return Seen(r.net.layernorm(x.name, gamma, beta, layer.epsilon, r.fresh(layer.name), rms=rms), x.shape)


def group_norm(r: Reader, call: Call) -> Seen:
    """GroupNormalization over the last axis"""
    layer, x = call.layer, r.first(call.tensors[0])
    if _axis(layer.axis, x) != -1:
        raise UnsupportedError(f"it groups axis {layer.axis}; only the last one is possible")
    gamma = 1.0 if layer.gamma is None else r.array(layer.gamma)
    beta = 0.0 if layer.beta is None else r.array(layer.beta)
    name = r.net.groupnorm(x.name, layer.groups, gamma, beta, layer.epsilon, r.fresh(layer.name))
    return Seen(name, x.shape, x.first)


def _axis(axis: int, x: Seen) -> int:
    """Keras' axis, counted from the end."""
    return axis if axis < 0 else axis - len(x.shape) - 1


# -- element by element --------------------------------------------------------------------------------------------


def activation(r: Reader, call: Call) -> Seen:
    """Activation"""
    return r.function(call.tensors[0], call.layer.activation, call.layer.name)


def elementwise(r: Reader, call: Call) -> Seen:
    """A layer or operation that computes each element for itself, by Keras' own definition"""
    return r.table(call.tensors[0], evaluated(call.layer), call.layer.name)


def relu(r: Reader, call: Call) -> Seen:
    """ReLU: with a bound that is one, else a table"""
    layer, (x,) = call.layer, call.tensors
    if getattr(layer, "negative_slope", 0) or getattr(layer, "threshold", 0):
        return elementwise(r, call)
    if getattr(layer, "max_value", None) is not None:
        return Seen(r.net.clip(x.name, 0.0, layer.max_value, r.fresh(layer.name)), x.shape, x.first)
    return r.table(x, "relu", layer.name)


def softmax(r: Reader, call: Call) -> Seen:
    """Softmax over the last axis"""
    layer, (x,) = call.layer, call.tensors
    if isinstance(layer.axis, (list, tuple)) or _axis(layer.axis, x) != -1:
        raise UnsupportedError(f"its axis is {layer.axis}; only the last one is possible")
    return r.softmax(x, layer.name)


def rescaling(r: Reader, call: Call) -> Seen:
    """Rescaling"""
    layer = call.layer
    return r.affine(call.tensors[0], np.asarray(layer.scale), np.asarray(layer.offset), layer.name)


def normalization(r: Reader, call: Call) -> Seen:
    """Normalization with the statistics that adapt() found"""
    layer, (x,) = call.layer, call.tensors
    mean = np.asarray(layer.mean, np.float64).ravel()
    std = np.maximum(np.sqrt(np.asarray(layer.variance, np.float64)), 1e-7).ravel()
    if layer.invert or mean.size not in (1, x.shape[-1]):
        raise UnsupportedError("it is inverted, or normalizes several axes; use axis=-1 and invert=False")
    return r.affine(x, 1 / std, -mean / std, layer.name)


def combined(r: Reader, call: Call, op: str) -> Seen:
    """Add, Subtract, Multiply, Divide, Average, as layers of tensors or operators with a constant beside"""
    layer, parts = call.layer, list(call.given.values())
    parts = list(parts[0]) if isinstance(parts[0], (list, tuple)) else parts
    parts = [part for part in call.tensors] if len(call.tensors) == len(parts) else parts
    total, count = parts[0], len(parts)
    for part in parts[1:]:
        total = _two(r, op, total, part, layer.name)
    return r.affine(total, 1 / count, 0.0, layer.name) if op == "average" else total


def _two(r: Reader, op: str, a, b, name: str) -> Seen:
    """a op b, one of them perhaps a constant."""
    if isinstance(a, Seen) and isinstance(b, Seen):
        if op == "divide":
            raise UnsupportedError("it divides by a tensor that is computed; only division by constants is possible")
        b = r.affine(b, -1.0, 0.0, f"{name}.minus") if op == "subtract" else b
        a, b = r.aligned([a, b])
        make = r.net.mul if op == "multiply" else r.net.add
        return r.made(make(a.name, b.name, r.fresh(name)), a.first)
    swapped = not isinstance(a, Seen)
    x, constant = (b, a) if swapped else (a, b)
    c = np.asarray(constant, np.float64)
    if swapped and op == "divide":
        raise UnsupportedError("it divides by a tensor that is computed; only division by constants is possible")
    if swapped and op == "subtract":
        return _two(r, "add", r.affine(x, -1.0, 0.0, f"{name}.minus"), constant, name)
    if op in ("subtract", "divide"):
        return _two(r, *(("add", x, -c) if op == "subtract" else ("multiply", x, 1 / c)), name)
    if c.size == 1 or c.shape[-1] == c.size == x.shape[-1]:
        gain, bias = (c.ravel(), 0.0) if op == "multiply" else (1.0, c.ravel())
        return r.affine(x, gain, bias, name)
    return _two(r, op, x, Seen(r.net.constant(c, r.fresh(f"{name}.constant")), c.shape), name)


def bounded(r: Reader, call: Call) -> Seen:
    """Maximum and Minimum of a tensor and a number"""
    if len(call.tensors) != 1:
        raise UnsupportedError("it compares tensors; only a tensor and one number are possible")
    numbers = [float(v) for v in call.given.values() if not isinstance(v, Seen)]
    (x,), largest = call.tensors, type(call.layer).__name__ == "Maximum"
    lo, hi = (numbers[0], np.inf) if largest else (-np.inf, numbers[0])
    return Seen(r.net.clip(x.name, lo, hi, r.fresh(call.layer.name)), x.shape, x.first)


def power(r: Reader, call: Call) -> Seen:
    """x ** number"""
    x, exponent = call.given.values()
    if not isinstance(x, Seen) or isinstance(exponent, Seen) or np.size(exponent) != 1:
        raise UnsupportedError("its exponent is not one number; only such powers are possible")
    return r.table(x, lambda v: np.power(v, float(exponent)), call.layer.name)


def matmul(r: Reader, call: Call) -> Seen:
    """A product of two tensors whose leading axes are equal"""
    if len(call.tensors) != 2:
        raise UnsupportedError("it multiplies by a constant; use a Dense layer")
    a, b = (r.plain(x) for x in call.tensors)
    return r.made(r.net.matmul(a.name, b.name, r.fresh(call.layer.name)), False)


OPERATIONS = ("Gelu", "Silu", "Sigmoid", "Tanh", "Softplus", "Elu", "Selu", "Celu", "HardSigmoid", "HardSilu", "Exp",
              "Sqrt", "Square", "Negative", "Absolute", "LeakyRelu", "Relu6", "Softsign", "HardTanh", "LeakyReLU",
              "ELU", "Clip")  # fmt: skip
HANDLERS = {
    "Dense": dense, "Conv1D": conv, "Conv2D": conv, "DepthwiseConv1D": depthwise, "DepthwiseConv2D": depthwise,
    "SeparableConv1D": separable, "SeparableConv2D": separable, "Conv1DTranspose": conv_transpose,
    "MultiHeadAttention": attention, "BatchNormalization": batch_norm, "LayerNormalization": layer_norm,
    "RMSNormalization": layer_norm, "GroupNormalization": group_norm, "Activation": activation, "ReLU": relu,
    "Relu": relu, "Softmax": softmax, "Rescaling": rescaling, "Normalization": normalization,
    **dict.fromkeys(OPERATIONS, elementwise),
    **{op: partial(combined, op=op.lower()) for op in ("Add", "Subtract", "Multiply", "Divide", "Average")},
    "TrueDivide": partial(combined, op="divide"), "Maximum": bounded, "Minimum": bounded, "Power": power,
    "Matmul": matmul,
}  # fmt: skip
