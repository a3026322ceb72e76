"""Float Keras models: what their tensors are in the network, and how a tensor gets another layout.

Keras keeps channels last, the engine first. A tensor stays as its maker left it until a layer needs the other layout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.node import Shape
from hwgen.quantize.floats import FloatNet

SAME_NAME = {"swish": "silu", **{name: name for name in FUNCTIONS if name not in ("identity", "erf", "gelu_tanh")}}
"""Keras' functions that the network knows, too."""
ELEMENTWISE = {
    "selu", "leaky_relu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "exponential", "softsign", "celu",
    "squareplus", "soft_shrink", "hard_shrink", "tanh_shrink", "sparse_plus", "sparse_sigmoid", "log_sigmoid", "relu6",
    "threshold", "LeakyReLU", "ELU", "ReLU",
}  # fmt: skip
"""Others that compute each element for itself."""


@dataclass(frozen=True)
class Seen:
    """A tensor. shape: Keras', without batch. first: the network has its channels first."""

    name: str
    shape: Shape
    first: bool = False


class Broken:
    """What a layer gives that cannot be mapped; its readers are not reported, too."""


@dataclass
class Reader:
    """The network under construction."""

    net: FloatNet
    names: set[str] = field(default_factory=set)
    arrays: dict[tuple, tuple[object, np.ndarray]] = field(default_factory=dict)

    def fresh(self, base: str) -> str:
        """A name that no tensor has yet."""
        name, k = base, 0
        while name in self.names or name in self.net.graph.shapes:
            k += 1
            name = f"{base}_{k}"
        self.names.add(name)
        return name

    def array(self, variable, make: Callable[[np.ndarray], np.ndarray] = lambda w: w) -> np.ndarray:
        """A layer's weight as float32, through `make`; the same object whenever the layer is used again so."""
        made = np.ascontiguousarray(make(np.asarray(variable, np.float32)))
        return self.arrays.setdefault((id(variable), made.shape), (variable, made))[1]

    def plain(self, x: Seen) -> Seen:
        """x in Keras' layout."""
        n = len(x.shape) - 1
        return self._turned(x, (*range(1, n + 1), 0), False) if x.first else x

    def first(self, x: Seen) -> Seen:
        """x with its channels first."""
        n = len(x.shape) - 1
        return x if x.first or not n else self._turned(x, (n, *range(n)), True)

    def _turned(self, x: Seen, perm: tuple[int, ...], first: bool) -> Seen:
        have, name = self.net.shape(x.name), self.fresh(f"{x.name}.channels_{'first' if first else 'last'}")
        shape = tuple(have[p] for p in perm)
        still = x.shape[-1] == 1 or prod(x.shape[:-1]) == 1
        made = self.net.reshape(x.name, shape, name) if still else self.net.transpose(x.name, perm, name)
        return Seen(made, x.shape, first)

    def made(self, name: str, first: bool) -> Seen:
        """A tensor that a node has just made, in this layout."""
        shape = self.net.shape(name)
        return Seen(name, (*shape[1:], shape[0]) if first else shape, first)

    def aligned(self, xs: list[Seen]) -> list[Seen]:
        """All in one layout, with axes of one in front where Keras would broadcast."""
        rank = max(len(x.shape) for x in xs)
        if any(x.first for x in xs) and all(len(x.shape) == rank for x in xs):
            return [self.first(x) for x in xs]
        return [self.reshaped(x, (1,) * (rank - len(x.shape)) + x.shape) for x in xs]

    def reshaped(self, x: Seen, shape: Shape) -> Seen:
        """x under another of Keras' shapes."""
        x = self.plain(x)
        if x.shape == shape:
            return x
        return Seen(self.net.reshape(x.name, shape, self.fresh(f"{x.name}.reshaped")), shape)

    def affine(self, x: Seen, gain, bias, name: str, axis: int = -1) -> Seen:
        """x * gain + bias, one number for all or one per index of one of Keras' axes (from the end)."""
        if x.first and axis != -1 and max(np.size(gain), np.size(bias)) > 1:
            x = self.plain(x)
        axis = -len(x.shape) if x.first else axis
        return Seen(self.net.affine(x.name, gain, bias, self.fresh(name), axis=axis), x.shape, x.first)

    def function(self, x: Seen, fn, name: str) -> Seen:
        """A function of keras.activations behind a layer; fn: Keras' own. Raises UnsupportedError."""
        known = getattr(fn, "__name__", type(fn).__name__)
        if fn is None or known == "linear":
            return x
        if known == "softmax":
            return self.softmax(x, name)
        if known not in SAME_NAME and known not in ELEMENTWISE:
            names = ", ".join(sorted({*SAME_NAME, *ELEMENTWISE, "softmax"}))
            raise UnsupportedError(f"activation {known} cannot be mapped; use one of {names}")
        return self.table(x, SAME_NAME.get(known) or evaluated(fn), name)

    def table(self, x: Seen, fn: str | Callable[[np.ndarray], np.ndarray], name: str) -> Seen:
        """A function of every element."""
        return Seen(self.net.table(x.name, fn, self.fresh(name)), x.shape, x.first)

    def softmax(self, x: Seen, name: str) -> Seen:
        """Over the last axis of Keras'."""
        x = self.plain(x)
        return Seen(self.net.softmax(x.name, self.fresh(name)), x.shape)


def evaluated(fn: Callable) -> Callable[[np.ndarray], np.ndarray]:
    """A function of Keras' for NumPy arrays."""
    return lambda v: np.asarray(fn(np.asarray(v, np.float32)), np.float64)
