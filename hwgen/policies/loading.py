"""Trained policies of every kind, from their checkpoints."""

from __future__ import annotations

from pathlib import Path

from hwgen.errors import InputError
from hwgen.policies import checkpoint, demo, vit_flow_policy
from hwgen.policies.policy import Policy
from hwgen.policies.shipped import path_of

KINDS = {"demo": demo.from_checkpoint, "vit-flow": vit_flow_policy.from_checkpoint}
"""By the kind that the config names; one that names none is the demo's."""


def load_policy(policy: str | Path | None = None) -> Policy:
    """A policy that comes along, by name, or a checkpoint, by path (default: the demo). Raises InputError if there is
    no such policy, or the file is missing, damaged or wrong."""
    path = path_of(policy or "demo")
    values, graphs, weights, extra = checkpoint.load(path)
    kind = values.pop("kind", "demo") if isinstance(values, dict) else "demo"
    if kind not in KINDS:
        raise InputError(f"checkpoint {path} is of the kind {kind!r:.80}; there are {', '.join(KINDS)}; retrain it")
    return KINDS[kind](path, values, graphs, weights, extra)
