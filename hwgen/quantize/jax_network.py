"""A float network as a JAX function of its weights: what training follows the gradient of.

weights = parameters(network)
answer = function(network)(weights, {"x": batch})
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import softmax

from hwgen.errors import UnsupportedError
from hwgen.quantize import float_ops as ops
from hwgen.quantize.floats import FloatGraph
from hwgen.reference.jax_float import ACTIVATIONS, normalize

Parameters = dict[str, list[Array]]
"""By node name, the arrays of FIELDS."""
FIELDS = {"Linear": ("weight", "bias"), "Conv": ("weight", "bias"), "LayerNorm": ("gamma", "beta"),
          "Constant": ("value",)}  # fmt: skip


def parameters(network: FloatGraph) -> dict[str, list[np.ndarray]]:
    """The network's weights by node name, float32. Raises UnsupportedError for a layer without bias."""
    found = {}
    for node in network.nodes:
        if names := FIELDS.get(node.op):
            found[node.name] = [getattr(node, field) for field in names]
            if any(array is None for array in found[node.name]):
                raise UnsupportedError(f"node {node.name!r} ({node.op}) has no bias; give it zeros to train it")
    return found


def function(network: FloatGraph) -> Callable[[Parameters, dict[str, Array]], dict[str, Array]]:
    """f(parameters, inputs float32 [batch, *shape] by name) -> outputs by name.

    Raises UnsupportedError (naming it) for an operator without a rule here.
    """
    for node in network.nodes:
        if node.op not in RULES or (isinstance(node, ops.Table) and node.label not in ACTIVATIONS):
            raise UnsupportedError(f"node {node.name!r} ({node.op}) cannot be trained; there are rules for "
                                   f"{', '.join(RULES)}, of functions for {', '.join(ACTIVATIONS)}")  # fmt: skip

    def call(weights: Parameters, inputs: dict[str, Array]) -> dict[str, Array]:
        values = dict(inputs)
        for node in network.nodes:
            values[node.name] = RULES[node.op](node, weights.get(node.name, ()), *(values[i] for i in node.inputs))
        return {name: values[source] for name, source in network.outputs.items()}

    return call


def _linear(node: ops.Linear, w: list[Array], x: Array) -> Array:
    return x @ w[0] + w[1]


def _conv(node: ops.Conv, w: list[Array], x: Array) -> Array:
    n = len(node.stride)
    pads = [(node.pads[i], node.pads[n + i]) for i in range(n)]
    y = lax.conv_general_dilated(x, w[0], node.stride, pads, rhs_dilation=node.dilation,
                                 feature_group_count=node.groups)  # fmt: skip
    return y + w[1].reshape(-1, *[1] * n)


def _layernorm(node: ops.LayerNorm, w: list[Array], x: Array) -> Array:
    return normalize(x, node.eps, node.rms) * w[0] + w[1]


RULES: dict[str, Callable[..., Array]] = {
    "Linear": _linear,
    "Conv": _conv,
    "LayerNorm": _layernorm,
    "Constant": lambda node, w: w[0][None],
    "MatMul": lambda node, w, a, b: a @ b,
    "Add": lambda node, w, a, b: a + b,
    "Affine": lambda node, w, x: x * node.gain + node.bias,
    "Table": lambda node, w, x: ACTIVATIONS[node.label](x),
    "Clip": lambda node, w, x: jnp.clip(x, node.lo, node.hi),
    "Softmax": lambda node, w, x: softmax(x, -1),
    "Reshape": lambda node, w, x: x.reshape(len(x), *node.shape),
    "Transpose": lambda node, w, x: x.transpose(0, *(p + 1 for p in node.perm)),
    "Concat": lambda node, w, *xs: jnp.concatenate(xs, node.axis),
}
"""What each operator computes: (node, its weights, inputs) -> output, batch first."""
