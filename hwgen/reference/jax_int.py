"""The integer graph as one jitted JAX function: int8 products summed in int32, the requantize lane in int64.

Equal to golden on every platform that XLA compiles for: there is no floating point in it, and integer sums do not
depend on their order.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from hwgen.graph.graph import Graph
from hwgen.reference.base import Step, walk, window_index
from hwgen.reference.integer_params import integer_params, spread_pads
from hwgen.reference.jax_platform import JaxPlatform
from hwgen.runtime.host.kernels import NORM_ROM, SOFTMAX_ROM

Node = dict[str, Array]
"""The parameters of one node, see integer_params."""


def to_int8(x: Array) -> Array:
    """uint8 -> int8 by subtracting 128 (see integer_params); int8 stays."""
    return x if x.dtype == jnp.int8 else (x.astype(jnp.int16) - 128).astype(jnp.int8)


def linear(step: Step, p: Node, x: Array) -> Array:
    contract = (((x.ndim - 1,), (0,)), ((), ()))
    acc = lax.dot_general(to_int8(x), p["weight"], contract, preferred_element_type=jnp.int32)
    return acc + p["offset"] if "offset" in p else acc


def windows(x: Array, kernel, stride, pads, dilation, fill: int = 0) -> Array:
    """x[b, c, *space] -> [b, c, *out, *kernel]: the window at each output position."""
    n = len(kernel)
    x = jnp.pad(x, [(0, 0), (0, 0), *((pads[i], pads[n + i]) for i in range(n))], constant_values=fill)
    for i in range(n):
        at = window_index(x.shape[2 + 2 * i], kernel[i], stride[i], dilation[i])
        x = jnp.take(x, at, axis=2 + 2 * i, mode="clip")
    return x.transpose(0, 1, *range(2, 2 + 2 * n, 2), *range(3, 3 + 2 * n, 2))


def conv(step: Step, p: Node, x: Array) -> Array:
    node = step.node
    return window_product(step, p, windows(x, node.weight.shape[2:], node.stride, node.pads, node.dilation))


def window_product(step: Step, p: Node, view: Array) -> Array:
    # A gather and a matrix product: XLA has no integer convolution on GPUs that is both general and exact.
    node, n = step.node, len(step.out.shape) - 1
    view = jnp.moveaxis(view, 1, 1 + n)  # [b, *out, c, *kernel]
    rows = to_int8(view).reshape(view.shape[0], -1, node.groups, p["weight"].shape[1])
    acc = lax.dot_general(rows, p["weight"], (((3,), (1,)), ((2,), (0,))), preferred_element_type=jnp.int32)
    acc = acc.transpose(1, 0, 3, 2).reshape(view.shape[0], *step.out.shape)  # from [group, b, position, out / group]
    return acc + p["offset"] if "offset" in p else acc


def conv_transpose(step: Step, p: Node, x: Array) -> Array:
    # Over inputs that stand stride - 1 zeros apart it is a convolution; lax.pad cuts off where a pad is below 0.
    apart = (*spread_pads(step.node), step.node.stride - 1)
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 0), apart))
    return window_product(step, p, windows(x, step.node.weight.shape[2:], (1,), (0, 0), (1,)))


def matmul(step: Step, p: Node, a: Array, b: Array) -> Array:
    x, y, n = to_int8(a), to_int8(b), a.ndim - 2
    batch = tuple(range(n))
    acc = lax.dot_general(x, y, (((n + 1,), (n,)), (batch, batch)), preferred_element_type=jnp.int32)
    # What to_int8 took from an unsigned operand comes back: 128 times the other one's sums.
    if a.dtype == jnp.uint8:
        acc = acc + 128 * b.sum(-2, keepdims=True, dtype=jnp.int32)
    if b.dtype == jnp.uint8:
        acc = acc + 128 * x.sum(-1, keepdims=True, dtype=jnp.int32)
    return acc


def constant(step: Step, p: Node, like: Array) -> Array:
    return jnp.broadcast_to(p["value"], (like.shape[0], *step.out.shape))


def lane(step: Step, p: Node, v: Array) -> Array:
    """clamp(round_half_even(v / 2**shift)) in the output's dtype."""
    return clamp(step, (v + p["half"] + ((v >> p["shift"]) & p["odd"])) >> p["shift"])


def clamp(step: Step, y: Array) -> Array:
    return jnp.clip(y, step.node.lo, step.node.hi).astype(step.out.dtype.numpy)


def requantize(step: Step, p: Node, x: Array, residual: Array | None = None) -> Array:
    v = x.astype(jnp.int64) * p["mult0"] + p["bias"]
    if step.node.relu:
        v = jnp.maximum(v, 0)
    if residual is not None:
        v = v + residual.astype(jnp.int64) * p["mult1"]
    return lane(step, p, v)


def mul(step: Step, p: Node, a: Array, b: Array) -> Array:
    return lane(step, p, a.astype(jnp.int64) * b.astype(jnp.int64) * p["mult0"])


def lookup(step: Step, p: Node, x: Array) -> Array:
    return jnp.take(p["table"], x.astype(jnp.int32) + (128 if step.ins[0].dtype.signed else 0), mode="clip")


def layernorm(step: Step, p: Node, x: Array) -> Array:
    z = normalize(x.astype(jnp.int64), step.node.eps_int, step.node.rms)
    return lane(step, p, z * p["mult0"] + p["bias"])


def groupnorm(step: Step, p: Node, x: Array) -> Array:
    rows = x.astype(jnp.int64).reshape(x.shape[0], step.node.groups, -1)
    z = normalize(rows, step.node.eps_int, rms=False).reshape(x.shape)
    return lane(step, p, z * p["mult0"] + p["bias"])


def normalize(x: Array, eps_int: int, rms: bool) -> Array:
    """Q20 of the normalized rows; the algorithm of golden.normalize, with the highest bit found by counting zeros."""
    d = x.shape[-1]
    s1 = jnp.zeros((), jnp.int64) if rms else x.sum(-1, keepdims=True)
    v = d * (x * x).sum(-1, keepdims=True) - s1 * s1 + eps_int
    e = (63 - lax.clz(v)) >> 1
    m = jnp.where(e >= 12, v >> jnp.maximum(2 * e - 24, 0), v << jnp.maximum(24 - 2 * e, 0))
    r0 = jnp.take(jnp.asarray(NORM_ROM), m >> 16, mode="clip")
    u = (m * ((r0 * r0) >> 14)) >> 18
    r = (r0 * (3 * 2**24 - u)) >> 17
    return ((x * d - s1) * r + (1 << (3 + e))) >> (4 + e)


def softmax(step: Step, p: Node, x: Array) -> Array:
    x = x.astype(jnp.int32)
    t = jnp.take(p["table"], x.max(-1, keepdims=True) - x, mode="clip")
    r, e = reciprocal(t.sum(-1, keepdims=True))
    v, shift = t * ((r * step.node.mult + (1 << 15)) >> 16), step.node.shift + e
    return clamp(step, (v + (jnp.int64(1) << (shift - 1)) - 1 + ((v >> shift) & 1)) >> shift)


def reciprocal(s: Array) -> tuple[Array, Array]:
    """1/s = r * 2**-39 * 2**-e; the algorithm of kernels.reciprocal."""
    e = 63 - lax.clz(s) - 23
    m, rom = s >> (e + 3), jnp.asarray(SOFTMAX_ROM)
    left, right = (jnp.take(rom, (m >> 12) - at, mode="clip") for at in (256, 255))
    return (left - (((left - right) * (m & 4095)) >> 12) + 8) >> 4, e


def maxpool(step: Step, p: Node, x: Array) -> Array:
    node, n = step.node, len(step.node.kernel)
    return windows(x, node.kernel, node.stride, node.pads, (1,) * n, step.ins[0].dtype.lo).max(range(-n, 0))


def sumpool(step: Step, p: Node, x: Array) -> Array:
    node, n = step.node, len(step.node.kernel)
    return windows(x, node.kernel, node.stride, node.pads, (1,) * n).sum(range(-n, 0), dtype=jnp.int32)


def reshape(step: Step, p: Node, x: Array) -> Array:
    return x.reshape(x.shape[0], *step.out.shape)


def transpose(step: Step, p: Node, x: Array) -> Array:
    return x.transpose(0, *(axis + 1 for axis in step.node.perm))


def concat(step: Step, p: Node, *xs: Array) -> Array:
    return jnp.concatenate(xs, axis=step.node.axis % (xs[0].ndim - 1) + 1)


def slice_(step: Step, p: Node, x: Array) -> Array:
    node, axis = step.node, step.node.axis % (x.ndim - 1) + 1
    return lax.slice_in_dim(x, node.start, min(node.stop, x.shape[axis]), node.step, axis)


MOVES: dict[str, Callable] = {
    "Reshape": reshape, "Flatten": reshape, "Transpose": transpose, "Concat": concat, "Slice": slice_,
    "Constant": constant,
}  # fmt: skip
FUNCTIONS: dict[str, Callable] = MOVES | {
    "Linear": linear, "Conv1D": conv, "Conv2D": conv, "ConvTranspose1D": conv_transpose, "MatMul": matmul,
    "Requantize": requantize, "Lookup": lookup, "LayerNorm": layernorm, "GroupNorm": groupnorm, "Softmax": softmax,
    "Mul": mul, "MaxPool": maxpool, "SumPool": sumpool,
}  # fmt: skip


def forward(graph: Graph) -> Callable[..., dict[str, Array]]:
    """The pure function (params, inputs, keep=False) -> {tensor name: array [B, *shape]}, to be traced with 64 bit on.

    params: integer_params(graph). inputs: int8 or uint8 arrays. Outputs have their tensor's narrowest dtype. Parameters
    are arguments so that they can be placed, sharded or replaced without compiling anew.
    """

    def run(params: dict[str, Node], inputs: dict[str, Array], keep: bool = False) -> dict[str, Array]:
        return walk(graph, FUNCTIONS, params, inputs, keep)

    return run


class _JaxInt(JaxPlatform):
    name, exact, precision = "jax-int", True, "int8 x int8 -> int32, lane int64"
    ops = frozenset(FUNCTIONS)

    def function(self, graph: Graph, saturate: bool = True) -> tuple[Callable, dict]:
        return forward(graph), integer_params(graph)


JAX_INT = _JaxInt()
