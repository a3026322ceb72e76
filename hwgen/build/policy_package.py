"""The whole policy for a package: the accelerator runs all of it, or one part and the robot's processor the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.build.host_program import digest, serialise
from hwgen.errors import InputError
from hwgen.graph import Graph, Tensor
from hwgen.policies.embodiment import COLOURS, CONTROL_RATE_HZ, MAX_STEP, STATE_CENTRE, STATE_SCALE, normalize_state
from hwgen.policies.instructions import TRAIN_TEMPLATES, UNSEEN_TEMPLATES
from hwgen.policies.loading import load_policy
from hwgen.policies.policy import Policy
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
    """One way to share the work. names: of the whole policy's inputs and its output, by what the accelerator or a host
    program calls them; the graphs in front of the accelerator and behind it."""

    names: dict[str, str]
    before: Graph | None = None
    after: Graph | None = None


def policy_part(policy: str | Path, graph: Graph) -> PolicyPart:
    """The policy around an accelerator that runs `graph`.

    policy: the name of one that comes along, or a checkpoint. graph: the accelerator's, as imported from its QONNX
    file; it is found among the policy's parts by value, names do not matter. Raises InputError when it is none of them.
    """
    trained = load_policy(policy)
    split = _split(trained, part_of(trained, graph, policy), graph)
    arrays, programs = {}, {}
    for part in ("before", "after"):
        host = getattr(split, part)
        programs[part], made = (None, {}) if host is None else serialise(host)
        arrays |= {f"{part}/{name}": array for name, array in made.items()}
    return PolicyPart(_manifest(trained, Path(policy).stem, split) | programs, arrays, golden_vectors(trained))


def part_of(trained: Policy, graph: Graph, policy: str | Path) -> str:
    """Which part of the policy a graph is: one of PARTS. Raises InputError."""
    found = _identity(graph)
    for part in PARTS:
        if _identity(trained.part(part)) == found:
            return part
    shapes = ", ".join(f"{name} {list(graph.tensors[name].shape)}" for name in graph.inputs)
    raise InputError(
        f"the accelerator's graph {graph.name!r} (inputs {shapes}) is neither policy {str(policy)!r} nor its head nor "
        f"its encoder: generate it from `{policy}` or `{policy}:head`, or package it without a policy"
    )


def _identity(graph: Graph) -> tuple:
    """What must be equal: integers in, integers out, and the real values at both ends."""
    return digest(graph), [np.asarray(graph.tensors[name].scale).tolist() for name in (*graph.inputs, *graph.outputs)]


def _split(trained: Policy, part: str, graph: Graph) -> _Split:
    """Who computes what where the accelerator runs this part as `graph`, whose tensors may have other names."""
    whole, own = trained.whole(), trained.part(part)
    names = dict(zip(own.inputs, graph.inputs, strict=True))
    inputs, (action,) = whole.inputs, whole.outputs
    if part == "encoder":
        names["seam"] = graph.outputs[0]
    else:
        names[action] = graph.outputs[0]
    if part == "head":
        names["seam"] = next(names.pop(name) for name in own.inputs if name not in inputs)
    taken = (*graph.inputs, *graph.outputs)
    names |= {role: _fresh(role, taken) for role in (*inputs, action) if role not in names}
    return _Split(
        names, trained.before_head(names) if part == "head" else None,
        trained.after_encoder(names) if part == "encoder" else None,
    )  # fmt: skip


def _fresh(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name += "_"
    return name


def _manifest(trained: Policy, name: str, split: _Split) -> dict:
    """The manifest's `policy` without the host programs. Units and normalization are the simulated robot's."""
    c, whole, to = trained.config, trained.whole(), split.names
    zero, step = [0.0] * MOTION, [MAX_STEP] * MOTION
    (action,) = whole.outputs
    words = {"kind": "hashed-words", "size": c.text, "floor": FLOOR, "weights": dict(c.words)}
    image, state, instruction = OBSERVATIONS
    vector = {"kind": "vector", "dtype": "float32"}
    return {
        "name": name,
        "observation": [
            {"name": image, "kind": "image", "shape": [c.image, c.image, 3], "dtype": "uint8", "unit": "",
             "to": to["image"], "axes": [2, 0, 1]},
            {"name": state, **vector, "shape": [c.state], "unit": "m", "to": to["state"],
             "mean": _floats(STATE_CENTRE), "std": _floats(STATE_SCALE)},
            {"name": instruction, "kind": "text", "to": to["text"], "encoder": words},
            *({"name": more, **vector, "shape": list(value.shape), "unit": "", "to": to[more],
               "mean": [0.0] * value.shape[-1], "std": [1.0] * value.shape[-1], "default": value.ravel().tolist()}
              for more, value in trained.defaults.items()),
        ],
        "action": {"from": to[action], "shape": [c.chunk, MOTION], "unit": ["m"] * MOTION, "mean": zero, "std": step,
                   "low": [-s for s in step], "high": step},
        "chunk": c.chunk, "execute": c.execute, "rate_hz": CONTROL_RATE_HZ, "safe_action": zero,
        "tensors": {to[role]: _tensor(whole.tensors[role]) for role in (*whole.inputs, action)},
    }  # fmt: skip


def _tensor(t: Tensor) -> dict:
    return {"lo": t.dtype.lo, "hi": t.dtype.hi, "scale": float(t.scale), "shape": list(t.shape)}


def _floats(values: np.ndarray) -> list[float]:
    return [float(v) for v in values]


def golden_vectors(trained: Policy, count: int = VECTORS) -> dict[str, np.ndarray]:
    """Observations and the actions that the golden model gives, [count, ...]: recorded pictures and positions (in
    metres) under instructions that training saw and such that it did not; `action` in metres."""
    rows = np.arange(count) % len(trained.recorded["images"])
    images = trained.recorded["images"][rows]
    state = (trained.recorded["state"][rows] * STATE_SCALE + STATE_CENTRE).astype(np.float32)
    templates = [t for pair in zip(TRAIN_TEMPLATES, UNSEEN_TEMPLATES, strict=False) for t in pair]
    told = [templates[k % len(templates)].replace("{}", COLOURS[k % len(COLOURS)]) for k in range(count)]
    text = np.stack([trained.text_encoder(instruction) for instruction in told])
    more = [x.astype(np.float32) for x in trained.drawn(count, np.random.default_rng(count))]
    action = trained.integer_policy()(images, normalize_state(state), text, *more) * np.float32(MAX_STEP)
    observed = dict(zip(OBSERVATIONS, (images, state, pack_texts(told)), strict=True))
    return observed | dict(zip(trained.defaults, more, strict=True)) | {"action": action}
