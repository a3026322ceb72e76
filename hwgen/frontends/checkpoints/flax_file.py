"""Flax's `to_bytes`: nested maps in MessagePack, arrays as extension type 1 (shape, type, bytes).

The part of MessagePack that Flax writes is read here, with bounds: maps with string keys, arrays, integers, floats,
strings, bytes. Large arrays come in chunks. https://github.com/msgpack/msgpack/blob/master/spec.md;
github.com/google/flax, flax/serialization.py.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.stored import MOST_NUMBERS, WIDTHS, Stored, decode

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
          "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}  # fmt: skip
ARRAY, CHUNKED = 1, "__msgpack_chunked_array__"
DEEPEST = 64


def is_msgpack(head: bytes) -> bool:
    """True of a file that starts with these bytes: a map that is not empty."""
    return head[:1] in (b"\xde", b"\xdf") or (len(head) > 1 and 0x81 <= head[0] <= 0x8F)


def read_flax(file: Path) -> dict[str, Stored]:
    """The arrays of a tree, keys joined by "/". Raises InputError, naming the file."""
    try:
        data = file.read_bytes()
        reader = _Reader(data)
        tree = reader.value(0)
        if reader.at != len(data):
            raise ValueError(f"{len(data) - reader.at} bytes follow the tree")
        if not isinstance(tree, dict):
            raise ValueError(f"a {type(tree).__name__} instead of a tree")
        arrays: dict[str, Stored] = {}
        _flatten(tree, "", arrays)
    except (ValueError, OSError, struct.error, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{file} is a damaged Flax file ({error}); copy it again, or save it with safetensors"
        ) from error
    if not arrays:
        raise InputError(f"{file} holds no arrays; give the parameters that flax.serialization.to_bytes wrote")
    return arrays


def _flatten(tree: dict, prefix: str, into: dict[str, Stored]) -> None:
    for key, value in tree.items():
        name = f"{prefix}/{key}" if prefix else str(key)
        if isinstance(value, dict) and CHUNKED in value:
            value = _chunked(value)
        if isinstance(value, dict):
            _flatten(value, name, into)
        elif isinstance(value, Stored):
            into[name] = value


def _chunked(value: dict) -> Stored:
    """Flat chunks as one array."""
    shape = tuple(value["shape"][str(i)] for i in range(len(value["shape"])))
    chunks = [value["chunks"][str(i)] for i in range(len(value["chunks"]))]
    _check_shape(shape)
    if not chunks or any(not isinstance(c, Stored) for c in chunks):
        raise ValueError("a chunked array without chunks")
    if sum(int(np.prod(c.shape)) for c in chunks) != int(np.prod(shape)):
        raise ValueError(f"the chunks of an array do not make up {shape}")
    return Stored(shape, chunks[0].dtype, lambda: np.concatenate([c.read().ravel() for c in chunks]).reshape(shape))


def _check_shape(shape: tuple) -> None:
    if not all(type(n) is int and 0 <= n <= MOST_NUMBERS for n in shape) or len(shape) > DEEPEST:
        raise ValueError(f"an array of shape {shape!r}")


class _Reader:
    """A cursor over MessagePack."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise ValueError(f"it ends at byte {len(self.data)} in the middle of a value")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def value(self, depth: int) -> Any:
        """The next value; arrays as Stored."""
        if depth > DEEPEST:
            raise ValueError(f"it nests deeper than {DEEPEST}")
        tag = self.number("B")
        if tag < 0x80 or tag >= 0xE0:
            return tag if tag < 0x80 else tag - 256
        if tag < 0xA0:
            return self._map(tag & 15, depth) if tag < 0x90 else self._list(tag & 15, depth)
        if tag < 0xC0:
            return self.take(tag & 31).decode()
        if tag in SINGLE:
            return SINGLE[tag]
        if tag in NUMBERS:
            return self.number(NUMBERS[tag])
        if tag in BYTES or tag in STRINGS:
            data = self.take(self.number((BYTES | STRINGS)[tag]))
            return data if tag in BYTES else data.decode()
        if tag in LISTS:
            return self._list(self.number(LISTS[tag]), depth)
        if tag in MAPS:
            return self._map(self.number(MAPS[tag]), depth)
        length = FIXED[tag] if tag in FIXED else self.number(EXTENSIONS[tag])
        return self._extension(self.number("b"), self.take(length), depth)

    def _list(self, n: int, depth: int) -> list:
        return [self.value(depth + 1) for _ in range(self._at_most(n))]

    def _map(self, n: int, depth: int) -> dict:
        items = [(self.value(depth + 1), self.value(depth + 1)) for _ in range(self._at_most(n))]
        if len({k for k, _ in items}) != n:
            raise ValueError("a key comes twice")
        return dict(items)

    def _at_most(self, n: int) -> int:
        if n > len(self.data) - self.at:
            raise ValueError(f"{n} values in {len(self.data) - self.at} bytes")
        return n

    def _extension(self, kind: int, data: bytes, depth: int) -> Any:
        if kind != ARRAY:
            return None  # complex numbers and scalars: no parameter is one
        shape, name, numbers = _Reader(data).value(depth + 1)
        name = name.decode() if isinstance(name, bytes) else name
        shape, dtype = tuple(shape), DTYPES.get(name, str(name))
        _check_shape(shape)
        if not isinstance(numbers, bytes):
            raise ValueError(f"an array whose numbers are of {type(numbers).__name__}")
        if dtype in WIDTHS:
            decode(numbers, shape, dtype)  # the sizes agree
        return Stored(shape, dtype, lambda: decode(numbers, shape, dtype))


SINGLE = {0xC0: None, 0xC2: False, 0xC3: True}
NUMBERS = {0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
BYTES = {0xC4: "B", 0xC5: "H", 0xC6: "I"}
STRINGS = {0xD9: "B", 0xDA: "H", 0xDB: "I"}
LISTS = {0xDC: "H", 0xDD: "I"}
MAPS = {0xDE: "H", 0xDF: "I"}
FIXED = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
EXTENSIONS = {0xC7: "B", 0xC8: "H", 0xC9: "I"}
"""MessagePack's tags by what follows; for lengths, struct's letter."""
