"""A policy as one graph of integers: all of it, and what is left of it when the accelerator runs one of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hwgen.graph import Graph, Tensor, ops

if TYPE_CHECKING:
    from hwgen.policies.demo import Demo


def before_head(demo: Demo, image: str, state: str, text: str, vector: str) -> Graph:
    """The encoder and what the head reads beside its features. The arguments name the new graph's tensors: image, state
    and text in, vector out."""
    graph = renamed(demo.encoder, {"image": image, "text": text}, "encoder", "before")
    features = graph.outputs[0]
    _as_part_of_vector(graph, demo, features)
    _add_state(graph, demo, state)
    _join(graph, demo, features, state, text, vector)
    graph.outputs = [vector]
    return graph.validate()


def whole(demo: Demo, image: str, state: str, text: str, action: str) -> Graph:
    """The whole policy: image, text and state in (in this order), action out."""
    graph = before_head(demo, image, state, text, f"head.{demo.head.inputs[0]}")
    return _followed(graph, renamed(demo.head, {demo.head.outputs[0]: action}, "head", "whole"), demo.name)


def chain(encoder: Graph, head: Graph, name: str) -> Graph:
    """Both as one graph, where the head reads the encoder's output by its name. Inputs and output keep their names."""
    kept = {x: x for x in (*encoder.inputs, *head.inputs, *head.outputs)}
    graph = renamed(encoder, kept, "encoder", name)
    graph.inputs += [x for x in head.inputs if x not in (*encoder.inputs, *encoder.outputs)]
    return _followed(graph, renamed(head, kept, "head", name), name)


def split(graph: Graph, seam: str) -> tuple[Graph, Graph]:
    """(what makes a tensor, what is made of it), under the names that they have. Raises GraphError where the second
    reads more of the first than that tensor and inputs."""
    needed, first = {seam}, []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            first.insert(0, node)
    rest = [node for node in graph.nodes if node not in first]
    read = {x for node in rest for x in node.inputs}
    inputs = [x for x in graph.inputs if x in needed], [seam, *(x for x in graph.inputs if x in read)]
    parts = []
    for name, nodes, given, outputs in zip(("encoder", "head"), (first, rest), inputs, ([seam], graph.outputs),
                                           strict=True):  # fmt: skip
        part = Graph(name, list(given), list(outputs))
        part.nodes = nodes
        held = {*given, *(x for node in nodes for x in node.inputs), *(node.output for node in nodes)}
        part.tensors = {x: t for x, t in graph.tensors.items() if x in held}
        parts.append(part.validate())
    return parts[0], parts[1]


def _followed(graph: Graph, head: Graph, name: str) -> Graph:
    """`graph` with the nodes of `head` behind its own."""
    graph.tensors, graph.nodes = head.tensors | graph.tensors, graph.nodes + head.nodes
    graph.name, graph.outputs = name, head.outputs
    return graph.validate()


def after_encoder(demo: Demo, features: str, state: str, text: str, action: str) -> Graph:
    """The head and what it reads beside the encoder's features: features, state and text in, action out."""
    vector = demo.head.inputs[0]
    graph = renamed(demo.head, {demo.head.outputs[0]: action}, "head", "after")
    head, graph.nodes = graph.nodes, []
    graph.inputs = [features, text]
    _copy_tensor(graph, demo.encoder, demo.encoder.outputs[0], features)
    _as_part_of_vector(graph, demo, features)
    _copy_tensor(graph, demo.encoder, "text", text)
    _add_state(graph, demo, state)
    _join(graph, demo, features, state, text, f"head.{vector}")
    graph.nodes += head
    return graph.validate()


def _add_state(graph: Graph, demo: Demo, state: str) -> None:
    """An input for the state, on the grid of the head's vector."""
    vector = demo.head.tensors[demo.head.inputs[0]]
    graph.inputs = [*graph.inputs, state]
    graph.tensors[state] = Tensor(state, (demo.config.state,), vector.dtype, vector.scale)


def _as_part_of_vector(graph: Graph, demo: Demo, features: str) -> None:
    """Give the features the vector's type, from where they are rounded on: the same integers, which need a bit less."""
    dtype, name = demo.head.tensors[demo.head.inputs[0]].dtype, features
    while name is not None:
        graph.tensors[name] = replace(graph.tensors[name], dtype=dtype, narrow=False)
        node = graph.producer(name)
        name = None if node is None or isinstance(node, ops.Requantize) else node.inputs[0]


def _join(graph: Graph, demo: Demo, features: str, state: str, text: str, vector: str) -> None:
    """vector = features, state, text: one after the other, all of the vector's type."""
    graph.tensors[vector] = replace(demo.head.tensors[demo.head.inputs[0]], name=vector, narrow=False)
    graph.nodes.append(ops.Concat(name=vector, inputs=(features, state, text), output=vector, axis=0))


def renamed(graph: Graph, names: Mapping[str, str], prefix: str, name: str) -> Graph:
    """A copy whose tensors have these names, all others and the nodes their own behind a prefix."""
    new = {old: names.get(old, f"{prefix}.{old}") for old in graph.tensors}
    copy = Graph(name, [new[i] for i in graph.inputs], [new[o] for o in graph.outputs])
    copy.tensors = {new[t.name]: replace(t, name=new[t.name]) for t in graph.tensors.values()}
    copy.nodes = [
        replace(n, name=f"{prefix}.{n.name}", inputs=tuple(new[i] for i in n.inputs), output=new[n.output])
        for n in graph.nodes
    ]
    return copy


def _copy_tensor(graph: Graph, source: Graph, old: str, new: str) -> None:
    graph.tensors[new] = replace(source.tensors[old], name=new)
