"""Outputs of the graph: where each lies when it leaves, in one piece or row by row."""

from __future__ import annotations

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.plan import INPUTS, Output, Plan, View, row_starts

MOST_ROWS = 256  # of an output that does not lie in one piece: an instruction of the DOUT unit each


def leave(low, name: str) -> None:
    """Adds the output to the plan, copied where it does not lie so that it can leave.

    low: the lowering that goes on. Raises UnsupportedError naming an output that cannot leave.
    """
    graph, plan, views = low.graph, low.plan, low.views
    if name in low.sums:
        raise UnsupportedError(
            f"output {name!r} is an accumulator; requantize it (a wide Requantize keeps all 32 bits)"
        )
    shape, wide, axes = graph.tensors[name].shape, graph.tensors[name].dtype.is_wide, views.axes(name)
    view = low.tensor(name)
    positions = view.positions.reshape(shape).transpose(axes or range(len(shape)))
    positions = positions.reshape(-1, positions.shape[-1])
    view = View(view.buffer, positions.reshape(-1), view.signed)
    start, rows, pitch = _wide_rows(plan, name, view) if wide else _rows(positions, low.v)
    if view.buffer == INPUTS or start is None or any(o.buffer == view.buffer for o in plan.outputs):
        target = views.own(f"{name}.output", 1, view.size)
        view = views.copy(view, view.positions[None], f"{name}.output", target)
        start, rows = 0, 1
    plan.buffers[view.buffer].keep = True
    plan.outputs.append(Output(name, view.buffer, start, view.size, wide, _writer(plan, view), rows, pitch, axes))


def _rows(positions: np.ndarray, v: int) -> tuple[int | None, int, int]:
    """(first byte, rows, pitch) of an output [rows, channels]: one run of bytes, or rows of whole beats; None: it must
    be copied."""
    if row_starts(positions.reshape(1, -1), v) is not None:
        return int(positions[0, 0]), 1, 0
    starts, whole = row_starts(positions, v), positions.shape[1] % BEAT_BYTES == 0
    if starts is None or not whole or len(set(np.diff(starts))) > 1 or len(starts) > MOST_ROWS:
        return None, 1, 0
    return int(starts[0]), len(starts), int(starts[1] - starts[0])


def _wide_rows(plan: Plan, name: str, view: View) -> tuple[int, int, int]:
    """The same of a 32-bit output, which leaves as it was written: nothing moves 32-bit numbers."""
    written = plan.ops[_writer(plan, view)].out
    if written.rows > MOST_ROWS:
        raise UnsupportedError(
            f"output {name!r} has {written.rows} rows of 32-bit numbers, {MOST_ROWS} leave at most; put a Quant of 8 "
            "bits or less behind it"
        )
    return written.start, written.rows, written.pitch


def _writer(plan: Plan, view: View) -> int:
    """The operation that writes a view's first byte."""
    first = int(view.positions[0])
    return next(i for i, o in enumerate(plan.ops) if o.out.buffer == view.buffer and o.out.start <= first < o.out.end)
