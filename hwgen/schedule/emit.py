"""Plan with addresses -> Program: instructions, weight words, parameters and tables.

Progress is counted in octets (8 bytes) that a unit has written since START, so a reader's need is a linear function of
its address. Operations run in order; the emitter adds a gate wherever order and data do not already guarantee that an
operand is there or a memory port is free.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import FitError
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.config import MAX_SLOTS, EngineConfig
from hwgen.schedule.instructions import MM, Din, Dout, Gate, Loop, Nop, Program, Row
from hwgen.schedule.memory import RESIDUAL_LAG
from hwgen.schedule.plan import INPUTS, Lane, MatOp, Plan, RowOp, View
from hwgen.schedule.weights import OCTET, dense, identity

WIDE_STEPS = 4  # clocks that the write of a wide group takes


def emit(plan: Plan, config: EngineConfig) -> Program:
    """The program of a plan whose buffers have addresses. Raises FitError."""
    return _Emitter(plan, config).run()


class _Emitter:
    def __init__(self, plan: Plan, config: EngineConfig):
        self.plan, self.config = plan, config
        self.program = Program()
        self.total = {"DIN": 0, "MM": 0, "ROW": 0}  # octets so far
        self.before: list[int] = []  # by operation: its unit's octets before it
        self.after: list[int] = []
        self.complete: list[set[int]] = []  # by operation: those certainly complete when its first result is written
        self.steps: list[int] = []  # by operation: of the array
        self.identity_at: int | None = None

    def run(self) -> Program:
        self._inputs()
        for op in self.plan.ops:
            if isinstance(op, MatOp):
                self._matrix(op)
            else:
                self._row(op)
        self._outputs()
        return self.program

    # --- progress ---------------------------------------------------------------------------------------------------
    def _unit(self, i: int) -> str:
        return "MM" if isinstance(self.plan.ops[i], MatOp) else "ROW"

    def _wrote(self, unit: str, octets: int, complete: set[int]) -> None:
        self.before.append(self.total[unit])
        self.total[unit] += octets
        self.after.append(self.total[unit])
        self.complete.append(complete)

    def _writers(self, view: View) -> list[int]:
        """The operations that write what this view reads."""
        if view.buffer == INPUTS:
            return []
        lo, hi = int(view.positions.min()), int(view.positions.max())
        ops = [(w, self.plan.ops[w]) for w in self.plan.buffers[view.buffer].writers]
        return [w for w, op in ops if w < len(self.complete) and op.out_start <= hi and lo < op.out_start + op.size]

    def _complete_with(self, writers: list[int]) -> set[int]:
        """Operations complete once these are: what they waited for, and what ran before in their unit."""
        out: set[int] = set()
        for w in writers:
            out |= {w} | self.complete[w] | {i for i in range(w) if self._unit(i) == self._unit(w)}
        return out

    def _follow(self, buffer: str, writers: list[int], reader: str) -> tuple[str, int] | None:
        """(unit, octets before the buffer's first byte) when what these write can be read while it is being written."""
        if self.plan.serial and buffer != INPUTS:
            return None
        if buffer == INPUTS:
            return "DIN", 0
        op = self.plan.ops[writers[0]]
        if (reader != "MM" or isinstance(op, RowOp)) and self._reads_bank_of(op, buffer):
            return None  # the writer is still reading through the port that this reader needs
        if len(writers) > 1 or (isinstance(op, MatOp) and op.wide):
            return None
        return self._unit(writers[0]), self.before[writers[0]] - op.out_start // OCTET

    def _reads_bank_of(self, op: MatOp | RowOp, buffer: str) -> bool:
        """Whether an operation reads from the bank of the buffer that it writes (joined parts share one)."""
        views = [op.x] if isinstance(op, RowOp) or op.residual is None else [op.x, op.residual]
        return any(self.plan.buffers[view.buffer].bank == self.plan.buffers[buffer].bank for view in views)

    def _gate_for(self, ops: set[int]) -> dict[str, int]:
        """Octets of each unit after which all these operations are complete."""
        out: dict[str, int] = {}
        for i in ops:
            out[self._unit(i)] = max(out.get(self._unit(i), 0), self.after[i])
        return out

    # --- input ------------------------------------------------------------------------------------------------------
    def _inputs(self) -> None:
        beats = -(-self.plan.in_bytes // BEAT_BYTES)
        self.program.din.append(Din(0, beats, self.plan.buffers[INPUTS].bank, self._byte(INPUTS, 0) // BEAT_BYTES))
        self.total["DIN"] = beats * BEAT_BYTES // OCTET

    def _byte(self, buffer: str, at: int) -> int:
        return self.plan.buffers[buffer].word * self.config.v + at

    # --- matrix operations ------------------------------------------------------------------------------------------
    def _matrix(self, op: MatOp) -> None:
        cfg = self.config
        groups = -(-op.size // cfg.m)
        groups += -groups % (cfg.v // cfg.m)  # whole words, so that readers of wider words find every octet counted
        behind_wide = bool(self.program.mm) and getattr(self.program.mm[-1], "wide", False)
        slow = WIDE_STEPS if op.wide or behind_wide else 1
        if op.weight is None and slow == 1:
            layout = identity(op, groups, cfg)
            if self.identity_at is None:  # all identities share its words
                self.identity_at = self._weights(layout.words)
            w = self.identity_at
        else:
            layout = dense(op, groups, slow, cfg)
            w = self._weights(layout.words)
        loops, first = layout.loops, layout.first
        waits, complete, follow = self._operands(op)
        if follow is None:
            dep, need = "NONE", 0
            loops = [Loop(x.count, x.a, x.w, 0, x.o, x.p, x.reduce) for x in loops]
        else:
            dep, need = follow[0], follow[1] + (first + 1) * cfg.n // OCTET
        gates = [Gate(unit, count) for unit, count in waits.items()] or [Gate()]
        self.program.mm += [Nop(gate) for gate in gates[1:]]
        residual = None
        if op.residual is not None:
            at = self._byte(op.residual.buffer, int(op.residual.positions[0])) // cfg.m
            residual = (self.plan.buffers[op.residual.buffer].bank, at, op.residual.signed)
        self.program.mm.append(
            MM(
                loops=tuple(loops), dep=dep, need=need, a_bank=self.plan.buffers[op.x.buffer].bank,
                a=self._byte(op.x.buffer, 0) // cfg.n + first, a_signed=op.x.signed, w=w,
                o_bank=self.plan.buffers[op.out].bank,
                o=self._byte(op.out, op.out_start) // cfg.m, p=len(self.program.params), lo=op.lane.lo, hi=op.lane.hi,
                relu=op.lane.relu,
                wide=op.wide, slot=self._slot(op), residual=residual, gate=gates[0], name=op.name,
            )
        )  # fmt: skip
        self.program.params += _lane_words(op.lane, groups, cfg.m)
        self.steps.append(self.program.mm[-1].steps())
        self._wrote("MM", groups * cfg.m // OCTET, complete)

    def _operands(self, op: MatOp) -> tuple[dict[str, int], set[int], tuple[str, int] | None]:
        """(octets to wait for before the start, operations complete by the first result, the unit to follow chunk by
        chunk)."""
        writers = self._writers(op.x)
        follow = self._follow(op.x.buffer, writers, "MM")
        if op.weight is None and follow is not None and follow[0] == "ROW":
            # its first results come before its last operands, when the row operation still uses its ports
            follow = None
        complete = self._complete_with(writers)
        must: set[int] = set() if follow else set(writers)
        # never beside an unrelated row operation, which may need the same port
        must |= {i for i in range(len(self.after)) if self.plan.serial or self._unit(i) == "ROW"}
        waits: dict[str, int] = {}
        if op.residual is not None:
            if op.residual.buffer == INPUTS:
                words = int(op.residual.positions[-1]) // self.config.m + 1  # read whole, padding too
                waits["DIN"] = min(words * self.config.m // OCTET, self.total["DIN"])
            must |= set(self._writers(op.residual))
        must |= self._late_readers(op.x.buffer)
        must -= complete if follow and not self.plan.serial else set()
        waits |= self._gate_for(must)
        for i in must:
            complete |= {i} | self.complete[i]
        return waits, complete, follow

    def _late_readers(self, buffer: str) -> set[int]:
        """The operation that may still read this buffer as its residual, some clocks behind its steps: a bank cannot be
        read twice in a clock. (Different buffers lie in different banks then, see memory.py.)"""
        passed = 0
        for i in reversed(range(len(self.after))):
            op = self.plan.ops[i]
            if isinstance(op, RowOp) or passed >= RESIDUAL_LAG:
                break  # the array waits for row operations anyhow
            if op.residual is not None and op.residual.buffer == buffer:
                return {i}
            passed += self.steps[i]
        return set()

    def _weights(self, words: list[np.ndarray]) -> int:
        """Append weight words; returns where they begin."""
        self.program.weights += words
        return len(self.program.weights) - len(words)

    def _slot(self, op: MatOp) -> int | None:
        if op.table is None:
            return None
        data = op.table.tobytes()
        if data not in self.program.tables:
            if len(self.program.tables) == MAX_SLOTS:
                raise FitError(
                    f"node {op.name!r}: more than {MAX_SLOTS} different activation tables; give some activations "
                    f"the same scales"
                )
            self.program.tables.append(data)
        return self.program.tables.index(data)

    # --- row operations ---------------------------------------------------------------------------------------------
    def _row(self, op: RowOp) -> None:
        cfg = self.config
        words, step = -(-op.size // cfg.v), cfg.v // OCTET
        start = int(op.x.positions[0])
        writers = self._writers(op.x)
        follow = self._follow(op.x.buffer, writers, "ROW")
        latest_mm = max((i for i in range(len(self.after)) if self._unit(i) == "MM"), default=None)
        gate = Gate()
        if latest_mm is not None and (follow is None or self.plan.serial or latest_mm not in writers):
            # not right behind its producer: wait until the array is done with everything before
            gate = Gate("MM", self.total["MM"])
        if follow is not None and (follow[0] == "DIN" or gate.unit == "NONE"):
            dep, need, need_step = follow[0], follow[1] + start // OCTET + step, step
        else:
            dep, need, need_step = "ROW", self.total["ROW"], 0
        complete = self._complete_with(writers)
        if gate.unit == "MM":
            complete |= {i for i in range(len(self.after)) if self._unit(i) == "MM"}
        self.program.row.append(
            Row(
                rms=op.rms, x_signed=op.x.signed, lo=op.lane.lo, hi=op.lane.hi, dep=dep, need=need, need_step=need_step,
                src_bank=self.plan.buffers[op.x.buffer].bank, src=self._byte(op.x.buffer, start) // cfg.v,
                dst_bank=self.plan.buffers[op.out].bank, dst=self._byte(op.out, op.out_start) // cfg.v,
                param=len(self.program.row_params),
                length=op.size, words=words, eps=op.eps, gate=gate, name=op.name,
            )
        )  # fmt: skip
        self.program.row_params += _lane_words(op.lane, words, cfg.v)
        self.steps.append(0)
        self._wrote("ROW", words * step, complete)

    # --- output -----------------------------------------------------------------------------------------------------
    def _outputs(self) -> None:
        cfg, offset = self.config, 0
        for i, output in enumerate(self.plan.outputs):
            joined = len(self.plan.buffers[output.buffer].writers) > 1
            last = output.op == len(self.plan.ops) - 1 and i == len(self.plan.outputs) - 1 and not joined
            follow = None
            if last and not self.plan.serial:
                follow = self._follow(output.buffer, [output.op], "DOUT")
            loose = set(range(len(self.after))) - self._complete_with([output.op])
            gate = Gate()
            if follow is not None:
                dep, need, step = follow[0], follow[1] + output.start // OCTET + cfg.v // OCTET, cfg.v // OCTET
                if loose:
                    gate = Gate(*next(iter(self._gate_for(loose).items())))
            else:
                dep, need, step = "MM", self.total["MM"], 0
                gate = Gate("ROW", self.total["ROW"])
            size = _wide_bytes(output.size, cfg.m) if output.wide else output.size
            beats = -(-size // BEAT_BYTES)
            address = self._byte(output.buffer, output.start) // BEAT_BYTES
            self.program.dout.append(
                Dout(offset, beats, self.plan.buffers[output.buffer].bank, address, dep, need, step, gate)
            )
            output.offset = offset
            offset += -(-beats * BEAT_BYTES // 64) * 64
        self.plan.out_bytes = offset


def _wide_bytes(size: int, m: int) -> int:
    """Bytes of a 32-bit vector in byte planes."""
    return -(-size // m) * m * 4


def _lane_words(lane: Lane, words: int, width: int) -> list[np.ndarray]:
    """Parameters as [width, 4] arrays (mult, shift, bias, rmult), one a word; channels beyond the last are zero."""
    rmult = lane.rmult if lane.rmult is not None else np.zeros_like(lane.mult)
    table = np.stack([lane.mult, lane.shift, lane.bias, rmult], axis=1).astype(np.int64)
    table = np.pad(table, ((0, words * width - len(table)), (0, 0)))
    return list(table.reshape(words, width, 4))
