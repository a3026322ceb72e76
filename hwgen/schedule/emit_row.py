"""Operations of the row unit -> instructions."""

from __future__ import annotations

import numpy as np

from hwgen.errors import FitError
from hwgen.schedule.config import MAX_SLOTS
from hwgen.schedule.instructions import Exponentials, Gate, Nop, Row
from hwgen.schedule.plan import INPUTS, RowOp
from hwgen.schedule.weights import OCTET


def row(emitter, op: RowOp) -> None:
    """Emit one operation. It follows the array's or the input's words where they come in the order in which it reads.

    emitter: the emitter that goes on, whose program and progress are extended.
    """
    cfg = emitter.config
    rows, words, step = op.out.rows, -(-op.out.channels // cfg.v), cfg.v // OCTET
    start = int(op.starts[0])
    stride = int(op.starts[1] - op.starts[0]) if rows > 1 else 0
    writers = emitter.writers(op.x)
    follow = emitter.follow(op.x.buffer, writers, "ROW")
    latest_mm = emitter.units["MM"][-1] if emitter.units["MM"] else None
    if stride != words * cfg.v and rows > 1:
        follow = None  # words do not come in the order in which they are counted
    gate = Gate()
    if latest_mm is not None and (follow is None or emitter.plan.serial or latest_mm not in writers):
        # not right behind its producer: wait until the array is done with everything before
        gate = Gate("MM", emitter.total["MM"])
    if follow is not None and (follow[0] == "DIN" or gate.unit == "NONE"):
        dep, need, need_step = follow[0], follow[1] + start // OCTET + step, step
    elif op.x.buffer == INPUTS:
        dep, need, need_step = "DIN", emitter.total["DIN"], 0
    else:
        dep, need, need_step = "ROW", emitter.total["ROW"], 0
    complete = emitter.complete_with(writers)
    if rows > 1 and dep != "ROW":
        complete -= set(writers)  # its first row comes before their last
    if gate.unit == "MM":
        complete |= set(emitter.units["MM"])
    products = set(emitter.units["VEC"])
    if products and (need_step == 0 or not products <= complete):
        emitter.program.row += [Nop(other) for other in emitter.news("ROW", {"VEC": emitter.total["VEC"]})]
        complete |= products
    softmax = _exponentials(emitter, op)
    params = [] if softmax else op.lane.words(words, cfg.v)
    emitter.program.row.append(
        Row(
            rms=op.rms, softmax=softmax, group=op.group, x_signed=op.x.signed, lo=op.lane.lo, hi=op.lane.hi,
            dep=dep, need=need, need_step=need_step,
            src_bank=emitter.plan.buffers[op.x.buffer].bank, src=emitter.byte(op.x.buffer, start) // cfg.v,
            dst_bank=emitter.plan.buffers[op.out.buffer].bank, dst=emitter.byte(op.out.buffer, op.out.start) // cfg.v,
            param=emitter.stored_at(emitter.program.row_params, params, op.lane.role) if len(params) else 0,
            length=op.out.channels, words=words, rows=rows, src_stride=stride // cfg.v,
            dst_stride=op.out.pitch // cfg.v, eps=op.eps, gate=gate, name=op.name,
        )
    )  # fmt: skip
    emitter.steps.append(0)
    emitter.wrote("ROW", rows * words * step, complete)


def _exponentials(emitter, op: RowOp) -> Exponentials | None:
    """Softmax's constants, its table stored once."""
    if op.softmax is None:
        return None
    tables, table = emitter.program.softmax_tables, np.asarray(op.softmax.table, np.int64)
    slot = next((i for i, other in enumerate(tables) if np.array_equal(other, table)), len(tables))
    if slot == MAX_SLOTS:
        raise FitError(
            f"node {op.name!r}: more than {MAX_SLOTS} different tables of exponentials; give the inputs of some "
            f"softmaxes the same scale"
        )
    if slot == len(tables):
        tables.append(table)
    return Exponentials(slot, int(op.softmax.mult), int(op.softmax.shift))
