"""From an expression to nodes of the integer graph, once a Quant node or the end of the model fixes its type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph.builder import GraphBuilder
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.values import (
    Affine,
    GroupZ,
    Joined,
    Move,
    NormZ,
    Padded,
    Probabilities,
    Product,
    Raw,
    Stat,
    Table,
    Value,
    collapse,
)
from hwgen.graph.scaling import clamp_code
from hwgen.graph.types import IntType

INSERT = "insert a Quant node before it (8 bits or less)"
ROWS = {NormZ: "normalization", GroupZ: "normalization", Probabilities: "softmax"}
"""Sources that are computed row by row and end in a lane of their own, so nothing can be added to them."""


@dataclass(frozen=True)
class QuantSpec:
    """What a Quant node on an activation asks for."""

    bits: int
    signed: bool
    narrow: bool
    scale: float

    @property
    def bounds(self) -> tuple[int, int]:
        return IntType(self.bits, self.signed).bounds(self.narrow)

    @property
    def kwargs(self) -> dict:
        return {"bits": self.bits, "signed": self.signed, "narrow": self.narrow, "scale": self.scale}

    def __str__(self) -> str:
        return f"{IntType(self.bits, self.signed)}{' narrow' if self.narrow else ''}, scale {self.scale:.6g}"


def quantize(b: GraphBuilder, value: Value, spec: QuantSpec, name: str, node: OnnxNode) -> str:
    """Emit the nodes that compute Quant(value); returns the tensor's name (`name` wherever a node is made)."""
    if isinstance(value, Joined):
        parts = [quantize(b, p, spec, b._fresh(f"{name}_part"), node) for p in value.parts]
        return b.concat(parts, axis=value.axis, name=name)
    if isinstance(value, Table):
        return b.activation(value.x, value.fn, **spec.kwargs, name=name)
    if not isinstance(value, Affine):
        node.unsupported(describe(value))
    if (same := already(b, value, spec)) is not None:
        return same
    last = b._fresh(f"{name}_pre") if value.moves else name
    out = lane(b, value.without_moves(), spec, last, node)
    return emit_moves(b, out, value.moves, name)


def already(b: GraphBuilder, value: Affine, spec: QuantSpec) -> str | None:
    """The tensor itself when the quantizer would change nothing."""
    if value.is_identity and value.only(str) and not value.moves:
        t, r = b.tensor(value.terms[0][0]), b.ranges[value.terms[0][0]].flat()
        lo, hi = spec.bounds
        if t.dtype == IntType(spec.bits, spec.signed) and t.scale == spec.scale and lo <= r.lo and r.hi <= hi:
            return t.name
    return None


def emit_moves(b: GraphBuilder, x: str, moves: tuple[Move, ...], name: str | None = None) -> str:
    """Emit moves on a tensor; the last one makes `name`."""
    for i, m in enumerate(moves):
        label = name if name and i == len(moves) - 1 else b._fresh(f"{name or x}_{m.kind}")
        if m.kind == "reshape":
            x = b.flatten(x, name=label) if len(m.after) == 1 else b.reshape(x, m.after, name=label)
        elif m.kind == "transpose":
            x = b.transpose(x, m.args, name=label)
        elif m.kind == "slice":
            x = b.slice(x, *m.args, name=label)
        else:
            x = b.maxpool(x, *m.args, name=label)
    return x


@dataclass
class Lane:
    """An expression sorted into what one requantize lane takes: a first input, relu, and perhaps a second input."""

    first: object
    gain: np.ndarray
    bias: np.ndarray
    relu: bool
    rest: list[tuple[str, np.ndarray]]


def lane(b: GraphBuilder, a: Affine, spec: QuantSpec, name: str, node: OnnxNode) -> str:
    """Requantize, LayerNorm or Mul for an expression without moves."""
    lo, hi = clamp_code(a.lo, spec.scale), clamp_code(a.hi, spec.scale)
    qlo, qhi = spec.bounds
    lo, hi = min(max(qlo, lo), qhi), max(min(qhi, hi), qlo)
    s = sort_terms(b, replace(a, lo=-inf, hi=inf), node)
    if isinstance(s.first, NormZ):
        return norm(b, s, spec, lo, hi, name, node)
    if isinstance(s.first, GroupZ):
        return group_norm(b, s, spec, lo, hi, name, node)
    if isinstance(s.first, Probabilities):
        return softmax(b, s, spec, lo, hi, name, node)
    plain = lo == qlo and hi == qhi and s.bias.ndim == 0 and s.bias == 0 and not (s.relu or s.rest)
    if isinstance(s.first, Product) and plain:
        gain, axis = one_axis(s.gain, node)
        return b.mul(s.first.a, s.first.b, **spec.kwargs, gain=gain, channel_axis=axis, name=name)
    first = source_tensor(b, s.first)
    while len(s.rest) > 1:
        first, s = join_pair(b, first, s, a.inner, node)
    relu = s.relu
    if a.lo == 0 and not s.rest and not relu:
        # A relu before rounding and a clamp at 0 after it are the same; keep what the model says.
        relu, lo = True, (qlo if a.hi == inf else lo)
    gain, bias, extra, axis = lane_axis(b, first, s, a.inner, node)
    residual = s.rest[0][0] if s.rest else None
    return b.requantize(first, **spec.kwargs, relu=relu, residual=residual, bias_real=bias, gain=gain,
                        residual_gain=extra, lo=lo, hi=hi, channel_axis=axis, name=name)  # fmt: skip


def sort_terms(b: GraphBuilder, a: Affine, node: OnnxNode) -> Lane:
    """Choose the first input of the lane. Raises UnsupportedError for what no lane can do."""
    merged: dict[object, np.ndarray] = {}
    for source, gain in a.terms:
        merged[source] = merged[source] + gain if source in merged else gain
    narrow = [(s, g) for s, g in merged.items() if isinstance(s, str) and not b.tensor(s).dtype.is_wide]
    heavy = [(s, g) for s, g in merged.items() if not (isinstance(s, str) and not b.tensor(s).dtype.is_wide)]
    for s, _ in heavy:
        if isinstance(s, Raw):
            node.unsupported(
                f"graph input {s.name!r} reaches it without a Quant node; make Quant the first node on that input, "
                "annotate the input as INT8 or UINT8 (scale 1), or give load() its input_types; a float model becomes "
                "integers with `hwgen quantize`"
            )
    if len(heavy) > 1:
        node.unsupported(f"it adds {len(heavy)} values that are not quantized; {INSERT} on all but one of them")
    if not merged:
        node.unsupported("its input does not depend on the graph's inputs; fold it into a constant")
    if heavy:
        (first, gain), rest = heavy[0], narrow
    else:
        (first, gain), *rest = sorted(narrow, key=lambda t: -np.prod(b.tensor(t[0]).shape))
    if type(first) in ROWS and rest:
        what = ROWS[type(first)]
        node.unsupported(f"it adds to a {what} that is not quantized; insert a Quant node after the {what}")
    if not isinstance(first, Affine):
        return Lane(first, gain, a.bias, False, rest)
    return unclamp(b, first, gain, a.bias, rest, node)


def unclamp(b: GraphBuilder, c: Affine, gain, bias, rest, node: OnnxNode) -> Lane:
    """A clamped expression plus something: one lane if it is a relu, two if not."""
    inner = sort_terms(b, replace(c, lo=-inf, hi=inf), node)
    simple = c.lo == 0 and c.hi == inf and np.min(gain) > 0 and not np.any(bias) and not inner.relu
    if simple and not inner.rest and type(inner.first) not in ROWS:
        return Lane(inner.first, inner.gain * gain, inner.bias * gain, True, rest)
    return Lane(wide(b, c, b._fresh("clamped"), node), gain, bias, False, rest)


def source_tensor(b: GraphBuilder, source: object) -> str:
    """The tensor of a source; a product is made as a wide tensor."""
    if isinstance(source, Product):
        return b.product(source.a, source.b)
    return source


def join_pair(b: GraphBuilder, first: str, s: Lane, inner, node: OnnxNode) -> tuple[str, Lane]:
    """Add one more tensor into a wide intermediate, so that one less is left for the lane."""
    (extra, extra_gain), *rest = s.rest
    part = Lane(first, s.gain, s.bias, s.relu, [(extra, extra_gain)])
    gain, bias, g1, axis = lane_axis(b, first, part, inner, node)
    out = b.wide(first, relu=s.relu, residual=extra, bias_real=bias, gain=gain, residual_gain=g1, channel_axis=axis)
    return out, Lane(out, np.ones(()), np.zeros(()), False, rest)


def norm(b: GraphBuilder, s: Lane, spec: QuantSpec, lo: int, hi: int, name: str, node: OnnxNode) -> str:
    z = s.first
    for what, p in (("scale", s.gain), ("bias", s.bias)):
        if p.ndim and max(p.shape[:-1], default=1) > 1:
            node.unsupported(f"the {what} of the normalization varies along more than the last axis; {INSERT}")
    gain, bias = np.ravel(s.gain), np.ravel(s.bias)
    return b.layernorm(z.x, gain, bias, z.eps, **spec.kwargs, rms=z.rms, lo=lo, hi=hi, name=name)


def group_norm(b: GraphBuilder, s: Lane, spec: QuantSpec, lo: int, hi: int, name: str, node: OnnxNode) -> str:
    z = s.first
    for what, p in (("scale", s.gain), ("bias", s.bias)):
        if p.ndim and max(p.shape[1:], default=1) > 1:
            node.unsupported(f"the {what} of the normalization varies within a channel; {INSERT}")
    gain, bias = np.ravel(s.gain), np.ravel(s.bias)
    return b.groupnorm(z.x, z.groups, gain, bias, z.eps, **spec.kwargs, lo=lo, hi=hi, name=name)


def softmax(b: GraphBuilder, s: Lane, spec: QuantSpec, lo: int, hi: int, name: str, node: OnnxNode) -> str:
    if s.gain.ndim or s.gain <= 0 or np.any(s.bias):
        node.unsupported("a softmax is shifted, negated or scaled per channel here; insert a Quant node after it")
    gains = {"gain": s.first.gain, "out_gain": float(s.gain)}
    return b.softmax(s.first.x, **spec.kwargs, **gains, lo=lo, hi=hi, name=name)


def lane_axis(b: GraphBuilder, first: str, s: Lane, inner, node: OnnxNode):
    """(gain, bias, residual gain, channel axis) as one number or one per channel along a single common axis."""
    t = b.tensor(first)
    if t.shape != inner:
        node.unsupported(
            f"it broadcasts an unquantized value of shape {t.shape} to {inner}; insert a Quant node before that"
        )
    params = [s.gain, s.bias, s.rest[0][1] if s.rest else np.ones(())]
    rank = len(inner)
    axes = {i - rank for p in params if p.ndim for i in range(rank) if p.shape[i] > 1}
    if t.per_channel:
        axes.add(t.channel_axis)
    if len(axes) > 1:
        node.unsupported(
            f"scale or bias vary along axes {sorted(axes)} (counted from the end); only one channel axis is possible. "
            "Quantize in between, or fold the constants"
        )
    return *(np.ravel(p) if p.ndim else p for p in params), (axes.pop() if axes else t.channel_axis)


def one_axis(p: np.ndarray, node: OnnxNode) -> tuple[np.ndarray, int]:
    """A factor as one number or one per channel, with the axis."""
    axes = [i - p.ndim for i in range(p.ndim) if p.shape[i] > 1]
    if len(axes) > 1:
        node.unsupported("its factor varies along more than one axis; quantize in between")
    return (np.ravel(p), axes[0]) if axes else (p.reshape(()), -1)


def wide(b: GraphBuilder, a: Affine, name: str, node: OnnxNode) -> str:
    """A 32-bit tensor of an expression without moves: at the end of a model, or in the middle of a sum."""
    s = sort_terms(b, replace(a, lo=-inf, hi=inf), node)
    if type(s.first) in ROWS:
        node.unsupported(f"a {ROWS[type(s.first)]} ends here without a Quant node; insert a Quant node after it")
    first = source_tensor(b, s.first)
    while len(s.rest) > 1:
        first, s = join_pair(b, first, s, a.inner, node)
    gain, bias, extra, axis = lane_axis(b, first, s, a.inner, node)
    relu = s.relu or (a.lo == 0 and not s.rest)
    residual = s.rest[0][0] if s.rest else None
    scalar = (a.lo not in (0, -inf)) or a.hi != inf or (a.lo == 0 and not relu)
    out = b.wide(first, relu=relu, residual=residual, bias_real=bias, gain=gain, residual_gain=extra,
                 channel_axis=axis, per_tensor=scalar, lo=a.lo, hi=a.hi, name=name)  # fmt: skip
    return out


def finish(b: GraphBuilder, value: Value, name: str, node: OnnxNode) -> str:
    """The tensor of a graph output: narrow if the value is one, wide otherwise."""
    if not isinstance(value, Affine):
        node.unsupported(f"{describe(value)}; quantize the model's output {name!r}")
    if value.is_identity and value.only(str) and not b.tensor(value.terms[0][0]).dtype.is_wide:
        return emit_moves(b, value.terms[0][0], value.moves, name)
    inner = value.without_moves()
    if name in b.graph.tensors:  # the accumulator itself is the model's output
        old = b._fresh(f"{name}_acc")
        b.rename(name, old)
        inner = replace(inner, terms=tuple((old if s == name else s, g) for s, g in inner.terms))
    last = b._fresh(f"{name}_pre") if value.moves else name
    if value.moves and not all(m.kind in ("reshape", "transpose", "slice") for m in value.moves):
        node.unsupported(f"it pools a value that is not quantized; quantize the model's output {name!r}")
    out = wide(b, inner, last, node)
    if value.moves and b.tensor(out).per_channel:
        out = b.even_scale(out)
    return emit_moves(b, out, value.moves, name)


def describe(value: Value) -> str:
    """Why a value cannot be quantized here, and what would work."""
    if isinstance(value, Stat):
        return f"a normalization is incomplete here (only its {value.kind} is known); use LayerNormalization"
    if isinstance(value, Padded):
        return "padding is possible only directly before a convolution; give the convolution its pads"
    if isinstance(value, Joined):
        return "a concatenation of values that are not quantized; insert a Quant node after it"
    if isinstance(value, Table):
        return "an activation function ends here without a Quant node; insert one after it"
    return "its input is a constant; fold it"


def narrow_source(b: GraphBuilder, value: Value, node: OnnxNode, why: str) -> tuple[str, float, np.ndarray]:
    """(tensor, gain, bias) of a value that is gain * tensor + bias with a tensor of 8 bits or less, else an error."""
    if isinstance(value, Affine) and value.only(str) and not value.moves and not value.clamped:
        source, gain = value.terms[0]
        if not b.tensor(source).dtype.is_wide and collapse(gain).ndim == 0:
            return source, float(collapse(gain)), value.bias
    if isinstance(value, Affine) and any(isinstance(s, Raw) for s, _ in value.terms):
        raise UnsupportedError(
            f"node {node.label!r} ({node.op}): a graph input reaches it without a Quant node; make Quant the first "
            "node on that input, annotate it as INT8 or UINT8 (scale 1), or give load() its input_types; a float model "
            "becomes integers with `hwgen quantize`"
        )
    node.unsupported(f"{why}: {INSERT}")
