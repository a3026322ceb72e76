"""What every backend writes into DIR: the graph, golden vectors, the manifest and the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx.external_data_helper import uses_external_data

from hwgen.graph import Graph, golden, qonnx_out
from hwgen.graph.types import Tensor

GOLDEN_VECTORS = 32
LEAST_VECTORS = 4  # two of them constant
GOLDEN_MACS = 4_000_000_000  # a large graph has fewer vectors: golden computes some 10**9 multiplications a second


def golden_count(graph: Graph) -> int:
    """How many golden vectors a design of the graph has."""
    return max(LEAST_VECTORS, min(GOLDEN_VECTORS, GOLDEN_MACS // max(graph.macs(), 1)))


def golden_vectors(graph: Graph, count: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Random integer inputs over the whole range of each input, extremes among them, and golden's outputs, by name."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        lo, hi = graph.input_range(name)
        values = rng.integers(lo, hi + 1, (count, *tensor.shape))
        values[: min(2, count)] = np.array([lo, hi])[: min(2, count)].reshape(-1, *[1] * len(tensor.shape))
        inputs[name] = values
    outputs = golden.run(graph, inputs)
    return {name: v.astype(graph.tensors[name].dtype.numpy) for name, v in (inputs | outputs).items()}


def input_entry(graph: Graph, name: str) -> dict:
    """A graph input as the manifest tells it to the driver (docs/package.md), without its place in memory."""
    lo, hi = graph.input_range(name)
    return _tensor_entry(graph.tensors[name]) | {"lo": lo, "hi": hi}


def output_entry(graph: Graph, name: str) -> dict:
    """A graph output as the manifest tells it, without its place in memory."""
    t = graph.tensors[name]
    bounds = {} if t.dtype.is_wide else {"lo": t.dtype.lo, "hi": t.dtype.hi}
    return _tensor_entry(t) | bounds | ({"channel_axis": t.channel_axis} if t.per_channel else {})


def _tensor_entry(t: Tensor) -> dict:
    scale = np.asarray(t.scale, np.float64)
    return {
        "name": t.name, "shape": list(t.shape), "dtype": str(t.dtype.numpy),
        "scale": scale.tolist() if scale.ndim and scale.size > 1 else float(scale.reshape(-1)[0]),
    }  # fmt: skip


def _copy_model(source: Path, target: Path) -> None:
    """Copy an ONNX file as it is; weights that lie in files beside it are taken into the copy."""
    model = onnx.load(str(source), load_external_data=False)
    if any(uses_external_data(i) for i in model.graph.initializer):
        onnx.save(onnx.load(str(source)), str(target))
    else:
        shutil.copyfile(source, target)


def write_common(out: Path, graph: Graph, graph_file: Path | None, manifest: dict, report: dict) -> dict:
    """Write graph.onnx, golden.npz, manifest.json and report.json into `out`; returns the golden vectors.

    graph_file: the QONNX that the user gave, copied as it is; None writes the graph itself.
    """
    out.mkdir(parents=True, exist_ok=True)
    if graph_file is None:
        qonnx_out.save(graph, out / "graph.onnx")
    elif graph_file.resolve() != (out / "graph.onnx").resolve():
        _copy_model(graph_file, out / "graph.onnx")
    vectors = golden_vectors(graph, golden_count(graph))
    np.savez_compressed(out / "golden.npz", **vectors)
    for name, content in (("manifest.json", manifest), ("report.json", report)):
        (out / name).write_text(json.dumps(content, indent=1) + "\n")
    return vectors
