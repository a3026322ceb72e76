"""Trunc: dropping the lowest bits of integers, as Brevitas writes average pooling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.graph.importer.context import Context
from hwgen.graph.importer.materialize import INSERT, QuantSpec, quantize
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.quant import parameters
from hwgen.graph.importer.values import Affine, Value, tensor_value

INPUTS = {
    5: ("scale", "zero point", "input bit width", "output bit width"),
    6: ("scale", "zero point", "input bit width", "output scale", "output bit width"),
}
"""What follows x in version 1 and 2 of the operator."""
MOST = 24
"""Bits that can be dropped."""
GRID = 2.0**-12
"""How far from an integer a multiple of the input scale may be, relative to that scale."""


def trunc(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """y = mode(x / scale / 2**k) * output scale, clamped to the output's bits (version 2); x is a multiple of scale"""
    if len(args) not in INPUTS or any(a is None for a in args):
        node.unsupported(f"it has {len(args)} inputs; Trunc takes 5 (version 1) or 6 (version 2)")
    p = parameters(node, args[1:], INPUTS[len(args)])
    if several := [what for what, a in p.items() if a.size != 1]:
        node.unsupported(f"its {several[0]} differs between channels; use one for the whole tensor")
    p, x = {what: float(np.float32(a.flat[0])) for what, a in p.items()}, args[0]
    if not isinstance(x, Affine):
        node.unsupported(f"its input is not a sum of quantized values; {INSERT}")
    scale, width, positive = p["scale"], int(p["output bit width"]), nonnegative(ctx, x)
    if len(args) == 6:
        out_scale, signed = p["output scale"], bool(node.attrs.get("signed", 1))
        drop, narrow = round(float(np.log2(out_scale / scale))), bool(node.attrs.get("narrow", 0))
    else:
        out_scale, signed, drop, narrow = scale, not positive, int(p["input bit width"]) - width, False
    if not (2 <= width <= 8 and 0 <= drop <= MOST):
        node.unsupported(f"it drops {drop} bits and leaves {width}; 0 to {MOST} and 2 to 8 are possible")
    step = scale * 2.0**drop
    x = on_grid(ctx, node, x, scale).shifted(np.float64(offset(node, positive, scale, step)))
    spec = QuantSpec(width, signed, narrow, out_scale)
    y = quantize(ctx.builder, x.scaled(np.float64(out_scale / step)), spec, node.outputs[0], node)
    return tensor_value(y, ctx.tensor(y).shape)


def offset(node: OnnxNode, positive: bool, grid: float, step: float) -> float:
    """What turns rounding to the nearest step into the node's mode, for multiples of a grid that divides the step.

    Floor: half a step less, but half of the grid more, so that there is no tie.
    """
    mode = str(node.attrs.get("rounding_mode", "FLOOR")).upper()
    if mode in ("ROUND", "HALF_EVEN") or step <= grid:
        return 0.0
    if mode == "FLOOR" or (positive and mode in ("ROUND_TO_ZERO", "DOWN")):
        return (grid - step) / 2
    if mode == "CEIL" or (positive and mode == "UP"):
        return (step - grid) / 2
    node.unsupported(f"rounding mode {mode}; only ROUND, FLOOR and CEIL are possible (ROUND_TO_ZERO if x >= 0)")


def on_grid(ctx: Context, node: OnnxNode, x: Affine, grid: float) -> Affine:
    """x with factors that are whole multiples of the grid (they are, but for float32); raises UnsupportedError."""
    terms = []
    for source, gain in x.terms:
        if not isinstance(source, str) or ctx.tensor(source).per_channel:
            node.unsupported(f"its input is not a sum of quantized values with one scale; {INSERT}")
        terms.append((source, _snap(node, gain * ctx.tensor(source).scale, grid) / ctx.tensor(source).scale))
    return replace(x, terms=tuple(terms), bias=_snap(node, x.bias, grid))


def _snap(node: OnnxNode, a: np.ndarray, grid: float) -> np.ndarray:
    whole = np.round(a / grid)
    if np.abs(a / grid - whole).max() > GRID * np.maximum(1, np.abs(whole)).max():
        node.unsupported(f"its input is not a multiple of its scale {grid:.6g}; put a Quant node in its place")
    return whole * grid


def nonnegative(ctx: Context, x: Affine) -> bool:
    """Whether x cannot be below 0, by the types of its tensors."""
    if x.lo >= 0:
        return True
    lows = [isinstance(s, str) and np.min(g) >= 0 and ctx.builder.ranges[s].flat().lo >= 0 for s, g in x.terms]
    return all(lows) and np.min(x.bias) >= 0
