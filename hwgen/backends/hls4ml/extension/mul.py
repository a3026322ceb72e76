"""Mul: the product of two integer tensors, requantized; FiLM, gates."""

from __future__ import annotations

from math import prod

from hwgen.backends.hls4ml.extension import lane
from hwgen.backends.hls4ml.extension.place import Place, numbered, operand, padded, parameters
from hwgen.backends.hls4ml.extension.spec import Spec


def lower(place: Place) -> Spec:
    """Mul -> nnet_hwgen_mul.h."""
    node = place.node
    p, constants = parameters(place, node.channel_axis, mult=node.mult, shift=node.shift)
    product = lane.product(place.bounds(0), place.bounds(1))
    dead = lane.always_zero(lane.product(product, lane.exactly(p["mult"])), p["shift"])
    p = {name: lane.settled(values, dead) for name, values in p.items()}
    scaled = lane.product(product, lane.exactly(p["mult"]))
    tail = lane.Tail.make(place, scaled, p["shift"])
    raised = lane.plus(scaled, lane.exactly(lane.half(p["shift"])))

    a, a_stream, a_fill = operand(place, 0, "a")
    b, b_stream, b_fill = operand(place, 1, "b")
    work = lane.work(place, [p["mult"]])
    size, packet = prod(place.out_shape), place.out_shape[-1]
    return Spec(
        function="mul",
        header="nnet_hwgen_mul.h",
        shape=place.out_shape,
        constants=constants | numbered("d", padded(place.out_shape)) | tail.constants | a | b,
        stream=a_stream | b_stream,
        typedefs={"product_t": lane.sum_type(product), "sum_t": lane.sum_type(scaled, raised, tail.out)},
        parameters=p,
        stages={"product": 2, "times mult": lane.product_clocks(product, p["mult"]), "round and clamp": 1},
        fill=a_fill + b_fill,
        groups=work["groups"],
        products=work["products"] + size,
        stream_products=work["stream_products"] + packet,
    )
