"""Plan with addresses -> Program: instructions, weight words, parameters and tables.

Progress is counted in octets (8 bytes) that a unit has written since START, so a reader's need is a linear function of
its address. Operations run in order; the emitter adds a gate wherever order and data do not already guarantee that an
operand is there or a memory port is free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container

import numpy as np

from hwgen.errors import FitError, UnsupportedError
from hwgen.schedule import emit_io, emit_mm, emit_row, emit_vec
from hwgen.schedule.config import MAX_SLOTS, EngineConfig
from hwgen.schedule.instructions import Gate, Nop, Program
from hwgen.schedule.memory import RESIDUAL_LAG
from hwgen.schedule.plan import INPUTS, MatOp, Plan, RowOp, View
from hwgen.schedule.vector import VecOp
from hwgen.schedule.views import round_up
from hwgen.schedule.weights import OCTET
from hwgen.schedule.windows import Windows

WIDE_STEPS = 4  # clocks that the write of a wide group takes


def emit(plan: Plan, config: EngineConfig, most: int = 0, whole: Container[str] = ()) -> Program:
    """The program of a plan whose buffers have addresses. most: words of the weights of an instruction, where it is
    more than one group of outputs; 0: any. whole: operations that are not to be cut. Raises FitError."""
    return _Emitter(plan, config, most, whole).run()


class _Emitter:
    def __init__(self, plan: Plan, config: EngineConfig, most: int, whole: Container[str]):
        self.plan, self.config, self.most, self.whole = plan, config, most, whole
        self.cut: set[str] = set()  # operations in blocks of groups, each for all rows
        self.program = Program()
        self.total = {"DIN": 0, "MM": 0, "ROW": 0, "VEC": 0}  # octets so far
        self.waited = {"MM": {}, "ROW": {}, "VEC": {}}  # by unit: octets of others that it has waited for
        self.before: list[int] = []  # by operation: its unit's octets before it
        self.after: list[int] = []
        self.units: dict[str, list[int]] = {"MM": [], "ROW": [], "VEC": []}  # the operations of each
        self.complete: list[set[int]] = []  # by operation: those certainly complete when its first result is written
        self.steps: list[int] = []  # by operation: of the array
        self.stored: dict[tuple, int] = {}  # where equal words are
        self.walks: dict[str, list[Windows]] = {}  # of each image

    def run(self) -> Program:
        emit_io.inputs(self)
        for op in self.plan.ops:
            if isinstance(op, MatOp):
                self._matrix(op)
            elif isinstance(op, VecOp):
                emit_vec.vector(self, op)
            else:
                emit_row.row(self, op)
        emit_io.outputs(self)
        self.program.kv_words = max((b.word + b.kv for b in self.plan.buffers.values() if b.kv), default=0)
        return self.program

    # --- progress ---------------------------------------------------------------------------------------------------
    def _unit(self, i: int) -> str:
        op = self.plan.ops[i]
        return "MM" if isinstance(op, MatOp) else "VEC" if isinstance(op, VecOp) else "ROW"

    def wrote(self, unit: str, octets: int, complete: set[int]) -> None:
        self.before.append(self.total[unit])
        self.total[unit] += octets
        self.after.append(self.total[unit])
        for before in self.units[unit][-1:]:  # units run in order
            complete = complete | {before} | self.complete[before]
        self.units[unit].append(len(self.complete))
        self.complete.append(complete)

    def writers(self, view: View) -> list[int]:
        """The operations that write what this view reads."""
        if view.buffer == INPUTS:
            return []
        lo, hi = int(view.positions.min()), int(view.positions.max())
        ops = [(w, self.plan.ops[w]) for w in self.plan.buffers[view.buffer].writers]
        return [w for w, op in ops if w < len(self.complete) and op.out.start <= hi and lo < op.out.end]

    def complete_with(self, writers: list[int]) -> set[int]:
        """Operations complete once these are: what they waited for, and what ran before in their unit."""
        out: set[int] = set()
        for w in writers:
            out |= {w} | self.complete[w]
        return out

    def follow(self, buffer: str, writers: list[int], reader: str) -> tuple[str, int] | None:
        """(unit, octets before the buffer's first byte) when what these write can be read while it is being written."""
        if self.plan.serial and buffer != INPUTS:
            return None
        if buffer == INPUTS:
            return "DIN", 0
        if not writers:
            return None
        op = self.plan.ops[writers[0]]
        if isinstance(op, VecOp) and reader == "ROW":
            return None  # the row unit waits for all products
        if (reader != "MM" or not isinstance(op, MatOp)) and self._reads_bank_of(op, buffer):
            return None  # the writer is still reading through the port that this reader needs
        if len(writers) > 1 or not self._in_order(op):
            return None
        return self._unit(writers[0]), self.before[writers[0]] - op.out.start // OCTET

    def _in_order(self, op: MatOp | RowOp | VecOp) -> bool:
        """Whether an operation writes every byte from the first to the last in turn, so that octets tell addresses."""
        if not isinstance(op, MatOp):
            return op.out.rows == 1 or op.out.pitch == round_up(op.out.channels, self.config.v)
        rows = [part.rows for part in op.parts]
        return (
            not op.wide
            and op.name not in self.cut
            and (op.out.rows == 1 or op.out.pitch == len(op.parts[0].groups) * self.config.m)
            and np.array_equal(np.concatenate(rows), np.arange(op.out.rows))
        )

    def _reads_bank_of(self, op: MatOp | RowOp | VecOp, buffer: str) -> bool:
        """Whether an operation reads from the bank of the buffer that it writes (joined parts share one)."""
        return any(self.plan.buffers[view.buffer].bank == self.plan.buffers[buffer].bank for view in op.reads())

    def octets_of(self, ops: set[int]) -> dict[str, int]:
        """Octets of each unit after which all these operations are complete."""
        out: dict[str, int] = {}
        for unit, mine in self.units.items():
            if (last := next((i for i in reversed(mine) if i in ops), None)) is not None:
                out[unit] = self.after[last]
        return out

    def news(self, unit: str, waits: dict[str, int]) -> list[Gate]:
        """The waits of an operation that no earlier one of its unit has had."""
        known = self.waited[unit]
        gates = [Gate(other, count) for other, count in waits.items() if count > known.get(other, 0)]
        known |= {gate.unit: gate.count for gate in gates}
        return gates

    # --- places -----------------------------------------------------------------------------------------------------
    def bank(self, buffer: str) -> int:
        """The bank of a buffer."""
        return self.plan.buffers[buffer].bank

    def byte(self, buffer: str, at: int) -> int:
        """Where a byte of a buffer lies in its bank."""
        return self.plan.buffers[buffer].word * self.config.v + at

    # --- matrix operations ------------------------------------------------------------------------------------------
    def _matrix(self, op: MatOp) -> None:
        waits, complete, follow = self._operands(op)
        gates = self.news("MM", waits)
        behind_wide = bool(self.program.mm) and getattr(self.program.mm[-1], "wide", False)
        self.program.mm += [Nop(gate) for gate in gates[1:]]
        slow = WIDE_STEPS if op.wide or behind_wide else 1
        if op.into is not None and op.into.kind == "KEYS":
            slow = max(slow, self.config.keys_clocks)
        shortest = min(len(part.taps) for part in op.parts)
        behind_keys = bool(self.program.mm) and getattr(self.program.mm[-1], "o_kind", "") == "KEYS"
        if behind_keys and shortest < self.config.keys_clocks:
            self.program.mm.append(Nop(Gate("MM", self.total["MM"])))  # the last keys are still being written
        if op.kv is not None and slow > shortest:
            if op.wide:
                raise UnsupportedError(
                    f"node {op.name!r}: 32-bit results of sums of so few terms; put a Quant of 8 bits or less behind it"
                )
            self.program.mm.append(Nop(Gate("MM", self.total["MM"])))
            slow = 1
        instructions = [ins for part in op.parts for ins in emit_mm.instructions(self, op, part, slow, follow)]
        self._free_bands(op)
        if gates:
            instructions[0].gate = gates[0]
        self.program.mm += instructions
        groups = sum(ins.steps() // ins.reduction() for ins in instructions)
        self.steps.append(sum(ins.steps() for ins in instructions))
        self.wrote("MM", groups * self.config.m // OCTET, complete)

    def _free_bands(self, op: MatOp) -> None:
        """Let each band of windows be written when the array has read what lay there: `op` is about to be counted."""
        image = next((i for i in self.plan.images.values() if i.start == op.x.positions[0]), None)
        if op.x.buffer != INPUTS or image is None:
            return
        octets = self.total["MM"]
        for part, walk in zip(op.parts, self.walks[image.name][2:], strict=False):
            octets += len(part.rows) * len(part.groups) * self.config.m // OCTET
            walk.gate = Gate("MM", octets)

    def stored_at(self, memory: list[np.ndarray], words: np.ndarray, role: int | None) -> int:
        """Where these words begin in a memory; equal ones of one role are stored once."""
        key = (id(memory), role, words.shape, hashlib.sha256(np.ascontiguousarray(words)).digest())
        if key not in self.stored:
            self.stored[key] = len(memory)
            memory.extend(words)
        return self.stored[key]

    def _operands(self, op: MatOp) -> tuple[dict[str, int], set[int], tuple[str, int] | None]:
        """(octets to wait for before the start, operations complete by the first result, the unit to follow chunk by
        chunk)."""
        writers = self.writers(op.x)
        follow = self.follow(op.x.buffer, writers, "MM")
        source = self.plan.ops[writers[0]] if writers else None
        early = isinstance(source, VecOp) or (source is not None and source.out.rows > 1)
        if not isinstance(source, MatOp | None) and (not self._beside(op, writers[0]) if early else _copies(op)):
            follow = None  # its first results come before its last operands, when the other unit uses its ports
        complete = self.complete_with(writers)
        must: set[int] = set() if follow else set(writers)
        # never beside an unrelated operation of another unit, which may need the same port
        must |= set(range(len(self.after))) if self.plan.serial else {*self.units["ROW"], *self.units["VEC"]}
        waits: dict[str, int] = {}
        if op.residual is not None:
            if op.residual.buffer == INPUTS:
                words = int(op.residual.positions[-1]) // self.config.m + 1  # read whole, padding too
                waits["DIN"] = min(words * self.config.m // OCTET, self.total["DIN"])
            must |= set(self.writers(op.residual))
        keys = set() if op.kv is None else set(self.plan.buffers[op.kv.buffer].writers)
        must |= self._late_readers(op.x.buffer)
        must -= complete if follow and not self.plan.serial else set()
        if early and follow is not None:
            complete -= set(writers)
        must |= keys
        waits |= self.octets_of(must)
        for unit in self.units.values():
            complete |= self.complete_with([i for i in reversed(unit) if i in must][:1])
        return waits, complete | must, follow

    def _beside(self, op: MatOp, row: int) -> bool:
        """Whether a matrix operation may write and read its residual while another unit's operation that it follows
        still reads and writes."""
        rows, bank = self.plan.ops[row], self.bank
        reads = {bank(view.buffer) for view in rows.reads()}
        return bank(op.out.buffer) != bank(rows.out.buffer) and not reads & {bank(v.buffer) for v in op.reads()}

    def _late_readers(self, buffer: str) -> set[int]:
        """The operation that may still read this buffer as its residual, some clocks behind its steps: a bank cannot be
        read twice in a clock. (Different buffers lie in different banks then, see memory.py.)"""
        passed = 0
        for i in reversed(range(len(self.after))):
            op = self.plan.ops[i]
            if passed >= RESIDUAL_LAG or (not isinstance(op, MatOp) and self.plan.takes_the_end(op)):
                break
            if not isinstance(op, MatOp):
                continue
            if op.residual is not None and op.residual.buffer == buffer:
                return {i}
            passed += self.steps[i]
        return set()

    def slot(self, op: MatOp) -> int | None:
        """The slot of an operation's table."""
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


def _copies(op: MatOp) -> bool:
    """Whether first results come before the last operands: each group of a row meets only some chunks."""
    return any(part.groups.any() for part in op.parts)
