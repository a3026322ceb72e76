"""A `.keras` file: whether it was trained with quantizers, and the model in it.

The file is data. Its configuration names classes, and Keras makes what is named; so every name is looked at before:
those of Keras itself, of QKeras and of hwgen, and no Lambda, which is code.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwgen.errors import InputError, UnsupportedError
from hwgen.quantize.problems import complain

CONFIG = "config.json"
LARGEST_CONFIG = 64 << 20
PACKAGES = {"keras", "qkeras", "builtins", "hwgen"}
"""Whose classes and functions are made."""
CODE = {"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}
"""Classes that carry code, or load it from elsewhere."""
QUANTIZERS = {"qkeras", "hwgen"}
NOT_LOADED = "freshly-initialized weights"
"""What Keras says where a layer stays at random."""
LAYERS, INNER = "List of objects that could not be loaded:", "Exception encountered:"
"""In front of what matters in its longer messages."""


def read_config(path: Path) -> dict[str, Any]:
    """The model's configuration. Raises InputError for what is no `.keras` file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(CONFIG).file_size > LARGEST_CONFIG:
                raise ValueError(f"{CONFIG} is larger than {LARGEST_CONFIG >> 20} MiB")
            config = json.loads(archive.read(CONFIG))
        if not isinstance(config, dict):
            raise ValueError(f"{CONFIG} is no object")
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a readable .keras model ({reason}); save it with model.save()") from error
    return config


def is_quantized(path: Path) -> bool:
    """Whether a model has QKeras' layers or quantizers. Raises InputError."""
    return any(_package(entry) in QUANTIZERS for entry, _ in _objects(read_config(path)))


def load_model(path: Path):
    """The model of a `.keras` file, without its optimizer. Raises InputError, and UnsupportedError that lists every
    class that is neither Keras' nor QKeras', or carries code."""
    problems = [text for entry, layer in _objects(read_config(path)) if (text := _foreign(entry, layer))]
    complain(problems, f"model in {path}")
    import keras

    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever Keras meets in a damaged file
        raise InputError(
            f"{path}: not a readable .keras model ({_reason(error)}); save it with model.save()"
        ) from error
    if any(NOT_LOADED in str(each.message) for each in told):
        raise InputError(f"{path}: not a readable .keras model (it lacks weights of some layers); save it with "
                         "model.save()")  # fmt: skip
    return model


def _reason(error: Exception) -> str:
    """What Keras complains of in one line: all layers whose weights do not fit, else the innermost reason."""
    whole = str(error).strip() or type(error).__name__
    if LAYERS in whole:
        return " ".join(f"weights do not fit: {whole.partition(LAYERS)[2]}".split())
    last = whole.rpartition(INNER)[2].strip() or whole
    return " ".join(last.splitlines()[0].split())[:300]


def functional(model):
    """What holds the nodes of a functional or Sequential model. Raises UnsupportedError for a class of its own."""
    graph = getattr(model, "_functional", None) or model  # a Sequential holds a functional model
    if not hasattr(graph, "_nodes_by_depth"):
        raise UnsupportedError(f"model {model.name!r} ({type(model).__name__}) tells no layers before it runs; build "
                               "it with keras.Model(inputs, outputs), or Sequential and an Input")  # fmt: skip
    return graph


def topological(model) -> list:
    """The nodes of a model, each after those whose tensors it reads. Raises UnsupportedError."""
    nodes = functional(model)._nodes_by_depth
    return [node for depth in sorted(nodes, reverse=True) for node in nodes[depth]]


def _objects(config: Any) -> Iterator[tuple[dict, str]]:
    """(what names a class, the name of the layer that it is in), from the outside inwards, however deep."""
    left = [(config, "")]
    while left:
        part, layer = left.pop()
        if isinstance(part, dict):
            inner = part.get("config")
            if isinstance(part.get("class_name"), str):
                named = inner.get("name") if isinstance(inner, dict) and "build_config" in part else None
                layer = str(part.get("name") or named or layer)
                yield part, layer
            part = list(part.values())
        left += [(p, layer) for p in reversed(part)] if isinstance(part, list) else []


def _package(entry: dict) -> str:
    registered, module = entry.get("registered_name"), entry.get("module")
    if isinstance(registered, str) and ">" in registered:
        return registered.partition(">")[0]
    return str(module or "keras").partition(".")[0]


def _foreign(entry: dict, layer: str) -> str:
    """What is wrong with a class that is not made, else nothing."""
    kind, registered = entry["class_name"], str(entry.get("registered_name") or "")
    if kind in CODE:
        return f"layer {layer!r} holds code ({kind.strip('_').title()}), which is not run; write it with Keras' layers"
    if _package(entry) not in PACKAGES:
        own = entry.get("config") if kind == "function" else kind
        name = registered if ">" in registered else f"{entry.get('module')}.{own}"
        return f"layer {layer!r}: {name} is not Keras' own and is not run; write it with Keras' layers"
    return ""
