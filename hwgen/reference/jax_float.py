"""What the integers approximate, as one jitted JAX function: real weights, norms and activations, no rounding.

The distance to the integer graph is the quantization error.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from hwgen.graph.graph import Graph
from hwgen.reference.base import Step, walk
from hwgen.reference.integer_params import spread_pads
from hwgen.reference.jax_int import MOVES, windows
from hwgen.reference.jax_platform import JaxPlatform
from hwgen.reference.real_params import norm_eps, real_params, table_function, table_point

Node = dict[str, Array]
"""The parameters of one node, see real_params."""

EXACT = lax.Precision.HIGHEST
"""No shortened mantissas (TF32, bfloat16) in products: the error measured is to be the integers'."""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: jnp.maximum(x, 0),
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": lambda x: 0.5 * x * (1 + lax.erf(x / np.sqrt(2.0).item())),
    "gelu_tanh": lambda x: 0.5 * x * (1 + jnp.tanh(np.sqrt(2 / np.pi).item() * (x + 0.044715 * x**3))),
    "silu": jax.nn.silu,
    "erf": lax.erf,
    "mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "identity": lambda x: x,
}


def clamp(p: Node, v: Array) -> Array:
    return jnp.clip(v, p["lo"], p["hi"])


def linear(step: Step, p: Node, x: Array) -> Array:
    return jnp.matmul(x, p["weight"], precision=EXACT)


def conv(step: Step, p: Node, x: Array) -> Array:
    node, n = step.node, len(step.node.stride)
    pads = [(node.pads[i], node.pads[n + i]) for i in range(n)]
    return lax.conv_general_dilated(
        x, p["weight"], node.stride, pads, rhs_dilation=node.dilation, feature_group_count=node.groups, precision=EXACT
    )


def conv_transpose(step: Step, p: Node, x: Array) -> Array:
    pads, apart = [spread_pads(step.node)], (step.node.stride,)
    return lax.conv_general_dilated(
        x, p["weight"], (1,), pads, lhs_dilation=apart, feature_group_count=step.node.groups, precision=EXACT
    )


def matmul(step: Step, p: Node, a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=EXACT)


def requantize(step: Step, p: Node, x: Array, residual: Array | None = None) -> Array:
    v = x * p["gain0"] + p["offset"]
    if step.node.relu:
        v = jnp.maximum(v, 0)
    return clamp(p, v if residual is None else v + residual * p["gain1"])


def mul(step: Step, p: Node, a: Array, b: Array) -> Array:
    return clamp(p, a * b * p["gain0"])


def lookup(step: Step, p: Node, x: Array) -> Array:
    if name := table_function(step, ACTIVATIONS):
        return clamp(p, ACTIVATIONS[name](x))
    # An unknown function: straight lines between the table's points.
    scale, first, last = table_point(step)
    at = jnp.clip(x / scale + (128 if step.ins[0].dtype.signed else 0), first, last)
    below = jnp.minimum(jnp.floor(at), last - 1)
    left = below.astype(jnp.int32)
    t = p["table"]
    return jnp.take(t, left, mode="clip") * (1 + below - at) + jnp.take(t, left + 1, mode="clip") * (at - below)


def layernorm(step: Step, p: Node, x: Array) -> Array:
    return clamp(p, normalize(x, norm_eps(step), step.node.rms) * p["gain0"] + p["offset"])


def groupnorm(step: Step, p: Node, x: Array) -> Array:
    z = normalize(x.reshape(x.shape[0], step.node.groups, -1), norm_eps(step), rms=False).reshape(x.shape)
    return clamp(p, z * p["gain0"] + p["offset"])


def normalize(x: Array, eps: float, rms: bool) -> Array:
    x = x if rms else x - x.mean(-1, keepdims=True)
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + eps)


def softmax(step: Step, p: Node, x: Array) -> Array:
    return clamp(p, jax.nn.softmax(x * (step.node.step / float(step.ins[0].scale)), -1) * p["gain"])


def maxpool(step: Step, p: Node, x: Array) -> Array:
    node, n = step.node, len(step.node.kernel)
    y = windows(x, node.kernel, node.stride, node.pads, (1,) * n, -jnp.inf).max(range(-n, 0))
    return jnp.where(jnp.isneginf(y), step.ins[0].dtype.lo * float(step.ins[0].scale), y)  # a window of padding alone


def sumpool(step: Step, p: Node, x: Array) -> Array:
    node, n = step.node, len(step.node.kernel)
    return windows(x, node.kernel, node.stride, node.pads, (1,) * n).sum(range(-n, 0))


FUNCTIONS: dict[str, Callable] = MOVES | {
    "Linear": linear, "Conv1D": conv, "Conv2D": conv, "ConvTranspose1D": conv_transpose, "MatMul": matmul,
    "Requantize": requantize, "Lookup": lookup, "LayerNorm": layernorm, "GroupNorm": groupnorm, "Softmax": softmax,
    "Mul": mul, "MaxPool": maxpool, "SumPool": sumpool,
}  # fmt: skip


def forward(graph: Graph) -> Callable[..., dict[str, Array]]:
    """The pure function (params, inputs, keep=False) -> {tensor name: real array [B, *shape]}.

    params: real_params(graph) in the dtype to compute in, which is that of the inputs too.
    """

    def run(params: dict[str, Node], inputs: dict[str, Array], keep: bool = False) -> dict[str, Array]:
        return walk(graph, FUNCTIONS, params, inputs, keep)

    return run


class _JaxFloat(JaxPlatform):
    exact = False
    ops = frozenset(FUNCTIONS)

    def __init__(self, bits: int):
        self.name, self.precision = f"jax-float{bits}", f"float{bits}"
        self.dtype = np.dtype(f"float{bits}")

    def function(self, graph: Graph, saturate: bool = True) -> tuple[Callable, dict]:
        params = real_params(graph, saturate)
        return forward(graph), {n: {k: a.astype(self.dtype) for k, a in p.items()} for n, p in params.items()}

    def input_dtypes(self, graph: Graph) -> dict[str, np.dtype]:
        return dict.fromkeys(graph.inputs, self.dtype)


JAX_FLOAT32, JAX_FLOAT64 = _JaxFloat(32), _JaxFloat(64)
