"""The real numbers that a graph's integers stand for: weights, gains, biases and clamps in real units.

A requantize lane computes y = (x * mult + bias) / 2**shift on integers; with real = integer * scale that is
y_real = x_real * gain + offset, gain = mult * scale_y / (scale_x * 2**shift), offset = bias * scale_y / 2**shift. (An
arbitrary scale's multiplier is itself rounded, to 17 bits; that rounding is in the gain.)
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from hwgen.graph import ops
from hwgen.graph.activations import FUNCTIONS, activation_table
from hwgen.graph.graph import Graph
from hwgen.graph.types import along_axis
from hwgen.reference.base import Step, steps
from hwgen.reference.integer_params import Params, as_conv


def real_params(graph: Graph, saturate: bool = True) -> Params:
    """float64 arrays by node name and parameter name, shaped to broadcast against batched tensors.

    saturate: see Reference.prepare; clamps that do not apply are infinite.
    """
    made = {step.node.name: _params(step, saturate) for step in steps(graph)}
    return {name: p for name, p in made.items() if p}


def _params(step: Step, saturate: bool) -> dict[str, np.ndarray]:
    node = step.node
    if isinstance(node, ops.Linear):
        return {"weight": node.weight * _weight_scale(step)}
    if isinstance(node, ops.Conv):
        return {"weight": node.weight * _weight_scale(step).reshape(-1, *(1,) * (node.weight.ndim - 1))}
    if isinstance(node, ops.ConvTranspose1D):
        return {"weight": as_conv(node) * _weight_scale(step).reshape(-1, 1, 1)}
    if isinstance(node, ops.Constant):
        return {"value": node.value * float(step.out.scale)}
    if isinstance(node, ops.GroupNorm):
        return _lane(step, saturate, 0, [np.float64(2.0**-20)], [node.gamma_mult], node.bias)
    if isinstance(node, ops.Requantize):
        return _lane(step, saturate, node.channel_axis, [t.scale_array() for t in step.ins], node.mult, node.bias)
    if isinstance(node, ops.LayerNorm):
        return _lane(step, saturate, -1, [np.float64(2.0**-20)], [node.gamma_mult], node.bias)
    if isinstance(node, ops.Mul):
        scale = step.ins[0].scale_array() * step.ins[1].scale_array()
        return _lane(step, saturate, node.channel_axis, [scale], [node.mult], np.zeros(1))
    if isinstance(node, ops.Softmax):
        gain = node.mult * 2.0 ** (23 - node.shift) * step.out.scale  # 1, but for rounding or a factor
        return {"gain": np.asarray(gain), **_clamp(step, saturate)}
    if isinstance(node, ops.Lookup):
        return {"table": node.table * float(step.out.scale), **_clamp(step, saturate)}
    return {}


def _weight_scale(step: Step) -> np.ndarray:
    """The weight's scale, scalar or per output channel: the accumulator's scale is the input's times the weight's."""
    return np.asarray(step.out.scale, np.float64) / float(step.ins[0].scale)


def _lane(step: Step, saturate: bool, axis: int, in_scales: list, mults: list, bias: np.ndarray) -> dict:
    def place(a) -> np.ndarray:
        return along_axis(np.asarray(a, np.float64), len(step.out.shape), axis)

    unit = step.out.scale_array() / 2.0 ** place(step.node.shift)
    gains = {f"gain{i}": place(m) * unit / s for i, (m, s) in enumerate(zip(mults, in_scales, strict=True))}
    return {**gains, "offset": place(bias) * unit, **_clamp(step, saturate)}


def _clamp(step: Step, saturate: bool) -> dict[str, np.ndarray]:
    """Clamp in real units. Without saturation, bounds at the end of the type are infinite, but for an unsigned zero."""
    kind = step.out.dtype
    lo, hi = getattr(step.node, "lo", kind.lo), getattr(step.node, "hi", kind.hi)
    opens_lo = kind.is_wide or (not saturate and kind.signed and lo <= kind.lo + 1)
    opens_hi = kind.is_wide or (not saturate and hi >= kind.hi - (not kind.signed))
    scale = step.out.scale_array()
    low = np.full(scale.shape, -np.inf) if opens_lo and lo < 0 else lo * scale
    return {"lo": low, "hi": np.full(scale.shape, np.inf) if opens_hi else hi * scale}


def norm_eps(step: Step) -> float:
    """The real eps of a LayerNorm or GroupNorm."""
    node, x = step.node, step.ins[0]
    row = node.row(x.shape) if isinstance(node, ops.GroupNorm) else x.shape[-1]
    return node.eps_int * (float(x.scale) / row) ** 2


def table_function(step: Step, known: Container[str]) -> str | None:
    """The name of the activation function that a Lookup's table was made from; None if it is none of the known.

    Coarse types may fit several (gelu and gelu_tanh, say); the first is as good as any, for the table is the same.
    """
    x, y = step.ins[0], step.out
    reachable = np.arange(x.dtype.lo, x.dtype.hi + 1) + (128 if x.dtype.signed else 0)
    for name in (name for name in FUNCTIONS if name in known):
        for narrow in (False, True):
            table = activation_table(name, x.dtype, float(x.scale), float(y.scale), *y.dtype.bounds(narrow))
            if np.array_equal(table[reachable], step.node.table[reachable]):
                return name
    return None


def table_point(step: Step) -> tuple[float, float, float]:
    """(scale, first, last): a real input x is between the table's entries at clip(x / scale + origin, first, last)."""
    kind = step.ins[0].dtype
    origin = 128 if kind.signed else 0
    return float(step.ins[0].scale), kind.lo + origin, kind.hi + origin
