"""manifest.json and report.json of a design, read as files from outside: what is damaged is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

from hwgen.backends.shell import CoreDescription
from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.runtime.engines_package import MOST

AGAIN = "generate the design again"


def read_object(file: Path, texts: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> dict:
    """The JSON object in a file, with these keys at least: texts, and finite numbers. Raises InputError."""
    try:
        data = json.loads(file.read_text())
        if not isinstance(data, dict):
            raise TypeError("it holds no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file} cannot be used ({error!r:.200}); {AGAIN}") from None
    for key, kind, what in (*((k, str, "a text") for k in texts), *((k, (int, float), "a number") for k in numbers)):
        value = data.get(key)
        if not isinstance(value, kind) or isinstance(value, bool) or (kind is not str and not math.isfinite(value)):
            raise InputError(f"{file}: {key} is {value!r:.40}, not {what}; {AGAIN}")
    return data


def read_core(folder: Path, graph: Graph) -> CoreDescription:
    """The core that DIR's manifest describes, for DIR's graph. Raises InputError."""
    file = folder / "manifest.json"
    manifest = read_object(file)
    if "core" not in manifest:
        raise InputError(f"{file} describes no core; {AGAIN}")
    try:
        core = CoreDescription.from_dict(manifest["core"])
    except InputError as error:
        raise InputError(f"{file}: {error}; {AGAIN}") from None
    for ports, names in ((core.inputs, graph.inputs), (core.outputs, graph.outputs)):
        found = {p.tensor: tuple(p.shape[p.axes.index(i)] for i in range(len(p.shape))) for p in ports}
        if found != {name: graph.tensors[name].shape for name in names} or len(found) != len(ports):
            raise InputError(f"{file}: the core's ports are {found}, which are not those of graph.onnx; {AGAIN}")
    return core


def read_stages(folder: Path) -> list[dict]:
    """The stages of DIR/manifest.json: `folder`, a plain name within DIR, and `copies`. Raises InputError."""
    file = folder / "manifest.json"
    stages = read_object(file).get("stages")
    if not isinstance(stages, list) or not 1 <= len(stages) <= MOST:
        raise InputError(f"{file}: stages is {stages!r:.40}, not a list of 1 to {MOST}; {AGAIN}")
    for number, stage in enumerate(stages):
        good = isinstance(stage, dict) and stage.get("folder") == f"stage{number}"
        if not good or type(stage.get("copies")) is not int or not 1 <= stage["copies"] <= MOST:
            raise InputError(f"{file}: stages[{number}] is {stage!r:.80}, not a folder stage{number} and 1 to "
                             f"{MOST} copies; {AGAIN}")  # fmt: skip
    return stages
