"""The integers of a graph's nodes, laid out for frameworks that compute with arrays.

Everything is shaped so that it broadcasts against batched tensors. docs/reference.md says what is done with it.
"""

from __future__ import annotations

import numpy as np

from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.graph.types import along_axis
from hwgen.reference.base import Step, steps

Params = dict[str, dict[str, np.ndarray]]


def integer_params(graph: Graph) -> Params:
    """Arrays by node name and parameter name, for the nodes that have any."""
    made = {step.node.name: _params(step) for step in steps(graph)}
    return {name: p for name, p in made.items() if p}


def _params(step: Step) -> dict[str, np.ndarray]:
    node = step.node
    if isinstance(node, ops.Linear):
        return {"weight": node.weight, **_offset(step, node.weight.sum(0, dtype=np.int64), ())}
    if isinstance(node, ops.Conv):
        space = (1,) * (node.weight.ndim - 2)
        total = node.weight.reshape(node.weight.shape[0], -1).sum(1, dtype=np.int64)
        return {"weight": grouped(node.weight, node.groups), **_offset(step, total, space)}
    if isinstance(node, ops.ConvTranspose1D):
        weight = as_conv(node)
        total = weight.sum((1, 2), dtype=np.int64)
        return {"weight": grouped(weight, node.groups), **_offset(step, total, (1,))}
    if isinstance(node, ops.Constant):
        return {"value": node.value.astype(step.out.dtype.numpy)}
    if isinstance(node, ops.Lookup):
        return {"table": node.table.astype(step.out.dtype.numpy)}
    if isinstance(node, ops.Softmax):
        return {"table": np.asarray(node.table, np.int64)}
    if isinstance(node, ops.LayerNorm):
        return _lane(step, -1, [node.gamma_mult], node.bias, node.shift)
    if isinstance(node, ops.GroupNorm):
        return _lane(step, 0, [node.gamma_mult], node.bias, node.shift)
    if isinstance(node, ops.Requantize):
        return _lane(step, node.channel_axis, node.mult, node.bias, node.shift)
    if isinstance(node, ops.Mul):
        return _lane(step, node.channel_axis, [node.mult], np.zeros(1, np.int64), node.shift)
    return {}


def as_conv(node: ops.ConvTranspose1D) -> np.ndarray:
    """The weight [out, in / groups, k] of the convolution over spread inputs (see spread_pads) that is the same."""
    return np.ascontiguousarray(node.by_output()[:, :, ::-1])


def spread_pads(node: ops.ConvTranspose1D) -> tuple[int, int]:
    """Zeros before and behind the inputs (below 0: inputs cut off), which stand stride - 1 zeros apart."""
    rest = node.weight.shape[2] - 1
    return rest - node.pads[0], rest - node.pads[1] + node.output_padding


def grouped(weight: np.ndarray, groups: int) -> np.ndarray:
    """Convolution weight [out, in / groups, *kernel] as matrices [groups, in / groups * taps, out / groups]."""
    out = weight.shape[0] // groups
    return np.ascontiguousarray(weight.reshape(groups, out, -1).transpose(0, 2, 1))


def _offset(step: Step, total: np.ndarray, space: tuple[int, ...]) -> dict[str, np.ndarray]:
    """For unsigned inputs x: sum(x * w) = sum((x - 128) * w) + 128 * sum(w), so that int8 x int8 products suffice.

    The constant wraps to 32 bits like the sum does; the true result fits, so it comes out right.
    """
    if step.ins[0].dtype.signed:
        return {}
    return {"offset": (total * 128).astype(np.int32).reshape(-1, *space)}


def _lane(step: Step, axis: int, mults: list, bias: np.ndarray, shift: np.ndarray) -> dict[str, np.ndarray]:
    """round_half_even(v / 2**shift) = (v + half + ((v >> shift) & odd)) >> shift, as int64."""

    def place(a) -> np.ndarray:
        return along_axis(np.asarray(a, np.int64), len(step.out.shape), axis)

    shift = np.minimum(place(shift), 62)  # |v| < 2**51: from 52 on the result is 0
    half = np.where(shift > 0, (np.int64(1) << np.maximum(shift - 1, 0)) - 1, 0)
    lane = {"bias": place(bias), "shift": shift, "half": half, "odd": (shift > 0).astype(np.int64)}
    return lane | {f"mult{i}": place(m) for i, m in enumerate(mults)}
