"""Between the caller's arrays and a DMA buffer: checks, quantization, scaling. Everything is precomputed; a call
allocates nothing but the results that it hands out.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime.checks import as_array, check_out, check_shape
from hwgen.runtime.errors import InputFault
from hwgen.runtime.layout import TensorSpec, planar_to_int32
from hwgen.runtime.quantize import Quantizer


class Packer:
    """Writes one input into its view of a DMA buffer."""

    def __init__(self, spec: TensorSpec, buffer: np.ndarray) -> None:
        self.spec, self.view = spec, spec.view(buffer)
        self._what = f"input '{spec.name}'"
        self._quantize = Quantizer(self._what, spec.shape, float(spec.scale.reshape(-1)[0]), spec.lo, spec.hi)
        info = np.iinfo(spec.dtype)
        self._whole_range = (spec.lo, spec.hi) == (info.min, info.max)

    def real(self, value: object) -> None:
        """Quantize a float array in real units. Raises InputFault for a wrong dtype or shape, NaN or infinity."""
        x = as_array(self._what, value)
        check_shape(self._what, x, self.spec.shape)
        if x.dtype.kind != "f" or x.dtype.itemsize > 8:
            raise InputFault(
                f"{self._what} has dtype {x.dtype}; give float32 in real units, "
                f"or raw=True with {self.spec.dtype} integers"
            )
        self._quantize.check_finite(x)
        self._quantize(x, self.view)

    def raw(self, value: object) -> None:
        """Copy integers. Raises InputFault for a wrong dtype or shape or a value outside the tensor's range."""
        x = as_array(self._what, value)
        check_shape("raw " + self._what, x, self.spec.shape)
        if x.dtype.kind not in "iu":
            raise InputFault(f"raw {self._what} has dtype {x.dtype}; give {self.spec.dtype} integers, or raw=False")
        if not (self._whole_range and x.dtype == self.spec.dtype) and x.size:
            low, high = int(x.min()), int(x.max())
            if low < self.spec.lo or high > self.spec.hi:
                raise InputFault(
                    f"raw {self._what} holds {low if low < self.spec.lo else high}, outside "
                    f"{self.spec.lo}..{self.spec.hi}; clamp it, or give real units with raw=False"
                )
        np.copyto(self.view, x, casting="unsafe")


class Unpacker:
    """Reads one output from its view of a DMA buffer."""

    def __init__(self, spec: TensorSpec, buffer: np.ndarray) -> None:
        self.spec, self.view = spec, spec.view(buffer)
        self._dtypes = {False: np.dtype("f4"), True: spec.dtype}

    def integers(self) -> np.ndarray:
        """The integers: a view of the buffer, of a planar tensor a copy."""
        if not self.spec.planar:
            return self.view
        return self.spec.arranged(planar_to_int32(self.view, self.spec.channels))

    def __call__(self, raw: bool, out: np.ndarray | None) -> np.ndarray:
        """Integers (`raw`) or float32 in real units, in `out` where given, else in a new array."""
        if out is None:
            out = np.empty(self.spec.shape, self._dtypes[raw])
        if raw:
            np.copyto(out, self.integers())
        else:  # in float64, rounded once
            np.multiply(self.integers(), self.spec.scale, out=out, casting="same_kind")
        return out

    def check(self, raw: bool, out: object) -> None:
        """Raise InputFault where `out` cannot take this output."""
        check_out(f"out['{self.spec.name}']", out, self._dtypes[raw], self.spec.shape)
