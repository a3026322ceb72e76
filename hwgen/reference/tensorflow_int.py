"""The integer graph as a tf.function: tensors in int32, the requantize lane and norms in int64. Equal to golden.

Import this module only where TensorFlow may be loaded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hwgen.graph.graph import Graph
from hwgen.reference.base import Step, window_index
from hwgen.reference.integer_params import integer_params, spread_pads
from hwgen.reference.tensorflow_platform import TensorFlowPlatform
from hwgen.runtime.host.kernels import NORM_ROM, SOFTMAX_ROM

Node = dict[str, tf.Tensor]
"""The parameters of one node, see integer_params; those of 8 bits come as int32."""

left, right = tf.bitwise.left_shift, tf.bitwise.right_shift


def wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.int64)


def linear(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return tf.tensordot(x, p["weight"], 1)


def windows(x: tf.Tensor, kernel, stride, pads, dilation, fill=0) -> tf.Tensor:
    """x[b, c, *space] -> [b, c, *out, *kernel]: the window at each output position."""
    n = len(kernel)
    x = tf.pad(x, [(0, 0), (0, 0), *((pads[i], pads[n + i]) for i in range(n))], constant_values=fill)
    for i in range(n):
        x = tf.gather(x, window_index(x.shape[2 + 2 * i], kernel[i], stride[i], dilation[i]), axis=2 + 2 * i)
    return tf.transpose(x, (0, 1, *range(2, 2 + 2 * n, 2), *range(3, 3 + 2 * n, 2)))


def conv(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    node = step.node
    return window_product(step, p, windows(x, node.weight.shape[2:], node.stride, node.pads, node.dilation))


def window_product(step: Step, p: Node, view: tf.Tensor) -> tf.Tensor:
    node, n = step.node, len(step.out.shape) - 1
    view = tf.transpose(view, (0, *range(2, 2 + n), 1, *range(2 + n, 2 + 2 * n)))  # [b, *out, c, *kernel]
    positions = int(np.prod(step.out.shape[1:]))
    taps, outs = p["weight"].shape[1:]
    rows = tf.transpose(tf.reshape(view, (-1, positions, node.groups, taps)), (2, 0, 1, 3))
    # Equal batch axes on both sides: TensorFlow 2.21's oneDNN product crashes when it must broadcast one.
    acc = tf.matmul(tf.reshape(rows, (node.groups, -1, taps)), p["weight"])
    acc = tf.reshape(acc, (node.groups, -1, positions, outs))
    return tf.reshape(tf.transpose(acc, (1, 0, 3, 2)), (-1, *step.out.shape))


def conv_transpose(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    # Over inputs that stand stride - 1 zeros apart it is a convolution; a pad below 0 cuts off.
    (begin, end), (channels, length), stride = spread_pads(step.node), x.shape[1:], step.node.stride
    x = tf.pad(x[..., None], ((0, 0), (0, 0), (0, 0), (0, stride - 1)))
    size = (length - 1) * stride + 1
    x = tf.reshape(x, (-1, channels, length * stride))[:, :, max(0, -begin) : size - max(0, -end)]
    pads = (max(0, begin), max(0, end))
    return window_product(step, p, windows(x, step.node.weight.shape[2:], (1,), pads, (1,)))


def matmul(step: Step, p: Node, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.matmul(a, b)


def constant(step: Step, p: Node, like: tf.Tensor) -> tf.Tensor:
    return tf.broadcast_to(p["value"], (tf.shape(like)[0], *step.out.shape))


def lane(step: Step, p: Node, v: tf.Tensor) -> tf.Tensor:
    """clamp(round_half_even(v / 2**shift))"""
    odd = tf.bitwise.bitwise_and(right(v, p["shift"]), p["odd"])
    return clamp(step, right(v + p["half"] + odd, p["shift"]))


def clamp(step: Step, y: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(y, step.node.lo, step.node.hi), tf.int32)


def requantize(step: Step, p: Node, x: tf.Tensor, residual: tf.Tensor | None = None) -> tf.Tensor:
    v = wide(x) * p["mult0"] + p["bias"]
    if step.node.relu:
        v = tf.maximum(v, tf.constant(0, tf.int64))
    return lane(step, p, v if residual is None else v + wide(residual) * p["mult1"])


def mul(step: Step, p: Node, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return lane(step, p, wide(a) * wide(b) * p["mult0"])


def lookup(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return tf.gather(p["table"], x + 128 if step.ins[0].dtype.signed else x)


def layernorm(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return lane(step, p, normalize(wide(x), step.node.eps_int, step.node.rms) * p["mult0"] + p["bias"])


def groupnorm(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(wide(x), (-1, step.node.groups, step.node.row(step.out.shape)))
    z = tf.reshape(normalize(rows, step.node.eps_int, rms=False), (-1, *step.out.shape))
    return lane(step, p, z * p["mult0"] + p["bias"])


def normalize(x: tf.Tensor, eps_int: int, rms: bool) -> tf.Tensor:
    """Q20 of the normalized rows; the algorithm of golden.normalize."""
    d = x.shape[-1]
    s1 = tf.constant(0, tf.int64) if rms else tf.reduce_sum(x, -1, keepdims=True)
    v = d * tf.reduce_sum(x * x, -1, keepdims=True) - s1 * s1 + eps_int
    e = right(floor_log2(v), 1)
    zero = tf.zeros_like(e)
    m = tf.where(e >= 12, right(v, tf.maximum(2 * e - 24, zero)), left(v, tf.maximum(24 - 2 * e, zero)))
    r0 = tf.gather(tf.constant(NORM_ROM), right(m, 16))
    u = right(m * right(r0 * r0, 14), 18)
    q = (x * d - s1) * right(r0 * (3 * 2**24 - u), 17)
    return right(q + left(tf.ones_like(e), 3 + e), 4 + e)


def floor_log2(v: tf.Tensor) -> tf.Tensor:
    """Index of the highest set bit of v >= 1, by halving the interval."""
    bit = tf.zeros_like(v)
    for more in (32, 16, 8, 4, 2, 1):
        bit = tf.where(right(v, bit + more) > 0, bit + more, bit)
    return bit


def softmax(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    t = tf.gather(p["table"], tf.reduce_max(x, -1, keepdims=True) - x)
    r, e = reciprocal(tf.reduce_sum(t, -1, keepdims=True))
    one = tf.ones_like(t)
    v, shift = t * right(r * step.node.mult + (1 << 15), 16), one * step.node.shift + e
    return clamp(step, right(v + left(one, shift - 1) - 1 + tf.bitwise.bitwise_and(right(v, shift), one), shift))


def reciprocal(s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """1/s = r * 2**-39 * 2**-e; the algorithm of kernels.reciprocal."""
    e, rom = floor_log2(s) - 23, tf.constant(SOFTMAX_ROM)
    m = right(s, e + 3)
    first, second = (tf.gather(rom, right(m, 12) - at) for at in (256, 255))
    return right(first - right((first - second) * (m % 4096), 12) + 8, 4), e


def maxpool(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    node, n = step.node, len(step.node.kernel)
    return tf.reduce_max(
        windows(x, node.kernel, node.stride, node.pads, (1,) * n, step.ins[0].dtype.lo), list(range(-n, 0))
    )


def sumpool(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    node, n = step.node, len(step.node.kernel)
    return tf.reduce_sum(windows(x, node.kernel, node.stride, node.pads, (1,) * n), list(range(-n, 0)))


def reshape(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, (-1, *step.out.shape))


def transpose(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return tf.transpose(x, (0, *(axis + 1 for axis in step.node.perm)))


def concat(step: Step, p: Node, *xs: tf.Tensor) -> tf.Tensor:
    return tf.concat(xs, step.node.axis % len(step.out.shape) + 1)


def slice_(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    axis = step.node.axis % len(step.out.shape) + 1
    return x[(slice(None),) * axis + (slice(step.node.start, step.node.stop, step.node.step),)]


MOVES: dict[str, Callable] = {
    "Reshape": reshape, "Flatten": reshape, "Transpose": transpose, "Concat": concat, "Slice": slice_,
    "Constant": constant,
}  # fmt: skip
FUNCTIONS: dict[str, Callable] = MOVES | {
    "Linear": linear, "Conv1D": conv, "Conv2D": conv, "ConvTranspose1D": conv_transpose, "MatMul": matmul,
    "Requantize": requantize, "Lookup": lookup, "LayerNorm": layernorm, "GroupNorm": groupnorm, "Softmax": softmax,
    "Mul": mul, "MaxPool": maxpool, "SumPool": sumpool,
}  # fmt: skip


class _TensorFlowInt(TensorFlowPlatform):
    name, exact, precision = "tensorflow-int", True, "int32, lane int64"
    ops = frozenset(FUNCTIONS)
    dtype = np.dtype(np.int32)

    def functions(self) -> dict[str, Callable]:
        return FUNCTIONS

    def parameters(self, graph: Graph, saturate: bool) -> dict[str, dict[str, np.ndarray]]:
        params = integer_params(graph)
        return {n: {k: a if a.dtype == np.int64 else a.astype(np.int32) for k, a in p.items()}
                for n, p in params.items()}  # fmt: skip

    def result(self, graph: Graph, name: str, y: np.ndarray) -> np.ndarray:
        return y.astype(graph.tensors[name].dtype.numpy)


TENSORFLOW_INT = _TensorFlowInt()
