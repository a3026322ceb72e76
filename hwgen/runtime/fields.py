"""JSON objects from outside, checked field by field; the error names the field, what it must be and what it is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from hwgen.runtime.layout import is_int

Complain = Callable[[str, str], Exception]
"""(where, reason) -> the exception to raise."""
_MAX_DIGITS = 1000
_MAX_DIMS, _MAX_ELEMENTS = 8, 1 << 28


def parse_object(text: bytes) -> dict:
    """A JSON object from bytes. Raises ValueError: not UTF-8 or JSON, NaN or infinity, a key that occurs twice, numbers
    of absurd length, too deep, not an object."""

    def unique(pairs: list[tuple[str, object]]) -> dict:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ValueError("a key occurs twice")
        return out

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    def integer(digits: str) -> int:  # Python 3.10 takes minutes for a million digits
        if len(digits) > _MAX_DIGITS:
            raise ValueError(f"a number of {len(digits)} digits")
        return int(digits)

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse, parse_int=integer)
    except (RecursionError, MemoryError) as error:
        raise ValueError(type(error).__name__) from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def is_number(value: object) -> bool:
    """True for a finite int or float that a float32 holds too; not for a bool."""
    if not (isinstance(value, float) or is_int(value)):
        return False
    return abs(value) < 2.0**127 and math.isfinite(value)


class Fields:
    """One object: `Fields(value, "policy.action", complain)`. Every method returns the checked value of a key."""

    def __init__(self, value: object, where: str, complain: Complain, known: Sequence[str] | None = None) -> None:
        """`known`: the keys that may occur; None for any."""
        self.where, self.complain = where, complain
        if not isinstance(value, dict):
            raise complain(where, f"must be an object, is {value!r:.80}")
        self.value = value
        if known is not None and (unknown := sorted(set(value) - set(known))):
            raise complain(where, f"has an unknown key {unknown[0]!r:.80}")

    def get(self, key: str) -> object:
        """The value of a key as it is, None where it is absent."""
        return self.value.get(key)

    def path(self, key: str) -> str:
        """The name of a key in messages."""
        return f"{self.where}.{key}" if self.where else key

    def need(self, key: str, ok: object, what: str) -> None:
        """Raise unless `ok`."""
        if not ok:
            raise self.complain(self.path(key), f"must be {what}, is {self.get(key)!r:.80}")

    def text(self, key: str, lowest: int = 1) -> str:
        """A printable string of at most 200 characters."""
        value = self.get(key)
        good = isinstance(value, str) and lowest <= len(value) <= 200 and (not value or value.isprintable())
        self.need(key, good, f"a printable string of {lowest} to 200 characters")
        return value

    def choice(self, key: str, allowed: Sequence[str], why: str = "") -> str:
        """One of these strings."""
        value = self.get(key)
        self.need(key, isinstance(value, str) and value in allowed, f"one of {', '.join(allowed)}{why}")
        return value

    def integer(self, key: str, lowest: int, highest: int) -> int:
        """An integer within bounds, both included."""
        value = self.get(key)
        self.need(key, is_int(value) and lowest <= value <= highest, f"an integer from {lowest} to {highest}")
        return value

    def number(self, key: str, above: float, most: float, what: str = "a number") -> float:
        """A number above one bound and up to the other."""
        value = self.get(key)
        self.need(key, is_number(value) and above < value <= most, f"{what} above {above:g}, up to {most:g}")
        return float(value)

    def shape(self, key: str) -> tuple[int, ...]:
        """At most 8 sizes, without the batch."""
        value = self.get(key)
        good = isinstance(value, list) and len(value) <= _MAX_DIMS and all(is_int(n) and n >= 1 for n in value)
        good = good and math.prod(value) <= _MAX_ELEMENTS
        self.need(key, good, f"a list of at most {_MAX_DIMS} positive sizes without the batch")
        return tuple(value)

    def axes(self, key: str, count: int) -> tuple[int, ...]:
        """An order of so many axes."""
        value = self.get(key)
        good = isinstance(value, list) and all(is_int(n) for n in value) and sorted(value) == list(range(count))
        self.need(key, good, f"an order of {count} axes")
        return tuple(value)

    def numbers(self, key: str, count: int, positive: bool = False) -> np.ndarray:
        """So many numbers, as float32; `positive`: each at least the smallest normal float32."""
        value = self.get(key)
        good = isinstance(value, list) and len(value) == count and all(is_number(v) for v in value)
        good = good and (not positive or all(v >= 2.0**-126 for v in value))
        self.need(key, good, f"a list of {count} {'positive ' if positive else ''}numbers")
        return np.array(value, np.float32)

    def texts(self, key: str, count: int) -> tuple[str, ...]:
        """So many printable strings, empty ones included."""
        value = self.get(key)
        good = isinstance(value, list) and len(value) == count
        good = good and all(isinstance(v, str) and len(v) <= 50 and (not v or v.isprintable()) for v in value)
        self.need(key, good, f"a list of {count} printable strings")
        return tuple(value)

    def matches(self, key: str, pattern: str, what: str) -> str:
        """A string of this form."""
        value = self.get(key)
        self.need(key, isinstance(value, str) and re.fullmatch(pattern, value), what)
        return value
