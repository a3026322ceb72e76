"""Bits of weights by layer. Layers with the same weights (the steps of a loop) are one, under the name of the first."""

from __future__ import annotations

from collections.abc import Mapping

from hwgen.errors import InputError
from hwgen.quantize import float_ops as ops
from hwgen.quantize.floats import FloatGraph


def groups(graph: FloatGraph) -> dict[str, list[str]]:
    """The layers with weights, in order: the names of all that share theirs, by the name of the first of them."""
    first: dict[int, str] = {}
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if isinstance(node, ops.Weighted):
            found.setdefault(first.setdefault(id(node.weight), node.name), []).append(node.name)
    return found


def by_layer(graph: FloatGraph, chosen: Mapping[str, int]) -> dict[str, int]:
    """Bits of every layer with weights, for those of the first of each group. Raises InputError for other names."""
    found = groups(graph)
    if set(chosen) != set(found):
        wrong = ", ".join(sorted(set(chosen) ^ set(found)))
        raise InputError(f"bits by layer of {graph.name}: {wrong} are missing or unknown; the layers are "
                         f"{', '.join(found)}")  # fmt: skip
    return {name: chosen[first] for first, names in found.items() for name in names}
