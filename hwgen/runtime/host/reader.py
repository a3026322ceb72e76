"""A host program's JSON, read without trust: every entry typed and bounded, every array used, nothing left over."""

from __future__ import annotations

import numpy as np

from hwgen.runtime.fields import Complain, Fields
from hwgen.runtime.layout import is_int

INT32 = (-(1 << 31), (1 << 31) - 1)


class Arrays:
    """The program's integer arrays, by name; each must be used."""

    def __init__(self, arrays: object, where: str, complain: Complain) -> None:
        self.where, self.complain = where, complain
        if not isinstance(arrays, dict) or not all(map(_is_integers, arrays.values())):
            raise complain(where, "must come with integer arrays by name, none of them empty")
        self._arrays, self._used = arrays, set()

    def take(self, name: object, where: str) -> np.ndarray:
        """The array of that name."""
        if not isinstance(name, str) or name not in self._arrays:
            raise self.complain(where, f"must name an array of the program, is {name!r:.80}")
        self._used.add(name)
        return self._arrays[name]

    def done(self) -> None:
        """Complain about arrays that no node took."""
        if left := sorted(map(str, set(self._arrays) - self._used)):
            raise self.complain(self.where, f"comes with the array {left[0]!r:.80}, which no node reads")


class Entry(Fields):
    """An object of the program; the entries that are asked for are those that it may have."""

    def __init__(self, value: object, where: str, arrays: Arrays) -> None:
        super().__init__(value, where, arrays.complain)
        self.arrays, self._asked = arrays, set()

    def get(self, key: str) -> object:
        self._asked.add(key)
        return super().get(key)

    def done(self) -> None:
        """Complain about entries that nobody asked for."""
        if left := sorted(map(str, set(self.value) - self._asked)):
            raise self.fault(f"has an unknown key {left[0]!r:.80}")

    def fault(self, reason: str) -> Exception:
        """The exception to raise for this object."""
        return self.complain(self.where, reason)

    def names(self, key: str, most: int, least: int = 1) -> list[str]:
        """A list of printable strings."""
        names = self.get(key)
        good = isinstance(names, list) and least <= len(names) <= most
        self.need(key, good, f"a list of {least} to {most} names")
        for i, name in enumerate(names):
            Fields({"name": name}, f"{self.path(key)}[{i}]", self.complain).text("name")
        return names

    def flag(self, key: str) -> bool:
        """true or false."""
        value = self.get(key)
        self.need(key, isinstance(value, bool), "true or false")
        return value

    def integers(self, key: str, count: int, lowest: int, highest: int) -> tuple[int, ...]:
        """So many integers within bounds, both included."""
        value = self.get(key)
        good = isinstance(value, list) and len(value) == count
        good = good and all(is_int(v) and lowest <= v <= highest for v in value)
        self.need(key, good, f"a list of {count} integers from {lowest} to {highest}")
        return tuple(value)

    def clamp(self) -> tuple[int, int]:
        """`lo` and `hi`, both within 32 bits."""
        lo = self.integer("lo", *INT32)
        return lo, self.integer("hi", lo, INT32[1])

    def weight(self, key: str, ndim: int) -> np.ndarray:
        """The array that the entry names: int8, of so many axes."""
        array = self.arrays.take(self.get(key), self.path(key))
        if array.ndim != ndim or array.dtype != np.int8:
            raise self.complain(self.path(key), f"must be int8 with {ndim} axes, is {array.dtype} {array.shape}")
        return array

    def table(self, key: str, lowest: int, highest: int) -> np.ndarray:
        """The array that the entry names: 256 integers within bounds, as int64."""
        return self._array(self.get(key), self.path(key), 256, lowest, highest)

    def integers_array(self, key: str, lowest: int, highest: int) -> np.ndarray:
        """The array that the entry names, of any shape: integers within bounds, as int64."""
        array = self.arrays.take(self.get(key), self.path(key))
        self._check_bounds(array, self.path(key), lowest, highest)
        return array.astype(np.int64)

    def parameter(self, key: str, channels: int, lowest: int, highest: int) -> np.ndarray:
        """A number for all channels, or the name of an array with one for each: int64, 0-d or [channels]."""
        return self._parameter(self.get(key), self.path(key), channels, lowest, highest)

    def parameters(self, key: str, channels: int, limits: tuple[int, ...]) -> list[np.ndarray]:
        """A list of such parameters, the magnitude of each below its limit."""
        values, path = self.get(key), self.path(key)
        self.need(key, isinstance(values, list) and len(values) == len(limits), f"a list of {len(limits)}")
        pairs = enumerate(zip(values, limits, strict=True))
        return [self._parameter(v, f"{path}[{i}]", channels, 1 - limit, limit - 1) for i, (v, limit) in pairs]

    def _parameter(self, value: object, where: str, channels: int, lowest: int, highest: int) -> np.ndarray:
        if is_int(value):
            if not lowest <= value <= highest:
                raise self.complain(where, f"must be from {lowest} to {highest}, is {value!r:.80}")
            return np.array(value, np.int64)
        return self._array(value, where, channels, lowest, highest)

    def _array(self, name: object, where: str, count: int, lowest: int, highest: int) -> np.ndarray:
        array = self.arrays.take(name, where)
        if array.shape != (count,):
            raise self.complain(where, f"must be a number or {count} integers, is an array of shape {array.shape}")
        self._check_bounds(array, where, lowest, highest)
        return array.astype(np.int64)

    def _check_bounds(self, array: np.ndarray, where: str, lowest: int, highest: int) -> None:
        low, high = int(array.min()), int(array.max())
        if low < lowest or high > highest:
            raise self.complain(where, f"must be from {lowest} to {highest}, reaches {low if low < lowest else high}")


def _is_integers(array: object) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "iu" and array.size > 0
