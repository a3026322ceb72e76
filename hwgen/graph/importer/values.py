"""What an ONNX edge can hold while a model is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf, prod

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Const:
    """A constant array, shaped as in ONNX (with whatever batch axis it may have)."""

    array: np.ndarray


@dataclass(frozen=True, eq=False)
class QConst(Const):
    """A constant behind a Quant node: array is the real (float32) value, about ints * scale.

    scale: float64, broadcasts against ints and has its rank. bits: of a signed type that holds ints. signed: as the
    Quant node says.
    """

    ints: np.ndarray
    scale: np.ndarray
    bits: int
    signed: bool = True


@dataclass(frozen=True)
class Raw:
    """A graph input that no Quant has met yet."""

    name: str


@dataclass(frozen=True)
class Product:
    """The unrounded product of two integer tensors (real value: of their real values)."""

    a: str
    b: str


@dataclass(frozen=True)
class NormZ:
    """(x - mean) / sqrt(var + eps) of an integer tensor over its last axis (rms: without mean)."""

    x: str
    eps: float
    rms: bool


@dataclass(frozen=True)
class GroupZ:
    """(x - mean) / sqrt(var + eps) of an integer tensor [C, *space] over each group of channels."""

    x: str
    groups: int
    eps: float


@dataclass(frozen=True)
class Probabilities:
    """Softmax of gain times an integer tensor over its last axis."""

    x: str
    gain: float


@dataclass(frozen=True)
class Move:
    """A change of layout, or a max pooling, that commutes with a quantizer. shapes leave out the batch."""

    kind: str  # "reshape", "transpose", "slice", "maxpool"
    before: Shape
    after: Shape
    args: tuple = ()

    @property
    def invertible(self) -> bool:
        return self.kind in ("reshape", "transpose")

    def undo(self, a: np.ndarray) -> np.ndarray:
        """Bring an array of the shape `after` back to the shape `before`."""
        return a.reshape(self.before) if self.kind == "reshape" else a.transpose(np.argsort(self.args))

    def inverse(self) -> Move:
        """The move that undoes this one."""
        return Move(self.kind, self.after, self.before, tuple(int(i) for i in np.argsort(self.args)))


@dataclass(frozen=True, eq=False)
class Affine:
    """clamp(sum of gain * source + bias, lo, hi), then moves.

    A source is the name of an integer tensor, a Raw input, a Product, a NormZ, a GroupZ, Probabilities, or another
    (clamped) Affine; it stands for its real value. gain and bias: float64 arrays of rank 0 or of the rank of `inner`,
    the shape before the moves.
    """

    terms: tuple[tuple[object, np.ndarray], ...]
    inner: Shape
    bias: np.ndarray = field(default_factory=lambda: np.zeros(()))
    lo: float = -inf
    hi: float = inf
    moves: tuple[Move, ...] = ()

    @property
    def shape(self) -> Shape:
        """Shape after the moves, without batch."""
        return self.moves[-1].after if self.moves else self.inner

    @property
    def clamped(self) -> bool:
        return self.lo != -inf or self.hi != inf

    @property
    def movable_consts(self) -> bool:
        """Whether a constant per channel can be brought to the layout before the moves."""
        return all(m.invertible for m in self.moves)

    def only(self, kind: type) -> bool:
        """Whether there is one source, and it is of this kind."""
        return len(self.terms) == 1 and isinstance(self.terms[0][0], kind)

    @property
    def is_identity(self) -> bool:
        """One source, unchanged (moves apart)."""
        gain = self.terms[0][1] if len(self.terms) == 1 else np.zeros(2)
        return gain.ndim == 0 and gain == 1 and self.bias.ndim == 0 and self.bias == 0 and not self.clamped

    def scaled(self, gain: np.ndarray) -> Affine:
        """self * gain; gain is of rank 0 or of the inner shape's rank."""
        if self.clamped and gain.ndim and (np.min(gain) <= 0 or self.lo not in (0, -inf) or self.hi != inf):
            return replace(self.as_source(), terms=((self.without_moves(), gain),))
        lo, hi = self.lo, self.hi
        if gain.ndim == 0:
            lo, hi = sorted((_times(lo, float(gain)), _times(hi, float(gain))))
            if gain == 0:
                lo, hi = -inf, inf
        terms = tuple((s, g * gain) for s, g in self.terms)
        return replace(self, terms=terms, bias=self.bias * gain, lo=lo, hi=hi)

    def shifted(self, offset: np.ndarray) -> Affine:
        """self + offset; offset is of rank 0 or of the inner shape's rank."""
        if self.clamped and offset.ndim:
            return replace(self.as_source(), bias=offset)
        d = float(offset) if offset.ndim == 0 else 0.0
        return replace(self, bias=self.bias + offset, lo=self.lo + d, hi=self.hi + d)

    def clamp(self, lo: float, hi: float) -> Affine:
        """min(max(self, lo), hi)"""
        return replace(self, lo=min(max(self.lo, lo), hi), hi=min(max(self.hi, lo), hi))

    def without_moves(self) -> Affine:
        return replace(self, moves=())

    def as_source(self) -> Affine:
        """An unclamped expression of the same value, so that more can be added to it."""
        if not self.clamped:
            return self
        return Affine(((self.without_moves(), np.ones(())),), self.inner, moves=self.moves)


@dataclass(frozen=True, eq=False)
class Table:
    """fn of the real value of one integer tensor of 8 bits or less, element by element."""

    x: str
    fn: Callable[[np.ndarray], np.ndarray]
    shape: Shape


@dataclass(frozen=True, eq=False)
class SquareTable(Table):
    """x * x: a table like any other, or the start of an RMS normalization."""


@dataclass(frozen=True, eq=False)
class Joined:
    """Values side by side along an axis (without batch), waiting for one quantizer for all."""

    parts: tuple[Affine | Table, ...]
    axis: int
    shape: Shape


@dataclass(frozen=True, eq=False)
class Padded:
    """A value with zeros around its spatial axes, as a convolution takes it. pads: begin of each axis, then end."""

    value: Affine
    pads: tuple[int, ...]

    @property
    def shape(self) -> Shape:
        n = len(self.pads) // 2
        c, *space = self.value.shape
        return (c, *(s + self.pads[i] + self.pads[n + i] for i, s in enumerate(space)))


@dataclass(frozen=True, eq=False)
class Stat:
    """A step of a decomposed normalization over the last axis of x.

    kind: "mean", "centered" (x - mean), "square", "var", "std" or "rstd"; rms: without the mean.
    """

    kind: str
    x: Affine
    shape: Shape
    rms: bool = False
    eps: float = 0.0


Value = Const | Affine | Table | Joined | Padded | Stat


def tensor_value(name: str, shape: Shape) -> Affine:
    """The expression that is just an integer tensor."""
    return Affine(((name, np.ones(())),), tuple(shape))


def _times(bound: float, gain: float) -> float:
    return bound * gain if gain else 0.0


def collapse(a: np.ndarray) -> np.ndarray:
    """Drop what is repeated: axes along which all entries are equal shrink to 1; one entry becomes rank 0."""
    for axis, n in enumerate(a.shape):
        if n > 1 and (a == np.take(a, [0], axis)).all():
            a = np.take(a, [0], axis)
    return a.reshape(()) if a.size == 1 else a


def elements(shape: Shape) -> int:
    """Number of elements."""
    return prod(shape)
