"""What the tensors of a float ONNX file are while it is read: constants, tensors of the network, functions of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np

from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.node import Shape
from hwgen.quantize.floats import FloatNet

Function = Callable[[np.ndarray], np.ndarray]


@dataclass
class Const:
    """A constant as the file has it."""

    array: np.ndarray


@dataclass
class Ten:
    """A tensor of the network. full: its shape in the file, with a batch of one; ours: without a leading one."""

    name: str
    full: Shape

    @property
    def ours(self) -> Shape:
        return ours(self.full)


@dataclass
class Fn:
    """A function of every element of `source`, not yet a node; label: of the node of the file that gave it.

    line: (gain, bias) where it is one. clip: (lo, hi) where it is that. made: the tensor, once something read it.
    """

    source: Ten
    fn: Function
    label: str
    line: tuple[float, float] | None = None
    clip: tuple[float, float] | None = None
    square: bool = False
    made: Ten | None = None

    @property
    def full(self) -> Shape:
        return self.source.full


@dataclass
class Stat:
    """A part of a normalization over the last axis of `source` that is spelled out.

    kind: mean, centred, square (of centred), variance, deviation (its root), inverse (of that).
    rms: nothing is centred.
    """

    kind: str
    source: Ten
    eps: float = 0.0
    rms: bool = False

    @property
    def full(self) -> Shape:
        return self.source.full if self.kind in ("centred", "square") else (*self.source.full[:-1], 1)


@dataclass
class Squeezed:
    """A variance without the axis that it was taken over; a reshape gives it back."""

    stat: Stat

    @property
    def full(self) -> Shape:
        return self.stat.full[:-1]


class Broken:
    """What a node gives that could not be read; its readers are not reported, too."""

    full = ()


Value = Const | Ten | Fn | Stat | Squeezed | Broken


def ours(full: Shape) -> Shape:
    """The network's shape of a tensor of the file: a leading one is the batch."""
    return tuple(full[1:]) if full and full[0] == 1 else tuple(full)


@dataclass
class Reader:
    """The network under construction, and what its nodes are called."""

    net: FloatNet
    names: set[str] = field(default_factory=set)
    constants: dict[int, tuple[np.ndarray, Ten]] = field(default_factory=dict)
    arrays: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def fresh(self, base: str) -> str:
        """A name that no tensor has yet."""
        name, k = base, 0
        while name in self.names or name in self.net.graph.shapes:
            k += 1
            name = f"{base}_{k}"
        self.names.add(name)
        return name

    def tensor(self, value: Value, node: OnnxNode) -> Ten:
        """The value as a tensor of the network; makes the node that it stands for."""
        if isinstance(value, Ten):
            return value
        if isinstance(value, Const):
            return self.constant(value.array, node)
        if isinstance(value, (Stat, Squeezed)):
            if isinstance(value, Squeezed) or value.kind != "mean":
                node.unsupported("it reads a part of a normalization; use LayerNormalization as one operator")
            return self.mean(value.source, node)
        if value.made is None:
            value.made = Ten(self._function(value), value.full)
        return value.made

    def constant(self, array: np.ndarray, node: OnnxNode, full: Shape | None = None) -> Ten:
        """A constant tensor; one array makes one node."""
        full = tuple(array.shape) if full is None else full
        known = self.constants.get(id(array))
        if known is None or known[1].full != full:
            if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
                node.unsupported("it reads constants that are no finite numbers (a mask); export without them")
            name = self.fresh(f"{node.label}.constant")
            self.net.constant(array.reshape(ours(full)), name)
            self.constants[id(array)] = known = array, Ten(name, full)
        return known[1]

    def weight(self, array: np.ndarray, order: tuple[int, ...] | None = None) -> np.ndarray:
        """float32 weights, axes reordered; the same object for the same array, so that it stays one weight."""
        if id(array) not in self.arrays:
            made = np.ascontiguousarray((array if order is None else array.transpose(order)).astype(np.float32))
            self.arrays[id(array)] = array, made
        return self.arrays[id(array)][1]

    def reshaped(self, x: Ten, full: Shape, node: OnnxNode) -> Ten:
        """x under another shape of the file."""
        if ours(full) == x.ours:
            return Ten(x.name, tuple(full))
        return Ten(self.net.reshape(x.name, ours(full), self.fresh(node.label)), tuple(full))

    def transposed(self, x: Ten, perm: tuple[int, ...], node: OnnxNode) -> Ten:
        """Axes of one move for free; what is left is a transpose of the others."""
        full = tuple(x.full[p] for p in perm)
        kept = [p for p in perm if x.full[p] > 1]
        rank = {p: i for i, p in enumerate(sorted(kept))}
        order = tuple(rank[p] for p in kept)
        if order == tuple(range(len(order))):
            return self.reshaped(x, full, node)
        if x.full[0] == 1 and perm[0] == 0:
            name = self.net.transpose(x.name, tuple(p - 1 for p in perm[1:]), self.fresh(node.label))
            return Ten(name, full)
        squeezed = self.reshaped(x, (1, *(n for n in x.full if n > 1)), node)
        name = self.net.transpose(squeezed.name, order, self.fresh(node.label))
        return self.reshaped(Ten(name, (1, *(x.full[p] for p in kept))), full, node)

    def mean(self, x: Ten, node: OnnxNode, axes: tuple[int, ...] = (-1,), keep: bool = True, largest=False) -> Ten:
        """The mean (or the largest value) over some axes of the file's shape."""
        rank = len(x.full)
        axes = {a % rank for a in axes}
        if 0 in axes and x.full[0] > 1:
            node.unsupported("it reduces the batch axis; keep the batch")
        kept = [i for i in range(rank) if i not in axes]
        rows = x
        if kept != [0, 1] or x.full[0] != 1 or rank > 4:
            rows = self.transposed(x, (*kept, *sorted(axes)), node)
            rows = self.reshaped(rows, (1, prod(x.full[i] for i in kept), prod(x.full[i] for i in axes)), node)
        name = self.fresh(node.label)
        _ = self.net.maxpool(rows.name, rows.ours[1:], name) if largest else self.net.avgpool(rows.name, name)
        full = tuple(1 if i in axes else n for i, n in enumerate(x.full) if keep or i not in axes)
        return self.reshaped(Ten(name, (1, *self.net.shape(name))), full, node)

    def _function(self, value: Fn) -> str:
        x, name = value.source.name, self.fresh(value.label)
        if value.line:
            return self.net.affine(x, *value.line, name)
        if value.clip == (0.0, np.inf):
            return self.net.table(x, "relu", name)
        if value.clip:
            return self.net.clip(x, *value.clip, name)
        return self.net.table(x, value.fn, name)
