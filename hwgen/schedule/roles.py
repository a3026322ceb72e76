"""Which constants of a graph are one and the same by its structure, whatever their values are.

Words of memory are shared between the rounds of an unrolled loop, which use the same weights, but never because other
constants happen to be equal: a policy that is trained again must fit the memories of the old one.
"""

from __future__ import annotations

from hwgen.graph import Graph, ops


def weight_role(node: ops.Node) -> int | None:
    """What says that a weight, or a constant, is that of another node: the array itself. None: the node has none."""
    values = getattr(node, "weight", getattr(node, "value", None))
    return None if values is None else id(values)


def roles(graph: Graph) -> dict[str, int]:
    """A number for each tensor; those of one role were made by the same nodes, with the same weights, from the last
    weights before them."""
    known: dict[tuple, int] = {}
    out = {name: known.setdefault(("input", name), len(known)) for name in graph.inputs}
    readers: dict[str, int] = {}
    for node in graph.nodes:
        key: tuple = (node.op, weight_role(node))
        if key[1] is None:
            source = node.inputs[0]
            readers[source] = readers.get(source, 0) + 1
            key = (node.op, out[source], readers[source])
        out[node.output] = known.setdefault(key, len(known))
    return out
