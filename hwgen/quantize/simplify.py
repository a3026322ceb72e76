"""The same float network with fewer nodes: factors and offsets go into the layers beside them."""

from __future__ import annotations

import numpy as np

from hwgen.quantize import float_ops as ops
from hwgen.quantize.floats import FloatGraph
from hwgen.quantize.shared_heads import share_heads


def simplify(graph: FloatGraph) -> FloatGraph:
    """Fold batch norms, biases and gains; make one GroupNorm of a reshaped one; multiply with the keys of a group of
    heads once; drop what no output needs."""
    _drop_unused(graph)
    share_heads(graph)
    changed = True
    while changed:
        changed = any([_each(graph, rule) for rule in (_same_shape, _grouped, _into_producer, _chain)])
    _drop_unused(graph)
    return graph


def _each(graph: FloatGraph, rule) -> bool:
    """Apply a rule(node, makers, graph) -> what replaces the node: a tensor's name, or None where it does not fit."""
    makers = {n.name: n for n in graph.nodes}
    readers, kept, renamed = graph.readers(), [], {}
    for node in graph.nodes:
        node.inputs = tuple(renamed.get(i, i) for i in node.inputs)
        source = rule(node, makers, readers, graph)
        if source is None:
            kept.append(node)
        else:
            renamed[node.name] = renamed.get(source, source)
    graph.nodes = kept
    graph.outputs = {k: renamed.get(v, v) for k, v in graph.outputs.items()}
    return bool(renamed)


def _same_shape(node: ops.Float, makers, readers, graph: FloatGraph) -> str | None:
    """A reshape to the shape that is there; of a reshape, the first does nothing."""
    if isinstance(node, ops.Reshape):
        before = makers.get(node.inputs[0])
        if isinstance(before, ops.Reshape):
            node.inputs = before.inputs
        if graph.shapes[node.inputs[0]] == graph.shapes[node.name]:
            return node.inputs[0]
    if isinstance(node, ops.Transpose) and node.perm == tuple(range(len(node.perm))):
        return node.inputs[0]
    if isinstance(node, ops.Affine) and (node.gain == 1).all() and (node.bias == 0).all():
        return node.inputs[0]
    return None


def _grouped(node: ops.Float, makers, readers, graph: FloatGraph) -> str | None:
    """Reshape to groups, normalize each, reshape back: a GroupNorm."""
    norm = makers.get(node.inputs[0]) if isinstance(node, ops.Reshape) else None
    first = makers.get(norm.inputs[0]) if isinstance(norm, ops.GroupNorm) else None
    if not isinstance(first, ops.Reshape) or readers[norm.name] != 1:
        return None
    shape, groups = graph.shapes[first.inputs[0]], norm.groups
    if shape != graph.shapes[node.name] or graph.shapes[norm.name][0] != groups or shape[0] % groups:
        return None
    spread = shape[0] // groups
    norm.gamma, norm.beta = (np.repeat(np.broadcast_to(a, groups), spread) for a in (norm.gamma, norm.beta))
    norm.inputs = first.inputs
    graph.shapes[norm.name] = shape
    return norm.name


def _into_producer(node: ops.Float, makers, readers, graph: FloatGraph) -> str | None:
    """A gain and an offset per channel go into the layer or norm before, if nothing else reads that."""
    maker = makers.get(node.inputs[0]) if isinstance(node, ops.Affine) else None
    if maker is None or readers[maker.name] != 1 or maker.name in graph.outputs.values():
        return None
    scalar = node.gain.size == 1 and node.bias.size == 1
    if isinstance(maker, ops.Weighted) and (scalar or node.axis == maker.axis):
        _scale_weight(maker, node)
        return maker.name
    at = {ops.LayerNorm: -1, ops.GroupNorm: -len(graph.shapes[node.name])}.get(type(maker))
    if at is not None and (scalar or node.axis == at):
        maker.gamma, maker.beta = maker.gamma * node.gain, maker.beta * node.gain + node.bias
        return maker.name
    return None


def _scale_weight(layer: ops.Weighted, node: ops.Affine) -> None:
    """Weights that several layers share stay as they are where the gain is 1."""
    channels = layer.channels
    bias = np.zeros(channels, np.float32) if layer.bias is None else layer.bias
    layer.bias = (np.broadcast_to(bias, channels) * node.gain + node.bias).astype(np.float32)
    if not (node.gain == 1).all():
        layer.weight = layer.scaled(np.broadcast_to(node.gain, channels))


def _chain(node: ops.Float, makers, readers, graph: FloatGraph) -> str | None:
    """A line of a line is a line."""
    before = makers.get(node.inputs[0]) if isinstance(node, ops.Affine) else None
    if not isinstance(before, ops.Affine) or readers[before.name] != 1:
        return None
    wide = [a for a in (before, node) if a.gain.size > 1 or a.bias.size > 1]
    if len({a.axis for a in wide}) > 1:
        return None
    before.gain, before.bias = before.gain * node.gain, before.bias * node.gain + node.bias
    before.axis = wide[0].axis if wide else before.axis
    return before.name


def _drop_unused(graph: FloatGraph) -> None:
    needed, kept = set(graph.outputs.values()), []
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
    graph.shapes = {k: v for k, v in graph.shapes.items() if k in needed or k in graph.inputs}
