"""A graph cut into parts that run one after the other, for engines that take turns on an observation.

    cuts(graph)                   the places between two nodes that can be cut, and what crosses there
    split(graph, [12, 30])        the parts in front of, between and behind such places

A part reads graph inputs and what earlier parts make, under the names that they have in the graph; `chain` runs the
parts so. The integers are the graph's, bit for bit: a part is nothing but some of its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from hwgen.errors import GraphError
from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.graph.node import Node

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Cut:
    """A place that can be cut. at: nodes in front of it. crossing: tensors made there and read behind it. macs: the
    multiplications in front of it."""

    at: int
    crossing: tuple[str, ...]
    macs: int


def cuts(graph: Graph, most: int = 1) -> list[Cut]:
    """The places with multiplications on both sides that at most `most` tensors cross, none of them wide: an engine
    takes inputs of 8 bits."""
    macs = list(accumulate((node.macs(graph.in_shapes(node)) for node in graph.nodes), initial=0))
    found = []
    for at in range(1, len(graph.nodes)):
        if 0 < macs[at] < macs[-1]:
            crossing = _crossing(graph, at)
            if 1 <= len(crossing) <= most and not any(graph.tensors[name].dtype.is_wide for name in crossing):
                found.append(Cut(at, crossing, macs[at]))
    return found


def split(graph: Graph, places: Sequence[int]) -> list[Graph]:
    """The parts of a graph, cut in front of the nodes of these numbers, in order.

    Raises GraphError: places that are not in order within the graph, a wide tensor that crosses, or a part that cannot
    be trusted alone, because it takes any integer of its input's type where the whole graph knew a smaller range.
    """
    ends = [0, *places, len(graph.nodes)]
    if any(a >= b for a, b in pairwise(ends)):
        raise GraphError(f"{graph.name!r} cannot be cut at {list(places)}: give rising numbers from 1 to "
                         f"{len(graph.nodes) - 1}")  # fmt: skip
    return [_part(graph, number, first, end) for number, (first, end) in enumerate(pairwise(ends))]


def chain(parts: Sequence[Graph], inputs: Mapping[str, np.ndarray], run: Callable[[Graph, Arrays], Arrays]) -> Arrays:
    """Every tensor that the parts hand over or give out, by name: each part is run on what it reads. inputs: of the
    whole graph, integers [B, *shape]."""
    values = dict(inputs)
    for part in parts:
        values |= run(part, {name: values[name] for name in part.inputs})
    return values


def _crossing(graph: Graph, at: int) -> tuple[str, ...]:
    """What nodes in front of `at` make and later ones read; constants are made wherever they are read."""
    read = {name for node in graph.nodes[at:] for name in node.inputs}
    return tuple(node.output for node in graph.nodes[:at] if node.output in read and not _free(node))


def _part(graph: Graph, number: int, first: int, end: int) -> Graph:
    nodes = graph.nodes[first:end]
    constants = {node.output: node for node in graph.nodes if _free(node)}
    made = {node.output for node in nodes}
    read = list(dict.fromkeys(name for node in nodes for name in node.inputs if name not in made))
    nodes = [constants[name] for name in read if name in constants] + nodes
    part = Graph(f"{graph.name}.{number}")
    part.nodes = nodes
    part.inputs = [name for name in read if name not in constants]
    later = {*graph.outputs, *_crossing(graph, end)}
    part.outputs = [node.output for node in nodes if node.output in later]
    held = {*part.inputs, *(name for node in nodes for name in (*node.inputs, node.output))}
    part.tensors = {name: tensor for name, tensor in graph.tensors.items() if name in held}
    for name in part.inputs:
        if graph.tensors[name].dtype.is_wide:
            raise GraphError(f"{graph.name!r} cannot be cut in front of node {nodes[0].name!r}: {name!r} crosses there "
                             "and is wide; cut behind the Requantize that reads it")  # fmt: skip
    return part.validate()


def _free(node: Node) -> bool:
    return isinstance(node, ops.Constant)
