"""What a package is, as plain data for people and tools, and whether one package's program runs on another's
bitstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwgen.runtime.layout import TensorSpec
from hwgen.runtime.package import Package
from hwgen.runtime.policy_spec import ActionSpec, ObservationSpec, PolicySpec

if TYPE_CHECKING:
    from hwgen.runtime.engines_package import EnginesPackage

_PLAIN = ("name", "board", "backend", "format", "abi", "design_hash", "array", "engine", "predicted_cycles")


def describe(package: Package) -> dict:
    """JSON-ready facts of an opened package; `None` where there is none of something.

    `clock_mhz` is the bitstream's where one is inside, else the one that was assumed; `latency_us` follows it. Every
    hash that is listed has been verified, for an opened package has no other.
    """
    manifest = package.manifest
    bitstream = manifest.get("bitstream")
    clock = float(bitstream["clock_mhz"] if bitstream else manifest["clock_mhz_assumed"])
    facts = {key: manifest.get(key) for key in _PLAIN}
    return {
        "file": str(package.path), **facts, "clock_mhz": clock, "clock_is": "bitstream" if bitstream else "assumed",
        "latency_us": manifest["predicted_cycles"] / clock,
        **interface(package), "bitstream": {**bitstream, "bytes": len(package.bitstream)} if bitstream else None,
        "members": members(package),
    }  # fmt: skip


def interface(package: Package | EnginesPackage) -> dict:
    """What goes in and comes out, and how many golden vectors prove it."""
    policy = package.policy
    return {
        "inputs": [_tensor(t) for t in package.inputs], "outputs": [_tensor(t) for t in package.outputs],
        "policy": _policy(policy) if policy else None,
        "selftest": {"accelerator": _count(package.selftest), "policy": _count(package.policy_selftest)},
    }  # fmt: skip


def members(package: Package | EnginesPackage) -> list[dict]:
    """The parts of the file, with their hashes."""
    hashes = package.manifest["sha256"]
    return [{"name": name, "bytes": size, "sha256": hashes[name]} for name, size in package.sizes.items()]


def differences(bitstream_of: Package, program_of: Package) -> list[str]:
    """Why the program of one package does not run on the bitstream of another; empty when it does."""
    there, here = bitstream_of.manifest, program_of.manifest
    if there["abi"] == here["abi"] and there["design_hash"] == here["design_hash"]:
        return [] if there["board"] == here["board"] else [_differ("board", there, here)]
    reasons = [_differ(key, there, here) for key in ("board", "backend", "abi") if there[key] != here[key]]
    engines = [entry if isinstance(entry, dict) else {} for entry in (there.get("engine"), here.get("engine"))]
    for key in sorted(set(engines[0]) | set(engines[1])):
        if engines[0].get(key) != engines[1].get(key):
            reasons.append(_differ(key, *engines))
    return reasons or ["the same configuration, made with another version of hwgen's hardware library"]


def _differ(key: str, there: dict, here: dict) -> str:
    return f"{key} is {there.get(key)!r:.80} there, {here.get(key)!r:.80} here"


def _count(vectors: dict[str, np.ndarray] | None) -> int:
    return len(next(iter(vectors.values()))) if vectors else 0


def _tensor(t: TensorSpec) -> dict:
    return {
        "name": t.name, "shape": list(t.shape), "dtype": str(t.dtype), "lo": t.lo, "hi": t.hi,
        "scale": _numbers(t.scale), "bytes": t.nbytes,
    }  # fmt: skip


def _policy(p: PolicySpec) -> dict:
    return {
        "name": p.name, "observation": [_observation(o) for o in p.observation],
        "before": _program(p.before), "after": _program(p.after), "action": _action(p.action),
        "chunk": p.chunk, "execute": p.execute, "rate_hz": p.rate_hz,
        "safe_action": None if p.safe_action is None else _numbers(p.safe_action),
    }  # fmt: skip


def _observation(o: ObservationSpec) -> dict:
    facts = {"name": o.name, "kind": o.kind, "shape": list(o.shape), "unit": o.unit, "to": o.to}
    if o.mean is not None:
        facts |= {"mean": _numbers(o.mean), "std": _numbers(o.std), "scale": _numbers(o.tensor.scale)}
    if o.default is not None:
        facts["default"] = _numbers(o.default)
    if o.words is not None:
        facts |= {"words": len(o.words.weights), "size": o.words.size, "scale": _numbers(o.tensor.scale)}
    return facts


def _action(a: ActionSpec) -> dict:
    bounds = {key: None if value is None else _numbers(value) for key, value in (("low", a.low), ("high", a.high))}
    return {
        "from": a.source, "shape": list(a.shape), "unit": list(a.unit), "scale": _numbers(a.tensor.scale),
        "mean": _numbers(a.mean), "std": _numbers(a.std), **bounds,
    }  # fmt: skip


def _program(program: object | None) -> dict | None:
    if program is None:
        return None
    return {"inputs": sorted(program.inputs), "outputs": sorted(program.outputs)}


def _numbers(values: np.ndarray) -> float | list[float]:
    """A number, or a list of them; equal ones are told once."""
    flat = np.unique(np.asarray(values).reshape(-1))
    if flat.size == 1:
        return float(str(flat[0]))  # 0.1 of a float32 reads 0.1
    return [float(str(value)) for value in np.asarray(values).reshape(-1)]
