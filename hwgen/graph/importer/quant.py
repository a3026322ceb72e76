"""Quant nodes: on constants (weights, biases), on graph inputs, on activations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.graph.importer.context import Context
from hwgen.graph.importer.materialize import QuantSpec, emit_moves, quantize
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.values import Affine, Const, QConst, Raw, Value, tensor_value
from hwgen.graph.scaling import clamp_code

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")


def half_up(x: np.ndarray) -> np.ndarray:
    """Half away from zero, as QONNX's HALF_UP."""
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


ROUNDING = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.fix,
    "ROUND_TO_ZERO": np.fix,
    "HALF_UP": half_up,
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}
"""Rounding modes of QONNX. Constants take any; activations only half to even."""


def quant(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Quant(x, scale, zero point, bit width)"""
    if len(args) != 4 or any(a is None for a in args):
        node.unsupported(f"it has {len(args)} inputs; Quant takes x, scale, zero point and bit width")
    scale, _, bits = parameters(node, args[1:], ("scale", "zero point", "bit width")).values()
    width, signed = int(bits.flat[0]), bool(node.attrs.get("signed", 1))
    narrow = bool(node.attrs.get("narrow", 0))
    mode = str(node.attrs.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDING:
        node.unsupported(f"rounding mode {mode} is unknown; use ROUND (half to even)")
    if isinstance(args[0], Const):
        return _constant(node, args[0].array, scale, width, signed, narrow, mode)
    if not 2 <= width <= 8:
        node.unsupported(f"activations of {width} bits; 2 to 8 bits are possible")
    if mode not in ("ROUND", "HALF_EVEN"):
        node.unsupported(f"rounding mode {mode} on an activation; only ROUND (half to even) is possible")
    if (scale != scale.flat[0]).any():
        node.unsupported("an activation has a scale per channel; quantize activations with one scale per tensor")
    return _activation(ctx, node, args[0], QuantSpec(width, signed, narrow, float(np.float32(scale.flat[0]))))


def parameters(node: OnnxNode, args: list[Value], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Constant scales, zero points and bit widths by name, checked. Raises UnsupportedError naming the node."""
    found = {what: _parameter(node, a, what) for a, what in zip(args, names, strict=True)}
    for what, a in found.items():
        if a.size == 0:
            node.unsupported(f"its {what} is empty; export the model again")
        if what == "zero point" and np.any(a != 0):
            node.unsupported("its zero point is not 0; export the model with symmetric quantizers")
        if what.endswith("scale") and not (np.isfinite(a).all() and (a > 0).all()):
            bad = a[~(np.isfinite(a) & (a > 0))].flat[0]
            node.unsupported(f"its {what} is {bad}; scales must be positive and finite")
        if what.endswith("bit width") and (a.size != 1 or not float(a.flat[0]).is_integer()):
            node.unsupported(f"its {what} is {a.tolist()}; one whole number is needed")
    return found


def _parameter(node: OnnxNode, value: Value, what: str) -> np.ndarray:
    if not isinstance(value, Const):
        node.unsupported(f"its {what} is computed at run time; export the model in evaluation mode so it is constant")
    return np.asarray(value.array)


def _constant(node: OnnxNode, array, scale, bits: int, signed: bool, narrow: bool, mode: str) -> Value:
    """As QONNX's executor: float32 division, clamp, rounding, float32 product."""
    array = np.asarray(array)
    if not np.isfinite(array).all():
        node.unsupported("its weights hold NaN or infinity; check the trained model")
    if not 2 <= bits <= 32:
        node.unsupported(f"constants of {bits} bits; weights may have 2 to 8 bits, biases up to 32")
    lo = (-(2 ** (bits - 1)) + narrow) if signed else 0
    hi = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    scale32 = np.asarray(scale, np.float32)
    if not _broadcasts(scale32.shape, array.shape):
        node.unsupported(f"its scale of shape {scale32.shape} does not fit weights of shape {array.shape}; use one "
                         "scale, or one per output channel")  # fmt: skip
    x = array.astype(np.float32) / scale32
    x = np.where(x > hi, np.float32(hi), np.where(x < lo, np.float32(lo), x))
    ints = ROUNDING[mode](x)
    real = (ints * scale32).astype(np.float32)
    full = np.asarray(scale, np.float64)
    full = full.reshape((1,) * (real.ndim - full.ndim) + full.shape) if full.size > 1 else full.reshape(())
    return QConst(real, ints.astype(np.int64), full, bits if signed else bits + 1, signed)


def _broadcasts(scale: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a scale of this shape leaves weights their shape."""
    try:
        return np.broadcast_shapes(scale, shape) == tuple(shape)
    except ValueError:
        return False


def _activation(ctx: Context, node: OnnxNode, value: Value, spec: QuantSpec) -> Value:
    out = node.outputs[0]
    if isinstance(value, Affine) and value.only(Raw):
        source, gain = value.terms[0]
        x = graph_input(ctx, node, source.name, _input_spec(node, value, gain, spec))
        x = emit_moves(ctx.builder, x, value.moves, out)
        if float(gain) != 1:  # the same integers, seen through the factor
            return tensor_value(x, ctx.tensor(x).shape).scaled(np.float64(spec.scale / ctx.tensor(x).scale))
    else:
        x = quantize(ctx.builder, value, spec, out, node)
    return tensor_value(x, ctx.tensor(x).shape)


def _input_spec(node: OnnxNode, value: Affine, gain: np.ndarray, spec: QuantSpec) -> QuantSpec:
    """The quantizer seen from the input: a factor goes into its scale, a clamp must change nothing."""
    name = value.terms[0][0].name
    lo, hi = spec.bounds
    clamped = clamp_code(value.lo, spec.scale) > lo or clamp_code(value.hi, spec.scale) < hi
    if gain.ndim or not gain > 0 or np.any(value.bias) or clamped or any(m.kind == "maxpool" for m in value.moves):
        node.unsupported(
            f"graph input {name!r} is shifted, clipped or scaled per channel before its Quant node; make Quant the "
            "first node on that input, annotate it as INT8 or UINT8 (scale 1), or give load() its input_types"
        )
    return spec if gain == 1 else replace(spec, scale=float(np.float32(spec.scale / float(gain))))


def graph_input(ctx: Context, node: OnnxNode, name: str, spec: QuantSpec) -> str:
    """The integer tensor of a graph input, made by the first Quant on it; others must ask for the same."""
    if name in ctx.input_quant:
        first, by = ctx.input_quant[name]
        if first != spec:
            node.unsupported(
                f"input {name!r} is quantized here to {spec} but by node {by.label!r} to {first}; quantize the input "
                "once and use that tensor in both places"
            )
        return name
    ctx.input_quant[name] = (spec, node)
    return ctx.builder.input(name, ctx.input_shapes[name], **spec.kwargs)
