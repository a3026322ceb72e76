"""Number by number: constants, sums, products, functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.node import Shape, broadcast_shape
from hwgen.graph.types import along_axis
from hwgen.quantize.float_ops.node import F32, Float, check_channels


@dataclass(eq=False, kw_only=True)
class Constant(Float):
    """The same array for every observation."""

    value: np.ndarray

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return tuple(self.value.shape)

    def compute(self, *args: np.ndarray) -> np.ndarray:
        return self.value[None]


@dataclass(eq=False, kw_only=True)
class Add(Float):
    """a + b, broadcast."""

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return broadcast_shape(shapes)

    def compute(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a + b


@dataclass(eq=False, kw_only=True)
class Mul(Float):
    """a * b, broadcast."""

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return broadcast_shape(shapes)

    def compute(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a * b


@dataclass(eq=False, kw_only=True)
class Affine(Float):
    """x * gain + bias; each one number, or one per channel along `axis` (of shapes without batch, from the end)."""

    gain: np.ndarray
    bias: np.ndarray
    axis: int = -1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if self.gain.size > 1 or self.bias.size > 1:
            check_channels(shapes[0][self.axis], gain=self.gain, bias=self.bias)
        return shapes[0]

    def compute(self, x: np.ndarray) -> np.ndarray:
        n = x.ndim - 1
        return (x * along_axis(self.gain, n, self.axis) + along_axis(self.bias, n, self.axis)).astype(F32)


@dataclass(eq=False, kw_only=True)
class Table(Float):
    """A function of every element. fn: float64 -> float64. label: its name, one of activations.FUNCTIONS if known."""

    fn: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    label: str = ""

    def compute(self, x: np.ndarray) -> np.ndarray:
        if self.label == "relu":
            return np.maximum(x, 0)
        with np.errstate(all="ignore"):
            return np.asarray(self.fn(x)).astype(F32, copy=False)


@dataclass(eq=False, kw_only=True)
class Clip(Float):
    """Not below lo, not above hi; infinity means no bound."""

    lo: float
    hi: float

    def compute(self, x: np.ndarray) -> np.ndarray:
        return np.clip(x, F32(self.lo), F32(self.hi))


PROBES = np.linspace(-9, 9, 181)


def function_name(fn: Callable[[np.ndarray], np.ndarray]) -> str:
    """The name of FUNCTIONS that gives the same values, or "function"."""
    with np.errstate(all="ignore"):
        values = np.asarray(fn(PROBES), np.float64)
    for name, known in FUNCTIONS.items():
        if np.allclose(values, known(PROBES), rtol=1e-6, atol=1e-6):
            return name
    return "function"
