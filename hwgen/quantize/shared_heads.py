"""Grouped queries: files repeat keys and values for each head of queries; here each is multiplied with once.

a[H, i, k] times b[H, k, j], where heads h g to h g + g - 1 of b are equal, is a[H / g, g i, k] times b[H / g, k, j]:
the rows of a group of queries lie below each other.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from hwgen.graph.node import Shape
from hwgen.quantize import float_ops as ops
from hwgen.quantize.floats import FloatGraph

Makers = dict[str, ops.Float]


def share_heads(graph: FloatGraph) -> None:
    """Rewrite the products whose second operand is repeated along its first axis."""
    makers, nodes = {n.name: n for n in graph.nodes}, graph.nodes
    graph.nodes = []
    for node in nodes:
        graph.nodes += _shared(node, makers, graph) or [node]


def _shared(node: ops.Float, makers: Makers, graph: FloatGraph) -> list[ops.Float] | None:
    """The nodes that compute the same, the last one under the same name; None: nothing is repeated."""
    chain = _chain(node.inputs[1], makers, graph) if isinstance(node, ops.MatMul) else None
    if chain is None:
        return None
    repeat, *moves = chain
    times = len(repeat.inputs)
    once = _without(moves, repeat, times, node.name, graph)
    if once is None:
        return None
    heads, *rest = graph.shapes[node.inputs[0]]
    count = heads // times
    a = ops.Reshape(name=f"{node.name}.groups", inputs=node.inputs[:1], shape=(count, times * rest[0], *rest[1:]))
    b = once[-1].name if once else repeat.inputs[0]
    product = ops.MatMul(name=f"{node.name}.shared", inputs=(a.name, b))
    whole = ops.Reshape(name=node.name, inputs=(product.name,), shape=graph.shapes[node.name])
    made = [*once, a, product, whole]
    for new in made:
        graph.shapes[new.name] = new.out_shape([graph.shapes[i] for i in new.inputs])
    return made


def _chain(name: str, makers: Makers, graph: FloatGraph) -> list[ops.Float] | None:
    """From the concatenation of one tensor with itself to `name`: moves, and factors that all numbers have."""
    found: list[ops.Float] = []
    while isinstance(node := makers.get(name), (ops.Reshape, ops.Transpose, ops.Affine, ops.Concat)):
        found.append(node)
        if isinstance(node, ops.Affine) and max(node.gain.size, node.bias.size) > 1:
            return None
        if isinstance(node, ops.Concat):
            alike = len(set(node.inputs)) == 1 and graph.shapes[node.inputs[0]][node.axis] == 1
            return found[::-1] if alike and len(graph.shapes[found[0].name]) == 3 else None
        name = node.inputs[0]
    return None


def _without(
    moves: list[ops.Float], repeat: ops.Concat, times: int, name: str, graph: FloatGraph
) -> list[ops.Float] | None:
    """The moves of the tensor before it is repeated; None: what is repeated is not the first axis in groups."""
    source = repeat.inputs[0]
    shape = graph.shapes[source]
    at, out, index = len(shape) + repeat.axis, [], np.arange(prod(shape)).reshape(shape)
    full = np.concatenate([index] * times, axis=repeat.axis)
    for k, node in enumerate(moves):
        new = replace(node, name=f"{name}.once{k}", inputs=(source,))
        if isinstance(node, ops.Reshape):
            at = _axis_of(full.shape, at, node.shape)
            if at is None or node.shape[at] % times:
                return None
            new.shape = (*node.shape[:at], node.shape[at] // times, *node.shape[at + 1 :])
            full, index = full.reshape(node.shape), index.reshape(new.shape)
        elif isinstance(node, ops.Transpose):
            at, full, index = node.perm.index(at), full.transpose(node.perm), index.transpose(node.perm)
        out.append(new)
        source = new.name
    same = len(index) * times == len(full) and np.array_equal(np.repeat(index, times, axis=0), full)
    return out if same else None


def _axis_of(shape: Shape, at: int, target: Shape) -> int | None:
    """The axis of `target` that takes up axis `at` of the same numbers in `shape`."""
    end, behind = prod(shape[at + 1 :]), 1
    for axis in reversed(range(len(target))):
        if behind <= end < behind * target[axis] and end % behind == 0:
            return axis
        behind *= target[axis]
    return None
