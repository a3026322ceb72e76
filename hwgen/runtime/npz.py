"""Integer arrays in the NumPy zip format, read without trust and without pickle, written so that equal input gives equal bytes."""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np

_STAMP = (1980, 1, 1, 0, 0, 0)
ZIP_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError,
              OverflowError, IndexError, KeyError, SyntaxError, MemoryError)  # fmt: skip
"""What zipfile, zlib (through BadZipFile or its own error) and the npy header parser raise on hostile bytes."""
try:
    import zlib

    ZIP_ERRORS += (zlib.error,)
except ImportError:  # a Python without zlib cannot inflate, and zipfile says so itself
    pass


def zip_bytes(members: dict[str, bytes]) -> bytes:
    """A zip archive of these members in this order, with a fixed time stamp."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _STAMP)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, data)
    return stream.getvalue()


def zip_members(data: bytes, limits: dict[str, int] | int) -> dict[str, bytes]:
    """The members of an archive held in memory, each read to its limit in bytes and no further.

    `limits`: one for each member that may occur, or one for the total of all. Raises ValueError with the reason, or one of
    `ZIP_ERRORS`. Nothing is ever written to disk, so a name cannot escape; a name outside `limits` is refused all the same.
    """
    out, total = {}, 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > 1024:
            raise ValueError(f"{len(infos)} members, at most 1024 are allowed")
        for info in infos:
            if isinstance(limits, dict):
                if info.filename not in limits:
                    raise ValueError(f"member {info.filename!r:.100} does not belong here")
                limit = limits[info.filename]
            else:
                limit = limits - total
            if info.filename in out:
                raise ValueError(f"member {info.filename!r:.100} occurs twice")
            if info.file_size > limit:
                raise ValueError(f"member {info.filename!r:.100} is larger than the {limit} bytes allowed")
            with archive.open(info) as stream:
                out[info.filename] = stream.read(limit + 1)
            if len(out[info.filename]) != info.file_size:
                raise ValueError(f"member {info.filename!r:.100} is shorter or longer than it says")
            total += info.file_size
    return out


def save(arrays: dict[str, np.ndarray]) -> bytes:
    """These integer arrays as an .npz file's bytes."""
    members = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        members[name + ".npy"] = stream.getvalue()
    return zip_bytes(members)


def load(data: bytes, limit: int) -> dict[str, np.ndarray]:
    """The integer arrays of an .npz file's bytes, at most `limit` bytes in all; ValueError or `ZIP_ERRORS` when malformed."""
    return {name[: -len(".npy")]: _array(name, member) for name, member in zip_members(data, limit).items()}


def _array(name: str, member: bytes) -> np.ndarray:
    if not name.endswith(".npy"):
        raise ValueError(f"member {name!r:.100} is no .npy array")
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"array {name!r:.100} has an unknown .npy version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in "iu" or fortran:
        raise ValueError(f"array {name!r:.100} must hold integers in C order, holds {dtype}")
    body = member[stream.tell() :]
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"array {name!r:.100} has {len(body)} bytes, its header says shape {shape} of {dtype}")
    return np.frombuffer(body, dtype).reshape(shape)
