"""Real values to integers as golden's Quant does it: round half to even of x / scale in the dtype of x (float32 or
float64), then saturation. A call allocates nothing.

Dividing by a power of two equals multiplying by its reciprocal, which is exact and faster. Taking a large frame in
pieces that fit a cache was measured and gained nothing over whole passes.
"""

from __future__ import annotations

import math

import numpy as np

from hwgen.runtime.errors import InputFault


class Quantizer:
    """Quantizes arrays of one shape. what: "input 'x'", for messages; scale: one positive number; lo, hi: the range of
    the integers."""

    def __init__(self, what: str, shape: tuple[int, ...], scale: float, lo: int, hi: int) -> None:
        self.what, self.shape = what, shape
        exact = math.frexp(scale)[0] == 0.5 and 2.0**-120 < scale < 2.0**120
        self._op, factor = (np.multiply, 1.0 / scale) if exact else (np.divide, scale)
        kinds = (np.dtype("f4"), np.dtype("f8"))
        self._work = {t: (np.empty(shape, t), t.type(factor), _inside(lo, t), _inside(hi, t)) for t in kinds}
        self._finite = np.empty(shape, bool)

    def check_finite(self, x: np.ndarray) -> None:
        """Raise InputFault naming the first NaN or infinity."""
        np.isfinite(x, out=self._finite)
        if not self._finite.all():
            at = tuple(int(i) for i in np.argwhere(~self._finite)[0])
            raise InputFault(
                f"{self.what} is {x[at]} at {at}; real inputs must be finite: "
                "check the sensor or the normalization before it"
            )

    def __call__(self, x: np.ndarray, target: np.ndarray) -> None:
        """Write the integers of `x` (the shape, a float dtype, no NaN) into `target`."""
        work, factor, lo, hi = self._work.get(x.dtype) or self._work[np.dtype("f8" if x.dtype.itemsize == 8 else "f4")]
        if x.dtype != work.dtype:  # float16, or a foreign byte order
            work[...] = x
            x = work
        with np.errstate(over="ignore"):  # an infinite quotient saturates like any other
            self._op(x, factor, out=work)
        np.rint(work, out=work)
        work.clip(lo, hi, out=work)
        np.copyto(target, work, casting="unsafe")


def _inside(limit: int, dtype: np.dtype) -> np.floating:
    """The limit as a float, one step nearer to zero where rounding would have left the range (2**31 - 1)."""
    value = dtype.type(limit)
    return value if abs(int(value)) <= abs(limit) else np.nextafter(value, dtype.type(0))
