"""The policy that comes along, both halves as one graph; the only entry with trained weights."""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.policies.demo import load_demo

BITS = 4


def build(name: str, bits: int, policy: str) -> Graph:
    """SmallStem encoder with FiLM and MLP-ResNet head: a 64 x 64 picture, the instruction's vector and the gripper's
    position to 8 motions. Its weights have 4 bits. What it is and how it was trained: docs/policy.md."""
    if bits != BITS:
        raise InputError(f"zoo:{name}: its weights were trained with {BITS} bits, so bits={bits} is not possible")
    graph = load_demo(policy).whole()
    graph.name = name
    return graph
