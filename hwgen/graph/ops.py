"""The operators of the integer graph: what each holds and which shape it makes.

What they compute is in ``golden.py``, in words in ``docs/numerics.md``. Shapes leave out the batch axis, and so do all
axis numbers. Parameters "per channel" are a 0-d array or a 1-D array along ``channel_axis`` of the output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import numpy as np

from hwgen.graph.types import ACC_BITS

Shape = tuple[int, ...]


@dataclass(eq=False, kw_only=True, repr=False)
class Node:
    """One operator: a unique name, the tensors it reads and the one tensor it makes."""

    name: str
    inputs: tuple[str, ...]
    output: str

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(self.inputs)} -> {self.output})"

    @property
    def op(self) -> str:
        """Operator name, e.g. ``"Linear"``."""
        return type(self).__name__

    def out_shape(self, shapes: list[Shape]) -> Shape:
        """Shape of the output for these input shapes. Raises ValueError when they do not fit."""
        return shapes[0]

    def macs(self, shapes: list[Shape]) -> int:
        """Multiplications that must happen (padding not counted)."""
        return 0


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
class _Conv(Node):
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
class Conv2D(_Conv):
    """x[C, H, W] with weight[out, C / groups, kh, kw] -> accumulator[out, OH, OW]. pads: top, left, bottom, right."""

    stride: tuple[int, ...] = (1, 1)
    pads: tuple[int, ...] = (0, 0, 0, 0)
    dilation: tuple[int, ...] = (1, 1)


@dataclass(eq=False, kw_only=True, repr=False)
class Conv1D(_Conv):
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
class Constant(Node):
    """A tensor that every observation shares: a positional embedding, a class token, learned queries. No inputs.

    value: integers within the tensor's type, of its shape.
    """

    value: np.ndarray

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return tuple(self.value.shape)


@dataclass(eq=False, kw_only=True, repr=False)
class Requantize(Node):
    """Scale an accumulator (or an integer tensor), add bias and residual, round, clamp.

    v = in0 * mult[0] + bias; with relu: v = max(v, 0); with a second input: v += in1 * mult[1];
    y = clamp(round_half_even(v / 2**shift), lo, hi).

    mult: one int64 array per input, scalar or per channel, |mult[0]| < 2**17, |mult[1]| < 2**26.
    bias: int64, |bias| < 2**47. shift: 0..63. |v| < 2**51 for every possible input. The second input has the shape of
    the first, or broadcasts to it.
    """

    mult: list[np.ndarray]
    bias: np.ndarray
    shift: np.ndarray
    relu: bool = False
    lo: int = -128
    hi: int = 127
    channel_axis: int = -1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if len(shapes) == 2 and broadcast_shape(shapes) != shapes[0]:
            raise ValueError(f"its residual {shapes[1]} does not broadcast to {shapes[0]}")
        return shapes[0]

    @property
    def is_wide(self) -> bool:
        """True when the output is 32 bit, as at the end of a graph without a last quantizer."""
        return self.lo == -(1 << (ACC_BITS - 1))


@dataclass(eq=False, kw_only=True, repr=False)
class Lookup(Node):
    """y = table[x + 128] for signed x, table[x] for unsigned x. table: 256 integers.

    fn: the name of the function in the table, where it has one; it means nothing for the result.
    """

    table: np.ndarray
    fn: str = ""


@dataclass(eq=False, kw_only=True, repr=False)
class LayerNorm(Node):
    """LayerNorm (or RMSNorm) over the last axis; integer algorithm in golden.layernorm and docs/numerics.md.

    gamma_mult: int64, |gamma_mult| < 2**17; bias: int64, |bias| < 2**47; shift: 0..63; each scalar or per element of
    the row. eps_int: round(eps * D**2 / scale_in**2), 1 <= eps_int < 2**40. rms: leave out the mean.
    """

    gamma_mult: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    eps_int: int = 1
    rms: bool = False
    lo: int = -128
    hi: int = 127


@dataclass(eq=False, kw_only=True, repr=False)
class GroupNorm(Node):
    """LayerNorm's algorithm over x[C, *space] in groups of C / groups channels: D is a group's number of elements.

    gamma_mult: int64, |gamma_mult| < 2**17; bias: int64, |bias| < 2**47; shift: 0..63; each scalar or per channel.
    eps_int: round(eps * D**2 / scale_in**2), 1 <= eps_int < 2**40. groups = C is instance normalization.
    """

    groups: int
    gamma_mult: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    eps_int: int = 1
    lo: int = -128
    hi: int = 127
    channel_axis: ClassVar[int] = 0

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if not shapes[0] or self.groups < 1 or shapes[0][0] % self.groups:
            raise ValueError(f"the channels of {shapes[0]} do not divide into {self.groups} groups")
        return shapes[0]

    def row(self, shape: Shape) -> int:
        """D: the number of elements that share a mean and a variance."""
        return prod(shape) // self.groups


@dataclass(eq=False, kw_only=True, repr=False)
class Softmax(Node):
    """Softmax over the last axis; integer algorithm in golden.softmax and docs/numerics.md.

    table: 256 integers, round(2**23 * exp(-d * step)) for a value d below the row's largest. mult: 2**16 <= mult <
    2**17, shift: 1..47; mult * 2**(23 - shift) is 1 / output scale. step: the real value of one step of the input,
    which a temperature may have changed; the table is made from it, and only file formats and real-valued references
    read it.
    """

    table: np.ndarray
    mult: int
    shift: int
    step: float
    lo: int = 0
    hi: int = 255


@dataclass(eq=False, kw_only=True, repr=False)
class Mul(Node):
    """y = clamp(round_half_even(a * b * mult / 2**shift), lo, hi); a and b broadcast as in ONNX.

    mult (|mult| < 2**17) and shift (0..63): scalar, or per channel along channel_axis of the output. A wide output
    (mult 1, shift 0) is the product itself, for a Requantize that adds to it before rounding (FiLM).
    """

    mult: np.ndarray
    shift: np.ndarray
    lo: int = -128
    hi: int = 127
    channel_axis: int = -1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return broadcast_shape(shapes)

    def macs(self, shapes: list[Shape]) -> int:
        return prod(broadcast_shape(shapes))


@dataclass(eq=False, kw_only=True, repr=False)
class _Pool(Node):
    """Shared by MaxPool and SumPool. pads: begin of each axis, then end of each."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[int, ...]

    def out_shape(self, shapes: list[Shape]) -> Shape:
        channels, *space = shapes[0]
        return (channels, *window_counts(space, self.kernel, self.stride, self.pads))


@dataclass(eq=False, kw_only=True, repr=False)
class MaxPool(_Pool):
    """Largest value of each window of x[C, *space]; padding never wins."""


@dataclass(eq=False, kw_only=True, repr=False)
class SumPool(_Pool):
    """Sum of each window of x[C, *space], padding counts as 0 -> accumulator. A Requantize makes it an average."""


@dataclass(eq=False, kw_only=True, repr=False)
class Reshape(Node):
    """The same integers in row-major order under another shape (without batch)."""

    shape: Shape

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if prod(shapes[0]) != prod(self.shape):
            raise ValueError(f"{shapes[0]} does not have as many elements as {self.shape}")
        return self.shape


@dataclass(eq=False, kw_only=True, repr=False)
class Flatten(Node):
    """All axes (without batch) into one, row-major."""

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return (prod(shapes[0]),)


@dataclass(eq=False, kw_only=True, repr=False)
class Transpose(Node):
    """Reorder the axes; perm is without batch: output axis i is input axis perm[i]."""

    perm: tuple[int, ...]

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if sorted(self.perm) != list(range(len(shapes[0]))):
            raise ValueError(f"perm {self.perm} does not fit shape {shapes[0]}")
        return tuple(shapes[0][i] for i in self.perm)


@dataclass(eq=False, kw_only=True, repr=False)
class Concat(Node):
    """Tensors of equal type and scale, one after the other along an axis (without batch)."""

    axis: int = -1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        if not shapes:
            raise ValueError("it has nothing to join")
        axis = axis_of(self.axis, shapes[0])
        rest = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
        if len(rest) != 1 or len({len(s) for s in shapes}) != 1:
            raise ValueError(f"shapes {shapes} differ outside axis {self.axis}")
        return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


@dataclass(eq=False, kw_only=True, repr=False)
class Slice(Node):
    """x[start:stop:step] along one axis (without batch). 0 <= start < stop, step >= 1."""

    axis: int
    start: int
    stop: int
    step: int = field(default=1)

    def out_shape(self, shapes: list[Shape]) -> Shape:
        axis = axis_of(self.axis, shapes[0])
        size = len(range(*slice(self.start, self.stop, self.step).indices(shapes[0][axis])))
        if size == 0:
            raise ValueError(f"the slice {self.start}:{self.stop} of axis {axis} of {shapes[0]} is empty")
        return (*shapes[0][:axis], size, *shapes[0][axis + 1 :])


def broadcast_shape(shapes: list[Shape]) -> Shape:
    """NumPy broadcasting of shapes that all leave out a leading batch axis, so they must have equal rank."""
    if len({len(s) for s in shapes}) != 1:
        raise ValueError(f"shapes {shapes} have different numbers of axes")
    return tuple(np.broadcast_shapes(*shapes))


def axis_of(axis: int, shape: Shape) -> int:
    """An axis counted from the front; a negative one counts from the end. Raises ValueError when there is no such."""
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{shape} has no axis {axis}")
    return axis % len(shape)


def window_counts(space: list[int] | Shape, kernel, stride, pads) -> Shape:
    """Number of windows per spatial axis (floor mode). kernel counts the dilated extent."""
    n = len(space)
    if not len(kernel) == len(stride) == n or len(pads) != 2 * n:
        raise ValueError(f"kernel {tuple(kernel)}, stride {tuple(stride)} and pads {tuple(pads)} do not fit {space}")
    if min((*kernel, *stride), default=1) < 1 or min(pads, default=0) < 0:
        raise ValueError(f"kernel {tuple(kernel)}, stride {tuple(stride)}, pads {tuple(pads)}: take 1, 1, 0 or more")
    out = tuple((space[i] + pads[i] + pads[n + i] - kernel[i]) // stride[i] + 1 for i in range(n))
    if min(out) < 1:
        raise ValueError(f"a kernel of {tuple(kernel)} does not fit into {tuple(space)} with pads {tuple(pads)}")
    return out


OPS: dict[str, type[Node]] = {
    c.__name__: c
    for c in (
        Linear, Conv2D, Conv1D, ConvTranspose1D, MatMul, Constant, Requantize, Lookup, LayerNorm, GroupNorm, Softmax,
        Mul, MaxPool, SumPool, Reshape, Flatten, Transpose, Concat, Slice,
    )
}  # fmt: skip
"""Every operator by name."""

ACCUMULATING = (Linear, Conv1D, Conv2D, ConvTranspose1D, MatMul, SumPool)
"""Operators whose output is an accumulator."""
WEIGHTED = (Linear, Conv1D, Conv2D, ConvTranspose1D)
"""Operators that hold weights."""
