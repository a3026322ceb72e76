"""What a parsed program runs: calls into NumPy on buffers that exist already, and the budget they were made under."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

MAX_BYTES = 512 << 20
"""All buffers and weights of one program."""
MAX_WORK = 1 << 32
"""Multiplications of one run; each element that a call touches otherwise counts for ELEMENT of them."""
ELEMENT = 8
MAX_CALLS = 1 << 17
EXACT32, EXACT64 = 1 << 24, 1 << 51
"""Integers up to here, and all sums of them that stay up to here, are exact in float32 and float64."""


class TooLarge(Exception):
    """The program needs more memory or work than a host program may; says which."""


@dataclass(frozen=True)
class Value:
    """A tensor while the program runs: integers held in a float32 or float64 buffer, and what they can be.

    lo, hi: int64, 0-d or broadcastable against the tensor (one for each channel).
    """

    data: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Without batch."""
        return self.data.shape

    @property
    def ends(self) -> tuple[int, int]:
        """Smallest and largest integer, over all channels."""
        return int(np.min(self.lo)), int(np.max(self.hi))

    @property
    def bound(self) -> int:
        """Largest magnitude."""
        return max(map(abs, self.ends))


class Plan:
    """Grows while nodes are read: `do`, `compute` and `copy` append calls, `buffer` makes a place for a result. All of
    them raise TooLarge before anything is allocated or appended beyond the budget.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.bytes = self.work = 0

    def do(self, work: int, function: Callable, *args: object, **options: object) -> None:
        """Call function(*args, **options) in each run, which is this much work (see MAX_WORK)."""
        self.work += work
        if self.work > MAX_WORK:
            raise TooLarge(f"needs more than the {MAX_WORK} operations allowed")
        if len(self.calls) == MAX_CALLS:
            raise TooLarge(f"needs more than the {MAX_CALLS} calls allowed")
        self.calls.append(partial(function, *args, **options))

    def compute(self, function: np.ufunc, *args: object, out: np.ndarray) -> None:
        """Call a ufunc in each run, in the precision of `out` (NumPy would take that of the inputs)."""
        self.do(ELEMENT * out.size, function, *args, out=out, dtype=out.dtype)

    def copy(self, target: np.ndarray, source: np.ndarray) -> None:
        """Copy in each run."""
        self.do(ELEMENT * target.size, np.copyto, target, source)

    def buffer(self, shape: tuple[int, ...], dtype: type, fill: int | None = None) -> np.ndarray:
        """A new array for a result that each run writes."""
        count = math.prod(shape)
        self.bytes += count * np.dtype(dtype).itemsize
        if self.bytes > MAX_BYTES:
            raise TooLarge(f"needs more than the {MAX_BYTES} bytes of memory allowed")
        return np.empty(shape, dtype) if fill is None else np.full(shape, fill, dtype)

    def constant(self, array: np.ndarray, dtype: type) -> np.ndarray:
        """A parameter in the dtype that the calls compute in."""
        made = self.buffer(array.shape, dtype)
        made[...] = array
        return made

    def copied(self, view: np.ndarray) -> np.ndarray:
        """What each run copies from a view: buffers lie in row-major order without gaps, which a Reshape relies on."""
        made = self.buffer(view.shape, view.dtype)
        self.copy(made, view)
        return made

    def cast(self, x: np.ndarray, dtype: type) -> np.ndarray:
        """x in this dtype: itself, or a copy that each run makes."""
        if x.dtype == dtype:
            return x
        made = self.buffer(x.shape, dtype)
        self.copy(made, x)
        return made


def exact_float(bound: int) -> type:
    """The fastest dtype in which integers (and all sums of them) up to `bound` are exact."""
    return np.float32 if bound <= EXACT32 else np.float64


def value(data: np.ndarray, lo: int | np.ndarray, hi: int | np.ndarray) -> Value:
    """A Value; lo and hi may be plain numbers."""
    return Value(data, np.asarray(lo, np.int64), np.asarray(hi, np.int64))
