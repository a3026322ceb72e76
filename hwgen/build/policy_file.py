"""A user's own policy for a package: a TOML or JSON file says what the accelerator's numbers mean; golden observations
and actions are computed by the golden model. docs/package.md shows one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tomllib

from hwgen.build.host_program import serialise
from hwgen.build.policy_package import VECTORS, PolicyPart
from hwgen.errors import InputError
from hwgen.graph import Graph, golden, qonnx_in
from hwgen.runtime.fields import Fields, is_number, parse_object
from hwgen.runtime.package import Package
from hwgen.runtime.package_vectors import pack_texts
from hwgen.runtime.policy_spec import parse_policy
from hwgen.runtime.text import TextEncoder

SUFFIXES = (".toml", ".json")
_KEYS = ("name", "observation", "action", "chunk", "execute", "rate_hz", "safe_action", "before", "after")
_OBSERVATION = {
    "image": ("name", "kind", "to", "unit", "axes"),
    "vector": ("name", "kind", "to", "unit", "mean", "std", "default"),
    "text": ("name", "kind", "to", "encoder"),
}
_LARGEST = 8 << 20


@dataclass(frozen=True)
class _Parts:
    """The three graphs in a row; before and after may be missing."""

    before: Graph | None
    accelerator: Graph
    after: Graph | None

    def all(self) -> list[Graph]:
        return [g for g in (self.before, self.accelerator, self.after) if g is not None]

    def reads(self, name: object) -> Graph | None:
        """The graph that takes a tensor of this name from outside."""
        made = {out for g in self.all() for out in g.outputs}
        return next((g for g in self.all() if name in g.inputs and name not in made), None)


def part_of_file(file: Path, accelerator: Graph, base: Package, rate_hz: float | None = None) -> PolicyPart:
    """What a package needs of the policy in `file` around a graph; `base`: the package of the accelerator alone;
    rate_hz: instead of the file's. Raises InputError naming the entry."""

    def complain(where: str, reason: str) -> InputError:
        return InputError(f"{file}: {where}{' ' if where else ''}{reason}")

    f = Fields(_read(file), "", complain, _KEYS)
    graphs = [_graph(f, part, file.parent) for part in ("before", "after")]
    parts = _Parts(graphs[0], accelerator, graphs[1])
    _check_joints(parts, complain)
    entries = f.get("observation")
    f.need("observation", isinstance(entries, list) and entries, "a list of observations")
    tensors: dict[str, dict] = {}
    observation = [_observe(Fields(e, f"observation[{i}]", complain), parts, tensors) for i, e in enumerate(entries)]
    action = _act(f, parts, tensors)
    chunk, dof = action["shape"]
    manifest = {
        "name": f.get("name") or file.stem, "observation": observation, "action": action, "tensors": tensors,
        "chunk": chunk, "execute": f.get("execute") or chunk, "rate_hz": rate_hz or f.get("rate_hz"),
        "safe_action": None if f.get("safe_action") is None else _each(f, "safe_action", dof, 0.0),
    }  # fmt: skip
    arrays: dict[str, np.ndarray] = {}
    for part, graph in (("before", parts.before), ("after", parts.after)):
        manifest[part], made = (None, {}) if graph is None else serialise(graph)
        arrays |= {f"{part}/{name}": array for name, array in made.items()}
    parse_policy(manifest, arrays, base.inputs, base.outputs, complain)
    return PolicyPart(manifest, arrays, golden_vectors(manifest, parts))


def golden_vectors(manifest: dict, parts: _Parts, count: int = VECTORS) -> dict[str, np.ndarray]:
    """Random observations that fill and leave the range, [count, ...], and the actions that golden gives for them."""
    rng, seen, values = np.random.default_rng(1), {}, {}
    for o in manifest["observation"]:
        t = manifest["tensors"][o["to"]]
        if o["kind"] == "image":
            seen[o["name"]] = rng.integers(0, 256, (count, *o["shape"])).astype(np.uint8)
            values[o["to"]] = seen[o["name"]].transpose(0, *(1 + axis for axis in o["axes"])).astype(np.int64)
            continue
        if o["kind"] == "text":
            words, encoder = sorted(o["encoder"]["weights"]) or ["go"], o["encoder"]
            told = [" ".join(rng.choice(words, rng.integers(1, 5))) for _ in range(count)]
            encode = TextEncoder(encoder["weights"], encoder["size"], encoder["floor"])
            seen[o["name"]], real = pack_texts(told), np.stack([encode(text) for text in told])
        else:
            span = 1.2 * np.array([t["lo"], t["hi"]]) * t["scale"]
            mean, std = np.float32(o["mean"]), np.float32(o["std"])
            seen[o["name"]] = (rng.uniform(*span, (count, *o["shape"])) * std + mean).astype(np.float32)
            real = (seen[o["name"]] - mean) / std
        values[o["to"]] = np.clip(np.rint(real / np.float32(t["scale"])), t["lo"], t["hi"]).astype(np.int64)
    for graph in parts.all():
        values |= golden.run(graph, {name: values[name] for name in graph.inputs})
    a = manifest["action"]
    scale = np.float32(manifest["tensors"][a["from"]]["scale"])
    action = (values[a["from"]].astype(np.float32) * scale).reshape(count, *a["shape"])
    action = action * np.float32(a["std"]) + np.float32(a["mean"])
    low, high = (bound if a[key] is None else a[key] for key, bound in (("low", -np.inf), ("high", np.inf)))
    return seen | {"action": np.clip(action, np.float32(low), np.float32(high)).astype(np.float32)}


def _read(file: Path) -> dict:
    if not file.is_file():
        raise InputError(f"{file} does not exist: check the path")
    if file.stat().st_size > _LARGEST:
        raise InputError(f"{file} is larger than {_LARGEST >> 20} MiB: give the description of a policy")
    data = file.read_bytes()
    try:
        return tomllib.loads(data.decode()) if file.suffix == ".toml" else parse_object(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not valid {file.suffix[1:].upper()} ({error})") from None


def _graph(f: Fields, part: str, folder: Path) -> Graph | None:
    """A host's graph, a QONNX file beside the description."""
    if f.get(part) is None:
        return None
    return qonnx_in.load(folder / f.text(part))


def _check_joints(parts: _Parts, complain) -> None:
    """Where one part reads what another makes, both must mean the same real values."""
    made = {}
    for graph in parts.all():
        for name in graph.inputs:
            if name in made and not np.array_equal(made[name].scale_array(), graph.tensors[name].scale_array()):
                raise complain("", f"tensor {name!r} leaves one graph at another scale than the next one reads it at")
        made |= {name: graph.tensors[name] for name in graph.outputs}


def _observe(f: Fields, parts: _Parts, tensors: dict[str, dict]) -> dict:
    """One observation as the manifest has it; its tensor's facts go to `tensors`."""
    kind = f.choice("kind", tuple(_OBSERVATION))
    f = Fields(f.value, f.where, f.complain, _OBSERVATION[kind])
    graph = parts.reads(f.get("to")) if isinstance(f.get("to"), str) else None
    inputs = [name for g in parts.all() for name in g.inputs if parts.reads(name) is not None]
    f.need("to", graph is not None, f"an input of the graphs: {', '.join(dict.fromkeys(inputs))}")
    to = f.value["to"]
    lo, hi = graph.input_range(to)
    shape = list(graph.tensors[to].shape)
    tensors[to] = {"lo": lo, "hi": hi, "scale": _scale(graph, to, f, "to"), "shape": shape}
    out = {"name": f.text("name"), "kind": kind, "to": to}
    if kind == "text":
        return out | {"encoder": f.get("encoder")}
    out |= {"dtype": "uint8" if kind == "image" else "float32", "unit": f.value.get("unit", "")}
    if kind == "vector":
        f.need("to", shape, "a tensor with axes")
        out |= {"shape": shape, "mean": _each(f, "mean", shape[-1], 0.0), "std": _each(f, "std", shape[-1], 1.0)}
        return out | ({"default": _each(f, "default", math.prod(shape), 0.0)} if "default" in f.value else {})
    axes = f.value.get("axes", [2, 0, 1] if len(shape) == 3 else list(range(len(shape))))  # a camera gives H, W, C
    f.need("axes", isinstance(axes, list) and sorted(map(repr, axes)) == sorted(map(repr, range(len(shape)))),
           f"an order of {len(shape)} axes")  # fmt: skip
    return out | {"axes": axes, "shape": [shape[axes.index(axis)] for axis in range(len(shape))]}


def _act(f: Fields, parts: _Parts, tensors: dict[str, dict]) -> dict:
    """The action as the manifest has it; its tensor's facts go to `tensors`."""
    a = Fields(f.value.get("action", {}), "action", f.complain, ("from", "unit", "mean", "std", "low", "high"))
    last = parts.after or parts.accelerator
    source = a.value.get("from", last.outputs[0] if len(last.outputs) == 1 else None)
    a.need("from", source in last.outputs, f"an output of the last graph: {', '.join(last.outputs)}")
    t = last.tensors[source]
    chunk = f.integer("chunk", 1, 1 << 16) if "chunk" in f.value else 1
    f.need("chunk", t.size % chunk == 0, f"a divisor of the {t.size} numbers in {source!r}")
    dof = t.size // chunk
    tensors[source] = {"lo": t.dtype.lo, "hi": t.dtype.hi, "scale": _scale(last, source, a, "from"),
                       "shape": list(t.shape)}  # fmt: skip
    unit = a.value.get("unit", "")
    return {
        "from": source, "shape": [chunk, dof], "unit": [unit] * dof if isinstance(unit, str) else unit,
        "mean": _each(a, "mean", dof, 0.0), "std": _each(a, "std", dof, 1.0),
        "low": _each(a, "low", dof, None), "high": _each(a, "high", dof, None),
    }  # fmt: skip


def _scale(graph: Graph, name: str, f: Fields, key: str) -> float | list[float]:
    """One scale, or one for each index of the last axis."""
    t = graph.tensors[name]
    flat = np.unique(np.asarray(t.scale, np.float64))
    if flat.size == 1:
        return float(flat[0])
    f.need(key, t.channel_axis % len(t.shape) == len(t.shape) - 1, "a tensor whose scales run along its last axis")
    return [float(s) for s in t.scale]


def _each(f: Fields, key: str, count: int, default: float | None) -> list[float] | None:
    """A number for all, or a list of one for each."""
    value = f.value.get(key, default)
    if value is None:
        return None
    values: Sequence = value if isinstance(value, list) else [value] * count
    good = len(values) == count and all(is_number(v) for v in values)
    f.need(key, good, f"a number, or a list of {count}")
    return [float(v) for v in values]
