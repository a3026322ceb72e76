"""Policies on disk: one safetensors file with both integer graphs, the float weights and the config. No pickle, no TF.

Layout: arrays `graph.NAME.NODE.FIELD` and `float.LAYER.INDEX` (float16); the header's metadata holds JSON: format,
config, and each graph's structure.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from hwgen.errors import HwgenError, InputError
from hwgen.graph import Graph, IntType, Tensor
from hwgen.graph.ops import OPS

FORMAT = "hwgen-policy-1"
FloatWeights = dict[str, list[np.ndarray]]


def graph_to_arrays(graph: Graph, prefix: str) -> tuple[dict, dict[str, np.ndarray]]:
    """(JSON structure, arrays by name) of a graph. Integer arrays are stored in the narrowest type that holds them, and
    an array that several nodes share (a loop's steps) once."""
    arrays: dict[str, np.ndarray] = {}
    known: dict[int, str] = {}

    def store(name: str, value):
        if isinstance(value, np.ndarray):
            if id(value) not in known:
                known[id(value)] = f"{prefix}.{name}"
                arrays[known[id(value)]] = narrow(value)
            return {"array": known[id(value)]}
        if isinstance(value, list):
            return {"list": [store(f"{name}.{i}", item) for i, item in enumerate(value)]}
        return {"value": list(value) if isinstance(value, tuple) else value}

    nodes = [
        {
            "op": node.op,
            "fields": {f.name: store(f"{node.name}.{f.name}", getattr(node, f.name)) for f in dataclasses.fields(node)},
        }
        for node in graph.nodes
    ]
    tensors = [
        {f.name: store(f"{t.name}.tensor.{f.name}", getattr(t, f.name)) for f in dataclasses.fields(t)
         if f.name != "dtype"} | {"bits": t.dtype.bits, "signed": t.dtype.signed}
        for t in graph.tensors.values()
    ]  # fmt: skip
    head = {"name": graph.name, "inputs": graph.inputs, "outputs": graph.outputs}
    return head | {"nodes": nodes, "tensors": tensors}, arrays


def graph_from_arrays(structure: dict, arrays: dict[str, np.ndarray]) -> Graph:
    """The inverse of graph_to_arrays, validated."""

    def restore(entry):
        if "array" in entry:
            array = arrays[entry["array"]]
            wide = np.issubdtype(array.dtype, np.integer) and not entry["array"].endswith(".weight")
            return array.astype(np.int64) if wide else array
        if "list" in entry:
            return [restore(item) for item in entry["list"]]
        return tuple(entry["value"]) if isinstance(entry["value"], list) else entry["value"]

    tensors = {}
    for entry in structure["tensors"]:
        fields = {k: restore(v) for k, v in entry.items() if k not in ("bits", "signed")}
        tensors[fields["name"]] = Tensor(dtype=IntType(entry["bits"], entry["signed"]), **fields)
    nodes = [OPS[n["op"]](**{k: restore(v) for k, v in n["fields"].items()}) for n in structure["nodes"]]
    graph = Graph(structure["name"])
    graph.inputs, graph.outputs = list(structure["inputs"]), list(structure["outputs"])
    graph.tensors, graph.nodes = tensors, nodes
    return graph.validate()


def narrow(array: np.ndarray) -> np.ndarray:
    """The same integers in the narrowest signed type that holds them; other arrays as they are."""
    if np.issubdtype(array.dtype, np.integer):
        for dtype in (np.int8, np.int16, np.int32, np.int64):
            if array.size == 0 or (np.iinfo(dtype).min <= array.min() and array.max() <= np.iinfo(dtype).max):
                return np.ascontiguousarray(array.astype(dtype))
    return np.ascontiguousarray(array)


def save(
    path: Path, config: dict, graphs: dict[str, Graph], weights: FloatWeights, arrays: dict[str, np.ndarray]
) -> None:
    """Write a checkpoint. arrays: further tensors to keep (recorded frames)."""
    from safetensors.numpy import save_file

    tensors = {f"extra.{name}": np.ascontiguousarray(a) for name, a in arrays.items()}
    structures = {}
    for name, graph in graphs.items():
        structures[name], made = graph_to_arrays(graph, f"graph.{name}")
        tensors |= made
    for layer, parts in weights.items():
        for i, part in enumerate(parts):
            tensors[f"float.{layer}.{i}"] = np.ascontiguousarray(part.astype(np.float16))
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": FORMAT, "config": json.dumps(config), "graphs": json.dumps(structures)}
    save_file(tensors, str(path), metadata=metadata)


def load(path: Path) -> tuple[dict, dict[str, Graph], FloatWeights, dict[str, np.ndarray]]:
    """(config, graphs, float weights as float32, extra arrays). Raises InputError for a file that is missing,
    truncated, altered so that it contradicts itself, of another kind, or that holds NaN."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist; train one with `hwgen train` or give another path")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InputError(f"checkpoint {path} is damaged ({error}); copy it again or retrain it") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"checkpoint {path} has format {metadata.get('format')!r}, not hwgen's {FORMAT!r}: another "
                         f"project's becomes a graph by `hwgen quantize {path} --calibration recorded.npz -o p.onnx`, "
                         "one of an older hwgen is trained anew")  # fmt: skip
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise InputError(f"checkpoint {path}: tensor {name!r} holds NaN or infinity; retrain it")
    try:
        graphs = {k: graph_from_arrays(v, arrays) for k, v in json.loads(metadata["graphs"]).items()}
        return json.loads(metadata["config"]), graphs, _float_weights(arrays), _strip(arrays, "extra.")
    except HwgenError as error:
        raise InputError(f"checkpoint {path}: {error}") from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"checkpoint {path} contradicts itself ({reason}); retrain it") from error


def _strip(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _float_weights(arrays: dict[str, np.ndarray]) -> FloatWeights:
    weights: dict[str, dict[int, np.ndarray]] = {}
    for name, array in _strip(arrays, "float.").items():
        layer, index = name.rsplit(".", 1)
        weights.setdefault(layer, {})[int(index)] = array.astype(np.float32)
    return {layer: [parts[i] for i in sorted(parts)] for layer, parts in weights.items()}
