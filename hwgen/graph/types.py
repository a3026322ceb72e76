"""What a tensor of the integer graph is: a shape, an integer type and a scale.

A tensor holds integers; its real value is ``integer * scale``. Shapes are in ONNX order (channels first) and leave out
the batch axis, which is always first when a graph is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ACC_BITS = 32
"""Width of accumulators and of "wide" outputs, in bits (signed)."""


@dataclass(frozen=True)
class IntType:
    """A two's complement (or unsigned) integer type.

    bits: 2 to 8 for activations, 32 for accumulators and wide outputs. Quantizers that leave out the lowest value
    ("narrow") have the same type; their ``lo`` is a clamp bound of the node that makes the tensor.
    """

    bits: int
    signed: bool = True

    @property
    def lo(self) -> int:
        """Smallest value of the type."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest value of the type."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def is_wide(self) -> bool:
        """True for accumulators and wide outputs, which only Requantize can read."""
        return self.bits > 8

    @property
    def numpy(self) -> np.dtype:
        """The narrowest NumPy dtype that holds the type."""
        if self.is_wide:
            return np.dtype(np.int32)
        return np.dtype(np.int8 if self.signed else np.uint8)

    def bounds(self, narrow: bool = False) -> tuple[int, int]:
        """(lo, hi) of a quantizer of this type; narrow as in QONNX: no lowest value if signed, no highest if not."""
        if not narrow:
            return self.lo, self.hi
        return (self.lo + 1, self.hi) if self.signed else (self.lo, self.hi - 1)

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.bits}"


ACC = IntType(ACC_BITS, True)


@dataclass
class Tensor:
    """One edge of the graph.

    name: unique in the graph. shape: without batch. dtype: see IntType.
    scale: real value of one step; a float, or (wide tensors only) a float64 array with one entry per channel.
    channel_axis: the axis of ``shape`` that a per-channel scale runs along (negative counts from the end).
    narrow: (graph inputs only) the quantizer leaves out one value: the lowest if signed, the highest if unsigned.
    """

    name: str
    shape: tuple[int, ...]
    dtype: IntType
    scale: float | np.ndarray = field(default=1.0)
    channel_axis: int = -1
    narrow: bool = False

    @property
    def size(self) -> int:
        """Number of elements, without batch."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def per_channel(self) -> bool:
        """True when the scale differs (or may differ) between channels."""
        return isinstance(self.scale, np.ndarray) and self.scale.ndim > 0

    def scale_array(self) -> np.ndarray:
        """The scale as float64, shaped so that it broadcasts against the tensor (with or without batch)."""
        return along_axis(np.asarray(self.scale, np.float64), len(self.shape), self.channel_axis)


def along_axis(values: np.ndarray, ndim: int, axis: int) -> np.ndarray:
    """Shape a scalar or 1-D array so that it broadcasts along ``axis`` of a tensor with ``ndim`` axes (no batch).

    The result has at most ``ndim`` axes, so it broadcasts against the batched tensor too.
    """
    values = np.asarray(values)
    if values.ndim == 0 or values.size == 1:
        return values.reshape(())
    axis = axis % ndim
    return values.reshape((-1,) + (1,) * (ndim - axis - 1))
