"""The policy around the accelerator, as the manifest's key `policy` tells it: what is observed, what the host computes
before and after, and what the action's numbers mean. docs/package.md lists every key.

    observation --(axes | mean, std, scale | words)--> integer tensors --before--> accelerator --after--> action
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hwgen.runtime.fields import Complain, Fields, is_number
from hwgen.runtime.layout import TensorSpec

KINDS = {"image": "uint8", "vector": "float32", "text": "text"}
ACTION = "action"  # the name of the answer, among the golden vectors too
HOST_PARTS = ("before", "after")
_COMMON = ("name", "kind", "to")
_KEYS = {
    "image": (*_COMMON, "shape", "dtype", "unit", "axes"),
    "vector": (*_COMMON, "shape", "dtype", "unit", "mean", "std", "default"),
    "text": (*_COMMON, "encoder"),
}
_POLICY_KEYS = (
    "name", "observation", "before", "after", "action", "chunk", "execute", "rate_hz", "safe_action", "tensors",
)  # fmt: skip
_MAX_WORDS, _MAX_TEXT, _MAX_RATE = 100_000, 4096, 1e6


@dataclass(frozen=True, eq=False)
class PolicyTensor:
    """An integer tensor: shape without the batch, range lo..hi, real = integer * scale (float64, broadcastable)."""

    shape: tuple[int, ...]
    lo: int
    hi: int
    scale: np.ndarray = field(default_factory=lambda: np.ones(()))


@dataclass(frozen=True, eq=False)
class WordsSpec:
    """A text encoder of hashed words: `hwgen.runtime.text.TextEncoder(weights, size, floor)`."""

    size: int
    floor: float
    weights: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True, eq=False)
class ObservationSpec:
    """One thing that the robot observes, and the integer tensor `to` that it becomes.

    image: uint8 [*shape], transposed by `axes`. vector: float32 [*shape], (x - mean) / std, both float32 [shape[-1]],
    then divided by the tensor's scale, rounded half to even and saturated; default: float32 [*shape], which is taken
    where the caller leaves it out, or None. text: a str, through `words` and then like a vector; its shape is ().
    """

    name: str
    kind: str
    to: str
    tensor: PolicyTensor
    shape: tuple[int, ...] = ()
    unit: str = ""
    axes: tuple[int, ...] = ()
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    words: WordsSpec | None = None
    default: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ActionSpec:
    """The answer: integers of tensor `source` * scale, reshaped to `shape` = (chunk, dof), * std + mean, clipped to low
    and high. All four are float32 [dof], low and high may be None; `unit` has one for each of dof."""

    source: str
    tensor: PolicyTensor
    shape: tuple[int, int]
    unit: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PolicySpec:
    """A whole policy. before, after: `hwgen.runtime.host.HostProgram` or None. execute: actions of a chunk that are
    carried out before the next one; rate_hz: actions a second; safe_action: float32 [dof] or None."""

    name: str
    observation: tuple[ObservationSpec, ...]
    before: object | None = field(repr=False)
    after: object | None = field(repr=False)
    action: ActionSpec
    chunk: int
    execute: int
    rate_hz: float
    safe_action: np.ndarray | None

    @property
    def dof(self) -> int:
        """Numbers in one action."""
        return self.action.shape[1]


def parse_policy(
    description: object,
    arrays: Mapping[str, np.ndarray],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    complain: Complain,
) -> PolicySpec:
    """The manifest's `policy` with the arrays of host.npz, checked against the accelerator's inputs and outputs: every
    tensor is made exactly once, with the shape and within the range that its reader takes. Raises `complain`'s."""
    f = Fields(description, "policy", complain, _POLICY_KEYS)
    tensors = _tensors(f)
    observation = _observation(f, tensors)
    programs = {part: _host_program(f, part, arrays) for part in HOST_PARTS}
    if stray := sorted(key for key in arrays if key.partition("/")[0] not in HOST_PARTS):
        raise complain("policy", f"has no host program for the array {stray[0]!r:.80}")
    action = _action(f, tensors)
    if unknown := sorted(set(tensors) - {o.to for o in observation} - {action.source}):
        raise complain("policy.tensors", f"names {unknown[0]!r:.80}, which is no observation's and not the action's")
    _check_flow(observation, programs, action, inputs, outputs, complain)
    chunk = f.integer("chunk", 1, 1 << 16)
    f.need("chunk", chunk == action.shape[0], f"{action.shape[0]}, the first size of the action")
    safe = None if f.get("safe_action") is None else f.numbers("safe_action", action.shape[1])
    if safe is not None:
        low, high = _bound(action.low, -np.inf), _bound(action.high, np.inf)
        f.need("safe_action", bool(((low <= safe) & (safe <= high)).all()), "within the action's low and high")
    return PolicySpec(
        f.text("name"), observation, programs["before"], programs["after"], action, chunk,
        f.integer("execute", 1, chunk), f.number("rate_hz", 0, _MAX_RATE, "a frequency in Hz"), safe,
    )  # fmt: skip


def _bound(value: np.ndarray | None, default: float) -> np.ndarray:
    return np.float32(default) if value is None else value


def _tensors(f: Fields) -> dict[str, PolicyTensor]:
    entries = Fields(f.get("tensors"), "policy.tensors", f.complain)
    out = {}
    for name, entry in entries.value.items():
        t = Fields(entry, f"policy.tensors[{name!r:.80}]", f.complain, ("lo", "hi", "scale", "shape"))
        shape, limit = t.shape("shape"), 1 << 31
        lo = t.integer("lo", -limit, limit - 1)
        hi = t.integer("hi", lo, limit - 1)
        out[name] = PolicyTensor(shape, lo, hi, _scale(t, shape))
    return out


def _scale(t: Fields, shape: tuple[int, ...]) -> np.ndarray:
    """A number, or one for each index of the last axis; float64, broadcastable against the shape."""
    value = t.get("scale")
    per_channel = isinstance(value, list) and len(shape) > 0 and len(value) == shape[-1]
    values = value if per_channel else [value]
    good = all(is_number(v) and v >= 2.0**-126 for v in values)
    t.need("scale", good, "a positive number, or one for each index of the last axis")
    return np.array(values, np.float64).reshape([1] * (len(shape) - 1) + [len(values)] if shape else [])


def _observation(f: Fields, tensors: Mapping[str, PolicyTensor]) -> tuple[ObservationSpec, ...]:
    entries = f.get("observation")
    f.need("observation", isinstance(entries, list) and 1 <= len(entries) <= 64, "a list of 1 to 64 observations")
    out = [_one(Fields(e, f"policy.observation[{i}]", f.complain), tensors) for i, e in enumerate(entries)]
    for what, names in (("name", [o.name for o in out]), ("tensor", [o.to for o in out])):
        if len(set(names)) != len(names):
            raise f.complain("policy.observation", f"gives one {what} twice")
    return tuple(out)


def _one(f: Fields, tensors: Mapping[str, PolicyTensor]) -> ObservationSpec:
    kind = f.choice("kind", tuple(KINDS))
    f = Fields(f.value, f.where, f.complain, _KEYS[kind])
    name, to = f.text("name"), f.get("to")
    f.need("name", name != ACTION, f"another name than {ACTION!r}, which is the answer's")
    f.need("to", isinstance(to, str) and to in tensors, "a name of policy.tensors")
    tensor = tensors[to]
    f.need("to", tensor.scale.size == 1, "a tensor with one scale")
    if kind == "text":
        words = _words(Fields(f.get("encoder"), f.path("encoder"), f.complain, ("kind", "size", "floor", "weights")))
        f.need("to", tensor.shape == (words.size,), f"a tensor of the encoder's shape [{words.size}]")
        return ObservationSpec(name, kind, to, tensor, words=words)
    f.choice("dtype", (KINDS[kind],))
    shape, unit = f.shape("shape"), f.text("unit", 0)
    if kind == "image":
        axes = f.axes("axes", len(shape))
        turned = tuple(shape[axis] for axis in axes)
        f.need("to", tensor.shape == turned, f"a tensor of the shape {list(turned)}")
        f.need("to", tensor.lo <= 0 and tensor.hi >= 255, "a tensor that holds 0..255")
        return ObservationSpec(name, kind, to, tensor, shape, unit, axes)
    f.need("to", tensor.shape == shape, f"a tensor of the shape {list(shape)}")
    f.need("shape", len(shape) > 0, "at least one size")
    mean, std = f.numbers("mean", shape[-1]), f.numbers("std", shape[-1], positive=True)
    default = None if f.get("default") is None else f.numbers("default", math.prod(shape)).reshape(shape)
    return ObservationSpec(name, kind, to, tensor, shape, unit, mean=mean, std=std, default=default)


def _words(f: Fields) -> WordsSpec:
    f.choice("kind", ("hashed-words",))
    weights = f.get("weights")
    good = isinstance(weights, dict) and len(weights) <= _MAX_WORDS
    good = good and all(len(word) <= 200 and is_number(value) for word, value in weights.items())
    f.need("weights", good, f"an object of at most {_MAX_WORDS} words with numbers")
    f.need("floor", is_number(f.get("floor")), "a number")
    values = {word: float(value) for word, value in weights.items()}
    return WordsSpec(f.integer("size", 1, _MAX_TEXT), float(f.get("floor")), values)


def _action(f: Fields, tensors: Mapping[str, PolicyTensor]) -> ActionSpec:
    known = ("from", "shape", "unit", "mean", "std", "low", "high")
    a = Fields(f.get("action"), "policy.action", f.complain, known)
    source, shape = a.get("from"), a.shape("shape")
    a.need("from", isinstance(source, str) and source in tensors, "a name of policy.tensors")
    a.need("shape", len(shape) == 2, "[chunk, numbers in one action]")
    size = math.prod(tensors[source].shape)
    a.need("shape", math.prod(shape) == size, f"of {size} elements, as tensor {source!r:.80} has")
    dof = shape[1]
    low, high = (None if a.get(key) is None else a.numbers(key, dof) for key in ("low", "high"))
    if low is not None and high is not None:
        a.need("high", bool((low <= high).all()), "at least low")
    return ActionSpec(
        source, tensors[source], (shape[0], dof), a.texts("unit", dof), a.numbers("mean", dof),
        a.numbers("std", dof, positive=True), low, high,
    )  # fmt: skip


def _host_program(f: Fields, part: str, arrays: Mapping[str, np.ndarray]) -> object | None:
    mine = {key[len(part) + 1 :]: array for key, array in arrays.items() if key.startswith(part + "/")}
    f.need(part, part in f.value, "a host program or null")
    if f.get(part) is None:
        f.need(part, not mine, f"a host program, for host.npz holds arrays of {part}/")
        return None
    from hwgen.runtime.host import HostProgram

    return HostProgram.parse(f.get(part), mine, f.path(part), f.complain)


def _check_flow(
    observation: Sequence[ObservationSpec],
    programs: Mapping[str, object],
    action: ActionSpec,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    complain: Complain,
) -> None:
    """Every reader finds its tensor, made once, of its shape and within its range; every observation is read."""
    made: dict[str, PolicyTensor | TensorSpec | object] = {o.to: o.tensor for o in observation}
    used: set[str] = set()

    def read(readers: Mapping[str, object], where: str) -> None:
        for name, reader in readers.items():
            if name not in made:
                raise complain(where, f"reads tensor {name!r:.80}, which nothing makes")
            _check_pass(name, made[name], reader, where, complain)
            used.add(name)

    def make(writers: Mapping[str, object], where: str) -> None:
        if twice := sorted(set(made) & set(writers)):
            raise complain(where, f"makes tensor {twice[0]!r:.80}, which is made already")
        made.update(writers)

    before, after = programs["before"], programs["after"]
    if before is not None:
        read(before.inputs, "policy.before")
        make(before.outputs, "policy.before")
    read({t.name: t for t in inputs}, "inputs")
    if before is not None and (stray := sorted(set(before.outputs) - used)):
        raise complain("policy.before", f"makes tensor {stray[0]!r:.80}, which is no input of the accelerator")
    make({t.name: t for t in outputs}, "outputs")
    if after is not None:
        read(after.inputs, "policy.after")
        make(after.outputs, "policy.after")
    last = {t.name for t in outputs} if after is None else set(after.outputs)
    if action.source not in last:
        raise complain("policy.action.from", f"names tensor {action.source!r:.80}, which is not the last part's result")
    _check_pass(action.source, made[action.source], action.tensor, "policy.action", complain)
    if idle := [o.name for o in observation if o.to not in used]:
        raise complain("policy.observation", f"{idle[0]!r:.80} is read by nothing")


def _check_pass(name: str, made: object, reader: object, where: str, complain: Complain) -> None:
    if tuple(made.shape) != tuple(reader.shape):
        raise complain(where, f"takes tensor {name!r:.80} as {list(reader.shape)}, it is {list(made.shape)}")
    if made.lo < reader.lo or made.hi > reader.hi:
        raise complain(where, f"takes tensor {name!r:.80} in {reader.lo}..{reader.hi}, it has {made.lo}..{made.hi}")
    if isinstance(made, PolicyTensor | TensorSpec) and isinstance(reader, PolicyTensor | TensorSpec):
        if not _same_scale(made.scale, reader.scale, made.shape):
            raise complain(where, f"takes tensor {name!r:.80} at another scale than it is made with")


def _same_scale(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> bool:
    return bool(np.array_equal(np.broadcast_to(a, shape), np.broadcast_to(b, shape)))
