"""Observations for `bench` and `run`: recorded ones, a policy's golden ones, or made-up ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np

from hwgen.runtime import npz
from hwgen.runtime.errors import UsageError
from hwgen.runtime.package import Package
from hwgen.runtime.package_vectors import unpack_texts
from hwgen.runtime.selftest import observations

_MAX_FILE = 1 << 30


def endless(package: Package, recorded: str | None = None) -> Iterator[dict[str, object]]:
    """Observations as `infer` takes them, round and round. recorded: an .npz file with an array [B, ...] for each
    observation, texts as uint8 [B, L] in UTF-8; default: golden ones. Raises UsageError for a file that is not that."""
    return cycle(_golden(package) if recorded is None else _recorded(package, Path(recorded)))


def _golden(package: Package) -> list[dict[str, object]]:
    if package.policy is not None and package.policy_selftest:
        return observations(package)
    vectors, inputs = package.selftest, package.inputs
    if not vectors:
        rng = np.random.default_rng(0)
        vectors = {t.name: rng.integers(t.lo, t.hi + 1, (8, *t.shape)) for t in inputs}
    real = {t.name: (vectors[t.name] * t.scale).astype(np.float32) for t in inputs}
    return _rows(real)


def _recorded(package: Package, path: Path) -> list[dict[str, object]]:
    try:
        with open(path, "rb") as stream:
            arrays = npz.load(stream.read(_MAX_FILE), _MAX_FILE, "iuf")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); give an .npz file") from error
    except (ValueError, MemoryError) as error:
        raise UsageError(f"{path}: not an npz file of numbers as hwgen writes it ({error})") from error
    policy = package.policy
    names = [o.name for o in policy.observation] if policy else [t.name for t in package.inputs]
    if set(arrays) != set(names):
        raise UsageError(f"{path}: holds {', '.join(arrays) or 'nothing'}; must hold {', '.join(names)}")
    if len({a.shape[:1] for a in arrays.values()}) != 1 or not next(iter(arrays.values())).size:
        raise UsageError(f"{path}: its arrays must hold the same number of observations, at least one")
    columns: dict[str, object] = dict(arrays)
    for o in policy.observation if policy else ():
        if o.kind == "text":
            try:
                columns[o.name] = unpack_texts(arrays[o.name])
            except ValueError as error:
                raise UsageError(f"{path}: '{o.name}' holds a text that is not zero-padded UTF-8 ({error})") from error
    return _rows(columns)


def _rows(columns: dict[str, object]) -> list[dict[str, object]]:
    return [dict(zip(columns, row)) for row in zip(*columns.values())]  # noqa: B905
