"""Observations for `bench` and `run`: recorded ones, a policy's golden ones, or made-up ones."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np

from hwgen.runtime.engines_package import EnginesPackage
from hwgen.runtime.errors import UsageError
from hwgen.runtime.package import Package
from hwgen.runtime.package_vectors import unpack_texts
from hwgen.runtime.selftest import observations

_MAX_FILE = 1 << 30
_NO_NPZ = (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


def endless(package: Package | EnginesPackage, recorded: str | None = None) -> Iterator[dict[str, object]]:
    """Observations as `infer` takes them, round and round. recorded: an .npz file with an array [B, ...] for each
    observation as np.savez writes them, texts as an array of str or as uint8 [B, L] in UTF-8; default: golden ones.
    Raises UsageError for a file that is not that."""
    return cycle(_golden(package) if recorded is None else _recorded(package, Path(recorded)))


def _golden(package: Package | EnginesPackage) -> list[dict[str, object]]:
    if package.policy is not None and package.policy_selftest:
        return observations(package)
    vectors, inputs = package.selftest, package.inputs
    if not vectors:
        rng = np.random.default_rng(0)
        vectors = {t.name: rng.integers(t.lo, t.hi + 1, (8, *t.shape)) for t in inputs}
    real = {t.name: (vectors[t.name] * t.scale).astype(np.float32) for t in inputs}
    return _rows(real)


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file that NumPy or hwgen wrote: numbers and texts, no pickle, bounded."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_FILE:
            raise UsageError(f"{path}: holds {size} bytes, at most {_MAX_FILE} are taken; give fewer observations")
        with np.load(path, allow_pickle=False) as arrays:
            out = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file; give an .npz file of observations") from error
    except _NO_NPZ as error:
        raise UsageError(f"{path}: not an .npz file of numbers and texts ({error or type(error).__name__})") from error
    for name, array in out.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufU":
            raise UsageError(f"{path}: '{name:.100}' holds no numbers or texts; save it as np.savez does")
    return out


def _recorded(package: Package | EnginesPackage, path: Path) -> list[dict[str, object]]:
    arrays = _load(path)
    policy = package.policy
    names = [o.name for o in policy.observation] if policy else [t.name for t in package.inputs]
    needed = {o.name for o in policy.observation if o.default is None} if policy else set(names)
    if not needed <= set(arrays) <= set(names):
        raise UsageError(f"{path}: holds {', '.join(arrays) or 'nothing'}; must hold {', '.join(names)}")
    if len({a.shape[:1] for a in arrays.values()}) != 1 or not next(iter(arrays.values())).size:
        raise UsageError(f"{path}: its arrays must hold the same number of observations, at least one")
    columns: dict[str, object] = dict(arrays)
    for o in policy.observation if policy else ():
        if o.kind == "text":
            try:
                columns[o.name] = _texts(arrays[o.name])
            except ValueError as error:
                raise UsageError(f"{path}: '{o.name}' is no texts: str, or zero-padded UTF-8 ({error})") from error
    return _rows(columns)


def _texts(array: np.ndarray) -> list[str]:
    if array.dtype.kind == "U" and array.ndim == 1:
        return array.tolist()
    if array.dtype != np.uint8 or array.ndim != 2:
        raise ValueError(f"{array.dtype} {array.shape}")
    return unpack_texts(array)


def _rows(columns: dict[str, object]) -> list[dict[str, object]]:
    return [dict(zip(columns, row)) for row in zip(*columns.values())]  # noqa: B905
