"""The operators of the integer graph: what each holds and which shape it makes.

What they compute is in ``golden.py``, in words in ``docs/numerics.md``. Shapes leave out the batch axis, and so do all
axis numbers. Parameters "per channel" are a 0-d array or a 1-D array along ``channel_axis`` of the output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import numpy as np

from hwgen.graph.node import Node, Shape, axis_of, broadcast_shape
from hwgen.graph.products import Conv, Conv1D, Conv2D, ConvTranspose1D, Linear, MatMul, MaxPool, SumPool
from hwgen.graph.types import ACC_BITS


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


OPS: dict[str, type[Node]] = {
    c.__name__: c
    for c in (
        Linear, Conv2D, Conv1D, ConvTranspose1D, MatMul, Constant, Requantize, Lookup, LayerNorm, GroupNorm, Softmax,
        Mul, MaxPool, SumPool, Reshape, Flatten, Transpose, Concat, Slice,
    )
}  # fmt: skip
"""Every operator by name."""

ACCUMULATING = (Linear, Conv, ConvTranspose1D, MatMul, SumPool)
"""Operators whose output is an accumulator."""
WEIGHTED = (Linear, Conv, ConvTranspose1D)
"""Operators that hold weights."""
