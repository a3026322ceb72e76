"""The order in which a plan's operations run, and who then reads and writes each buffer."""

from __future__ import annotations

from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.plan import INPUTS, Image, MatOp, Plan, RowOp, View

WINDOWS_LATENCY = 30
"""Clocks from the first plain input's arrival to the first window, about."""


def arrange(plan: Plan) -> None:
    """Run a row operation right behind the operation that makes its input; note who writes and reads each
    buffer."""
    order: list[int] = []
    for i, op in enumerate(plan.ops):
        at = len(order)
        if isinstance(op, RowOp):
            made = [k for k, j in enumerate(order) if plan.ops[j].out.buffer == op.x.buffer]
            at = made[-1] + 1 if made else 0
            while at < len(order) and isinstance(plan.ops[order[at]], RowOp):
                at += 1
        order.insert(at, i)
    _longest_first(plan, order)
    _before_windows(plan, order)
    where = {old: new for new, old in enumerate(order)}
    plan.ops = [plan.ops[i] for i in order]
    for output in plan.outputs:
        output.op = where[output.op]
    for i, op in enumerate(plan.ops):
        plan.buffers[op.out.buffer].writers.append(i)
        if isinstance(op, MatOp) and op.kv is not None:
            plan.buffers[op.kv.buffer].readers.append(i)
        for view in op.reads():
            plan.buffers[view.buffer].readers.append(i)


def _longest_first(plan: Plan, order: list[int]) -> None:
    """While the input comes in, the array does what has most to do with it: an operation that would be done with
    the bytes sooner than they come lets a longer one upon the same bytes go first."""
    first = plan.ops[order[0]] if order else None
    if not isinstance(first, MatOp) or first.x.buffer != INPUTS or plan.images:
        return
    span = _span(first.x)
    others = [
        i for i in order[1:]
        if isinstance(op := plan.ops[i], MatOp) and op.x.buffer == INPUTS and op.residual is None and op.kv is None
        and _span(op.x) == span and op.steps > first.steps
    ]  # fmt: skip
    if others and first.steps * BEAT_BYTES < span[1] - span[0]:
        longest = max(others, key=lambda i: plan.ops[i].steps)
        order.remove(longest)
        order.insert(0, longest)


def _before_windows(plan: Plan, order: list[int]) -> None:
    """Operations upon inputs that come before the images go first, as long as all of them are short beside the images:
    the array would wait for the windows meanwhile, and between two layers they keep units from working side by side."""
    first_byte = min((image.start for image in plan.images.values()), default=0)
    followed = {op.x.buffer for op in plan.ops if isinstance(op, RowOp)}
    most = max(WINDOWS_LATENCY, sum(_clocks(image) for image in plan.images.values()) // 8)
    early, steps = [], 0
    for i in order:
        op = plan.ops[i]
        if not isinstance(op, MatOp) or op.kv is not None or op.out.buffer in followed:
            continue
        if any(view.buffer != INPUTS or _span(view)[1] >= first_byte for view in op.reads()):
            continue
        if steps + op.steps <= most:
            early.append(i)
            steps += op.steps
    order[:] = early + [i for i in order if i not in early]


def _clocks(image: Image) -> int:
    """Clocks of the array for an image's windows."""
    return image.geometry.rows * image.geometry.cols * image.clocks


def _span(view: View) -> tuple[int, int]:
    """First and last byte of a view."""
    return int(view.positions.min()), int(view.positions.max())
