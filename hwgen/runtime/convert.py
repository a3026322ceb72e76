"""Between the caller's arrays and a DMA buffer: checks, quantization, scaling. Everything is precomputed; a call
allocates nothing.

Quantization is golden's: round half to even of x / scale in the dtype of x (float32 or float64), then saturation.
Dividing by a power of two equals multiplying by its reciprocal, which is exact and faster.
"""

from __future__ import annotations

import math

import numpy as np

from hwgen.runtime.errors import InputFault
from hwgen.runtime.layout import TensorSpec, planar_to_int32


class Packer:
    """Writes one input into its view of a DMA buffer."""

    def __init__(self, spec: TensorSpec, buffer: np.ndarray) -> None:
        self.spec, self.view = spec, spec.view(buffer)
        scale = float(spec.scale.reshape(-1)[0])
        exact = math.frexp(scale)[0] == 0.5 and 2.0**-120 < scale < 2.0**120
        self._op = np.multiply if exact else np.divide
        self._finite = np.empty(spec.shape, bool)
        self._work = {np.dtype(t): self._constants(np.dtype(t), 1.0 / scale if exact else scale) for t in ("f4", "f8")}
        info = np.iinfo(spec.dtype)
        self._whole_range = (spec.lo, spec.hi) == (info.min, info.max)

    def _constants(self, dtype: np.dtype, factor: float) -> tuple:
        spec = self.spec
        return np.empty(spec.shape, dtype), dtype.type(factor), dtype.type(spec.lo), dtype.type(spec.hi)

    def real(self, value: object) -> None:
        """Quantize a float array in real units. Raises InputFault for a wrong dtype or shape, NaN or infinity."""
        x = value if isinstance(value, np.ndarray) else np.asarray(value)
        if x.shape != self.spec.shape:
            raise self._bad_shape(x)
        if x.dtype.kind != "f" or x.dtype.itemsize > 8:
            raise InputFault(
                f"input '{self.spec.name}' has dtype {x.dtype}; give float32 in real units, "
                f"or raw=True with {self.spec.dtype} integers"
            )
        np.isfinite(x, out=self._finite)
        if not self._finite.all():
            raise self._not_finite(x)
        work, factor, lo, hi = self._work.get(x.dtype) or self._work[np.dtype("f4")]
        if x.dtype != work.dtype:  # float16, or a foreign byte order
            work[...] = x
            x = work
        with np.errstate(over="ignore"):  # an infinite quotient saturates like any other
            self._op(x, factor, out=work)
        np.rint(work, out=work)
        np.maximum(work, lo, out=work)
        np.minimum(work, hi, out=work)
        np.copyto(self.view, work, casting="unsafe")

    def raw(self, value: object) -> None:
        """Copy integers. Raises InputFault for a wrong dtype or shape or a value outside the tensor's range."""
        x = value if isinstance(value, np.ndarray) else np.asarray(value)
        if x.shape != self.spec.shape:
            raise self._bad_shape(x)
        if x.dtype.kind not in "iu":
            raise InputFault(
                f"raw input '{self.spec.name}' has dtype {x.dtype}; give {self.spec.dtype} integers, or raw=False"
            )
        if not (self._whole_range and x.dtype == self.spec.dtype) and x.size:
            low, high = int(x.min()), int(x.max())
            if low < self.spec.lo or high > self.spec.hi:
                raise InputFault(
                    f"raw input '{self.spec.name}' holds {low if low < self.spec.lo else high}, outside "
                    f"{self.spec.lo}..{self.spec.hi}; clamp it, or give real units with raw=False"
                )
        np.copyto(self.view, x, casting="unsafe")

    def _bad_shape(self, x: np.ndarray) -> InputFault:
        hint = "; drop the batch axis" if x.shape[:1] == (1,) and x.shape[1:] == self.spec.shape else ""
        return InputFault(
            f"input '{self.spec.name}' has shape {x.shape}; this accelerator takes {self.spec.shape}{hint}"
        )

    def _not_finite(self, x: np.ndarray) -> InputFault:
        at = tuple(int(i) for i in np.argwhere(~self._finite)[0])
        return InputFault(
            f"input '{self.spec.name}' is {x[at]} at {at}; real inputs must be finite: "
            "check the sensor or the normalization before it"
        )


class Unpacker:
    """Reads one output from its view of a DMA buffer."""

    def __init__(self, spec: TensorSpec, buffer: np.ndarray) -> None:
        self.spec, self.view = spec, spec.view(buffer)
        self._dtypes = {False: np.dtype("f4"), True: spec.dtype}

    def integers(self) -> np.ndarray:
        """The integers: a view of the buffer, of a planar tensor a copy."""
        if not self.spec.planar:
            return self.view
        return planar_to_int32(self.view, self.spec.shape[-1]).reshape(self.spec.shape)

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
        want = self._dtypes[raw]
        if (
            not isinstance(out, np.ndarray)
            or out.dtype != want
            or out.shape != self.spec.shape
            or not out.flags.writeable
        ):
            what = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise InputFault(
                f"out['{self.spec.name}'] is {what}; give a writeable {want} array of shape {self.spec.shape}"
            )
