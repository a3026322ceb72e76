"""PyTorch's zip format written by hand, to put defects into it. `save` makes what torch.save makes of a state dict."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

TYPES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def text(value: str) -> bytes:
    """BINUNICODE"""
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    """BININT, or LONG1 where 32 bits are too few"""
    if -(1 << 31) <= value < 1 << 31:
        return pickle.BININT + struct.pack("<i", value)
    data = value.to_bytes(12, "little", signed=True)
    return pickle.LONG1 + bytes([len(data)]) + data


def name(module: str, attribute: str) -> bytes:
    """GLOBAL"""
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def numbers(values: tuple[int, ...]) -> bytes:
    """A tuple of integers"""
    return pickle.MARK + b"".join(map(number, values)) + pickle.TUPLE


def tensor(key: str, kind: str, count: int, shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    """_rebuild_tensor_v2 of a storage"""
    storage = (
        pickle.MARK + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count) + pickle.TUPLE
    )
    hooks = name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    arguments = storage + pickle.BINPERSID + number(offset) + numbers(shape) + numbers(stride) + pickle.NEWFALSE + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + arguments + pickle.TUPLE + pickle.REDUCE


def state_pickle(items: dict[str, bytes]) -> bytes:
    """The pickle of a dict of these values"""
    pairs = b"".join(text(key) + value for key, value in items.items())
    return pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS + pickle.STOP


def write(file: Path, data_pkl: bytes, members: dict[str, bytes] | None = None, how: int = zipfile.ZIP_STORED) -> Path:
    """An archive with this pickle and these members"""
    with zipfile.ZipFile(file, "w", how) as archive:
        archive.writestr("archive/data.pkl", data_pkl)
        for member, data in (members or {}).items():
            archive.writestr(member, data)
    return file


def save(file: Path, state: dict[str, np.ndarray], prefix: str = "") -> Path:
    """A state dict; prefix: before every key"""
    items, members = {}, {}
    for i, (key, array) in enumerate(state.items()):
        stride = tuple(s // array.itemsize for s in np.empty(array.shape, array.dtype).strides)
        items[prefix + key] = tensor(str(i), TYPES[str(array.dtype)], array.size, array.shape, stride)
        members[f"archive/data/{i}"] = np.ascontiguousarray(array).tobytes()
    return write(file, state_pickle(items), members | {"archive/version": b"3\n", "archive/byteorder": b"little"})
