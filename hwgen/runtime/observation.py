"""What a robot observes as integer tensors: one reader for each observation of a policy. Each checks what it is given
and raises InputFault that names it; what it returns is valid until its next call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.runtime.checks import as_array, check_shape
from hwgen.runtime.errors import InputFault
from hwgen.runtime.policy_spec import ObservationSpec, PolicyTensor
from hwgen.runtime.quantize import Quantizer

Reader = Callable[[object], np.ndarray]
Encoder = Callable[[str], np.ndarray]
_KINDS = (np.dtype("i1"), np.dtype("u1"), np.dtype("i2"), np.dtype("i4"))


def reader(o: ObservationSpec, encoder: Encoder | None) -> Reader:
    """The reader of one observation; `encoder` of a text: str -> float32 [*tensor.shape]."""
    if o.kind == "text":
        return TextReader(o, encoder)
    return ImageReader(o) if o.kind == "image" else VectorReader(o)


def narrowest(tensor: PolicyTensor) -> np.dtype:
    """The smallest dtype that holds the tensor's range."""
    return next(k for k in _KINDS if np.iinfo(k).min <= tensor.lo and tensor.hi <= np.iinfo(k).max)


class ImageReader:
    """uint8 [*shape] -> the same memory with its axes turned: nothing is copied."""

    def __init__(self, o: ObservationSpec) -> None:
        self._what, self._shape, self._axes = f"observation '{o.name}'", o.shape, o.axes

    def __call__(self, value: object) -> np.ndarray:
        x = as_array(self._what, value)
        check_shape(self._what, x, self._shape)
        if x.dtype != np.uint8:
            raise InputFault(f"{self._what} has dtype {x.dtype}; give uint8, 0 to 255, as a camera does")
        return x.transpose(self._axes)


class VectorReader:
    """float32 [*shape] in the observation's unit -> (x - mean) / std, quantized."""

    def __init__(self, o: ObservationSpec) -> None:
        self._what, self._spec = f"observation '{o.name}'", o
        self._quantize = _quantizer(self._what, o)
        self._work = np.empty(o.shape, np.float32)
        self._integers = np.empty(o.shape, narrowest(o.tensor))

    def __call__(self, value: object) -> np.ndarray:
        x, o, work = as_array(self._what, value), self._spec, self._work
        check_shape(self._what, x, o.shape)
        if x.dtype.kind != "f":
            raise InputFault(f"{self._what} has dtype {x.dtype}; give float32 in {o.unit or 'real units'}")
        with np.errstate(over="ignore"):
            np.copyto(work, x, casting="same_kind")
            self._quantize.check_finite(work)
            np.subtract(work, o.mean, out=work)  # what overflows here saturates like the rest
            np.divide(work, o.std, out=work)
        self._quantize(work, self._integers)
        return self._integers


class TextReader:
    """A str -> the encoder's vector, quantized. The encoder bounds the length and keeps the latest."""

    def __init__(self, o: ObservationSpec, encoder: Encoder) -> None:
        self._encoder, self._quantize = encoder, _quantizer(f"observation '{o.name}'", o)
        self._integers = np.empty(o.tensor.shape, narrowest(o.tensor))

    def __call__(self, value: object) -> np.ndarray:
        real = self._encoder(value)
        self._quantize.check_finite(real)
        self._quantize(real, self._integers)
        return self._integers


def _quantizer(what: str, o: ObservationSpec) -> Quantizer:
    return Quantizer(what, o.tensor.shape, float(o.tensor.scale.reshape(-1)[0]), o.tensor.lo, o.tensor.hi)
