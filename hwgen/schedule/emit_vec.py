"""Operations of the vector unit -> instructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.schedule.instructions import Gate, Nop, Vec
from hwgen.schedule.plan import INPUTS, MatOp, View
from hwgen.schedule.vector import OCTET, VecOp, walks


def vector(emitter, op: VecOp) -> None:
    """Emit one operation. It follows its operand's producer word by word where no port can clash, and else waits for
    everything before it; what comes behind waits for it.

    emitter: the emitter that goes on, whose program and progress are extended.
    """
    config, program = emitter.config, emitter.program
    follow = _follows(emitter, op)
    waits = {unit: emitter.total[unit] for unit in ("MM", "ROW", "VEC")}
    if follow is not None:
        waits[follow[0]] = emitter.before[-1] if follow[0] == "MM" else waits.get(follow[0], 0)
    if any(view.buffer == INPUTS for view in op.reads()) and (follow is None or follow[0] != "DIN"):
        waits["DIN"] = emitter.total["DIN"]
    gates = emitter.news("VEC", waits) or [Gate()]
    program.vec += [Nop(gate) for gate in gates[:-1]]
    params = emitter.stored_at(program.vec_params, op.lane.words(op.words(config.v), config.v), op.lane.role)
    words = 0
    for walk in walks(op, config.v):
        dep, need, loops = "NONE", 0, tuple(replace(loop, need=0) for loop in walk.loops)
        if follow is not None:
            dep, loops = follow[0], walk.loops
            need = follow[1] + (walk.first["a"] + 1) * config.v // OCTET
        place = op.out.buffer
        ins = Vec(
            op=op.kind, loops=loops, dep=dep, need=need, a_bank=emitter.plan.buffers[op.x.buffer].bank,
            a=_word(emitter, op.x.buffer) + walk.first["a"], a_signed=op.x.signed,
            o_bank=emitter.plan.buffers[place].bank, o=_word(emitter, place) + walk.first["o"],
            p=params + walk.first["p"], lo=op.lane.lo, hi=op.lane.hi, b=_source(emitter, op.second, walk.first["w"]),
            residual=_source(emitter, op.residual, walk.first["r"]), relu=op.lane.relu, name=op.name,
            inside=None if op.last is None else (walk.first["y"], walk.first["x"], *op.last),
        )  # fmt: skip
        if not words:
            ins.gate = gates[-1]
        program.vec.append(ins)
        words += int(ins.ends().sum())
    emitter.steps.append(0)
    emitter.wrote("VEC", words * config.v // OCTET, set(range(len(emitter.after))))


def _follows(emitter, op: VecOp) -> tuple[str, int] | None:
    """(unit, octets before the operand's first byte) when the operand can be read while it is being written."""
    if emitter.plan.serial:
        return None
    if not emitter.after:
        return ("DIN", 0) if {view.buffer for view in op.reads()} == {INPUTS} else None
    last = emitter.plan.ops[len(emitter.after) - 1]
    if op.out.buffer == last.out.buffer or not isinstance(last, MatOp) or last.out.buffer != op.x.buffer:
        return None
    if any(view.buffer == last.out.buffer for view in (op.second, op.residual) if view is not None):
        return None
    bank = emitter.bank
    theirs = {bank(view.buffer) for view in last.reads()}
    if theirs & {bank(view.buffer) for view in (*op.reads(), op.out)} or bank(op.out.buffer) == bank(last.out.buffer):
        return None
    writers = emitter.writers(op.x)
    if writers != [len(emitter.after) - 1]:
        return None
    return emitter.follow(op.x.buffer, writers, "VEC")


def _word(emitter, buffer: str) -> int:
    return emitter.plan.buffers[buffer].word


def _source(emitter, view: View | None, first: int) -> tuple[int, int, bool] | None:
    """(bank, address, signed) of a second or third operand."""
    if view is None:
        return None
    return emitter.plan.buffers[view.buffer].bank, _word(emitter, view.buffer) + first, bool(np.bool_(view.signed))
