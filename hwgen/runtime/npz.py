"""Arrays in the NumPy zip format: read without trust or pickle, written so that equal input gives equal bytes."""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib

import numpy as np

_STAMP = (1980, 1, 1, 0, 0, 0)
ZIP_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError,
    ValueError, OverflowError, IndexError, KeyError, MemoryError,
)  # fmt: skip
"""What zipfile and zlib raise on hostile bytes."""

# numpy's own parser evaluates Python literals; this accepts what numpy writes of numbers and nothing else
_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>\|[iu]1|<[iu][248]|<f[248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{0,200})\), \} *\n"
)


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

    `limits`: one for each member that may occur, or one for the total of all. Raises one of `ZIP_ERRORS`. Nothing is
    written to disk, so a name cannot escape; a name outside `limits` is refused all the same.
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
    return zip_bytes({name + ".npy": npy_bytes(array) for name, array in arrays.items()})


def npy_bytes(array: np.ndarray) -> bytes:
    """One array as an .npy file's bytes, in C order, never pickled."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def load(data: bytes, limit: int) -> dict[str, np.ndarray]:
    """The integer arrays of an .npz file's bytes, at most `limit` bytes in all; one of `ZIP_ERRORS` when malformed."""
    out = {}
    for name, member in zip_members(data, limit).items():
        if not name.endswith(".npy"):
            raise ValueError(f"member {name!r:.100} is no .npy array")
        out[name[: -len(".npy")]] = npy_array(name, member)
    return out


def npy_array(name: str, member: bytes, kinds: str = "iu") -> np.ndarray:
    """The array of an .npy file's bytes, read-only; ValueError when malformed or of a dtype outside `kinds`."""
    if member[:8] != b"\x93NUMPY\x01\x00" or len(member) < 10:
        raise ValueError(f"array {name!r:.100} is not of .npy version 1.0")
    start = 10 + int.from_bytes(member[8:10], "little")
    header = _HEADER.fullmatch(member[10:start])
    if header is None or header["dtype"].decode()[1] not in kinds:
        raise ValueError(f"array {name!r:.100} must hold numbers of kind {kinds} in C order: {member[10:start][:80]!r}")
    dtype, body = np.dtype(header["dtype"].decode()), member[start:]
    shape = tuple(int(n) for n in header["shape"].replace(b",", b" ").split())
    if len(shape) > 16 or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"array {name!r:.100} has {len(body)} bytes, its header says shape {shape} of {dtype}")
    return np.frombuffer(body, dtype).reshape(shape)
