"""The cycle model: when each unit does what, under the standard DDR model. It is exact: simulation must show these
very numbers.

Clock 0 is the one in which START is accepted. A unit's progress is a list of (clock, octets): the counter shows
`octets` from `clock` on.
Every unit runs its program in order; a step goes in the first clock after its predecessor in which its need is
reached. Latencies come from
the headers of the RTL modules named beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import HwgenError
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.instructions import MM, Dout, Gate, Nop, Program, Row

DDR_READ = 40  # standard DDR model: address handshake -> first data
DDR_WRITE = 4  # last data -> response
DIN_START = 2  # START -> read address (din_unit.sv, axi_rd.sv)
DIN_WRITE = 1  # data -> activation memory and counter
DOUT_DATA = 5  # word allowed -> first write data (dout_unit.sv, axi_wr.sv)
DONE = 2  # write response -> DONE (dout_unit.sv, control.sv)
MM_START = 2  # START -> first step (mm_sequencer.sv)
WIDE_EXTRA = 3  # last byte plane after the first
ROW_START = 1  # START -> row instruction taken; its first word goes one later (row_unit.sv)
ROW_STATS = 11  # last word of pass 1 -> first of pass 2
ROW_WRITE = 12  # word of pass 2 -> written
NEVER = np.iinfo(np.int64).max // 4


@dataclass
class Span:
    """What one instruction did: first and last clock of work, and clocks lost waiting in between and before."""

    unit: str
    name: str
    first: int
    last: int
    work: int


@dataclass
class Timing:
    """Predicted clocks of one run."""

    latency: int = 0
    first_issue: int = 0
    last_issue: int = 0
    issued: int = 0
    waits: dict[str, int] = field(default_factory=dict)  # clocks the array waited, by unit
    spans: list[Span] = field(default_factory=list)

    @property
    def compute(self) -> int:
        """First to last clock of the array."""
        return self.last_issue - self.first_issue + 1 if self.issued else 0

    @property
    def tail(self) -> int:
        """Clocks in which the array had nothing left to do: all but START's own, the issued and the waited ones."""
        return self.latency - 1 - self.issued - sum(self.waits.values())


class _Progress:
    def __init__(self) -> None:
        self.clocks, self.counts = [np.array([0])], [np.array([0])]
        self.total = 0

    def add(self, clocks: np.ndarray, octets: int) -> None:
        """Each of these clocks adds `octets`."""
        self.clocks.append(clocks)
        self.counts.append(self.total + octets * np.arange(1, len(clocks) + 1))
        self.total += octets * len(clocks)

    def reached(self, need: np.ndarray) -> np.ndarray:
        """First clock in which each need is reached; NEVER where it is not (yet)."""
        clocks, counts = np.concatenate(self.clocks), np.concatenate(self.counts)
        at = np.searchsorted(counts, np.maximum(need, 0))
        return np.where(at < len(clocks), clocks[np.minimum(at, len(clocks) - 1)], NEVER)


def in_order(ready: np.ndarray, start: int) -> np.ndarray:
    """Clocks of steps that go one a clock at most, in order, none before `start` or before it is ready."""
    index = np.arange(len(ready))
    return np.maximum.accumulate(np.maximum(ready, start) - index) + index


def predict(program: Program, config: EngineConfig) -> Timing:
    """Clocks of one run of the program under the standard DDR model. Raises HwgenError when it would never end."""
    return _Model(program, config).run()


class _Model:
    def __init__(self, program: Program, config: EngineConfig):
        self.program, self.config = program, config
        self.progress = {unit: _Progress() for unit in ("DIN", "MM", "ROW", "DOUT")}
        self.timing = Timing(
            waits={"DIN": MM_START - 1, "MM": 0, "ROW": 0}
        )  # until the first instruction: as if for input
        self.free = {"MM": MM_START, "ROW": ROW_START, "DOUT": 1}

    def run(self) -> Timing:
        self._din()
        mm = list(self.program.mm) or [Nop()]  # a unit without work has one, which says that it is done (image.py)
        queues = {"MM": mm, "ROW": list(self.program.row), "DOUT": list(self.program.dout)}
        step = {"MM": self._mm, "ROW": self._row, "DOUT": self._dout}
        while any(queues.values()):
            moved = False
            for unit, queue in queues.items():
                while queue and step[unit](queue[0]):
                    queue.pop(0)
                    moved = True
            if not moved:
                stuck = {unit: getattr(queue[0], "name", "") for unit, queue in queues.items() if queue}
                raise HwgenError(
                    f"the program waits for itself at {stuck}; this is a defect of the compiler: please report the "
                    f"graph"
                )
        return self.timing

    def _gate(self, gate: Gate) -> int:
        if gate.unit == "NONE":
            return 0
        return int(self.progress[gate.unit].reached(np.array([gate.count]))[0])

    def _din(self) -> None:
        clock = DIN_START + DDR_READ + DIN_WRITE
        for instruction in self.program.din:
            self.progress["DIN"].add(clock + np.arange(instruction.beats), 2)
            self.timing.spans.append(Span("DIN", "input", clock, clock + instruction.beats - 1, instruction.beats))
            clock += instruction.beats

    def _mm(self, ins: MM | Nop) -> bool:
        gate = self._gate(ins.gate)
        if gate >= NEVER:
            return False
        t = self.timing
        if isinstance(ins, Nop):
            if ins.gate.unit in t.waits:
                t.waits[ins.gate.unit] += max(0, gate - self.free["MM"])
            t.waits["DIN"] += 1  # its own clock
            self.free["MM"] = max(self.free["MM"], gate) + 1
            return True
        if ins.dep == "NONE":
            ready = np.zeros(ins.steps(), np.int64)
        else:
            ready = np.where(ins.pads(), 0, self.progress[ins.dep].reached(ins.walk("need", ins.need)))
        if ready.max() >= NEVER:
            return False
        start = self.free["MM"]
        clocks = in_order(np.maximum(ready, gate), start)
        self._count_waits(ins, clocks, start, gate)
        ends = clocks[ins.ends()]
        self.progress["MM"].add(ends + self.config.pipe + (WIDE_EXTRA if ins.wide else 0), self.config.m // 8)
        if t.issued == 0:
            t.first_issue = int(clocks[0])
        t.issued += len(clocks)
        t.last_issue = int(clocks[-1])
        t.spans.append(Span("MM", ins.name, int(clocks[0]), int(clocks[-1]), len(clocks)))
        self.free["MM"] = int(clocks[-1]) + 1
        return True

    def _count_waits(self, ins: MM, clocks: np.ndarray, start: int, gate: int) -> None:
        waited = int(clocks[-1]) - start + 1 - len(clocks)
        gated = max(0, min(gate, int(clocks[0])) - start)
        if gated:
            self.timing.waits[ins.gate.unit] += gated
        rest = waited - gated
        if rest and ins.dep in self.timing.waits:
            self.timing.waits[ins.dep] += rest

    def _row(self, ins: Row | Nop) -> bool:
        gate = self._gate(ins.gate)
        if gate >= NEVER:
            return False
        taken = max(self.free["ROW"], gate)
        if isinstance(ins, Nop):
            self.free["ROW"] = taken + 1
            return True
        ready = self.progress[ins.dep].reached(ins.need + ins.need_step * np.arange(ins.words * ins.rows))
        if ready.max() >= NEVER:
            return False
        clock = first = taken + 1
        for r in range(ins.rows):
            went = in_order(ready[r * ins.words : (r + 1) * ins.words], clock)
            first = int(went[0]) if r == 0 else first
            second = int(went[-1]) + ROW_STATS + np.arange(ins.words)
            self.progress["ROW"].add(second + ROW_WRITE, self.config.v // 8)
            clock = int(second[-1]) + 1
        self.timing.spans.append(Span("ROW", ins.name, first, clock - 1 + ROW_WRITE, 2 * ins.words * ins.rows))
        self.free["ROW"] = clock
        return True

    def _dout(self, ins: Dout) -> bool:
        gate = self._gate(ins.gate)
        words = -(-ins.beats * 16 // self.config.v)
        per = self.config.v // 16
        ready = self.progress[ins.dep].reached(ins.need + ins.need_step * np.arange(words))
        if max(gate, int(ready.max())) >= NEVER:
            return False
        went = in_order(np.maximum(ready, gate), self.free["DOUT"])
        beats = in_order(np.repeat(went + DOUT_DATA, per)[: ins.beats], getattr(self, "last_beat", 0) + 1)
        self.last_beat = int(beats[-1])
        self.timing.spans.append(Span("DOUT", "output", int(went[0]), self.last_beat, ins.beats))
        self.free["DOUT"] = int(went[-1]) + 1
        self.timing.latency = self.last_beat + DDR_WRITE + DONE
        return True
