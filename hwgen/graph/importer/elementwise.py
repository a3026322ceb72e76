"""Add, Sub, Mul, Div, Relu, Clip and activation functions, element by element."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from hwgen.graph.activations import FUNCTIONS, softplus
from hwgen.graph.importer.context import Context, constant
from hwgen.graph.importer.materialize import INSERT, describe, emit_moves, narrow_source
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.norm import stat_add, stat_div, stat_mul, stat_pow, stat_sub, stat_unary
from hwgen.graph.importer.values import Affine, Const, Joined, Move, Product, SquareTable, Stat, Table, Value, collapse


def add(ctx: Context, node: OnnxNode, args: list[Value], sign: float = 1.0) -> Value:
    """a + sign * b"""
    a, b = args
    if isinstance(b, Const):
        return _plus_const(ctx, node, a, sign * np.asarray(b.array, np.float64))
    if isinstance(a, Const):
        b = _times_const(ctx, node, b, np.float64(sign)) if sign != 1 else b
        return _plus_const(ctx, node, b, np.asarray(a.array, np.float64))
    if isinstance(a, Stat) or isinstance(b, Stat):
        return stat_add(node, a, b) if sign > 0 else stat_sub(node, a, b)
    if isinstance(a, Table) or isinstance(b, Table):
        return _combine(ctx, node, a, b, lambda u, v: u + sign * v)
    a, b = _expressions(node, a, b)
    if same_source(ctx, a, b) and (a.clamped or b.clamped):
        return _combine(ctx, node, a, b, lambda u, v: u + sign * v)
    a, b = align(ctx, node, a, b.scaled(np.float64(sign)))
    a, b = a.as_source(), b.as_source()
    shape = tuple(np.broadcast_shapes(a.inner, b.inner))
    return Affine(a.terms + b.terms, shape, a.bias + b.bias, moves=a.moves)


def sub(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """a - b"""
    return add(ctx, node, args, sign=-1.0)


def mul(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """a * b"""
    a, b = args
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        return _times_const(ctx, node, a, np.asarray(b.array, np.float64))
    if isinstance(a, Stat) or isinstance(b, Stat):
        return stat_mul(node, a, b)
    if a is b and _is_plain(ctx, a):
        return SquareTable(a.terms[0][0], np.square, a.shape)
    if isinstance(a, Table) or isinstance(b, Table) or same_source(ctx, a, b):
        return _combine(ctx, node, a, b, lambda u, v: u * v)
    a, b = _expressions(node, a, b)
    return _product(ctx, node, a, b)


def div(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """a / b"""
    a, b = args
    if isinstance(b, Const):
        divisor = np.asarray(b.array, np.float64)
        if (divisor == 0).any():
            node.unsupported("it divides by 0; check the model's parameters")
        return _times_const(ctx, node, a, 1.0 / divisor)
    if isinstance(a, Stat) or isinstance(b, Stat):
        return stat_div(node, a, b)
    if isinstance(a, Const) and a.array.size == 1:
        return _unary(ctx, node, b, lambda x: float(a.array.reshape(())) / x)
    if isinstance(a, Table) or isinstance(b, Table) or same_source(ctx, a, b):
        return _combine(ctx, node, a, b, lambda u, v: u / v)
    node.unsupported("it divides one activation by another; only division by a constant is possible")


def power(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """a ** constant"""
    exponent = constant(args[1])
    if exponent is None or exponent.size != 1:
        node.unsupported("its exponent must be one constant number")
    p = float(exponent.reshape(()))
    if isinstance(args[0], Stat):
        return stat_pow(node, args[0], p)
    if p == 2 and _is_plain(ctx, args[0]):
        return SquareTable(args[0].terms[0][0], np.square, args[0].shape)
    return _unary(ctx, node, args[0], lambda x: np.power(x, p))


def _is_plain(ctx: Context, x: Value) -> bool:
    return isinstance(x, Affine) and x.is_identity and x.only(str) and not ctx.tensor(x.terms[0][0]).dtype.is_wide


def clip(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """min(max(x, lo), hi)"""
    bounds = []
    for i, (key, default) in enumerate((("min", -inf), ("max", inf)), 1):
        given = args[i] if len(args) > i else None
        value = constant(given) if given is not None else np.asarray(node.attrs.get(key, default), np.float64)
        if value is None or value.size != 1 or np.isnan(value).any():
            node.unsupported("its bounds must be constant numbers")
        v = float(value.reshape(()))
        bounds.append(default if abs(v) > 3e38 else v)
    return _clamp(ctx, node, args[0], *bounds)


def relu(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """max(x, 0)"""
    return _clamp(ctx, node, args[0], 0.0, inf)


def extremum(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Min or Max with a constant number"""
    if len(args) == 2 and isinstance(args[0], Const):
        args = args[::-1]
    if len(args) != 2 or isinstance(args[0], Const) or constant(args[1]) is None or args[1].array.size != 1:
        node.unsupported("only Min and Max of an activation and one constant number are possible")
    v = float(args[1].array.reshape(()))
    return _clamp(ctx, node, args[0], *((v, inf) if node.op == "Max" else (-inf, v)))


def _clamp(ctx: Context, node: OnnxNode, x: Value, lo: float, hi: float) -> Value:
    if isinstance(x, Affine):
        return x.clamp(lo, hi)
    if isinstance(x, Joined):
        return replace(x, parts=tuple(_clamp(ctx, node, p, lo, hi) for p in x.parts))
    return _unary(ctx, node, x, lambda v: np.minimum(np.maximum(v, lo), hi))


def _function(node: OnnxNode):
    """The float64 function of an activation operator."""
    alpha, beta = node.attrs.get("alpha"), node.attrs.get("beta")

    def param(value, default):
        return default if value is None else float(value)

    def leaky(x: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, below)

    if node.op == "Gelu":
        return FUNCTIONS["gelu_tanh" if node.attrs.get("approximate", "none") == "tanh" else "gelu"]
    if node.op == "HardSigmoid":
        a, b = param(alpha, 0.2), param(beta, 0.5)
        return lambda x: np.clip(a * x + b, 0, 1)
    if node.op == "LeakyRelu":
        a = param(alpha, 0.01)
        return lambda x: leaky(x, a * x)
    if node.op == "Elu":
        a = param(alpha, 1.0)
        return lambda x: leaky(x, a * np.expm1(np.minimum(x, 0)))
    if node.op == "Celu":
        a = param(alpha, 1.0)
        return lambda x: leaky(x, a * np.expm1(np.minimum(x, 0) / a))
    if node.op == "Selu":
        a, g = param(alpha, 1.6732632), param(node.attrs.get("gamma"), 1.0507010)
        return lambda x: g * leaky(x, a * np.expm1(np.minimum(x, 0)))
    if node.op == "Swish":
        a = param(alpha, 1.0)
        return lambda x: x * FUNCTIONS["sigmoid"](a * x)
    return PLAIN[node.op]


PLAIN = {
    "Sigmoid": FUNCTIONS["sigmoid"], "Tanh": np.tanh, "Mish": FUNCTIONS["mish"], "Softplus": softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)), "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Silu": FUNCTIONS["silu"], "Exp": np.exp, "Log": np.log, "Sqrt": np.sqrt, "Reciprocal": lambda x: 1 / x,
    "Abs": np.abs, "Erf": FUNCTIONS["erf"], "Sin": np.sin, "Cos": np.cos, "Floor": np.floor, "Ceil": np.ceil,
    "Round": np.round, "Sign": np.sign, "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh,
}  # fmt: skip
"""Operators of one input and no attributes."""
WITH_ATTRS = ("Gelu", "HardSigmoid", "LeakyRelu", "Elu", "Celu", "Selu", "Swish")


def activation(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """A function of each element, to become a table"""
    if isinstance(args[0], Stat):
        return stat_unary(node, args[0])
    return _unary(ctx, node, args[0], _function(node))


def prelu(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """x if x >= 0 else slope * x, with one slope"""
    slope = constant(args[1])
    if slope is None or (slope != slope.flat[0]).any():
        node.unsupported("its slope must be one constant number; train PReLU with one parameter")
    a = float(slope.flat[0])
    return _unary(ctx, node, args[0], lambda x: np.where(x >= 0, x, a * x))


def negate(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """-x"""
    return _times_const(ctx, node, args[0], np.float64(-1))


def as_table(ctx: Context, node: OnnxNode, x: Value) -> Table:
    """A value as a function of one integer tensor of 8 bits or less (raises UnsupportedError)."""
    if isinstance(x, Table):
        return x
    lo, hi = (x.lo, x.hi) if isinstance(x, Affine) else (-inf, inf)
    plain = replace(x, lo=-inf, hi=inf) if isinstance(x, Affine) else x
    source, gain, bias = narrow_source(ctx.builder, plain, node, "its input is not quantized")
    if bias.ndim:
        node.unsupported(f"its input has a bias per channel, and a table has none; {INSERT}")
    d = float(bias)
    return Table(source, lambda v: np.minimum(np.maximum(v * gain + d, lo), hi), x.shape)


def _unary(ctx: Context, node: OnnxNode, x: Value, fn) -> Value:
    t = as_table(ctx, node, x)

    def composed(v: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return fn(t.fn(v))

    return Table(t.x, composed, t.shape)


def same_source(ctx: Context, a: Value, b: Value) -> bool:
    """Whether both are functions of one and the same integer tensor."""

    def source(v: Value) -> str | None:
        if isinstance(v, Table):
            return v.x
        if isinstance(v, Affine) and v.only(str) and not v.moves and collapse(v.bias).ndim == 0:
            name, gain = v.terms[0]
            return None if ctx.tensor(name).dtype.is_wide or collapse(gain).ndim else name
        return None

    return source(a) is not None and source(a) == source(b)


def _combine(ctx: Context, node: OnnxNode, a: Value, b: Value, fn) -> Value:
    """fn of two functions of one tensor, as in x * sigmoid(x)."""
    if not same_source(ctx, a, b):
        node.unsupported("it combines an activation function with another tensor; insert a Quant node between")
    ta, tb = as_table(ctx, node, a), as_table(ctx, node, b)

    def composed(v: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return fn(ta.fn(v), tb.fn(v))

    return Table(ta.x, composed, ta.shape)


def _plus_const(ctx: Context, node: OnnxNode, x: Value, c: np.ndarray) -> Value:
    if isinstance(x, Stat):
        return stat_add(node, x, Const(c))
    if isinstance(x, Table) and c.size == 1:
        return _unary(ctx, node, x, lambda v: v + float(c.reshape(())))
    x = _expression(node, x)
    return x.shifted(ctx.const_for(node, c, x))


def _times_const(ctx: Context, node: OnnxNode, x: Value, c: np.ndarray) -> Value:
    if isinstance(x, Stat):
        node.unsupported(describe(x))
    if isinstance(x, Joined) and np.size(c) == 1:
        return replace(x, parts=tuple(_times_const(ctx, node, p, c) for p in x.parts))
    if isinstance(x, Table) and np.size(c) == 1:
        return _unary(ctx, node, x, lambda v: v * float(np.reshape(c, ())))
    x = _expression(node, x)
    factor = ctx.const_for(node, c, x)
    if np.min(factor) < 0 and any(m.kind == "maxpool" for m in x.moves):
        node.unsupported("it scales a pooled value that is not quantized; insert a Quant node before it")
    return x.scaled(factor)


def _expression(node: OnnxNode, x: Value) -> Affine:
    if not isinstance(x, Affine):
        node.unsupported(describe(x))
    return x


def _expressions(node: OnnxNode, a: Value, b: Value) -> tuple[Affine, Affine]:
    return _expression(node, a), _expression(node, b)


def align(ctx: Context, node: OnnxNode, a: Affine, b: Affine) -> tuple[Affine, Affine]:
    """Bring two expressions to one layout, so that their sources can be added."""
    rank = max(len(a.shape), len(b.shape))
    a, b = (_raised(ctx, v, rank) for v in (a, b))
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        node.unsupported(f"shapes {a.shape} and {b.shape} (without batch) do not broadcast")
    if a.moves == b.moves:
        return a, b
    if not a.moves or (b.moves and len(b.moves) > len(a.moves)):
        b, a = align(ctx, node, b, a)
        return a, b
    common = [m for m in a.moves if m not in b.moves]
    plain = all(isinstance(s, str) and not ctx.tensor(s).dtype.is_wide for s, _ in b.terms)
    if b.moves or not plain or not all(m.invertible for m in common) or a.shape != b.shape or b.clamped:
        node.unsupported("it adds values in different layouts that are not quantized; insert Quant nodes before it")
    back = tuple(m.inverse() for m in reversed(a.moves))
    terms = []
    for source, gain in b.terms:
        if ctx.tensor(source).shape != b.shape:
            node.unsupported("it adds a broadcast value in another layout; insert Quant nodes before it")
        terms.append((emit_moves(ctx.builder, source, back), _undo(gain, a.shape, a.moves)))
    return a, Affine(tuple(terms), a.inner, _undo(b.bias, a.shape, a.moves), moves=a.moves)


def _undo(p: np.ndarray, shape, moves: tuple[Move, ...]) -> np.ndarray:
    if p.ndim == 0:
        return p
    p = np.broadcast_to(p, shape)
    for m in reversed(moves):
        p = m.undo(p)
    return collapse(p)


def _raised(ctx: Context, v: Affine, rank: int) -> Affine:
    """More axes of length 1 in front: the batch axis is 1 in ONNX, so this is how lower ranks broadcast."""
    if len(v.shape) == rank:
        return v
    after = (1,) * (rank - len(v.shape)) + tuple(v.shape)
    return ctx.moved(v, Move("reshape", tuple(v.shape), after))


def _product(ctx: Context, node: OnnxNode, a: Affine, b: Affine) -> Value:
    """(g a + c) * (h b + d) of two integer tensors, written out"""
    rank = max(len(a.shape), len(b.shape))
    a, b = _raised(ctx, a, rank), _raised(ctx, b, rank)
    (xa, ga, ca), (xb, gb, cb) = _factor(ctx, node, a), _factor(ctx, node, b)
    try:
        shape = tuple(np.broadcast_shapes(a.shape, b.shape))
    except ValueError:
        node.unsupported(f"shapes {a.shape} and {b.shape} (without batch) do not broadcast")
    terms = [(Product(xa, xb), ga * gb)]
    terms += [(xa, ga * cb)] if np.any(cb) else []
    terms += [(xb, gb * ca)] if np.any(ca) else []
    return Affine(tuple(terms), shape, ca * cb)


def _factor(ctx: Context, node: OnnxNode, v: Affine) -> tuple[str, np.ndarray, np.ndarray]:
    if not v.only(str) or v.moves or v.clamped or ctx.tensor(v.terms[0][0]).dtype.is_wide:
        node.unsupported(f"a factor is not quantized; {INSERT}")
    return v.terms[0][0], v.terms[0][1], v.bias
