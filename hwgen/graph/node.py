"""What every operator of the integer graph is, and how shapes follow from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
