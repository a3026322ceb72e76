"""MessagePack as flax.serialization.to_bytes writes it, the part that trees of parameters need."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Array:
    """What an array says of itself, true or not."""

    shape: tuple[int, ...]
    dtype: str
    data: bytes


def pack(value) -> bytes:
    """The bytes of nested dicts, lists, arrays, strings, bytes, numbers, booleans and None."""
    if isinstance(value, np.ndarray):
        return pack(Array(value.shape, value.dtype.name, value.tobytes()))
    if isinstance(value, Array):
        data = pack([list(value.shape), value.dtype, value.data])
        return b"\xc9" + struct.pack(">Ib", len(data), 1) + data
    if isinstance(value, dict):
        return b"\xde" + struct.pack(">H", len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    if isinstance(value, str):
        return b"\xd9" + bytes([len(value.encode())]) + value.encode()
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    return b"\xd3" + struct.pack(">q", value) if isinstance(value, int) else b"\xcb" + struct.pack(">d", value)
