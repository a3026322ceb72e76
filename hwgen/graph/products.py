"""Operators whose results take many inputs each: layers, convolutions, products of matrices, pooling.

`ops.py` has all operators under one roof, and says how shapes and axes are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hwgen.graph.node import Node, Shape, window_counts


@dataclass(eq=False, kw_only=True, repr=False)
class Linear(Node):
    """x[..., in] times weight[in, out] -> accumulator[..., out]. weight: int8 array; weight_bits: 2, 3, 4 or 8."""

    weight: np.ndarray
    weight_bits: int = 8

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if not shapes[0] or shapes[0][-1] != self.weight.shape[0]:
            raise ValueError(f"its input ends in {shapes[0]} but its weight has {self.weight.shape[0]} rows")
        return (*shapes[0][:-1], self.weight.shape[1])

    def macs(self, shapes: list[Shape]) -> int:
        return prod(shapes[0][:-1]) * self.weight.size


@dataclass(eq=False, kw_only=True, repr=False)
class Conv(Node):
    """Shared by Conv1D and Conv2D. weight: int8 [out, in / groups, *kernel]; pads: begin of each axis, then end."""

    weight: np.ndarray
    weight_bits: int = 8
    stride: tuple[int, ...]
    pads: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        channels, *space = shapes[0]
        if len(space) != self.weight.ndim - 2:
            raise ValueError(f"its input {shapes[0]} must have {self.weight.ndim - 1} axes (channels first)")
        if channels != self.weight.shape[1] * self.groups or self.weight.shape[0] % self.groups:
            raise ValueError(f"{channels} input channels do not fit weight {self.weight.shape}, groups {self.groups}")
        if len(self.dilation) != len(space) or min(self.dilation) < 1:
            raise ValueError(f"dilation {self.dilation} must be 1 or more along each of {len(space)} axes")
        kernel = [(k - 1) * d + 1 for k, d in zip(self.weight.shape[2:], self.dilation, strict=True)]
        return (self.weight.shape[0], *window_counts(space, kernel, self.stride, self.pads))

    def macs(self, shapes: list[Shape]) -> int:
        # Taps that fall on padding are not work: count, per axis, the taps that hit the input.
        taps, space = 1, shapes[0][1:]
        n = len(space)
        out = self.out_shape(shapes)[1:]
        for i in range(n):
            first = np.arange(out[i])[:, None] * self.stride[i] - self.pads[i]
            at = first + np.arange(self.weight.shape[2 + i]) * self.dilation[i]
            taps *= int(((at >= 0) & (at < space[i])).sum())
        return taps * self.weight.shape[0] * self.weight.shape[1]


@dataclass(eq=False, kw_only=True, repr=False)
class Conv2D(Conv):
    """x[C, H, W] with weight[out, C / groups, kh, kw] -> accumulator[out, OH, OW]. pads: top, left, bottom, right."""

    stride: tuple[int, ...] = (1, 1)
    pads: tuple[int, ...] = (0, 0, 0, 0)
    dilation: tuple[int, ...] = (1, 1)


@dataclass(eq=False, kw_only=True, repr=False)
class Conv1D(Conv):
    """x[C, T] with weight[out, C / groups, k] -> accumulator[out, OT]. pads: begin, end."""

    stride: tuple[int, ...] = (1,)
    pads: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1,)


@dataclass(eq=False, kw_only=True, repr=False)
class ConvTranspose1D(Node):
    """x[C, T] with weight[C, out / groups, k] -> accumulator[out, OT]; each input adds its taps `stride` apart.

    weight: int8 in ONNX's order. pads: outputs cut off at begin and end; output_padding: outputs added at the end.
    """

    weight: np.ndarray
    weight_bits: int = 8
    stride: int = 1
    pads: tuple[int, int] = (0, 0)
    output_padding: int = 0
    groups: int = 1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        fits = len(shapes[0]) == 2 and shapes[0][0] == self.weight.shape[0]
        if not fits or self.groups < 1 or self.weight.shape[0] % self.groups:
            raise ValueError(f"its input {shapes[0]} does not fit weight {self.weight.shape}, groups {self.groups}")
        if self.stride < 1 or min(self.pads) < 0 or not 0 <= self.output_padding < self.stride:
            window = f"stride {self.stride}, pads {self.pads}, output_padding {self.output_padding}"
            raise ValueError(f"{window}: use a stride above output_padding, and nothing below 0")
        size = (shapes[0][1] - 1) * self.stride + self.weight.shape[2] + self.output_padding - sum(self.pads)
        if size < 1:
            raise ValueError(f"pads {self.pads} leave nothing of its {size + sum(self.pads)} outputs")
        return (self.weight.shape[1] * self.groups, size)

    def macs(self, shapes: list[Shape]) -> int:
        taps = np.arange(shapes[0][1])[:, None] * self.stride + np.arange(self.weight.shape[2]) - self.pads[0]
        return int(((taps >= 0) & (taps < self.out_shape(shapes)[1])).sum()) * prod(self.weight.shape[:2])

    def by_output(self) -> np.ndarray:
        """The weight as [out, C / groups, k], like that of a convolution."""
        ins, outs, taps = self.weight.shape
        split = self.weight.reshape(self.groups, ins // self.groups, outs, taps)
        return split.swapaxes(1, 2).reshape(self.groups * outs, ins // self.groups, taps)


@dataclass(eq=False, kw_only=True, repr=False)
class MatMul(Node):
    """a[..., i, k] times b[..., k, j] -> accumulator[..., i, j]; both are activations, their leading axes equal."""

    def out_shape(self, shapes: list[Shape]) -> Shape:
        a, b = shapes
        if len(a) < 2 or len(a) != len(b) or a[:-2] != b[:-2] or a[-1] != b[-2]:
            raise ValueError(f"{a} times {b} is no product of matrices: leading axes must be equal, and rows of the "
                             "first as long as columns of the second")  # fmt: skip
        return (*a[:-1], b[-1])

    def macs(self, shapes: list[Shape]) -> int:
        return prod(shapes[0]) * shapes[1][-1]


@dataclass(eq=False, kw_only=True, repr=False)
class Pool(Node):
    """Shared by MaxPool and SumPool. pads: begin of each axis, then end of each."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[int, ...]

    def out_shape(self, shapes: list[Shape]) -> Shape:
        channels, *space = shapes[0]
        return (channels, *window_counts(space, self.kernel, self.stride, self.pads))


@dataclass(eq=False, kw_only=True, repr=False)
class MaxPool(Pool):
    """Largest value of each window of x[C, *space]; padding never wins."""


@dataclass(eq=False, kw_only=True, repr=False)
class SumPool(Pool):
    """Sum of each window of x[C, *space], padding counts as 0 -> accumulator. A Requantize makes it an average."""
