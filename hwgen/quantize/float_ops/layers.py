"""Layers with weights, and products of two tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph import golden, ops
from hwgen.graph.node import Shape
from hwgen.graph.types import along_axis
from hwgen.quantize.float_ops.node import F32, Float, check_channels

PIECE = 1 << 24
"""Numbers in the windows of a convolution that lie in memory at a time."""


@dataclass(eq=False, kw_only=True)
class Weighted(Float):
    """weight: float32. bias: float32 per output channel, or None."""

    weight: np.ndarray
    bias: np.ndarray | None = None
    axis = -1
    """Of the output's channels, in shapes without batch."""

    def offset(self, y: np.ndarray) -> np.ndarray:
        """y with the bias added."""
        return y if self.bias is None else y + along_axis(self.bias, y.ndim - 1, self.axis)

    def integer(self, weight: np.ndarray) -> ops.Node:
        """The integer graph's node with this weight: it checks shapes, and its windows are the same."""
        raise NotImplementedError

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if self.bias is not None:
            check_channels(self.channels, bias=self.bias)
        return self.integer(self.weight).out_shape(shapes)

    @property
    def channels(self) -> int:
        """Output channels."""
        return len(self.by_channel(self.weight))

    def by_channel(self, weight: np.ndarray) -> np.ndarray:
        """A weight as [out, everything else], a view or a copy."""
        return weight.reshape(len(weight), -1)

    def from_channels(self, rows: np.ndarray) -> np.ndarray:
        """The inverse of by_channel."""
        return rows.reshape(self.weight.shape)

    def columns(self, x: np.ndarray) -> np.ndarray | None:
        """What the rows of by_channel are multiplied with, [groups, rows, in]; None where that is no matrix."""
        return None

    def scaled(self, gain: np.ndarray) -> np.ndarray:
        """The weight times one gain per output channel."""
        return self.from_channels(self.by_channel(self.weight) * gain[:, None]).astype(F32)


@dataclass(eq=False, kw_only=True)
class Linear(Weighted):
    """x[..., in] @ weight[in, out] + bias"""

    def integer(self, weight: np.ndarray) -> ops.Linear:
        return ops.Linear(name=self.name, inputs=self.inputs, output=self.name, weight=weight)

    def by_channel(self, weight: np.ndarray) -> np.ndarray:
        return weight.T

    def from_channels(self, rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(rows.T)

    def columns(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(1, -1, x.shape[-1])

    def compute(self, x: np.ndarray) -> np.ndarray:
        return self.offset(x @ self.weight)


@dataclass(eq=False, kw_only=True)
class Conv(Weighted):
    """x[C, *space] with weight[out, C / groups, *kernel]; pads: begin of each axis, then end of each."""

    stride: tuple[int, ...]
    pads: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @property
    def axis(self) -> int:
        return 1 - self.weight.ndim

    def integer(self, weight: np.ndarray) -> ops.Node:
        cls = ops.Conv1D if weight.ndim == 3 else ops.Conv2D
        window = {"stride": self.stride, "pads": self.pads, "dilation": self.dilation, "groups": self.groups}
        return cls(name=self.name, inputs=self.inputs, output=self.name, weight=weight, **window)

    def compute(self, x: np.ndarray) -> np.ndarray:
        out = self.out_shape([x.shape[1:]])
        size = max(1, int(np.prod(out[1:])) * int(np.prod(self.weight.shape[1:])) * self.groups)
        step = max(1, PIECE // size)
        return np.concatenate([self._piece(x[i : i + step], out) for i in range(0, len(x), step)])

    def columns(self, x: np.ndarray) -> np.ndarray:
        w, n = self.weight, self.weight.ndim - 2
        view = golden.windows(x, w.shape[2:], self.stride, self.pads, self.dilation)
        view = view.reshape(len(x), self.groups, w.shape[1], *view.shape[2:])
        order = (1, 0, *range(3, 3 + n), 2, *range(3 + n, 3 + 2 * n))
        return view.transpose(order).reshape(self.groups, -1, int(np.prod(w.shape[1:])))

    def _piece(self, x: np.ndarray, out: Shape) -> np.ndarray:
        w = self.weight.reshape(self.groups, len(self.weight) // self.groups, -1)
        y = self.columns(x) @ w.transpose(0, 2, 1)  # [groups, batch * space, out]
        y = y.reshape(self.groups, len(x), *out[1:], -1)
        return self.offset(np.moveaxis(y, (0, -1), (1, 2)).reshape(len(x), *out))


@dataclass(eq=False, kw_only=True)
class ConvTranspose(Weighted):
    """x[C, T] with weight[C, out / groups, k]; pads: cut off at begin and end."""

    stride: int
    pads: tuple[int, int]
    output_padding: int = 0
    groups: int = 1
    axis = -2

    def integer(self, weight: np.ndarray) -> ops.ConvTranspose1D:
        how = {"stride": self.stride, "pads": self.pads, "output_padding": self.output_padding, "groups": self.groups}
        return ops.ConvTranspose1D(name=self.name, inputs=self.inputs, output=self.name, weight=weight, **how)

    def by_channel(self, weight: np.ndarray) -> np.ndarray:
        ins, outs, taps = self.weight.shape
        split = weight.reshape(self.groups, ins // self.groups, outs, taps)
        return split.swapaxes(1, 2).reshape(self.groups * outs, -1)

    def from_channels(self, rows: np.ndarray) -> np.ndarray:
        ins, outs, taps = self.weight.shape
        split = rows.reshape(self.groups, outs, ins // self.groups, taps)
        return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(ins, outs, taps)

    def compute(self, x: np.ndarray) -> np.ndarray:
        w, (batch, channels, length) = self.weight, x.shape
        size = self.out_shape([x.shape[1:]])[1]
        rows = x.reshape(batch, self.groups, channels // self.groups, length).swapaxes(2, 3)
        w = w.reshape(self.groups, channels // self.groups, *w.shape[1:])
        y = np.zeros((batch, self.groups, w.shape[2], size + sum(self.pads)), F32)
        for i in range(w.shape[3]):
            y[..., i : i + (length - 1) * self.stride + 1 : self.stride] += (rows @ w[..., i]).swapaxes(2, 3)
        return self.offset(y[..., self.pads[0] : self.pads[0] + size].reshape(batch, -1, size))


@dataclass(eq=False, kw_only=True)
class MatMul(Float):
    """a[..., i, k] @ b[..., k, j], leading axes equal."""

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return ops.MatMul(name=self.name, inputs=self.inputs, output=self.name).out_shape(shapes)

    def compute(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a @ b
