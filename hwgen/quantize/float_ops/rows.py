"""Over an axis or a window: norms, softmax, pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph import golden
from hwgen.graph.node import Shape, window_counts
from hwgen.graph.types import along_axis
from hwgen.quantize.float_ops.node import F32, Float, check_channels


@dataclass(eq=False, kw_only=True)
class LayerNorm(Float):
    """(x - mean) / sqrt(var + eps) * gamma + beta over the last axis; rms: without the mean."""

    gamma: np.ndarray
    beta: np.ndarray
    eps: float
    rms: bool = False

    def out_shape(self, shapes: list[Shape]) -> Shape:
        check_channels(shapes[0][-1], gamma=self.gamma, beta=self.beta)
        return shapes[0]

    def compute(self, x: np.ndarray) -> np.ndarray:
        return (normalized(x, self.eps, self.rms) * self.gamma + self.beta).astype(F32)


@dataclass(eq=False, kw_only=True)
class GroupNorm(Float):
    """LayerNorm over each group of channels of x[C, *space]; gamma and beta per channel."""

    groups: int
    gamma: np.ndarray
    beta: np.ndarray
    eps: float

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if not shapes[0] or self.groups < 1 or shapes[0][0] % self.groups:
            raise ValueError(f"the channels of {shapes[0]} do not divide into {self.groups} groups")
        check_channels(shapes[0][0], gamma=self.gamma, beta=self.beta)
        return shapes[0]

    def compute(self, x: np.ndarray) -> np.ndarray:
        n = x.ndim - 1
        z = normalized(x.reshape(len(x), self.groups, -1), self.eps, False).reshape(x.shape)
        return (z * along_axis(self.gamma, n, -n) + along_axis(self.beta, n, -n)).astype(F32)


@dataclass(eq=False, kw_only=True)
class Softmax(Float):
    """Over the last axis."""

    def compute(self, x: np.ndarray) -> np.ndarray:
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


@dataclass(eq=False, kw_only=True)
class Pool(Float):
    """Over windows of x[C, *space]. mean: else the largest value. Padding counts as 0 in a mean, and never wins."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[int, ...]
    mean: bool

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return (shapes[0][0], *window_counts(shapes[0][1:], self.kernel, self.stride, self.pads))

    def compute(self, x: np.ndarray) -> np.ndarray:
        n = len(self.kernel)
        view = golden.windows(x, self.kernel, self.stride, self.pads, (1,) * n, 0 if self.mean else -np.inf)
        axes = tuple(range(-n, 0))
        return view.mean(axis=axes) if self.mean else view.max(axis=axes)


def normalized(x: np.ndarray, eps: float, rms: bool) -> np.ndarray:
    """(x - mean) / sqrt(var + eps) over the last axis (rms: x / sqrt(mean(x**2) + eps))."""
    x = x if rms else x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + F32(eps))
