"""Calibration data: an npz of float arrays, one per input of the network, checked before anything is computed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.quantize.floats import FloatGraph
from hwgen.quantize.problems import complain


def load(path: Path, graph: FloatGraph, limit: int | None = None) -> dict[str, np.ndarray]:
    """Arrays [N, *shape] by input name as float32; limit: how many observations to use at most.

    Raises InputError that names everything that is wrong.
    """
    return check(read(path), graph, str(path), limit)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by name, without batch. Raises InputError."""
    return {name: array.shape[1:] for name, array in read(path).items()}


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz. Raises InputError."""
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no zip of named arrays")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib, NumPy's header parser: anything a damaged file can cause
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not an npz of arrays ({reason}); write it with numpy.savez") from None


def check(
    arrays: dict[str, np.ndarray], graph: FloatGraph, what: str = "calibration", limit: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays as float32 and of equal length. Raises InputError that names everything that is wrong."""
    problems = [f"{what}: input {name!r} is missing; add an array {_text(shape)}"
                for name, shape in graph.inputs.items() if name not in arrays]  # fmt: skip
    problems += [f"{what}: {name!r} is not an input of the network; its inputs are {', '.join(graph.inputs)}"
                 for name in arrays if name not in graph.inputs]  # fmt: skip
    given = {name: np.asarray(arrays[name]) for name in graph.inputs if name in arrays}
    for name, x in given.items():
        problems += [f"{what}: {name!r} {why}" for why in _wrong(x, graph.inputs[name])]
    lengths = {name: len(x) for name, x in given.items() if x.ndim}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} {n}" for name, n in lengths.items())
        problems.append(f"{what}: the numbers of observations differ ({told}); give as many of each input")
    complain(problems, "calibration data", InputError)
    return {name: np.ascontiguousarray(x[:limit], np.float32) for name, x in given.items()}


def _wrong(x: np.ndarray, shape: tuple[int, ...]) -> list[str]:
    if not np.issubdtype(x.dtype, np.floating):
        return [f"has dtype {x.dtype}; give float32, in the units that the network takes"]
    if x.ndim == 0 or x.shape[1:] != shape:
        last = len(shape) == 3 and x.shape[1:] == (*shape[1:], shape[0])
        way = ", its channels first: numpy.moveaxis(x, -1, 1)" if last else ""
        return [f"has shape {x.shape}; give {_text(shape)}{way}"]
    if not len(x):
        return ["holds no observations; give a few dozen"]
    if not np.isfinite(x).all():
        bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(1))
        return [f"holds NaN or infinity in {len(bad)} of {len(x)} observations (the first is {bad[0]}); leave them out"]
    if not x.any():
        return ["is zero everywhere, which shows no range; give recorded observations"]
    return []


def _text(shape: tuple[int, ...]) -> str:
    return f"[N, {', '.join(map(str, shape))}]"
