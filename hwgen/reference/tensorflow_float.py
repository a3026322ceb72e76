"""What the integers approximate, as a tf.function: real weights, norms and activations, no rounding.

Import this module only where TensorFlow may be loaded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.reference.base import Step
from hwgen.reference.integer_params import grouped
from hwgen.reference.real_params import norm_eps, real_params, table_function, table_point
from hwgen.reference.tensorflow_int import MOVES, conv, conv_transpose, linear, matmul, sumpool, windows
from hwgen.reference.tensorflow_platform import TensorFlowPlatform

Node = dict[str, tf.Tensor]
"""The parameters of one node, see real_params; a convolution's weight comes as integer_params lays it out."""

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / np.sqrt(2.0))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x))),
    "silu": tf.nn.silu,
    "erf": tf.math.erf,
    "mish": lambda x: x * tf.tanh(tf.nn.softplus(x)),
    "softplus": tf.nn.softplus,
    "elu": tf.nn.elu,
    "identity": lambda x: x,
}


def clamp(p: Node, v: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.maximum(v, p["lo"]), p["hi"])


def requantize(step: Step, p: Node, x: tf.Tensor, residual: tf.Tensor | None = None) -> tf.Tensor:
    v = x * p["gain0"] + p["offset"]
    if step.node.relu:
        v = tf.nn.relu(v)
    return clamp(p, v if residual is None else v + residual * p["gain1"])


def mul(step: Step, p: Node, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return clamp(p, a * b * p["gain0"])


def lookup(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    if name := table_function(step, ACTIVATIONS):
        return clamp(p, ACTIVATIONS[name](x))
    # An unknown function: straight lines between the table's points.
    scale, first, last = table_point(step)
    at = tf.clip_by_value(x / scale + (128 if step.ins[0].dtype.signed else 0), first, last)
    below = tf.minimum(tf.floor(at), last - 1)
    i, t = tf.cast(below, tf.int32), p["table"]
    return tf.gather(t, i) * (1 + below - at) + tf.gather(t, i + 1) * (at - below)


def layernorm(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return clamp(p, normalize(x, norm_eps(step), step.node.rms) * p["gain0"] + p["offset"])


def groupnorm(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(x, (-1, step.node.groups, step.node.row(step.out.shape)))
    z = tf.reshape(normalize(rows, norm_eps(step), rms=False), (-1, *step.out.shape))
    return clamp(p, z * p["gain0"] + p["offset"])


def normalize(x: tf.Tensor, eps: float, rms: bool) -> tf.Tensor:
    x = x if rms else x - tf.reduce_mean(x, -1, keepdims=True)
    return x / tf.sqrt(tf.reduce_mean(x * x, -1, keepdims=True) + eps)


def softmax(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    return clamp(p, tf.nn.softmax(x * (step.node.step / float(step.ins[0].scale)), -1) * p["gain"])


def maxpool(step: Step, p: Node, x: tf.Tensor) -> tf.Tensor:
    node, n = step.node, len(step.node.kernel)
    y = tf.reduce_max(windows(x, node.kernel, node.stride, node.pads, (1,) * n, -np.inf), list(range(-n, 0)))
    lowest = tf.constant(step.ins[0].dtype.lo * float(step.ins[0].scale), x.dtype)
    return tf.where(tf.math.is_inf(y), lowest, y)  # a window of padding alone


FUNCTIONS: dict[str, Callable] = MOVES | {
    "Linear": linear, "Conv1D": conv, "Conv2D": conv, "ConvTranspose1D": conv_transpose, "MatMul": matmul,
    "Requantize": requantize, "Lookup": lookup, "LayerNorm": layernorm, "GroupNorm": groupnorm, "Softmax": softmax,
    "Mul": mul, "MaxPool": maxpool, "SumPool": sumpool,
}  # fmt: skip


class _TensorFlowFloat(TensorFlowPlatform):
    exact = False
    ops = frozenset(FUNCTIONS)

    def __init__(self, bits: int):
        self.name, self.precision = f"tensorflow-float{bits}", f"float{bits}"
        self.dtype = np.dtype(f"float{bits}")

    def functions(self) -> dict[str, Callable]:
        return FUNCTIONS

    def parameters(self, graph: Graph, saturate: bool) -> dict[str, dict[str, np.ndarray]]:
        params = real_params(graph, saturate)
        for node in graph.nodes:
            if isinstance(node, (ops.Conv, ops.ConvTranspose1D)):
                params[node.name]["weight"] = grouped(params[node.name]["weight"], node.groups)
        return {n: {k: a.astype(self.dtype) for k, a in p.items()} for n, p in params.items()}


TENSORFLOW_FLOAT32, TENSORFLOW_FLOAT64 = _TensorFlowFloat(32), _TensorFlowFloat(64)
