"""An integer graph that grows, and the integers that its tensors have for the calibration data."""

from __future__ import annotations

import numpy as np

from hwgen.graph import GraphBuilder, golden
from hwgen.graph import ops as integer
from hwgen.graph.scaling import clamp_code, quantize_array
from hwgen.graph.types import IntType
from hwgen.quantize import float_ops as ops
from hwgen.quantize.pending import Pending

PIECE = 1 << 24
"""About so many numbers of a node's windows or results lie in memory as 64-bit integers at a time."""


class Growing:
    """b: the builder. ints: integers [N, *shape] by tensor name, in the narrowest type."""

    def __init__(self, name: str, outputs: list[str]) -> None:
        self.b = GraphBuilder(name)
        self.b.reserve(outputs)
        self.ints: dict[str, np.ndarray] = {}
        self.batch = 1

    def fresh(self, name: str) -> str:
        """A name that is not taken."""
        return self.b._fresh(name)

    def input(self, name: str, shape: tuple[int, ...], real: np.ndarray, form: dict) -> None:
        """An input, with its calibration data."""
        self.b.input(name, shape, **form)
        t = self.b.tensor(name)
        self.batch = len(real)
        self.ints[name] = quantize_array(real, t.scale, t.dtype.lo, t.dtype.hi).astype(t.dtype.numpy)

    def real(self, x: str) -> np.ndarray:
        """What a tensor's integers stand for, float32 [N, *shape]."""
        return self.ints[x] * self.b.tensor(x).scale_array().astype(np.float32)

    def forget(self, needed: set[str]) -> None:
        """Drop the integers of all tensors but these."""
        self.ints = {k: v for k, v in self.ints.items() if k in needed}

    def run(self, x: str) -> str:
        """Compute the last node, which made x; returns x."""
        node = self.b.graph.nodes[-1]
        t = self.b.tensor(x)
        out = np.empty((self.batch, *t.shape), t.dtype.numpy)
        step = max(1, PIECE // self._size(node))
        tensors = self.b.graph.tensors
        for at in range(0, self.batch, step):
            values = {k: self.ints[k][at : at + step].astype(np.int64) for k in node.inputs}
            if not values:  # a constant; any tensor tells it the batch
                values = {x: np.empty((min(step, self.batch - at), 0))}
            out[at : at + step] = golden.evaluate(node, values, tensors)
        self.ints[x] = out
        return x

    def _size(self, node: integer.Node) -> int:
        """Numbers of one observation that are in memory at a time."""
        size = max(self.b.tensor(name).size for name in (*node.inputs, node.output))
        if isinstance(node, integer.Conv):
            size = max(size, self.b.tensor(node.output).size // len(node.weight) * node.weight[0].size * node.groups)
        return max(size, 1)

    # -- nodes -------------------------------------------------------------------------------------------------

    def weighted(self, node: ops.Weighted, x: str, ints: np.ndarray, scale: np.ndarray, bits: int, name: str) -> str:
        """A layer -> accumulator without bias."""
        how = {"weight_bits": bits, "name": name}
        if isinstance(node, ops.Linear):
            return self.run(self.b.linear(x, ints, scale, None, **how))
        if isinstance(node, ops.ConvTranspose):
            window = {"stride": node.stride, "pads": node.pads, "output_padding": node.output_padding}
            return self.run(self.b.conv_transpose1d(x, ints, scale, None, groups=node.groups, **window, **how))
        window = {"stride": node.stride, "pads": node.pads, "dilation": node.dilation, "groups": node.groups}
        return self.run(self.b.conv(x, ints, scale, None, **window, **how))

    def matmul(self, a: str, b: str, name: str) -> str:
        """a @ b -> accumulator."""
        return self.run(self.b.matmul(a, b, name=name))

    def product(self, a: str, b: str, name: str) -> str:
        """a * b -> accumulator."""
        return self.run(self.b.product(a, b, name=name))

    def norm(self, node: ops.LayerNorm | ops.GroupNorm, x: str, form: dict, name: str) -> str:
        """LayerNorm, RMSNorm or GroupNorm on a grid."""
        if isinstance(node, ops.GroupNorm):
            return self.run(self.b.groupnorm(x, node.groups, node.gamma, node.beta, node.eps, **form, name=name))
        return self.run(self.b.layernorm(x, node.gamma, node.beta, node.eps, rms=node.rms, **form, name=name))

    def constant(self, value: np.ndarray, form: dict, name: str) -> str:
        """Real numbers on a grid."""
        lo, hi = IntType(8, form["signed"]).bounds()
        return self.run(self.b.constant(quantize_array(value, form["scale"], lo, hi), **form, name=name))

    def requantize(self, x: str, form: dict, name: str) -> str:
        """The same on another grid."""
        return self.run(self.b.requantize(x, **form, name=name))

    def settle(self, p: Pending, form: dict, name: str) -> str:
        """All that is pending, as 8-bit integers on a grid."""
        if p.make is not None:
            return p.make(form, name)
        bounds = {key: clamp_code(value, form["scale"]) for key, value in (("lo", p.lo), ("hi", p.hi))
                  if np.isfinite(value)}  # fmt: skip
        how = {"relu": p.relu, "residual": p.residual, "gain": p.gain, "bias_real": p.bias}
        y = self.b.requantize(p.base, **form, **how, **bounds, channel_axis=p.axis, name=name)
        return self.run(y)
