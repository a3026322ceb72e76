"""Requantize: integer accumulator (and residual) -> narrow integers."""

from __future__ import annotations

import numpy as np

from hwgen.backends.hls4ml.extension import lane
from hwgen.backends.hls4ml.extension.place import Place, numbered, operand, padded, parameters
from hwgen.backends.hls4ml.extension.spec import Spec


def lower(place: Place) -> Spec:
    """Requantize -> nnet_hwgen_requantize.h."""
    node = place.node
    given = {"mult": node.mult[0], "bias": node.bias, "shift": node.shift}
    if len(node.mult) == 2:
        given["rmult"] = node.mult[1]
    p, constants = parameters(place, node.channel_axis, **given)

    def sums(bias: np.ndarray, floor: np.ndarray) -> list[lane.Bounds]:
        steps = [lane.product(place.bounds(0), lane.exactly(p["mult"]))]
        steps.append(lane.plus(steps[-1], lane.exactly(bias)))
        if node.relu:
            steps.append((np.maximum(steps[-1][0], floor), np.maximum(steps[-1][1], floor)))
        if "rmult" in p:
            steps.append(lane.product(place.bounds(1), lane.exactly(p["rmult"])))
            steps.append(lane.plus(steps[-2], steps[-1]))
        return steps

    dead = lane.always_zero(sums(p["bias"], np.int64(0))[-1], p["shift"])
    p = {name: lane.settled(values, dead) for name, values in p.items()}
    exact = sums(p["bias"], np.int64(0))[-1]
    tail = lane.Tail.make(place, exact, p["shift"])
    p["bias"] = p["bias"] + lane.half(p["shift"])
    steps = sums(p["bias"], lane.half(p["shift"]))

    constants |= numbered("d", padded(place.out_shape)) | {"relu": bool(node.relu)} | tail.constants
    stream, function, fill = {}, "requantize", 0
    if "rmult" in p:
        function = "requantize_add"
        extra, stream, fill = operand(place, 1, "r")
        constants |= extra
    factors = [p[name] for name in ("mult", "rmult") if name in p]
    clocks = max(lane.product_clocks(place.bounds(i), factor) for i, factor in enumerate(factors))
    return Spec(
        function=function,
        header="nnet_hwgen_requantize.h",
        shape=place.out_shape,
        constants=constants,
        stream=stream,
        typedefs={"sum_t": lane.sum_type(*steps, tail.out)},
        parameters=p,
        stages={"product": clocks, "sum": len(factors), "round and clamp": 1},
        fill=fill,
        **lane.work(place, factors),
    )
