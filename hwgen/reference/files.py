"""`hwgen verify FILE`: the graph of a file through the references, printed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.graph.graph import Graph
from hwgen.quiet import STDERR, quiet
from hwgen.reference.base import Arrays, Reference
from hwgen.reference.table import ask_progress, print_report, write_json
from hwgen.reference.verification import CHUNK, chosen, random_vectors, verify


def load_graph(path: Path | str) -> Graph:
    """A graph from QONNX (.onnx) or a Keras file with QKeras layers (.keras). Raises InputError for others."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if path.suffix == ".onnx":
        from hwgen.graph.qonnx_in import load

        return load(path)
    if path.suffix == ".keras":
        from hwgen.frontends.keras_qkeras import load_keras

        return load_keras(path)
    raise InputError(f"{path} is neither .onnx (QONNX) nor .keras: give one of these")


def verify_file(
    graph_path: Path | str,
    references: str = "all",
    vectors: int | Path | str = 2 * CHUNK,
    seed: int = 0,
    tensors: bool = False,
    out: Path | str | None = None,
) -> int:
    """Verify the graph in a file and print the table; returns the exit code: 0 when all integers equal, else 1.

    references: "all" or names with commas. vectors: how many random ones, or an npz of inputs by name (integers or real
    values; other names in it are left alone, so a design's golden.npz will do). tensors: print the quantization error
    of every tensor, not only of outputs. out: write the report as JSON.
    Raises HwgenError.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    names, graph = chosen(references), load_graph(graph_path)
    data = random_vectors(graph, vectors, seed) if isinstance(vectors, int) else _read(Path(vectors), graph)
    with quiet(STDERR):
        made = [Reference(name) for name in names]
    with ask_progress() as progress:
        report = verify(graph, made, data, progress)
    print_report(report, tensors)
    if out is not None:
        write_json(report, Path(out))
    return 0 if report.ok else 1


def _read(path: Path, graph: Graph) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in graph.inputs}
    except (OSError, ValueError) as e:
        raise InputError(f"{path} cannot be read as npz ({e}): give a file of arrays by input name") from e
