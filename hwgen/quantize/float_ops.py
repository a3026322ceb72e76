"""Operators of a float network and what they compute, in NumPy.

Arrays are float32, batch first; shapes leave out the batch. Axis order is that of the integer graph: images [C, H, W],
sequences of convolutions [C, T], tokens [T, C].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hwgen.graph import golden, ops
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.node import Shape, broadcast_shape, window_counts
from hwgen.graph.types import along_axis

F32 = np.float32
PIECE = 1 << 24
"""Numbers in the windows of a convolution that lie in memory at a time."""


@dataclass(eq=False, kw_only=True)
class Float:
    """A node. name: also that of the tensor it makes. inputs: tensor names."""

    name: str
    inputs: tuple[str, ...] = ()

    @property
    def op(self) -> str:
        """Operator name."""
        return type(self).__name__

    def out_shape(self, shapes: list[Shape]) -> Shape:
        """Shape of the output. Raises ValueError when the inputs do not fit."""
        return shapes[0]

    def compute(self, *args: np.ndarray) -> np.ndarray:
        """The output for these inputs, batch first."""
        raise NotImplementedError


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


@dataclass(eq=False, kw_only=True)
class Reshape(Float):
    """The same numbers in row-major order under another shape."""

    shape: Shape

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return ops.Reshape(name=self.name, inputs=self.inputs, output=self.name, shape=self.shape).out_shape(shapes)

    def compute(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), *self.shape)


@dataclass(eq=False, kw_only=True)
class Transpose(Float):
    """Output axis i is input axis perm[i]."""

    perm: tuple[int, ...]

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return ops.Transpose(name=self.name, inputs=self.inputs, output=self.name, perm=self.perm).out_shape(shapes)

    def compute(self, x: np.ndarray) -> np.ndarray:
        return x.transpose(0, *(p + 1 for p in self.perm))


@dataclass(eq=False, kw_only=True)
class Concat(Float):
    """One after the other; axis counts from the end."""

    axis: int

    def out_shape(self, shapes: list[Shape]) -> Shape:
        return ops.Concat(name=self.name, inputs=self.inputs, output=self.name, axis=self.axis).out_shape(shapes)

    def compute(self, *args: np.ndarray) -> np.ndarray:
        batch = max(map(len, args))  # constants have one row for all
        return np.concatenate([np.broadcast_to(a, (batch, *a.shape[1:])) for a in args], axis=self.axis)


@dataclass(eq=False, kw_only=True)
class Slice(Float):
    """x[start:stop:step] along an axis, which counts from the end."""

    axis: int
    start: int
    stop: int
    step: int = 1

    def out_shape(self, shapes: list[Shape]) -> Shape:
        how = {"axis": self.axis, "start": self.start, "stop": self.stop, "step": self.step}
        return ops.Slice(name=self.name, inputs=self.inputs, output=self.name, **how).out_shape(shapes)

    def compute(self, x: np.ndarray) -> np.ndarray:
        at = [slice(None)] * x.ndim
        at[self.axis] = slice(self.start, self.stop, self.step)
        return x[tuple(at)]


def check_channels(channels: int, **parameters: np.ndarray) -> None:
    """Raise ValueError unless each parameter has one number, or one per channel."""
    for name, values in parameters.items():
        if np.shape(values) not in ((), (1,), (channels,)):
            raise ValueError(f"its {name} has shape {np.shape(values)}, but there are {channels} channels")


def normalized(x: np.ndarray, eps: float, rms: bool) -> np.ndarray:
    """(x - mean) / sqrt(var + eps) over the last axis (rms: x / sqrt(mean(x**2) + eps))."""
    x = x if rms else x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + F32(eps))


PROBES = np.linspace(-9, 9, 181)


def function_name(fn: Callable[[np.ndarray], np.ndarray]) -> str:
    """The name of FUNCTIONS that gives the same values, or "function"."""
    with np.errstate(all="ignore"):
        values = np.asarray(fn(PROBES), np.float64)
    for name, known in FUNCTIONS.items():
        if np.allclose(values, known(PROBES), rtol=1e-6, atol=1e-6):
            return name
    return "function"
