"""Softmax; layer and RMS normalization, as one operator or spelled out in ReduceMean, Sub, Pow, Sqrt and Div."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.graph.importer.context import Context, constant
from hwgen.graph.importer.materialize import describe, narrow_source
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.values import Affine, Const, GroupZ, NormZ, Probabilities, SquareTable, Stat, Value


def softmax(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Softmax over the last axis"""
    x = args[0]
    rank = len(x.shape) + 1
    axis = int(node.attrs.get("axis", -1 if node.opset >= 13 else 1))
    if axis not in (-1, rank - 1):
        node.unsupported(f"it runs over axis {axis} of {rank}; only the last axis is possible, so transpose around it")
    source, gain, bias = narrow_source(ctx.builder, x, node, "its input is not quantized")
    if bias.ndim or gain <= 0:
        node.unsupported("its input is negated, or has an offset that is not quantized; insert a Quant node before it")
    return Affine(((Probabilities(source, gain), np.ones(())),), x.shape)  # one offset for all drops out


def layer_norm(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """LayerNormalization or RMSNormalization over the last axis"""
    x, gamma, beta = (*args, None, None)[:3]
    rank = len(x.shape) + 1 if not isinstance(x, Const) else 0
    if int(node.attrs.get("axis", -1)) not in (-1, rank - 1):
        node.unsupported("it normalizes over more than the last axis; only the last axis is possible")
    rms = node.op != "LayerNormalization"
    y = normalized(ctx, node, x, float(np.float32(node.attrs.get("epsilon", 1e-5))), rms)
    for value, what in ((gamma, "scale"), (beta, "bias")):
        if value is not None and constant(value) is None:
            node.unsupported(f"its {what} is not constant; use a normalization without it and Mul or Add")
    if gamma is not None:
        y = y.scaled(ctx.const_for(node, gamma.array, y))
    return y if beta is None else y.shifted(ctx.const_for(node, beta.array, y))


def normalized(ctx: Context, node: OnnxNode, x: Value, eps: float, rms: bool) -> Affine:
    """The expression for the normalized x. A factor on x only changes what eps means; an offset drops out."""
    source, gain, bias = narrow_source(ctx.builder, x, node, "its input is not quantized")
    if bias.ndim or (rms and bias != 0) or gain == 0:
        node.unsupported("its input has an offset that is not quantized; insert a Quant node before it")
    if eps < 0 or not np.isfinite(eps):
        node.unsupported(f"its epsilon is {eps}; it must be 0 or more")
    z = NormZ(source, eps / gain**2, rms)
    return Affine(((z, np.asarray(np.sign(gain))),), x.shape)


def group_norm(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """GroupNormalization (scale per group before opset 21, per channel from then on), InstanceNormalization"""
    x, gamma, beta = args[:3]
    if isinstance(x, Const) or any(constant(a) is None for a in (gamma, beta)):
        node.unsupported("its scale or bias is not constant; use a normalization without them and Mul and Add")
    source, gain, bias = narrow_source(ctx.builder, x, node, "its input is not quantized")
    if bias.ndim or gain == 0:
        node.unsupported("its input has an offset that is not quantized; insert a Quant node before it")
    channels, eps = x.shape[0], float(np.float32(node.attrs.get("epsilon", 1e-5)))
    groups = int(node.attrs.get("num_groups", 0)) if node.op == "GroupNormalization" else channels
    if groups < 1 or channels % groups:
        node.unsupported(f"{groups} groups do not divide its {channels} channels; export the model again")
    z = GroupZ(source, groups, eps / gain**2)
    y = Affine(((z, np.asarray(np.sign(gain))),), x.shape)

    def per_channel(a: Const) -> np.ndarray:
        a = np.repeat(a.array, channels // groups) if a.array.size == groups != channels else a.array
        return ctx.const_for(node, a.reshape(-1, *(1,) * (len(x.shape) - 1)), y)

    return y.scaled(per_channel(gamma)).shifted(per_channel(beta))


def reshaped_group(ctx: Context, x: Affine, shape: tuple[int, ...]) -> Affine | None:
    """Normalized groups in another shape whose channels fall into the same groups; None if there is no such thing.

    Exporters write GroupNorm as InstanceNormalization over [groups, rest] between two Reshapes.
    """
    if not (x.only(GroupZ) and x.is_identity and not x.moves):
        return None
    z = x.terms[0][0]
    if not shape or shape[0] % z.groups:
        return None
    before = ctx.builder.graph.producer(z.x)
    if before is not None and before.op == "Reshape" and ctx.tensor(before.inputs[0]).shape == tuple(shape):
        source = before.inputs[0]
    else:
        source = ctx.builder.reshape(z.x, shape)
    return Affine(((replace(z, x=source), np.ones(())),), tuple(shape))


def mean_stat(node: OnnxNode, x: Value, keepdims: bool) -> Stat | None:
    """ReduceMean over the last axis as a step of a normalization; None if it cannot be one."""
    if not keepdims:
        return None
    if isinstance(x, Stat) and x.kind == "square":
        return replace(x, kind="var")
    return None


def square_mean(ctx: Context, x: SquareTable) -> Stat:
    """The mean of x * x over the last axis: the start of an RMS normalization."""
    return Stat("var", ctx.value_of(x.x), (*x.shape[:-1], 1), rms=True)


def stat_sub(node: OnnxNode, a: Value, b: Value) -> Value:
    """x - mean(x)"""
    if isinstance(b, Stat) and b.kind == "mean" and isinstance(a, Affine) and same(a, b.x):
        return Stat("centered", b.x, a.shape)
    return _incomplete(node, a if isinstance(a, Stat) else b)


def stat_pow(node: OnnxNode, x: Stat, p: float) -> Value:
    """(x - mean)**2, var**0.5, var**-0.5"""
    if x.kind == "centered" and p == 2:
        return replace(x, kind="square")
    if x.kind == "var" and p in (0.5, -0.5):
        return replace(x, kind="std" if p > 0 else "rstd")
    return _incomplete(node, x)


def stat_mul(node: OnnxNode, a: Value, b: Value) -> Value:
    """(x - mean) * (x - mean), or the last step: centered * rstd"""
    if isinstance(a, Stat) and isinstance(b, Stat) and a.kind == b.kind == "centered" and same(a.x, b.x):
        return replace(a, kind="square")
    if isinstance(a, Stat) and a.kind == "rstd":
        a, b = b, a
    if isinstance(b, Stat) and b.kind == "rstd":
        return _finish(node, a, b)
    return _incomplete(node, a if isinstance(a, Stat) else b)


def stat_div(node: OnnxNode, a: Value, b: Value) -> Value:
    """The last step, centered / std; or 1 / std"""
    if isinstance(b, Stat) and b.kind == "std":
        if isinstance(a, Const) and a.array.size == 1 and float(a.array.reshape(())) == 1:
            return replace(b, kind="rstd")
        return _finish(node, a, b)
    return _incomplete(node, a if isinstance(a, Stat) else b)


def stat_add(node: OnnxNode, a: Value, b: Value) -> Value:
    """var + eps"""
    if isinstance(b, Stat):
        a, b = b, a
    if isinstance(a, Stat) and a.kind == "var" and isinstance(b, Const) and b.array.size == 1:
        return replace(a, eps=a.eps + float(np.reshape(b.array, ())))
    return _incomplete(node, a)


def stat_unary(node: OnnxNode, x: Stat) -> Value:
    """sqrt(var), 1 / std"""
    if x.kind == "var" and node.op == "Sqrt":
        return replace(x, kind="std")
    if x.kind == "std" and node.op == "Reciprocal":
        return replace(x, kind="rstd")
    return _incomplete(node, x)


def _finish(node: OnnxNode, top: Value, bottom: Stat) -> Affine:
    centered = isinstance(top, Stat) and top.kind == "centered"
    x = top.x if centered else top
    if not isinstance(x, Affine) or not same(x, bottom.x) or centered == bottom.rms:
        return _incomplete(node, bottom)
    (source, gain), eps = x.terms[0], bottom.eps
    z = NormZ(source, eps / float(gain) ** 2, bottom.rms)
    return Affine(((z, np.asarray(np.sign(gain))),), x.shape)


def same(a: Affine, b: Affine) -> bool:
    """Whether two expressions are the same tensor times the same factor."""
    return (
        a is b
        or a.only(str)
        and b.only(str)
        and a.terms[0][0] == b.terms[0][0]
        and np.array_equal(a.terms[0][1], b.terms[0][1])
        and np.array_equal(a.bias, b.bias)
    )


def _incomplete(node: OnnxNode, x: Value):
    node.unsupported(describe(x))
