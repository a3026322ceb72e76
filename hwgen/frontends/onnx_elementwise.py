"""Float ONNX, element by element: sums, products and functions, and the normalizations that exporters spell out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.frontends.onnx_values import Const, Fn, Function, Reader, Stat, Ten, Value
from hwgen.graph.activations import FUNCTIONS, sigmoid, softplus
from hwgen.graph.importer.model import OnnxNode


def unary(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """A function without constants"""
    x = args[0]
    if isinstance(x, Stat) and (found := _spelled_out(node.op, x)):
        return found
    return composed(r, node, x, function(node))


def function(node: OnnxNode) -> Function:
    """What a node computes of each element"""
    a = node.attrs
    if node.op == "Gelu":
        return FUNCTIONS["gelu_tanh" if a.get("approximate") == "tanh" else "gelu"]
    if node.op in WITH_ATTRS:
        names, make = WITH_ATTRS[node.op]
        return make(*(float(a.get(key, default)) for key, default in names))
    return PLAIN[node.op]


def clip(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """Relu, Clip, Min and Max with constants"""
    x, *bounds = sorted(args, key=lambda a: isinstance(a, Const)) if node.op in ("Min", "Max") else args
    if any(b is not None and scalar(b) is None for b in bounds) or (node.op in ("Min", "Max") and len(bounds) != 1):
        node.unsupported("its bounds are not one constant number each; export it with such bounds")
    lo, hi = (*(None if b is None else scalar(b) for b in bounds), None, None)[:2]
    lo, hi = {"Relu": (0.0, None), "Max": (lo, None), "Min": (None, lo)}.get(node.op, (lo, hi))
    lo, hi = -np.inf if lo is None else lo, np.inf if hi is None else hi
    plain = isinstance(x, Ten) or isinstance(x, Stat) or bool(x.made or x.line)
    result = composed(r, node, r.tensor(x, node) if plain else x, lambda v: np.clip(v, lo, hi))
    result.clip = (lo, hi) if plain else None
    return result


def composed(r: Reader, node: OnnxNode, x: Value, fn: Function) -> Fn:
    """fn(x) as a function of what x is a function of."""
    if isinstance(x, Fn) and x.made is None:
        inner = x.fn
        return Fn(x.source, lambda v: fn(inner(v)), node.label)
    return Fn(r.tensor(x, node), fn, node.label)


def power(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """x ** constant"""
    x, exponent = args[0], scalar(args[1])
    if exponent is None:
        node.unsupported("its exponent is not one constant number; only such powers are possible")
    if isinstance(x, Stat):
        if x.kind == "centred" and exponent == 2:
            return Stat("square", x.source)
        if x.kind == "variance" and exponent in (0.5, -0.5):
            return Stat("deviation" if exponent > 0 else "inverse", x.source, x.eps, x.rms)
    y = composed(r, node, x, lambda v: np.power(v, exponent))
    y.square = exponent == 2 and isinstance(x, Ten)
    return y


def binary(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """Add, Sub, Mul, Div"""
    a, b = args
    if found := _normalization(r, node, a, b):
        return found
    for x, other, swapped in ((a, b, False), (b, a, True)):
        value = scalar(other)
        if value is not None and not (isinstance(other, Const) and np.ndim(other.array) > len(x.full)):
            return _with_number(r, node, x, value, swapped)
    if not isinstance(a, Const) and not isinstance(b, Const) and (found := _same_source(node, a, b)):
        return found
    if isinstance(b, Const) and node.op in ("Sub", "Div"):
        with np.errstate(divide="ignore"):
            b = Const((-b.array if node.op == "Sub" else 1 / b.array).astype(np.float32))
        return _two(r, node, a, b, "Add" if node.op == "Sub" else "Mul")
    if node.op == "Div":
        node.unsupported("it divides by a tensor that is computed; only division by constants is possible")
    if node.op == "Sub":
        b = r.tensor(b, node)
        b = Ten(r.net.affine(b.name, -1.0, 0.0, r.fresh(f"{node.label}.minus")), b.full)
    return _two(r, node, a, b, "Mul" if node.op == "Mul" else "Add")


def _two(r: Reader, node: OnnxNode, a: Value, b: Value, op: str) -> Ten:
    """a + b or a * b of two tensors, or of one and a constant."""
    full = tuple(np.broadcast_shapes(_shape(a), _shape(b)))
    for x, c in ((a, b), (b, a)):
        if isinstance(c, Const) and tuple(x.full) == full and (found := _per_channel(r, node, x, c.array, op)):
            return found
    rank = len(full)
    parts = []
    for value in (a, b):
        x = r.tensor(value, node)
        x = r.reshaped(x, (1,) * (rank - len(x.full)) + x.full, node)
        same = full[0] == 1 or x.full[0] != 1
        parts.append(x.name if same else r.net.reshape(x.name, x.full, r.fresh(f"{node.label}.row")))
    make = r.net.add if op == "Add" else r.net.mul
    return Ten(make(*parts, r.fresh(node.label)), full)


def _per_channel(r: Reader, node: OnnxNode, x: Value, c: np.ndarray, op: str) -> Ten | None:
    """x + c or x * c where c has one number for each index of one axis."""
    c = c.reshape((1,) * (len(x.full) - c.ndim) + c.shape)
    axes = [i for i, n in enumerate(c.shape) if n > 1]
    if len(axes) != 1 or not np.issubdtype(c.dtype, np.floating):
        return None
    if not np.isfinite(c).all():
        node.unsupported("its constant holds NaN or infinity; masks are not possible, so export without them")
    t, axis = r.tensor(x, node), axes[0] - len(x.full)
    gain, bias = (c.ravel(), 0.0) if op == "Mul" else (1.0, c.ravel())
    return Ten(r.net.affine(t.name, gain, bias, r.fresh(node.label), axis=axis), t.full)


def _with_number(r: Reader, node: OnnxNode, x: Value, value: float, swapped: bool) -> Value:
    """x with one number, in any order."""
    if isinstance(x, Stat) and x.kind == "variance" and node.op == "Add":
        return Stat("variance", x.source, x.eps + value, x.rms)
    if isinstance(x, Stat) and x.kind == "deviation" and node.op == "Div" and swapped and value == 1:
        return Stat("inverse", x.source, x.eps, x.rms)
    if not np.isfinite(value):
        node.unsupported("its constant is NaN or infinite; export the model again")
    if node.op == "Div" and swapped:
        return composed(r, node, x, lambda v: value / v)
    if node.op == "Div" and value == 0:
        node.unsupported("it divides by 0; export the model again")
    gain, bias = {"Add": (1, value), "Mul": (value, 0), "Div": (1 / (value or 1), 0)}.get(node.op) or (
        (-1, value) if swapped else (1, -value)
    )
    if isinstance(x, Fn) and x.line and x.made is None:  # a line of a line is a line
        line = (gain * x.line[0], gain * x.line[1] + bias)
        return Fn(x.source, lambda v: v * line[0] + line[1], node.label, line)
    y = composed(r, node, x, lambda v: v * gain + bias)
    y.line = (gain, bias) if not isinstance(x, Fn) or x.made else None
    return y


def compare(r: Reader, node: OnnxNode, args: list[Value]) -> Fn:
    """Greater, Less, ...: of functions of one tensor, and numbers"""
    return _of_one_tensor(node, args, COMPARISONS[node.op])


def where(r: Reader, node: OnnxNode, args: list[Value]) -> Fn:
    """Where, its condition and both choices functions of one tensor, or numbers"""
    return _of_one_tensor(node, args, np.where)


def prelu(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """PRelu: a function where it has one slope; else relu(x) + slope * min(x, 0)"""
    x, slope = args
    value = scalar(slope)
    if value is not None:
        return composed(r, node, x, lambda v: np.where(v > 0, v, value * v))
    if not isinstance(slope, Const):
        node.unsupported("its slope is computed; only constant ones are possible")
    x = r.tensor(x, node)
    least = Ten(r.net.clip(x.name, -np.inf, 0.0, r.fresh(f"{node.label}.below")), x.full)
    above = Ten(r.net.table(x.name, "relu", r.fresh(f"{node.label}.above")), x.full)
    return _two(r, node, above, _two(r, node, least, slope, "Mul"), "Add")


def _of_one_tensor(node: OnnxNode, args: list[Value], combine: Callable[..., np.ndarray]) -> Fn:
    """combine(a, b, ...) where each is a number or a function of the same tensor."""
    parts = [_as_function(a) if scalar(a) is None else scalar(a) for a in args]
    fns = [part for part in parts if not isinstance(part, float)]
    rank = max(len(_shape(a)) for a in args)
    if None in fns or len({(f.source.name, f.source.full) for f in fns}) != 1 or rank > len(fns[0].full):
        node.unsupported("it joins several tensors or a mask; only functions of one tensor, and numbers, are possible")

    def of(v: np.ndarray) -> np.ndarray:
        return combine(*(part.fn(v) if isinstance(part, Fn) else part for part in parts))

    return Fn(fns[0].source, of, node.label)


def _as_function(x: Value) -> Fn | None:
    return x if isinstance(x, Fn) else Fn(x, lambda v: v, "") if isinstance(x, Ten) else None


def _same_source(node: OnnxNode, a: Value, b: Value) -> Fn | None:
    """Two functions of one tensor are a function of it: x * sigmoid(x)."""
    fns = [_as_function(x) for x in (a, b)]
    if None in fns or fns[0].source.name != fns[1].source.name or fns[0].source.full != fns[1].source.full:
        return None
    y = _of_one_tensor(node, fns, ARITHMETIC[node.op])
    y.square = node.op == "Mul" and isinstance(a, Ten) and isinstance(b, Ten)
    return y


def _normalization(r: Reader, node: OnnxNode, a: Value, b: Value) -> Value | None:
    """The steps of (x - mean) / sqrt(variance + eps)."""
    if isinstance(b, Stat) and b.kind == "mean" and node.op == "Sub" and isinstance(a, Ten):
        return Stat("centred", a) if a.name == b.source.name else None
    if isinstance(a, Stat) and isinstance(b, Stat) and a.kind == b.kind == "centred" and node.op == "Mul":
        return Stat("square", a.source) if a.source.name == b.source.name else None
    for x, s in ((a, b), (b, a)):
        if not isinstance(s, Stat) or s.kind != {"Div": "deviation", "Mul": "inverse"}.get(node.op):
            continue
        wanted = x.source if isinstance(x, Stat) and x.kind == "centred" else x if s.rms else None
        if not isinstance(wanted, Ten) or wanted.name != s.source.name or (node.op == "Div" and s is a):
            continue
        one, zero = np.ones(x.full[-1], np.float32), np.zeros(x.full[-1], np.float32)
        name = r.net.layernorm(s.source.name, one, zero, s.eps, r.fresh(node.label), rms=s.rms)
        return Ten(name, s.source.full)
    return None


def _spelled_out(op: str, x: Stat) -> Stat | None:
    if op == "Sqrt" and x.kind == "variance":
        return Stat("deviation", x.source, x.eps, x.rms)
    if op == "Reciprocal" and x.kind == "deviation":
        return Stat("inverse", x.source, x.eps, x.rms)
    return None


def scalar(value: Value | None) -> float | None:
    """The one number that a constant is."""
    if isinstance(value, Const) and value.array.size == 1:
        return float(value.array.reshape(()))
    return None


def _shape(value: Value) -> tuple[int, ...]:
    return tuple(value.array.shape) if isinstance(value, Const) else tuple(value.full)


COMPARISONS = {"Greater": np.greater, "Less": np.less, "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal}
ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
PLAIN: dict[str, Function] = {
    "Erf": FUNCTIONS["erf"], "Tanh": np.tanh, "Sigmoid": sigmoid, "Softplus": softplus, "Mish": FUNCTIONS["mish"],
    "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Abs": np.abs, "Neg": np.negative, "Reciprocal": np.reciprocal,
    "Sin": np.sin, "Cos": np.cos, "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh,
    "Floor": np.floor, "Ceil": np.ceil, "Round": np.round, "Sign": np.sign,
    "Softsign": lambda v: v / (1 + np.abs(v)), "HardSwish": lambda v: v * np.clip(v / 6 + 0.5, 0, 1),
}  # fmt: skip
"""Functions without attributes."""
WITH_ATTRS = {
    "Celu": ((("alpha", 1.0),), lambda a: lambda v: np.where(v > 0, v, a * np.expm1(np.minimum(v / a, 0)))),
    "Elu": ((("alpha", 1.0),), lambda a: lambda v: np.where(v > 0, v, a * np.expm1(np.minimum(v, 0)))),
    "LeakyRelu": ((("alpha", 0.01),), lambda a: lambda v: np.where(v > 0, v, a * v)),
    "HardSigmoid": ((("alpha", 0.2), ("beta", 0.5)), lambda a, b: lambda v: np.clip(a * v + b, 0, 1)),
    "Selu": (
        (("alpha", 1.6732632), ("gamma", 1.0507010)),
        lambda a, g: lambda v: g * np.where(v > 0, v, a * np.expm1(np.minimum(v, 0))),
    ),
    "Swish": ((("alpha", 1.0),), lambda a: lambda v: v * sigmoid(a * v)),
}
"""Names and defaults of the attributes, and what makes the function of them."""
