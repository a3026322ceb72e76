"""Numbers moved and not changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph import ops
from hwgen.graph.node import Shape
from hwgen.quantize.float_ops.node import Float


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
