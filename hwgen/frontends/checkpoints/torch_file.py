"""PyTorch's zip format (`torch.save` since 1.6): a pickle that describes tensors, and a member for each storage.

The pickle is interpreted as data (pickled.py). Nothing is unpacked to disk, and members are stored as they are, so
their sizes cannot exceed the file's.
"""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.pickled import Refused, View, unpickle
from hwgen.frontends.checkpoints.stored import WIDTHS, Stored, decode

LARGEST_PICKLE = 1 << 26
WAY_OUT = "save the state dict again, best with safetensors"
NESTS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict beside other things."""


def is_torch(head: bytes) -> bool:
    """True of a file that starts with these bytes: any zip."""
    return head[:4] == b"PK\x03\x04"


def read_torch(file: Path) -> dict[str, Stored]:
    """The tensors of a state dict. Raises InputError, naming the file, for what is no such file: a TorchScript archive,
    a whole pickled module, compressed, overlapping or truncated members."""
    members, root, big = _members(file)
    try:
        state = unpickle(_bytes(file, members[f"{root}data.pkl"]))
    except Refused as error:
        raise InputError(f"{file} is not read, because {error}; {WAY_OUT}") from error
    return {key: _stored(file, key, view, members, root, big) for key, view in _tensors(file, state).items()}


def _members(file: Path) -> tuple[dict[str, zipfile.ZipInfo], str, bool]:
    """(members by name, folder of the archive, whether numbers are big-endian)."""
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
        raise InputError(f"{file} is a damaged PyTorch file ({error}); copy it again") from error
    members = {info.filename: info for info in infos}
    bad = [i.filename for i in infos if i.compress_type != zipfile.ZIP_STORED or i.file_size != i.compress_size]
    if bad:
        raise InputError(f"{file}: {bad[0]!r} is compressed, which PyTorch never does; {WAY_OUT}")
    paths = [n for n in members if n.startswith("/") or "\\" in n or ".." in n.split("/")]
    if paths:
        raise InputError(f"{file}: {paths[0]!r} leads out of the archive; {WAY_OUT}")
    if len(members) != len(infos) or sum(i.file_size for i in infos) > file.stat().st_size:
        raise InputError(f"{file}: members overlap, or two have one name; {WAY_OUT}")
    pickles = [n for n in members if n.count("/") == 1 and n.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise InputError(
            f"{file} is a zip without a state dict (no data.pkl); give what torch.save wrote, or safetensors"
        )
    root = pickles[0].removesuffix("data.pkl")
    if members[pickles[0]].file_size > LARGEST_PICKLE:
        raise InputError(
            f"{file}: data.pkl is larger than {LARGEST_PICKLE >> 20} MiB, which is no state dict; {WAY_OUT}"
        )
    order = members.get(f"{root}byteorder")
    return members, root, order is not None and order.file_size == 3 and _bytes(file, order) == b"big"


def _bytes(file: Path, info: zipfile.ZipInfo) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.read(info)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{file}: {info.filename!r} is damaged ({error}); copy the file again") from error


def _tensors(file: Path, state: object) -> dict[str, View]:
    """The state dict's tensors, also where it lies under another key."""
    for _ in NESTS:  # a pickle can hold itself
        if isinstance(state, dict) and not any(isinstance(v, View) for v in state.values()):
            state = next((state[k] for k in NESTS if isinstance(state.get(k), dict)), state)
    views = {k: v for k, v in state.items() if isinstance(v, View)} if isinstance(state, dict) else {}
    if not views:
        raise InputError(f"{file} holds no tensors by name; give a state dict, or safetensors")
    return {str(k): v for k, v in views.items()}


def _stored(file: Path, key: str, view: View, members: dict, root: str, big: bool) -> Stored:
    storage, info = view.storage, members.get(f"{root}data/{view.storage.key}")
    if info is None or info.file_size != storage.numbers * WIDTHS[storage.dtype]:
        holds = "is missing" if info is None else f"has {info.file_size} bytes"
        raise InputError(f"{file}: {key} needs {storage.numbers} numbers of {storage.dtype}, but its storage "
                         f"{storage.key!r} {holds}; copy the file again")  # fmt: skip
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.stride, strict=True))
    count = prod(view.shape)
    if count and (last >= storage.numbers or count > storage.numbers):
        raise InputError(f"{file}: {key} of shape {view.shape} reaches beyond its storage; {WAY_OUT}")

    def read() -> np.ndarray:
        flat = decode(_bytes(file, info), (storage.numbers,), storage.dtype, big)
        if not count:
            return np.zeros(view.shape, flat.dtype)
        strides = [s * flat.itemsize for s in view.stride]
        return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False)

    return Stored(view.shape, storage.dtype, read)
