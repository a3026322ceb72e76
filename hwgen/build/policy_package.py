"""The whole policy for a package: the accelerator runs all of it, or one part and the robot's processor the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.build.host_program import digest, serialise
from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.policies import compose
from hwgen.policies.demo import Demo, load_demo
from hwgen.policies.embodiment import COLOURS, CONTROL_RATE_HZ, MAX_STEP, STATE_CENTRE, STATE_SCALE, normalize_state
from hwgen.policies.instructions import TRAIN_TEMPLATES, UNSEEN_TEMPLATES
from hwgen.policies.shipped import PARTS
from hwgen.runtime.package_vectors import pack_texts
from hwgen.runtime.text import FLOOR

OBSERVATIONS = ("image", "state", "instruction")
MOTION = 3
"""Numbers in one action: metres along x, y and z."""
VECTORS = 8
"""Golden observations in a package."""


@dataclass(frozen=True)
class PolicyPart:
    """What `write_package` takes: the manifest's `policy`, the host programs' arrays, golden vectors."""

    manifest: dict
    arrays: dict[str, np.ndarray]
    selftest: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Split:
    """One way to share the work: the tensors' names, and the graphs in front of the accelerator and behind it."""

    image: str
    state: str
    text: str
    action: str
    before: Graph | None = None
    after: Graph | None = None


def policy_part(policy: str | Path, graph: Graph) -> PolicyPart:
    """The policy around an accelerator that runs `graph`.

    policy: the name of one that comes along, or a checkpoint. graph: the accelerator's, as imported from its QONNX
    file; it is found among the policy's parts by value, names do not matter. Raises InputError when it is none of them.
    """
    demo = load_demo(policy)
    split = _SPLITS[part_of(demo, graph, policy)](demo, graph)
    arrays, programs = {}, {}
    for part in ("before", "after"):
        host = getattr(split, part)
        programs[part], made = (None, {}) if host is None else serialise(host)
        arrays |= {f"{part}/{name}": array for name, array in made.items()}
    return PolicyPart(_manifest(demo, Path(policy).stem, split) | programs, arrays, golden_vectors(demo))


def part_of(demo: Demo, graph: Graph, policy: str | Path) -> str:
    """Which part of the policy a graph is: one of PARTS. Raises InputError."""
    found = _identity(graph)
    for part in PARTS:
        if _identity(compose.part(demo, part)) == found:
            return part
    shapes = ", ".join(f"{name} {list(graph.tensors[name].shape)}" for name in graph.inputs)
    raise InputError(
        f"the accelerator's graph {graph.name!r} (inputs {shapes}) is neither policy {str(policy)!r} nor its head nor "
        f"its encoder: generate it from `{policy}` or `{policy}:head`, or package it without a policy"
    )


def _identity(graph: Graph) -> tuple:
    """What must be equal: integers in, integers out, and the real values at both ends."""
    return digest(graph), [np.asarray(graph.tensors[name].scale).tolist() for name in (*graph.inputs, *graph.outputs)]


def _all_runs(demo: Demo, graph: Graph) -> _Split:
    image, text, state = graph.inputs
    return _Split(image, state, text, graph.outputs[0])


def _head_runs(demo: Demo, graph: Graph) -> _Split:
    vector, action = graph.inputs[0], graph.outputs[0]
    image, state, text = (_fresh(name, (vector, action)) for name in ("image", "state", "text"))
    return _Split(image, state, text, action, before=compose.before_head(demo, image, state, text, vector))


def _encoder_runs(demo: Demo, graph: Graph) -> _Split:
    own, features = dict(zip(demo.encoder.inputs, graph.inputs, strict=True)), graph.outputs[0]
    image, text = own["image"], own["text"]
    state, action = (_fresh(name, (image, text, features)) for name in ("state", "action"))
    return _Split(image, state, text, action, after=compose.after_encoder(demo, features, state, text, action))


_SPLITS = {"whole": _all_runs, "head": _head_runs, "encoder": _encoder_runs}


def _fresh(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name += "_"
    return name


def _manifest(demo: Demo, name: str, split: _Split) -> dict:
    """The manifest's `policy` without the host programs. Units and normalization are the simulated robot's."""
    c, encoder, head = demo.config, demo.encoder, demo.head
    zero, step = [0.0] * MOTION, [MAX_STEP] * MOTION
    tensors = {
        split.image: _tensor(encoder, "image"),
        split.state: _tensor(head, head.inputs[0]) | {"shape": [c.state]},
        split.text: _tensor(encoder, "text"),
        split.action: _tensor(head, head.outputs[0]),
    }
    words = {"kind": "hashed-words", "size": c.text, "floor": FLOOR, "weights": dict(c.words)}
    image, state, instruction = OBSERVATIONS
    return {
        "name": name,
        "observation": [
            {"name": image, "kind": "image", "shape": [c.image, c.image, 3], "dtype": "uint8", "unit": "",
             "to": split.image, "axes": [2, 0, 1]},
            {"name": state, "kind": "vector", "shape": [c.state], "dtype": "float32", "unit": "m", "to": split.state,
             "mean": _floats(STATE_CENTRE), "std": _floats(STATE_SCALE)},
            {"name": instruction, "kind": "text", "to": split.text, "encoder": words},
        ],
        "action": {"from": split.action, "shape": [c.chunk, MOTION], "unit": ["m"] * MOTION, "mean": zero, "std": step,
                   "low": [-s for s in step], "high": step},
        "chunk": c.chunk, "execute": c.execute, "rate_hz": CONTROL_RATE_HZ, "safe_action": zero, "tensors": tensors,
    }  # fmt: skip


def _tensor(graph: Graph, name: str) -> dict:
    t = graph.tensors[name]
    return {"lo": t.dtype.lo, "hi": t.dtype.hi, "scale": float(t.scale), "shape": list(t.shape)}


def _floats(values: np.ndarray) -> list[float]:
    return [float(v) for v in values]


def golden_vectors(demo: Demo, count: int = VECTORS) -> dict[str, np.ndarray]:
    """Observations and the actions that the golden model gives, [count, ...]: recorded pictures and positions (in
    metres) under instructions that training saw and such that it did not; `action` in metres."""
    rows = np.arange(count) % len(demo.recorded["images"])
    images = demo.recorded["images"][rows]
    state = (demo.recorded["state"][rows] * STATE_SCALE + STATE_CENTRE).astype(np.float32)
    templates = [t for pair in zip(TRAIN_TEMPLATES, UNSEEN_TEMPLATES, strict=False) for t in pair]
    told = [templates[k % len(templates)].replace("{}", COLOURS[k % len(COLOURS)]) for k in range(count)]
    text = np.stack([demo.text_encoder(instruction) for instruction in told])
    action = demo.integer_policy()(images, normalize_state(state), text) * np.float32(MAX_STEP)
    return dict(zip((*OBSERVATIONS, "action"), (images, state, pack_texts(told), action), strict=True))
