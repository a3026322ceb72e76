"""Slice: some indices of one axis."""

from __future__ import annotations

from math import prod

from hwgen.backends.hls4ml.extension.lane import check_result
from hwgen.backends.hls4ml.extension.place import Place
from hwgen.backends.hls4ml.extension.spec import PARALLEL, Spec


def lower(place: Place) -> Spec:
    """Slice -> nnet_hwgen_slice.h."""
    node, shape = place.node, place.shapes[0]
    check_result(place, *place.ranges[0])
    axis = place.axis(node.axis)
    lanes = axis == len(shape) - 1
    return Spec(
        function="slice",
        header="nnet_hwgen_slice.h",
        shape=place.out_shape,
        constants={
            "outer": prod(shape[:axis]),
            "size": shape[axis],
            "inner": prod(shape[axis + 1 :]),
            "start": int(node.start),
            "step": int(node.step),
            "kept": place.out_shape[axis],
            "lanes": lanes,
        },
        stages={"packet": 1},
        groups=prod(shape[:-1]),
        wires=(PARALLEL,),
    )
