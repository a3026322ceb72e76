"""What a checkpoint's file holds: tensors by key, each read only when asked for. Readers are in the files beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes of a number by the name of its type, as safetensors calls them."""
NUMPY = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
         "U8": "u1", "BOOL": "?"}  # fmt: skip
FLOATS = ("F64", "F32", "F16", "BF16")
MOST_NUMBERS = 1 << 31
"""Of one tensor; none that runs here comes near."""


@dataclass(frozen=True)
class Stored:
    """One tensor in a file. dtype: a key of WIDTHS, or the file's own name for another type. read: the numbers, as they
    are stored (BF16: as float32); raises ValueError when the file does not hold them."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


def decode(data: bytes, shape: tuple[int, ...], dtype: str, big: bool = False) -> np.ndarray:
    """An array of these bytes. Raises ValueError for a type that is not known, and too few or too many bytes."""
    if dtype not in WIDTHS:
        raise ValueError(f"numbers of type {dtype}, which is not known")
    if len(data) != prod(shape) * WIDTHS[dtype]:
        raise ValueError(f"{len(data)} bytes, but {shape} of {dtype} takes {prod(shape) * WIDTHS[dtype]}")
    array = np.frombuffer(data, np.dtype((">" if big else "<") + NUMPY[dtype]))
    if dtype == "BF16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.reshape(shape)
