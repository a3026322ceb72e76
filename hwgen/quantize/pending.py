"""A tensor on its way to 8-bit integers: what is still to be done when it is rounded, all of it in one lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hwgen.quantize import float_ops as ops

if TYPE_CHECKING:
    from hwgen.quantize.post import Quantizer

ONE, ZERO = np.float64(1), np.float64(0)


@dataclass
class Pending:
    """relu(base * gain + bias) + residual, within lo and hi; of the float tensor `name`, whose values are `real`.

    base: tensor of the integer graph: sums, or integers of 8 bits. axis: of gain and bias, from the end. done: base is
    the result, and all else means nothing. make: (form, name) -> tensor, for what is no lane (norms, constants).
    positive: never below 0, whatever comes. op, bits: of the node that made the base, for the table of accuracies.
    """

    name: str
    base: str
    real: np.ndarray
    op: str = ""
    bits: int = 0
    gain: np.ndarray = ONE
    bias: np.ndarray = ZERO
    axis: int = -1
    relu: bool = False
    residual: str | None = None
    lo: float = -np.inf
    hi: float = np.inf
    positive: bool = False
    make: Callable[[dict, str], str] | None = None
    done: bool = True

    def needs(self) -> list[str]:
        """Tensors whose integers are read later."""
        return [x for x in (self.base, self.residual) if x]

    def may_add(self) -> bool:
        """Whether a residual can still be added before rounding."""
        return self.residual is None and self.make is None and (self.lo, self.hi) == (-np.inf, np.inf)

    def settled(self) -> None:
        """It has become integers; base is their name."""
        self.gain, self.bias, self.residual, self.make, self.relu, self.done = ONE, ZERO, None, None, False, True

    def clipped(self, name: str, real: np.ndarray, lo: float, hi: float, q: Quantizer) -> Pending:
        """min(max(x, lo), hi)"""
        relu = self.relu
        if self.residual is None and self.make is None and lo == 0 and self.may_add():
            lo, relu = -np.inf, True
        lo, hi = max(lo, self.lo), min(hi, self.hi)
        if self.make is not None and (lo, hi) != (0, np.inf):
            return self._settle(q).clipped(name, real, lo, hi, q)
        positive = self.positive or lo >= 0 or relu
        return replace(self, name=name, real=real, lo=lo, hi=hi, relu=relu, positive=positive, done=False)

    def scaled(self, node: ops.Affine, real: np.ndarray, q: Quantizer) -> Pending:
        """x * gain + bias"""
        wide = node.gain.size > 1 or node.bias.size > 1
        mine = np.size(self.gain) > 1 or np.size(self.bias) > 1 or q.new.b.tensor(self.base).per_channel \
            if self.base else False  # fmt: skip
        if self.relu or not self.may_add() or (wide and mine and node.axis != self.axis):
            return self._settle(q).scaled(node, real, q)
        gain, bias = self.gain * node.gain.astype(np.float64), self.bias * node.gain + node.bias
        axis = node.axis if wide else self.axis
        positive = self.positive and bool((node.gain >= 0).all() and (node.bias >= 0).all())
        return replace(self, name=node.name, real=real, gain=gain, bias=bias, axis=axis, positive=positive, done=False)

    def plus(self, name: str, residual: str, real: np.ndarray, q: Quantizer) -> Pending:
        """x + residual"""
        if not self.may_add():
            return self._settle(q).plus(name, residual, real, q)
        positive = (self.positive or self.relu) and not q.new.b.tensor(residual).dtype.signed
        op = self.op if self.bits else "Add"
        return replace(self, name=name, real=real, op=op, residual=residual, positive=positive, done=False)

    def _settle(self, q: Quantizer) -> Pending:
        """The same as integers of 8 bits, to go on from."""
        q.made[self.name] = self
        base = q.integers(self.name)
        signed = q.new.b.tensor(base).dtype.signed
        return Pending(self.name, base, self.real, self.op, self.bits, positive=not signed)
