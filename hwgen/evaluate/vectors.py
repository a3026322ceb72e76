"""Frames in and out of a design: its graph, its golden vectors, and a user's npz of real numbers."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import Graph, dequantize_outputs, golden, qonnx_in, quantize_inputs

Arrays = dict[str, np.ndarray]
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, OverflowError,
    IndexError, KeyError, MemoryError,
)  # fmt: skip
"""What np.load raises on files that are none."""


def frames(folder: Path, graph: Graph, inputs: Path | None) -> tuple[Arrays, Arrays]:
    """(inputs, golden's outputs), integers by name: of the user's npz, or DIR/golden.npz. Raises InputError."""
    if inputs is None:
        return read_golden(folder, graph)
    ints = quantize_inputs(graph, read_real(inputs, graph))
    return ints, golden.run(graph, ints)


def write_real(file: Path, graph: Graph, outputs: Arrays) -> None:
    """Write integer outputs as float32 in real units, by name."""
    real = dequantize_outputs(graph, outputs)
    np.savez_compressed(file, **{name: v.astype(np.float32) for name, v in real.items()})


def load_graph(folder: Path) -> Graph:
    """DIR/graph.onnx as an integer graph. Raises InputError, GraphError."""
    if not (folder / "graph.onnx").is_file():
        raise InputError(f"{folder} holds no graph.onnx: give a folder that `hwgen generate` wrote")
    return qonnx_in.load(folder / "graph.onnx")


def read_real(file: Path, graph: Graph) -> dict[str, np.ndarray]:
    """Arrays of an npz by input name, float, [B, *shape]. Raises InputError naming file, array and reason."""
    arrays = load_npz(file)
    for name in graph.inputs:
        shape = graph.tensors[name].shape
        if name not in arrays:
            raise InputError(
                f"{file}: array {name!r} is missing; it holds {', '.join(arrays) or 'nothing'}, the graph reads "
                f"{graph.inputs}"
            )
        x = arrays[name]
        if x.dtype.kind not in "fiu":
            raise InputError(f"{file}: array {name!r} has dtype {x.dtype}; give real numbers")
        if x.ndim == 0 or x.shape[1:] != shape:
            raise InputError(
                f"{file}: array {name!r} has shape {x.shape}; expected (batch, {', '.join(map(str, shape))})"
            )
        if len(x) == 0:
            raise InputError(f"{file}: array {name!r} holds no frame; give at least one")
        arrays[name] = x if x.dtype == np.float64 else x.astype(np.float32)
    if unknown := set(arrays) - set(graph.inputs):
        raise InputError(f"{file}: {sorted(unknown)} is no input of the graph; its inputs are {graph.inputs}")
    if len({len(arrays[name]) for name in graph.inputs}) > 1:
        raise InputError(
            f"{file}: the arrays hold different numbers of frames: { {n: len(arrays[n]) for n in graph.inputs} }"
        )
    return arrays


def read_golden(folder: Path, graph: Graph) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """DIR/golden.npz as (inputs, outputs), integers."""
    file = folder / "golden.npz"
    if not file.is_file():
        raise InputError(f"{file} is missing; generate the design again")
    arrays = load_npz(file)
    if missing := [name for name in (*graph.inputs, *graph.outputs) if name not in arrays]:
        raise InputError(f"{file}: {missing} missing; generate the design again")
    return {n: arrays[n] for n in graph.inputs}, {n: arrays[n].astype(np.int64) for n in graph.outputs}


def load_npz(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz. Raises InputError when it is damaged or holds objects."""
    if file.is_file() and not zipfile.is_zipfile(file):
        raise InputError(f"{file} is not an .npz file, or is cut off; write it with numpy.savez")
    try:
        with np.load(file, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (*_ZIP_ERRORS, AttributeError) as error:  # AttributeError: a bare .npy has no .files
        raise InputError(
            f"{file} cannot be read as an .npz of plain arrays ({error}); write it with numpy.savez"
        ) from None
