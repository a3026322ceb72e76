"""Random programs for the bench of engine_bus, one whole run of one, and what brings the engine back after an error."""

from hwgen.runtime import abi
from tests.rtl.bus.axi_memory import BEAT
from tests.rtl.bus.engine_rig import (
    CLEAR_DONE,
    ERROR,
    LOAD,
    PARTS,
    REG,
    SOFT_RESET,
    START,
    Job,
    V,
    instruction,
)

IN, OUT = 0x1000, 0x4_0000
MM, DIN, NONE = abi.UNITS["MM"], abi.UNITS["DIN"], abi.UNITS["NONE"]
GOOD = {"IDLE": 1, "BUSY": 0, "DONE": 1, "ERROR": 0, "LOADED": 1, "DRAINING": 0, "CODE": 0}


def failed(name, loaded=1):
    return {"IDLE": 0, "BUSY": 0, "DONE": 0, "ERROR": 1, "LOADED": loaded, "DRAINING": 0, "CODE": ERROR[name]}


class Program:
    """A random program: DIN pieces, copies of them to OUT, and words that the array writes, also to OUT."""

    def __init__(self, rig, pieces=5, longest=80, words=20):
        rng = rig.rng
        self.din, self.dout, self.jobs, self.out = [], [], [], {}  # out: offset in beats -> ("in", beat) or bytes
        octets, offset, place, target = [0], 0, 0, 0
        for i in range(pieces):
            beats = rng.choice((1, 2, rng.randint(1, longest)))
            place += rng.randint(0, 5)
            offset += rng.choice((0, 0, rng.randint(0, 70)))
            values = {"offset": offset * BEAT, "beats": beats, "bank": i % 2, "addr": place}
            if rng.random() < 0.3:
                values |= {"gate_unit": DIN, "gate": rng.randint(0, octets[-1])}
            self.din.append(instruction(**values))
            place, offset = place + beats, offset + beats
            octets.append(octets[-1] + 2 * beats)
        total = octets[-1]
        for i in rng.sample(range(pieces), rng.randint(1, pieces)):
            piece = self.din[i]
            first = rng.randrange(piece["beats"])
            beats = rng.randint(1, piece["beats"] - first)
            at = piece["addr"] + first
            target += rng.choice((0, 0, rng.randint(0, 300)))
            # octets written when the first word's part is complete; each further word comes PARTS beats later
            head = min(PARTS - at % PARTS, beats)
            need, count = octets[i] + 2 * (first + head), (at % PARTS + beats - 1) // PARTS
            step = 2 * PARTS
            if need + count * step > total:
                need, step = octets[i + 1], 0
            fields = {"offset": target * BEAT, "beats": beats, "bank": piece["bank"], "addr": at}
            self.dout.append(instruction(**fields, dep_unit=DIN, need=need, need_step=step))
            for k in range(beats):
                self.out[target + k] = ("in", piece["offset"] // BEAT + first + k)
            target += beats
        done = 0
        for _ in range(words):
            self.jobs.append(Job(rng.randint(0, total), rng.randint(1, 6), 3, done + 7, rng.randbytes(V)))
            done += 1
        if words:
            beats = rng.randint(1, words * PARTS)
            fields = {"offset": target * BEAT, "beats": beats, "bank": 3, "addr": 7 * PARTS}
            self.dout.append(instruction(**fields, dep_unit=MM, need=V // 8, need_step=V // 8))
            data = b"".join(job.data for job in self.jobs)
            for k in range(beats):
                self.out[target + k] = data[k * BEAT : (k + 1) * BEAT]
            target += beats
        for program in (self.din, self.dout):
            if rng.random() < 0.5:
                program.insert(rng.randint(0, len(program)), {"opcode": abi.OPCODES["NOP"], "gate_unit": NONE})
            program[-1]["last"] = 1
        self.beats_in, self.beats_out = offset, target
        rig.din.program, rig.dout.program, rig.array.jobs = self.din, self.dout, self.jobs

    def prepare(self, rig) -> bytearray:
        """Random input; returns the memory as the run must leave it."""
        rig.memory.write(rig.memory.base + IN, rig.rng.randbytes(self.beats_in * BEAT))
        want = bytearray(rig.memory.data)
        for at, what in self.out.items():
            data = want[IN + what[1] * BEAT :][:BEAT] if isinstance(what, tuple) else what
            want[OUT + at * BEAT : OUT + (at + 1) * BEAT] = data
        return want


async def run(rig, program=None) -> dict[str, int]:
    """One whole run of a program, checked: memory, status, counters. Returns the counters."""
    program = program or Program(rig, words=rig.rng.choice((0, 1, 20)))
    want = program.prepare(rig)
    runs = await rig.read("RUNS")
    rig.array.history.clear()
    clock = await rig.start(IN, OUT)
    status = await rig.settled()
    assert status == GOOD
    assert rig.memory.data == want
    counters = {r.name: await rig.read(r.name) for r in abi.REGISTERS if r.offset >= REG["LATENCY"]}
    assert counters["RUNS"] == runs + 1
    assert counters["LATENCY"] == rig.array.last_run + 1 - clock
    assert rig.array.last_run > max(rig.wr.answers[-1], rig.rd.taken[-1][0])
    history = rig.array.history
    assert counters["ISSUED"] == sum(i for i, _ in history)
    assert counters["WAIT_DIN"] == sum(w for _, w in history)
    assert counters["ISSUED"] + counters["WAIT_DIN"] + counters["TAIL"] == counters["LATENCY"] - 1
    issues = [k for k, (i, _) in enumerate(history) if i]
    assert counters["COMPUTE"] == (issues[-1] - issues[0] + 1 if issues else 0)
    return counters


async def recover(rig) -> None:
    """After an error only SOFT_RESET helps; then load and run as ever."""
    before = await rig.status()
    for command in (START, LOAD, CLEAR_DONE):
        await rig.write("CONTROL", command)
        assert await rig.status() == before
    rig.rd.errors, rig.wr.errors = set(), set()
    rig.bad_mm.value = rig.bad_row.value = rig.conflict.value = 0
    await rig.write("WATCHDOG", 0)
    await rig.write("CONTROL", SOFT_RESET)
    assert await rig.settled() == {name: int(name == "IDLE") for name in GOOD}
    assert await rig.read("ERROR_INFO") == 0
    await rig.write("CONTROL", START)
    assert await rig.settled() == failed("NOT_LOADED", 0)
    await rig.write("CONTROL", SOFT_RESET)
    assert await rig.load() == GOOD
    await run(rig)
