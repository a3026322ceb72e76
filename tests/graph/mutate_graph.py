"""Graphs with one thing changed, as a program that builds them may have it: a field of a node, an edge, a shape."""

from __future__ import annotations

import copy
import random

import numpy as np

from hwgen.graph import Graph, ops

INTEGERS = (-1, 0, 1, 2, 3, 7, 255, 65_536, -(1 << 40))
FIXED = {"name", "inputs", "output", "table", "step", "fn"}
"""Fields that are not changed: names, and what other fields follow from."""


def mutated(graph: Graph, rng: random.Random) -> tuple[Graph, str]:
    """(a copy with one thing changed, what was changed); most copies have the shapes that follow from the change."""
    changed = copy.deepcopy(graph)
    what = rng.choice([_field] * 8 + [_edge, _input])(changed, rng)
    if rng.random() < 0.85:
        _follow(changed)
    return changed, what


def _follow(graph: Graph) -> None:
    """Shapes of all tensors from those of the inputs, as far as there are any."""
    for node in graph.nodes:
        try:
            graph.tensors[node.output].shape = tuple(node.out_shape(graph.in_shapes(node)))
        except (ValueError, IndexError):  # the latter where a node lost its input
            return


def _near(value: int, rng: random.Random) -> int:
    return int(rng.choice([value - 1, value + 1, 2 * value, -value, *INTEGERS]))


def _field(graph: Graph, rng: random.Random) -> str:
    node = rng.choice([node for node in graph.nodes if vars(node).keys() - FIXED])
    name = rng.choice(sorted(vars(node).keys() - FIXED))
    before = getattr(node, name)
    setattr(node, name, after := _other(before, rng))
    return f"{node.name} ({node.op}): {name} {_short(before)} -> {_short(after)}"


def _other(value, rng: random.Random):
    """Another value of a field's type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | np.integer):
        return _near(int(value), rng)
    if isinstance(value, list):
        return [_other(np.asarray(value[0]), rng), *value[1:]]
    if isinstance(value, tuple):
        at, values = rng.randrange(len(value) or 1), list(value)
        values[at : at + 1] = [_near(value[at], rng)] if value and rng.random() < 0.85 else []
        return tuple(values)
    return _array(np.array(value), rng)


def _array(value: np.ndarray, rng: random.Random) -> np.ndarray:
    how = rng.random()
    if how < 0.25 and value.ndim:
        return value[:-1]
    if how < 0.5 and value.ndim:
        return np.concatenate([value, value])
    kind = np.iinfo(value.dtype)
    if value.size:
        numbers = [0, -1, 1, 100, 1 << 25, 1 << 45, kind.max]
        value.flat[rng.randrange(value.size)] = min(max(rng.choice(numbers), kind.min), kind.max)
    return value


def _short(value) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else str(value)[:60]


def _edge(graph: Graph, rng: random.Random) -> str:
    """Another tensor read, an input less, or one more."""
    node = rng.choice([node for node in graph.nodes if not isinstance(node, ops.Constant)])
    inputs, at = list(node.inputs), rng.randrange(len(node.inputs))
    inputs[at : at + 1] = rng.choice([[rng.choice(list(graph.tensors))], [], [inputs[at], inputs[at]]])
    node.inputs = tuple(inputs)
    return f"{node.name} ({node.op}): reads {inputs}"


def _input(graph: Graph, rng: random.Random) -> str:
    tensor = graph.tensors[rng.choice(graph.inputs)]
    shape = list(tensor.shape)
    at = rng.randrange(len(shape))
    shape[at : at + 1] = rng.choice([[abs(_near(shape[at], rng))], [], [shape[at], 1]])
    tensor.shape = tuple(shape)
    return f"input {tensor.name}: {shape}"
