"""The golden vectors of a package: selftest.npz of the accelerator, policy_selftest.npz of the whole policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hwgen.runtime import npz
from hwgen.runtime.layout import TensorSpec
from hwgen.runtime.policy_spec import ACTION, PolicySpec

Complain = Callable[[str], Exception]
"""reason -> the exception to raise."""
_MAX_TEXT = 4096  # bytes of an instruction


def load_selftest(data: bytes, limit: int, specs: Sequence[TensorSpec], complain: Complain) -> dict[str, np.ndarray]:
    """Integers [B, *shape] of every input and output, in its dtype and range."""
    arrays = _load(data, limit, "iu", [t.name for t in specs], complain)
    for spec in specs:
        array = arrays[spec.name]
        _check_shape(spec.name, array, spec.shape, complain)
        if int(array.min()) < spec.lo or int(array.max()) > spec.hi:
            raise complain(f"'{spec.name}' leaves the range {spec.lo}..{spec.hi}")
        arrays[spec.name] = array.astype(spec.dtype)
    return arrays


def load_policy_selftest(data: bytes, limit: int, policy: PolicySpec, complain: Complain) -> dict[str, np.ndarray]:
    """Observations and actions: images uint8 and vectors float32 [B, *shape], texts uint8 [B, L] (`unpack_texts`),
    "action" float32 [B, chunk, dof]."""
    arrays = _load(data, limit, "iuf", [*(o.name for o in policy.observation), ACTION], complain)
    for o in policy.observation:
        array = arrays[o.name]
        if o.kind == "text":
            _dtype(o.name, array, "uint8", complain)
            if array.ndim != 2 or not 1 <= array.shape[1] <= _MAX_TEXT:
                raise complain(f"'{o.name}' has the shape {array.shape}; texts are [vectors, 1 to {_MAX_TEXT} bytes]")
            try:
                unpack_texts(array)
            except ValueError as error:
                raise complain(f"'{o.name}' holds a text that is not zero-padded UTF-8 ({error})") from error
        else:
            _dtype(o.name, array, "uint8" if o.kind == "image" else "float32", complain)
            _check_shape(o.name, array, o.shape, complain)
    _dtype(ACTION, arrays[ACTION], "float32", complain)
    _check_shape(ACTION, arrays[ACTION], policy.action.shape, complain)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise complain(f"'{name}' holds NaN or infinity")
    return arrays


def pack_texts(texts: Sequence[str]) -> np.ndarray:
    """Texts as uint8 [B, L]: UTF-8, padded with zeros. Raises ValueError for one that holds a zero itself or is too
    long."""
    raw = [text.encode() for text in texts]
    width = max([1, *map(len, raw)])
    if width > _MAX_TEXT or any(b"\0" in r for r in raw):
        raise ValueError(f"a text of golden vectors has at most {_MAX_TEXT} bytes, none of them zero")
    return np.frombuffer(b"".join(r.ljust(width, b"\0") for r in raw), np.uint8).reshape(len(raw), width)


def unpack_texts(array: np.ndarray) -> list[str]:
    """The texts of uint8 [B, L]. Raises ValueError when a row is not UTF-8 padded with zeros."""
    raw = [row.tobytes().rstrip(b"\0") for row in array]
    if any(b"\0" in r for r in raw):
        raise ValueError("a zero inside")
    return [r.decode("utf-8") for r in raw]


def _load(data: bytes, limit: int, kinds: str, names: Sequence[str], complain: Complain) -> dict[str, np.ndarray]:
    try:
        arrays = npz.load(data, limit, kinds)
    except ValueError as error:
        what = "integers" if kinds == "iu" else "numbers"
        raise complain(f"not an npz file of {what} ({error})") from error
    if set(arrays) != set(names):
        raise complain(f"holds {sorted(arrays)!r:.200}; must hold {', '.join(names)}")
    counts = {a.shape[0] if a.ndim else -1 for a in arrays.values()}
    if len(counts) != 1 or counts.pop() < 1:
        raise complain("its arrays must hold the same number of vectors, at least one")
    return arrays


def _check_shape(name: str, array: np.ndarray, shape: Sequence[int], complain: Complain) -> None:
    if array.shape[1:] != tuple(shape):
        raise complain(f"'{name}' has vectors of shape {array.shape[1:]}, the manifest says {tuple(shape)}")


def _dtype(name: str, array: np.ndarray, wanted: str, complain: Complain) -> None:
    if array.dtype != np.dtype(wanted):
        raise complain(f"'{name}' is {array.dtype}, must be {wanted}")
