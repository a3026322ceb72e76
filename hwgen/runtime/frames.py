"""Messages between two processes: a JSON header and arrays in .npy form, each with its length before it. No pickle.

message := u32 length, JSON {"arrays": [names], ...}, then for each name: u64 length, .npy bytes       (little endian)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import numpy as np

from hwgen.runtime.npz import npy_array, npy_bytes

_MAX_HEADER, _MAX_ARRAY = 1 << 24, 1 << 32


def encode(header: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of one message."""
    text = json.dumps({**header, "arrays": list(arrays)}).encode()
    parts = [struct.pack("<I", len(text)), text]
    for array in arrays.values():
        data = npy_bytes(array)
        parts += [struct.pack("<Q", len(data)), data]
    return b"".join(parts)


def decode(read: Callable[[int], bytes]) -> tuple[dict, dict[str, np.ndarray]]:
    """One message through `read(n)`, which returns exactly n bytes or raises. Raises ValueError when malformed."""
    (length,) = struct.unpack("<I", read(4))
    if length > _MAX_HEADER:
        raise ValueError(f"a header of {length} bytes: not a message")
    header = json.loads(read(length))
    names = header.pop("arrays", None) if isinstance(header, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("a header without a list of arrays: not a message")
    arrays = {}
    for name in names:
        (length,) = struct.unpack("<Q", read(8))
        if length > _MAX_ARRAY:
            raise ValueError(f"array {name!r:.100} has {length} bytes: not a message")
        try:
            arrays[name] = npy_array(name, read(length), "iuf")
        except (ValueError, MemoryError) as error:
            raise ValueError(f"array {name!r:.100}: {error}") from error
    return header, arrays
