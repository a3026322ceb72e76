"""Arrays in NumPy's zip format: read without trust or pickle, written so that equal input gives equal bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from hwgen.runtime.archive import zip_bytes, zip_members

_MAGIC = b"\x93NUMPY\x01\x00"
_DTYPES = {"|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"}
_SIZE = r"(?:0|[1-9][0-9]{0,11})"
# numpy's own parser evaluates Python literals; this accepts what numpy writes of numbers and nothing else
_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[|<][iuf][1248])', 'fortran_order': False, "
    rf"'shape': \((?P<shape>|{_SIZE},|{_SIZE}(?:, {_SIZE}){{1,15}})\), \}} {{0,200}}\n"
)


def save(arrays: Mapping[str, np.ndarray]) -> bytes:
    """These arrays of numbers as an .npz file's bytes, in this order."""
    return zip_bytes({name + ".npy": npy_bytes(array) for name, array in arrays.items()})


def npy_bytes(array: np.ndarray) -> bytes:
    """One array as an .npy file's bytes, little endian in C order. Raises ValueError when it does not hold numbers."""
    array = np.asarray(array)
    array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    if array.dtype.str not in _DTYPES or array.ndim > 16:
        raise ValueError(f"an array of {array.dtype} with {array.ndim} axes cannot be kept")
    header = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {tuple(map(int, array.shape))}, }}"
    length = -(-(len(_MAGIC) + 2 + len(header) + 1) // 64) * 64 - len(_MAGIC) - 2
    return _MAGIC + length.to_bytes(2, "little") + header.ljust(length - 1).encode() + b"\n" + array.tobytes()


def load(data: bytes, limit: int, kinds: str = "iu") -> dict[str, np.ndarray]:
    """The arrays of an .npz file's bytes, read-only, at most `limit` bytes in all, of dtypes of these `kinds`.

    Raises ValueError naming what is malformed.
    """
    out = {}
    for name, member in zip_members(data, limit).items():
        if not name.endswith(".npy"):
            raise ValueError(f"member {name!r:.100} is no .npy array")
        out[name[: -len(".npy")]] = npy_array(name, member, kinds)
    return out


def npy_array(name: str, member: bytes, kinds: str = "iu") -> np.ndarray:
    """The array of an .npy file's bytes, read-only; ValueError when malformed or of a dtype outside `kinds`."""
    if member[:8] != _MAGIC or len(member) < 10:
        raise ValueError(f"array {name!r:.100} is not of .npy version 1.0")
    start = 10 + int.from_bytes(member[8:10], "little")
    header = _HEADER.fullmatch(member[10:start].decode("latin-1"))
    if header is None or header["dtype"] not in _DTYPES or header["dtype"][1] not in kinds:
        raise ValueError(f"array {name!r:.100} must hold numbers of kind {kinds} in C order: {member[10:start][:80]!r}")
    dtype, body = np.dtype(header["dtype"]), member[start:]
    shape = tuple(int(n) for n in header["shape"].split(",") if n)
    if math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"array {name!r:.100} has {len(body)} bytes, its header says shape {shape} of {dtype}")
    return np.frombuffer(body, dtype).reshape(shape)
