"""Graph nodes -> layer dicts of our operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hwgen.backends.hls4ml.extension import layernorm, lookup, mul, pool, requantize, slicing, softmax
from hwgen.backends.hls4ml.extension.place import MAX_RANK, Place
from hwgen.backends.hls4ml.extension.spec import Spec, precision
from hwgen.graph import ops
from hwgen.graph.types import IntType

LOWER: dict[str, Callable[[Place], Spec]] = {
    "LayerNorm": layernorm.lower,
    "Lookup": lookup.lower,
    "MaxPool": pool.lower,
    "Mul": mul.lower,
    "Requantize": requantize.lower,
    "Slice": slicing.lower,
    "Softmax": softmax.lower,
    "SumPool": pool.lower,
}

OPS = frozenset(LOWER)
"""Names of the operators that `layer_dict` takes."""


def lower(
    node: ops.Node,
    shapes: Sequence[tuple[int, ...]],
    types: Sequence[IntType],
    result: object,
    ranges: Sequence[tuple[int, int] | None] | None = None,
    perm: Sequence[int] | None = None,
) -> Spec:
    """The template instance for a node; arguments as in `layer_dict`."""
    shapes = [tuple(int(n) for n in shape) for shape in shapes]
    perm = tuple(perm) if perm is not None else tuple(range(len(shapes[0])))
    ranges = [r if r is not None else (t.lo, t.hi) for r, t in zip(ranges or [None] * len(types), types, strict=True)]
    place = Place(
        node=node,
        shapes=tuple(tuple(shape[p] for p in perm) for shape in shapes),
        out_shape=tuple(node.out_shape(shapes)[p] for p in perm),
        types=tuple(types),
        ranges=tuple((int(lo), int(hi)) for lo, hi in ranges),
        result=precision(result),
        perm=perm,
    )
    if node.op not in LOWER:
        raise place.unsupported("is none of our HLS operators", f"these are {', '.join(sorted(OPS))}")
    if len(place.out_shape) > MAX_RANK:
        raise place.unsupported(f"has {len(place.out_shape)} axes", f"reshape it to at most {MAX_RANK}")
    return LOWER[node.op](place)


def layer_dict(
    node: ops.Node,
    *,
    name: str,
    inputs: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    types: Sequence[IntType],
    result: object,
    ranges: Sequence[tuple[int, int] | None] | None = None,
    perm: Sequence[int] | None = None,
) -> dict:
    """One entry of hls4ml's layer list for a node.

    name: of the layer, a C identifier. inputs: hls4ml names of what it reads, in the node's order. shapes: of the
    inputs in the graph's order, without batch. types: the graph's types of the inputs. result: precision of the
    output, e.g. "ap_fixed<8,3>" or an hls4ml type. ranges: lowest and highest integer of each input (None: its type's).
    perm: layout; axis i in hls4ml is axis perm[i] of the graph, for inputs and output alike (None: the same axes).

    Raises UnsupportedError, which names the node, for an operator or a layout that the templates do not have, or a
    result type that does not hold the output.
    """
    spec = lower(node, shapes, types, result, ranges, perm)
    return {
        "class_name": f"Hwgen{node.op}",
        "name": name,
        "inputs": list(inputs),
        "result_precision": result,
        "spec": spec,
    }
