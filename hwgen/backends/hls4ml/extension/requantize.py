"""Requantize: integer accumulator (and residual) -> narrow integers."""

from __future__ import annotations

from math import prod

import numpy as np

from hwgen.backends.hls4ml.extension import lane
from hwgen.backends.hls4ml.extension.spec import Place, Spec, numbered, padded, strides


def parameters(place: Place, axis: int, **arrays: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Arrays of equal length (1 if all are scalar), and the constants that say which entry an element reads.

    axis: the graph's axis that they run along.
    """
    flat = {name: np.asarray(a, np.int64).reshape(-1) for name, a in arrays.items()}
    n = 1 if all(np.all(a == a[0]) for a in flat.values()) else max(a.size for a in flat.values())
    flat = {name: a[:1] if n == 1 else a for name, a in flat.items()}
    at = place.axis(axis)
    steps = strides([n if i == at else 1 for i in range(len(place.perm))], place.out_shape)
    return {name: np.broadcast_to(a, n).copy() for name, a in flat.items()}, numbered("p", steps)


def bounds(place: Place, i: int) -> lane.Bounds:
    """Bounds of input i."""
    lo, hi = place.ranges[i]
    return np.array([lo], np.int64), np.array([hi], np.int64)


def operand(place: Place, i: int, prefix: str) -> tuple[dict[str, int | bool], dict[str, int | bool], int]:
    """Constants that say which element of input i an output element reads, those that differ in io_stream, and the
    clocks that reading it first takes there.

    A stream of the output's shape is read packet by packet beside it; a smaller one is read whole first and held.
    """
    shape, out = place.shapes[i], place.out_shape
    lockstep = prod(shape) == prod(out)
    last = (0, 0, 0, 1) if out[-1] > 1 else (0, 0, 0, 0)
    held = {f"{prefix}held": not lockstep, f"{prefix}size": prod(shape)}
    if not lockstep:
        return numbered(prefix, strides(shape, out)) | held, {}, prod(shape) // shape[-1]
    return numbered(prefix, strides(shape, out)) | held, numbered(prefix, last) | {f"{prefix}size": out[-1]}, 0


def lower(place: Place) -> Spec:
    """Requantize -> nnet_hwgen_requantize.h."""
    node = place.node
    given = {"mult": node.mult[0], "bias": node.bias, "shift": node.shift}
    if len(node.mult) == 2:
        given["rmult"] = node.mult[1]
    p, constants = parameters(place, node.channel_axis, **given)

    def sums(bias: np.ndarray, floor: np.ndarray) -> list[lane.Bounds]:
        steps = [lane.product(bounds(place, 0), lane.exactly(p["mult"]))]
        steps.append(lane.plus(steps[-1], lane.exactly(bias)))
        if node.relu:
            steps.append((np.maximum(steps[-1][0], floor), np.maximum(steps[-1][1], floor)))
        if "rmult" in p:
            steps.append(lane.product(bounds(place, 1), lane.exactly(p["rmult"])))
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
    clocks = max(lane.product_clocks(bounds(place, i), factor) for i, factor in enumerate(factors))
    return Spec(
        function=function,
        header="nnet_hwgen_requantize.h",
        shape=place.out_shape,
        constants=constants,
        stream=stream,
        typedefs={"sum_t": lane.sum_type(*steps)},
        parameters=p,
        stages={"product": clocks, "sum": len(factors), "round and clamp": 1},
        fill=fill,
        **lane.work(place, factors),
    )
