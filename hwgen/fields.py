"""Taking the fields of a TOML file one by one, so that everything that is wrong with it can be told at once.

A board is written by hand, so all faults count; a package is written by a program, so `hwgen.runtime.fields`, of the
same purpose, stops at the first one, and brings numpy.
"""

import re
from collections.abc import Iterable

from hwgen.errors import InputError

PRINTABLE = r"[^\x00-\x1f\x7f]+"
LARGEST = 2**63 - 1  # the largest whole number that TOML promises


class Fields:
    """Fields by dotted name, each taken at most once: a misspelt one is left over and can be named.

    A method that finds a wrong value notes it and returns one of the right kind; `finish` raises all that was noted.
    """

    def __init__(self, file: str, data: dict) -> None:
        self._file, self._left, self._faults = file, data, []

    def text(self, name: str, form: str = PRINTABLE) -> str:
        """A text that ``form`` matches as a whole."""
        wanted = "a text" if form == PRINTABLE else f"a text of the form {form}"
        return self._take(name, lambda value: isinstance(value, str) and re.fullmatch(form, value), wanted, "")

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the texts in ``choices``."""
        return self._take(
            name, lambda value: isinstance(value, str) and value in choices, _one_of(choices), choices[0]
        )  # fmt: skip

    def number(self, name: str, low: float, high: float) -> float:
        """A number from ``low`` to ``high``."""
        wanted = f"a number from {low:g} to {high:g}"
        return float(self._take(name, lambda value: _is(value, (int, float)) and low <= value <= high, wanted, low))

    def whole(self, name: str, low: int = 0, high: int = LARGEST) -> int:
        """A whole number from ``low`` to ``high``."""
        wanted = f"a whole number, at least {low}" + (f" and at most {high}" if high < LARGEST else "")
        return self._take(name, lambda value: _is(value, int) and low <= value <= high, wanted, low)

    def pairs(self, name: str) -> list[tuple[int, int]]:
        """A list of at least one pair [from 0, from 1] of whole numbers."""

        def good(value: object) -> bool:
            return isinstance(value, list) and len(value) > 0 and all(map(pair, value))

        def pair(value: object) -> bool:
            if not isinstance(value, list) or len(value) != 2 or not all(_is(item, int) for item in value):
                return False
            return 0 <= value[0] < 2**63 and 1 <= value[1] < 2**63

        return [tuple(item) for item in self._take(name, good, "a list of pairs [address, bytes]", [])]

    def table(self, name: str, keys: Iterable[str]) -> dict[str, int]:
        """A table that gives some of ``keys`` a whole number, in the order of the file."""
        known = tuple(keys)
        wanted = f"a table with at least one of {', '.join(known)}"
        value = self._take(name, lambda value: isinstance(value, dict) and len(value) > 0, wanted, {})
        for key, item in value.items():
            if key not in known:
                self._note(f"field {name}.{key} is unknown; known are {', '.join(known)}")
            elif not _is(item, int):
                self.wrong(f"{name}.{key}", item, "a whole number")
        return value

    def nothing_left(self) -> None:
        """Note every field that nobody took."""
        for name in _names(self._left):
            self._note(f"field {name} is unknown; remove it or correct its name")

    def wrong(self, name: str, value: object, wanted: str) -> None:
        """Note that a field should be something else."""
        self._note(f"field {name} is {value!r}; it should be {wanted}")

    def finish(self) -> None:
        """Raise `InputError` with all that was noted."""
        if self._faults:
            raise InputError(f"{self._file}: {'; '.join(self._faults)}")

    def _note(self, fault: str) -> None:
        self._faults.append(fault)

    def _take(self, name: str, good, wanted: str, otherwise):
        table, (*parents, last) = self._left, name.split(".")
        for parent in parents:
            table = table.get(parent) if isinstance(table, dict) else None
        if not isinstance(table, dict) or last not in table:
            self._note(f"field {name} is missing; it should be {wanted}")
            return otherwise
        value = table.pop(last)
        if good(value):
            return value
        self.wrong(name, value, wanted)
        return otherwise


def _one_of(choices: tuple[str, ...]) -> str:
    return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _names(data: dict, prefix: str = "") -> Iterable[str]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
