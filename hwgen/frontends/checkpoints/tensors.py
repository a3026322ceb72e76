"""The tensors that an architecture wants from a file, checked all at once: one error lists everything that is wrong."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.flax_file import is_msgpack, read_flax
from hwgen.frontends.checkpoints.safetensors_file import is_safetensors, read_safetensors
from hwgen.frontends.checkpoints.stored import FLOATS, MOST_NUMBERS, Stored
from hwgen.frontends.checkpoints.torch_file import is_torch, read_torch

Dims = tuple[int | None, ...]
"""A shape; None where any size goes, because the key that would say it is missing."""
MOST_NAMED = 200
"""Keys of one kind of defect in one message."""


class Tensors:
    """A checkpoint's tensors under the names that an architecture knows: `prefix` in front of a key is taken off.

    file: named in every error. what: the architecture, for the same.
    """

    def __init__(self, file: Path, stored: Mapping[str, Stored], what: str, prefix: str = ""):
        self.file, self.what, self.prefix = file, what, prefix
        self.stored = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}

    def size(self, *places: tuple[str, int]) -> int | None:
        """The length of a tensor's axis: of the first (key, axis) that is there, None without any (`check` tells)."""
        for key, axis in places:
            entry = self.stored.get(key)
            if entry is not None and axis < len(entry.shape):
                return entry.shape[axis]
        return None

    def count(self, prefix: str, before: str = ".", after: str = ".") -> int:
        """How many modules `prefix.0`, `prefix.1`, ... have keys, at least one; before, after: around the number."""
        start = prefix + before
        found = {key.removeprefix(start).partition(after)[0] for key in self.stored if key.startswith(start)}
        return max((int(n) + 1 for n in found if n.isdecimal() and int(n) < len(self.stored)), default=1)

    def has(self, module: str) -> bool:
        """Whether a module has keys."""
        return any(key.startswith(f"{module}.") for key in self.stored)

    def check(self, wanted: Mapping[str, Dims], ignored: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
        """The wanted tensors as float32. ignored: patterns of keys that may be there and are not used.

        Raises InputError that lists every key that is missing, of another shape or type, NaN or infinite, or extra.
        """
        problems: dict[str, list[str]] = {}
        found: dict[str, np.ndarray] = {}

        def note(kind: str, text: str) -> None:
            problems.setdefault(kind, []).append(text)

        for key, shape in wanted.items():
            entry = self.stored.get(key)
            if entry is None:
                note("missing", self.prefix + key)
            elif not fits(entry.shape, shape):
                note("of another shape", f"{self.prefix}{key} {list(entry.shape)} (expected {text_of(shape)})")
            elif entry.dtype not in FLOATS:
                note("no floats", f"{self.prefix}{key} {entry.dtype}")
            else:
                with np.errstate(over="ignore"):
                    found[key] = np.ascontiguousarray(entry.read(), np.float32)
                if not np.isfinite(found[key]).all():
                    note("NaN or infinite", self.prefix + key)
        for key in self.stored:
            if key not in wanted and not any(fnmatch.fnmatchcase(key, p) for p in ignored):
                note("extra", self.prefix + key)
        if problems:
            raise InputError(f"{self.file} does not fit {self.what}: {told(problems)}; give the checkpoint of such a "
                             "policy, with all of its tensors")  # fmt: skip
        return found


def open_checkpoint(file: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file, a PyTorch state dict or a Flax tree, told apart by what the file holds. Raises
    InputError, naming the file."""
    try:
        with open(file, "rb") as f:
            head = f.read(16)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check the path") from error
    if is_torch(head):
        stored = read_torch(file)
    elif is_safetensors(head):
        stored = read_safetensors(file)
    elif head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise InputError(
            f"{file} is a pickle, which would run code of whoever wrote it; save the tensors with safetensors"
        )
    elif is_msgpack(head):
        stored = read_flax(file)
    else:
        what = "is empty" if not head else "is no checkpoint"
        raise InputError(f"{file} {what}: safetensors, torch.save's zip or Flax's MessagePack are read")
    return {key: _named(file, key, entry) for key, entry in stored.items()}


def _named(file: Path, key: str, entry: Stored) -> Stored:
    """The same tensor, whose errors name file and key."""
    if np.prod(entry.shape, dtype=np.float64) > MOST_NUMBERS:
        raise InputError(f"{file}: {key} has shape {list(entry.shape)}, more than {MOST_NUMBERS:,} numbers")

    def read() -> np.ndarray:
        try:
            return entry.read()
        except (ValueError, OSError) as error:
            raise InputError(f"{file}: {key} has {error}; convert it to float32, or copy the file again") from error

    return Stored(entry.shape, entry.dtype, read)


def fits(shape: tuple[int, ...], wanted: Dims) -> bool:
    """Whether a shape is as wanted."""
    return len(shape) == len(wanted) and all(w is None or n == w for n, w in zip(shape, wanted, strict=True))


def text_of(shape: Dims) -> str:
    """A shape for a message, ? where any size goes."""
    return "[" + ", ".join("?" if n is None else str(n) for n in shape) + "]"


def told(problems: dict[str, list[str]]) -> str:
    """All problems in one line, kind by kind."""
    parts = []
    for kind, texts in problems.items():
        more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
        parts.append(f"{len(texts)} {kind}: {', '.join(texts[:MOST_NAMED])}{more}")
    return "; ".join(parts)
