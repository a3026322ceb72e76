"""safetensors: a header of JSON, then the numbers. The library checks the header; BF16 it cannot give to NumPy."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.stored import Stored, decode
from hwgen.policies.checkpoint import FORMAT


def is_safetensors(head: bytes) -> bool:
    """True of a file that starts with these bytes: the header's length, then JSON."""
    return len(head) > 8 and head[8:9] == b"{"


def is_own(file: Path) -> bool:
    """True of a policy that hwgen itself saved."""
    try:
        with safe_open(str(file), framework="numpy") as f:
            return (f.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def read_safetensors(file: Path) -> dict[str, Stored]:
    """The tensors of a file. Raises InputError, naming it, when it is truncated or contradicts itself."""
    try:
        with safe_open(str(file), framework="numpy"):  # lengths, offsets and shapes agree
            pass
        with open(file, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            header = json.loads(f.read(length))
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise InputError(f"{file} is a damaged safetensors file ({error}); copy it again") from error
    return {key: _stored(file, entry, 8 + length) for key, entry in header.items() if key != "__metadata__"}


def _stored(file: Path, entry: dict, start: int) -> Stored:
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    begin, end = entry["data_offsets"]

    def read() -> np.ndarray:
        with open(file, "rb") as f:
            f.seek(start + begin)
            return decode(f.read(end - begin), shape, dtype)

    return Stored(shape, dtype, read)
