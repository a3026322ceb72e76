"""Networks that robots use, with their real shapes and random weights: `zoo:NAME` anywhere a graph goes.

zoo:tdmpc                        as it is known
zoo:tdmpc-small                  the same topology, small enough to simulate its RTL
zoo:oft-l1-head,width=1024,bits=4    with other sizes, or weights of 2, 3 or 4 bits
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwgen.errors import InputError
from hwgen.policies.zoo.catalogue import ENTRIES, SMALL, Entry, Size

if TYPE_CHECKING:
    from hwgen.graph import Graph

PREFIX = "zoo:"
WEIGHT_BITS = (2, 3, 4, 8)
LARGEST = 8
"""A parameter is at most so many times that of the full size."""


@dataclass(frozen=True)
class Choice:
    """What a name and its parameters stand for. size: full or small, before `given` changed it."""

    entry: Entry
    size: Size
    bits: int
    given: dict[str, int | str]

    @property
    def name(self) -> str:
        """Entry and size, without parameters."""
        return self.entry.name + (SMALL if self.size is self.entry.small else "")

    def build(self) -> Graph:
        """The graph. Raises HwgenError where the parameters do not fit together."""
        return self._function()(self.name, self.bits, **self.given)

    def describe(self) -> str:
        """What the network is and where its shapes are from."""
        return inspect.getdoc(self._function())

    def _function(self) -> Callable[..., Graph]:
        return importlib.import_module(f"hwgen.policies.zoo.{self.entry.module}").build


def is_name(text: str) -> bool:
    """True of `zoo:NAME`, known or not."""
    return text.startswith(PREFIX)


def find(text: str) -> Choice:
    """The entry that `zoo:NAME,parameter=value` (or without `zoo:`) stands for. Raises InputError for what is unknown,
    with what comes close."""
    name, *parameters = text.removeprefix(PREFIX).split(",")
    sizes = {e.name: (e, e.full) for e in ENTRIES} | {e.name + SMALL: (e, e.small) for e in ENTRIES}
    if name not in sizes:
        names = ", ".join(entry.name for entry in ENTRIES)
        raise InputError(
            f"the zoo has no {name!r}{_near(name, sizes)}; `hwgen zoo` lists what it has: {names}; each also small, as "
            f"{ENTRIES[0].name}{SMALL}"
        )
    entry, size = sizes[name]
    given, bits = dict(size.given), entry.bits
    for parameter in parameters:
        key, value = _parameter(entry, parameter)
        bits, given = (value, given) if key == "bits" else (bits, given | {key: value})
    return Choice(entry, size, bits, given)


def graph(text: str) -> Graph:
    """The graph of `zoo:NAME`, built. Raises HwgenError."""
    return find(text).build()


def save(text: str, folder: Path) -> Path:
    """Write the graph of `zoo:NAME` as QONNX into `folder`; returns the file. Raises HwgenError."""
    from hwgen.graph import qonnx_out

    chosen = find(text)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{chosen.name}.onnx"
    qonnx_out.save(chosen.build(), file)
    return file


def _parameter(entry: Entry, text: str) -> tuple[str, int]:
    """(name, value) of `name=value`."""
    known = {"bits": entry.bits} | {k: v for k, v in entry.full.given.items() if isinstance(v, int) and v}
    key, _, number = text.partition("=")
    if key not in known:
        raise InputError(
            f"{PREFIX}{entry.name} has no parameter {key!r}{_near(key, known)}; it has {', '.join(known)}, as in "
            f"{PREFIX}{entry.name},bits=4"
        )
    if not re.fullmatch(r"[0-9]{1,9}", number):
        raise InputError(f"{PREFIX}{entry.name}: {key} is {number!r}; give a whole number, as in {key}={known[key]}")
    value = int(number)
    if key == "bits" and value not in WEIGHT_BITS:
        raise InputError(f"{PREFIX}{entry.name}: weights of {value} bits; 2, 3, 4 and 8 are possible")
    if not 1 <= value <= LARGEST * known[key]:
        raise InputError(f"{PREFIX}{entry.name}: {key} is {value}; it must be within 1 and {LARGEST * known[key]}")
    return key, value


def _near(name: str, known) -> str:
    """A hint at what was meant."""
    close = difflib.get_close_matches(name, known, 3, 0.5) or [k for k in known if name and k.startswith(name)][:3]
    return f" (did you mean {' or '.join(close)}?)" if close else ""
