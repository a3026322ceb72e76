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
from hwgen.schedule.account import DDR, END, START, Account
from hwgen.schedule.clocks import in_order
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.instructions import MM, Din, Dout, Fetch, Gate, Nest, Nop, Program, Row, Vec
from hwgen.schedule.windows import RingModel, Stream, Windows

DDR_READ = 40  # standard DDR model: address handshake -> first data
DDR_WRITE = 4  # last data -> response
DIN_START = 2  # START -> read address (din_unit.sv, axi_rd.sv)
DIN_HEAD = 1  # START -> first instruction seen
DIN_WRITE = 1  # data -> activation memory and counter
STREAM_WRITE = 2  # a word's last beat -> its counter (stream_unit.sv)
DOUT_DATA = 5  # word allowed -> first write data (dout_unit.sv, axi_wr.sv)
IN_DONE = 2  # last data of an input -> DONE, if the answer has left (axi_rd.sv, control.sv)
DONE = 2  # write response -> DONE (dout_unit.sv, control.sv)
MM_START = 2  # START -> first step, of the vector unit, too (mm_sequencer.sv)
WIDE_EXTRA = 3  # last byte plane after the first
ROW_START = 1  # START -> row instruction taken; its first word goes one later (row_unit.sv)
ROW_STATS = 11  # a norm's last word of pass 1 -> first of the last pass
ROW_MOST = 4  # softmax: last word of pass 1 -> first of pass 2
ROW_SUM = 9  # softmax: last word of pass 2 -> first of the last pass
ROW_GROUPS = 17  # GroupNorm: last word of pass 1 -> first of the last pass, besides the clocks for its channels
ROW_WRITE = 12  # word of the last pass -> written
NEVER = np.iinfo(np.int64).max // 4
BILLED = {"DIN": "DIN", "MM": "MM", "ROW": "ROW", "VEC": "ROW", "STREAM": "DIN"}
"""Under what a wait of the array is counted, by the unit it waits for."""


@dataclass
class Span:
    """What one instruction did: first and last clock of work, how many it worked, and of the array's: how many it lost
    before and in between, by the unit that was waited for."""

    unit: str
    name: str
    first: int
    last: int
    work: int
    lost: dict[str, int] = field(default_factory=dict)


@dataclass
class Timing:
    """Predicted clocks of one run."""

    latency: int = 0
    first_issue: int = 0
    last_issue: int = 0
    issued: int = 0
    waits: dict[str, int] = field(default_factory=dict)  # clocks the array waited, by the register that counts them
    lost: dict[str, int] = field(default_factory=dict)  # those before the operation that comes next, by unit
    spans: list[Span] = field(default_factory=list)
    units: dict[str, Account] = field(default_factory=dict)  # of those that have a program

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
        self.steps = np.zeros((2, 1024), np.int64)  # clocks and counts; the first `size` are there
        self.size, self.total = 1, 0

    def add(self, clocks: np.ndarray, octets: int) -> None:
        """Each of these clocks adds `octets`."""
        end = self.size + len(clocks)
        if end > self.steps.shape[1]:
            self.steps = np.concatenate([self.steps, np.zeros((2, end), np.int64)], axis=1)
        self.steps[0, self.size : end] = clocks
        self.steps[1, self.size : end] = self.total + octets * np.arange(1, len(clocks) + 1)
        self.size, self.total = end, self.total + octets * len(clocks)

    def reached(self, need: np.ndarray) -> np.ndarray:
        """First clock in which each need is reached; NEVER where it is not (yet)."""
        clocks, counts = self.steps[:, : self.size]
        at = np.searchsorted(counts, np.maximum(need, 0))
        return np.where(at < len(clocks), clocks[np.minimum(at, len(clocks) - 1)], NEVER)


def predict(program: Program, config: EngineConfig) -> Timing:
    """Clocks of one run of the program under the standard DDR model. Raises HwgenError when it would never end."""
    return _Model(program, config).run()


class _Model:
    def __init__(self, program: Program, config: EngineConfig):
        self.program, self.config = program, config
        self.progress = {unit: _Progress() for unit in ("DIN", "MM", "ROW", "VEC", "DOUT", "STREAM")}
        self.timing = Timing(
            waits={"DIN": MM_START - 1, "MM": 0, "ROW": 0},  # until the first instruction: as if for input
            lost={START: MM_START},
        )
        self.free = {"DIN": DIN_HEAD, "MM": MM_START, "ROW": ROW_START, "VEC": MM_START, "DOUT": 1}
        self.free["STREAM"] = DIN_HEAD
        self.accounts = {unit: Account(lost={START: clock}, until=clock) for unit, clock in self.free.items()}
        self.beats: list[np.ndarray | int] = []  # of DIN's instructions: their clocks, or how many come into the ring
        self.bus = 0  # first clock in which the bus has data for another instruction of DIN
        self.weights = 0  # and the ports of the stream unit, for another block
        self.ring = RingModel(config.win_ring)

    def run(self) -> Timing:
        mm = list(self.program.mm) or [Nop()]  # a unit without work has one, which says that it is done (image.py)
        program = self.program
        queues = {"DIN": list(program.din), "MM": mm, "ROW": list(program.row), "VEC": list(program.vec)}
        queues |= {"DOUT": list(program.dout), "STREAM": list(program.stream)}
        step = {"DIN": self._din, "MM": self._mm, "ROW": self._row, "VEC": self._vec, "DOUT": self._dout}
        step["STREAM"] = self._stream
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
        self._close()
        return self.timing

    def _close(self) -> None:
        """End the run, and bill what is left to bill: DONE also waits for input that nobody reads."""
        timing, streamed = self.timing, 0
        for beats in self.beats:
            if isinstance(beats, int):
                beats, streamed = self.ring.taken[streamed : streamed + beats], streamed + beats
            if len(beats):
                self.accounts["DIN"].wait(DDR, int(beats[0]))
                timing.latency = max(timing.latency, int(beats[-1]) + IN_DONE)
            self.accounts["DIN"].work(beats, "DIN")  # as the ring has room
        self.accounts["DOUT"].wait(DDR, timing.latency)
        for unit, account in self.accounts.items():
            account.wait(END, timing.latency)
            if account.busy:
                timing.units[unit] = account

    def _gate(self, gate: Gate) -> int:
        if gate.unit == "NONE":
            return 0
        return int(self.progress[gate.unit].reached(np.array([gate.count]))[0])

    def _din(self, ins: Din | Stream | Windows) -> bool:
        if isinstance(ins, Windows):
            return self._windows(ins)
        data = max(self.free["DIN"] + DIN_START - DIN_HEAD + DDR_READ, self.bus)
        self.free["DIN"] += 1
        self.bus = data + ins.beats
        if isinstance(ins, Stream):
            self.ring.stream(ins.beats, data)
            self.beats.append(ins.beats)
        else:
            clocks = data + DIN_WRITE + np.arange(ins.beats)
            self.progress["DIN"].add(clocks, 2)
            self.beats.append(clocks - DIN_WRITE)
            self.timing.spans.append(Span("DIN", "input", int(clocks[0]), int(clocks[-1]), ins.beats))
        return True

    def _stream(self, ins: Fetch | Nop) -> bool:
        """A block of weights; those that the compiler makes are long enough that no port ever has to pause."""
        gate = self._gate(ins.gate)
        if gate >= NEVER:
            return False
        taken = max(self.free["STREAM"], gate)
        self.free["STREAM"] = taken + 1
        if isinstance(ins, Nop):
            return True
        data = max(taken + DIN_START - DIN_HEAD + DDR_READ, self.weights)
        per = self.config.stream_beats
        self.weights = data + ins.words * per
        account = self.accounts["STREAM"]
        account.wait(ins.gate.unit, taken)
        account.wait(DDR, data)
        account.work(np.arange(data, self.weights), DDR)
        self.progress["STREAM"].add(data - 1 + STREAM_WRITE + per * np.arange(1, ins.words + 1), 1)
        self.timing.spans.append(Span("STREAM", ins.name, data, self.weights - 1, ins.words * per))
        return True

    def _windows(self, ins: Windows) -> bool:
        gate = self._gate(ins.gate)
        if gate >= NEVER:
            return False
        went = self.ring.windows(ins, self.config.win_ports, max(self.free["DIN"], gate))
        if went is None:
            return False
        words, last = went
        self.progress["DIN"].add(words, self.config.v // 8)
        self.timing.spans.append(Span("DIN", ins.name, int(words[0]), int(words[-1]), len(words)))
        self.free["DIN"] = last + 1
        return True

    def _mm(self, ins: MM | Nop) -> bool:
        gate = self._gate(ins.gate)
        if gate >= NEVER:
            return False
        t = self.timing
        if isinstance(ins, Nop):
            self._lose(ins.gate.unit, max(0, gate - self.free["MM"]))
            self.accounts["MM"].wait(ins.gate.unit, max(self.free["MM"], gate) + 1)
            t.waits["DIN"] += 1  # its own clock
            t.lost[ins.gate.unit] = t.lost.get(ins.gate.unit, 0) + 1
            self.free["MM"] = max(self.free["MM"], gate) + 1
            return True
        ready = self._ready(ins)
        if ready.max() >= NEVER:
            return False
        start = self.free["MM"]
        clocks = in_order(np.maximum(ready, gate), start)
        self._count_waits(ins, clocks, start, gate)
        self.accounts["MM"].wait(ins.gate.unit, min(gate, int(clocks[0])))
        self.accounts["MM"].work(clocks, ins.dep)
        ends = clocks[ins.ends()]
        more = WIDE_EXTRA if ins.wide else self.config.keys_clocks - 1 if ins.o_kind == "KEYS" else 0
        self.progress["MM"].add(ends + self.config.pipe + more, self.config.m // 8)
        if t.issued == 0:
            t.first_issue = int(clocks[0])
        t.issued += len(clocks)
        t.last_issue = int(clocks[-1])
        t.spans.append(Span("MM", ins.name, int(clocks[0]), int(clocks[-1]), len(clocks), t.lost))
        t.lost = {}
        self.free["MM"] = int(clocks[-1]) + 1
        return True

    def _ready(self, ins: Nest) -> np.ndarray:
        """First clock in which each step's need is reached."""
        if ins.dep == "NONE":
            return np.zeros(ins.steps(), np.int64)
        return np.where(ins.pads(), 0, self.progress[ins.dep].reached(ins.walk("need", ins.need)))

    def _count_waits(self, ins: MM, clocks: np.ndarray, start: int, gate: int) -> None:
        waited = int(clocks[-1]) - start + 1 - len(clocks)
        gated = max(0, min(gate, int(clocks[0])) - start)
        self._lose(ins.gate.unit, gated)
        self._lose(ins.dep, waited - gated)

    def _lose(self, unit: str, clocks: int) -> None:
        """The array waited for a unit."""
        if clocks:
            self.timing.waits[BILLED[unit]] += clocks
            self.timing.lost[unit] = self.timing.lost.get(unit, 0) + clocks

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
        went = in_order(ready, taken + 1)  # pass 1 of all rows; the others follow at fixed distances
        ends = went[ins.words - 1 :: ins.words, None]
        last_pass = ends + (ROW_MOST + ins.words - 1 + ROW_SUM if ins.softmax else ROW_STATS) + np.arange(ins.words)
        if ins.group:  # all rows are read again
            channels = (ins.group + ins.length) // (4 if ins.group % 4 == 0 else 1)  # four a clock where groups allow
            last_pass = went[-1] + channels + ROW_GROUPS + np.arange(ins.rows * ins.words)[None]
        written = last_pass.ravel() + ROW_WRITE
        self.progress["ROW"].add(written, self.config.v // 8)
        self.timing.spans.append(Span("ROW", ins.name, int(went[0]), int(written[-1]), len(went)))
        self.free["ROW"] = int(last_pass[-1, -1]) + 1
        account = self.accounts["ROW"]
        account.wait(ins.gate.unit, taken)
        account.wait("ROW", taken + 1)
        account.work(went, ins.dep)
        account.wait("ROW", self.free["ROW"])  # its other passes
        return True

    def _vec(self, ins: Vec | Nop) -> bool:
        gate = self._gate(ins.gate)
        if gate >= NEVER:
            return False
        if isinstance(ins, Nop):
            self.free["VEC"] = max(self.free["VEC"], gate) + 1
            return True
        ready = self._ready(ins)
        if ready.max() >= NEVER:
            return False
        clocks = in_order(np.maximum(ready, gate), self.free["VEC"])
        writes = clocks[ins.ends()] + self.config.vec_pipe
        self.progress["VEC"].add(writes, self.config.v // 8)
        self.timing.spans.append(Span("VEC", ins.name, int(clocks[0]), int(writes[-1]), len(clocks)))
        self.free["VEC"] = int(clocks[-1]) + 1
        self.accounts["VEC"].wait(ins.gate.unit, min(gate, int(clocks[0])))
        self.accounts["VEC"].work(clocks, ins.dep)
        return True

    def _dout(self, ins: Dout | Nop) -> bool:
        gate = self._gate(ins.gate)
        if isinstance(ins, Nop):
            if gate < NEVER:
                self.free["DOUT"] = max(self.free["DOUT"], gate) + 1
            return gate < NEVER
        words = -(-ins.beats * 16 // self.config.v)
        per = self.config.v // 16
        ready = self.progress[ins.dep].reached(ins.need + ins.need_step * np.arange(words))
        if max(gate, int(ready.max())) >= NEVER:
            return False
        went = in_order(np.maximum(ready, gate), self.free["DOUT"])
        beats = in_order(np.repeat(went + DOUT_DATA, per)[: ins.beats], getattr(self, "last_beat", 0) + 1)
        self.last_beat = int(beats[-1])
        account = self.accounts["DOUT"]
        account.wait(ins.gate.unit, gate)
        account.wait(ins.dep, int(beats[0]) - DOUT_DATA)
        account.wait("DOUT", int(beats[0]))
        account.work(beats, ins.dep)
        self.timing.spans.append(Span("DOUT", "output", int(went[0]), self.last_beat, ins.beats))
        self.free["DOUT"] = int(went[-1]) + 1
        self.timing.latency = self.last_beat + DDR_WRITE + DONE
        return True
