"""A compiled graph run from its load image by the interpreter: inputs into bytes, bytes into outputs."""

from __future__ import annotations

import numpy as np

from hwgen.schedule import Design
from hwgen.schedule.image import image
from hwgen.schedule.plan import Output
from tests.schedule.interpreter import Engine, Result

HASH = 0x0123_4567_89AB_CDEF


def engine(design: Design, seed, gap=int) -> Engine:
    """The interpreter with the design's image."""
    return Engine(
        image(design.program, design.config, HASH), design.config, np.random.default_rng(seed), gap, design.stream
    )


def run(design: Design, machine: Engine, inputs: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], Result]:
    """One frame (integers without batch): outputs by name, and what the run did."""
    buffer = bytearray(design.plan.in_bytes)
    for name, at in design.plan.input_offsets.items():
        data = (
            inputs[name]
            .astype(np.uint8)
            .transpose(design.plan.input_axes.get(name, range(inputs[name].ndim)))
            .tobytes()
        )
        buffer[at : at + len(data)] = data
    result = machine.run(bytes(buffer), design.plan.out_bytes)
    return {o.name: _output(design, o, result.output) for o in design.plan.outputs}, result


def _output(design: Design, o: Output, raw: bytes) -> np.ndarray:
    tensor, m = design.graph.tensors[o.name], design.config.m
    if o.wide:  # rows of groups of four byte planes
        channels, groups = o.size // o.rows, -(-o.size // o.rows // m)
        planes = np.frombuffer(raw, np.uint8)[o.offset : o.offset + o.rows * groups * 4 * m]
        planes = planes.reshape(o.rows, groups, 4, m).transpose(0, 1, 3, 2)
        values = np.ascontiguousarray(planes).view("<i4").reshape(o.rows, -1)[:, :channels].reshape(-1)
    else:
        values = np.frombuffer(raw, np.int8 if tensor.dtype.signed else np.uint8)[o.offset : o.offset + o.size]
    axes = o.axes or tuple(range(len(tensor.shape)))
    in_memory = values.reshape([tensor.shape[axis] for axis in axes])
    return in_memory.transpose(np.argsort(axes)).astype(np.int64)
