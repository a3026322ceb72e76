"""cocotb bench of engine_bus: registers, exact latency, random programs, errors, soft reset at any clock."""

import cocotb

from hwgen.runtime import abi
from tests.rtl.bus import image
from tests.rtl.bus.axi_memory import BEAT
from tests.rtl.bus.engine_rig import (
    CLEAR_DONE,
    ERROR,
    IRQ_ENABLE,
    LOAD,
    PARTS,
    REG,
    SOFT_RESET,
    START,
    Job,
    Rig,
    V,
    instruction,
)
from tests.rtl.clocked import cases, draw

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


@cocotb.test()
async def registers(dut):
    rng = draw()
    rig = Rig(dut, rng, 0.4)
    await rig.bench.reset()
    constants = {
        "MAGIC": abi.MAGIC,
        "ABI": abi.ABI_VERSION,
        "HASH_LO": image.HASH & 0xFFFF_FFFF,
        "HASH_HI": image.HASH >> 32,
    }
    constants |= {"CONFIG": 0x04080808, "WEIGHT_DEPTH": 20, "ACT_DEPTH": 77, "CONTROL": 0, "STATUS": 1, "ERROR_INFO": 0}
    constants |= {r.name: 0 for r in abi.REGISTERS if r.offset >= REG["LATENCY"]}
    model = {r.name: constants.get(r.name, 0) for r in abi.REGISTERS}
    names = {r.offset: r.name for r in abi.REGISTERS}
    for _ in cases(300):
        offset = rng.choice([*names, rng.randrange(0, 0x1000, 4)])
        name = names.get(offset)
        if rng.random() < 0.5 and name != "CONTROL":
            value, strobe = rng.getrandbits(32), rng.choice((15, rng.randrange(16)))
            await rig.host.write(offset + rng.choice((0, 0, 1, 3)), value, strobe)
            if name and abi.register(name).access == "rw":
                mask = sum(0xFF << 8 * i for i in range(4) if strobe >> i & 1)
                model[name] = model[name] & ~mask | value & mask
        else:
            assert await rig.host.read(offset) == model.get(name, 0), (hex(offset), name)
    for name, value in model.items():
        assert await rig.read(name) == value


@cocotb.test()
async def exact_latency(dut):
    """Every clock of a simple run under the standard DDR model, as the cycle model counts it."""
    rng = draw()
    rig = Rig(dut, rng)
    await rig.bench.reset()
    assert await rig.load() == GOOD
    for beats_in, words in ((1, 1), (31, 1), (64, 4), (200, 33)):
        rig.din.program = [instruction(beats=beats_in, bank=0, addr=0, last=1)]
        beats_out = words * PARTS
        rig.dout.program = [instruction(beats=beats_out, bank=3, dep_unit=MM, need=V // 8, need_step=V // 8, last=1)]
        rig.array.jobs = [Job(2 * beats_in, 1, 3, i, rng.randbytes(V)) for i in range(words)]
        for log in (rig.rd.requests, rig.rd.taken, rig.act.writes, rig.act.reads, rig.wr.requests, rig.wr.written):
            log.clear()
        zero = await rig.start(IN, OUT)
        assert await rig.settled() == GOOD
        assert rig.rd.requests[0][0] == zero + 2
        assert [c - zero for c, _ in rig.rd.taken] == list(range(42, 42 + beats_in))
        assert [c - zero for c, *_ in rig.act.writes] == list(range(43, 43 + beats_in))
        go = zero + 42 + beats_in + 9  # the array needs 9 clocks from the last input to its first result
        assert [c for c, *_ in rig.act.reads][0] == go + 1
        assert rig.wr.requests[0][0] == go + 1
        assert [c for c, *_ in rig.wr.written][0] == go + 5
        # beats leave one a clock; at V=16 the array's words come no faster than that
        assert rig.wr.written[-1][0] == go + 5 + beats_out - 1
        assert rig.wr.answers[-1] == go + 5 + beats_out - 1 + 4
        assert await rig.read("LATENCY") == rig.wr.answers[-1] + 2 - zero


@cocotb.test()
async def back_to_back_instructions(dut):
    """Many short instructions stream without a gap: in over DIN, and out over DOUT."""
    rng = draw()
    rig = Rig(dut, rng)
    await rig.bench.reset()
    await rig.load()
    n, beats = 12, 8
    rig.din.program = [
        instruction(
            offset=i * beats * BEAT, beats=beats, bank=i % 2, addr=rng.randrange(10) * beats, last=int(i == n - 1)
        )
        for i in range(n)
    ]
    rig.dout.program = [
        instruction(
            offset=i * beats * BEAT,
            beats=beats,
            bank=2,
            addr=i * beats,
            dep_unit=DIN,
            need=2 * n * beats,
            last=int(i == n - 1),
        )
        for i in range(n)
    ]
    rig.array.jobs = []
    for log in (rig.rd.taken, rig.wr.written):
        log.clear()
    rig.rd.latency = 12  # 8 bursts of 8 beats hide it
    await rig.start(IN, OUT)
    assert await rig.settled() == GOOD
    for clocks in ([c for c, _ in rig.rd.taken], [c for c, *_ in rig.wr.written]):
        assert clocks == list(range(clocks[0], clocks[0] + n * beats))


@cocotb.test()
async def random_programs(dut):
    rng = draw()
    for share in (0, 0.2, 0.5, 0.7):
        rig = Rig(dut, rng, share, latency=(rng.choice((3, 40)), rng.choice((1, 4, 20))))
        await rig.bench.reset()
        assert await rig.load() == GOOD
        for _ in cases(6):
            await run(rig)
        await run(rig, Program(rig, pieces=40, longest=3))  # more instructions than fit under way


@cocotb.test()
async def next_run_is_prepared_during_a_run(dut):
    """Pointers written while busy belong to the next run."""
    rng = draw()
    rig = Rig(dut, rng)
    await rig.bench.reset()
    await rig.load()
    program = Program(rig)
    want = program.prepare(rig)
    await rig.start(IN, OUT)
    for name in ("IN_PTR", "OUT_PTR", "LOAD_PTR"):
        await rig.pointer(name, rig.memory.base + 0xF_0000)
    await rig.write("CONTROL", START | LOAD)  # ignored: busy
    assert await rig.settled() == GOOD
    assert rig.memory.data == want
    assert await rig.read("IN_PTR_LO") == (rig.memory.base + 0xF_0000) & 0xFFFF_FFFF


@cocotb.test()
async def done_and_interrupt(dut):
    rng = draw()
    rig = Rig(dut, rng)
    await rig.bench.reset()
    await rig.write("CONTROL", IRQ_ENABLE)
    assert await rig.read("CONTROL") == IRQ_ENABLE
    await rig.load()
    assert not int(dut.irq_o.value)  # load wrote CONTROL without the enable bit
    await rig.write("CONTROL", IRQ_ENABLE)
    await rig.bench.step()
    assert int(dut.irq_o.value)
    await rig.write("CONTROL", IRQ_ENABLE | CLEAR_DONE)
    await rig.bench.step()
    assert not int(dut.irq_o.value)
    assert await rig.status() == GOOD | {"DONE": 0}
    Program(rig).prepare(rig)
    await rig.start(IN, OUT)
    await rig.write("CONTROL", IRQ_ENABLE)
    assert (await rig.status())["BUSY"] and not int(dut.irq_o.value)
    assert await rig.settled() == GOOD
    assert int(dut.irq_o.value)


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


@cocotb.test()
async def not_loaded(dut):
    rig = Rig(dut, draw(), 0.3)
    await rig.bench.reset()
    await rig.write("CONTROL", START)
    assert await rig.settled() == failed("NOT_LOADED", 0)
    await recover(rig)


@cocotb.test()
async def bus_errors(dut):
    rng = draw()
    rig = Rig(dut, rng, 0.3)
    await rig.bench.reset()
    for _ in cases(4):
        assert await rig.load() == GOOD
        program = Program(rig)
        program.prepare(rig)
        d = rng.choice([i for i in program.din if i["opcode"] == 1])
        bad = rig.memory.base + IN + d["offset"] + BEAT * rng.randrange(d["beats"])
        rig.rd.errors = {bad}
        await rig.start(IN, OUT)
        assert await rig.settled() == failed("AXI_READ")
        assert await rig.read("ERROR_INFO") == bad & 0xFFFF_FFFF
        assert rig.rd.open == 0 and rig.wr.open == 0 and not rig.wr.bursts
        await recover(rig)
        program = Program(rig)
        program.prepare(rig)
        d = rng.choice([i for i in program.dout if i["opcode"] == 1])
        bad = rig.memory.base + OUT + d["offset"]
        rig.wr.errors = {bad}
        await rig.start(IN, OUT)
        assert await rig.settled() == failed("AXI_WRITE")
        assert await rig.read("ERROR_INFO") == bad & 0xFFFF_FFFF
        assert rig.rd.open == 0 and rig.wr.open == 0 and not rig.wr.bursts
        await recover(rig)


@cocotb.test()
async def load_errors(dut):
    rng = draw()
    rig = Rig(dut, rng, 0.3)
    await rig.bench.reset()
    big = image.section(rng, "WEIGHT", 0, 20)
    images = [
        (image.build(image.end(), design=1), "HASH", 0),
        (image.build(big), "BAD_IMAGE", 81),
        (image.build(image.Section(77, 0, 0), big, image.end()), "BAD_IMAGE", 1),  # with many beats to drain
    ]
    for beats, code, info in images:
        assert await rig.load(beats) == failed(code, 0)
        assert await rig.read("ERROR_INFO") == info
        assert rig.rd.open == 0
        await recover(rig)
    address = rig.memory.base + 0x8_0000 + 17 * BEAT
    rig.rd.errors = {address}
    assert await rig.load(image.build(big, image.end())) == failed("AXI_READ", 0)
    assert await rig.read("ERROR_INFO") == address & 0xFFFF_FFFF
    await recover(rig)


@cocotb.test()
async def bad_instructions(dut):
    rng = draw()
    rig = Rig(dut, rng, 0.3)
    await rig.bench.reset()
    for unit in range(4):
        assert await rig.load() == GOOD
        program = Program(rig)
        program.prepare(rig)
        if unit in (0, 3):
            rng.choice(program.din if unit == 0 else program.dout)["opcode"] = rng.choice((0, 3, 15))
        await rig.start(IN, OUT)
        await rig.bench.step(rng.randint(0, 30))
        rig.bad_mm.value, rig.bad_row.value = int(unit == 1), int(unit == 2)
        assert await rig.settled() == failed("BAD_INSTRUCTION")
        assert await rig.read("ERROR_INFO") == unit << 28 | unit + 1
        await recover(rig)


@cocotb.test()
async def port_conflict(dut):
    rig = Rig(dut, draw(), 0.3)
    await rig.bench.reset()
    await rig.load()
    Program(rig).prepare(rig)
    await rig.start(IN, OUT)
    rig.conflict.value = 1
    assert await rig.settled() == failed("PORT_CONFLICT")
    await recover(rig)


@cocotb.test()
async def watchdog(dut):
    """A run of L clocks passes a watchdog of L and fails one of L - 1; so does a load."""
    rng = draw()
    rig = Rig(dut, rng)
    await rig.bench.reset()
    await rig.load()
    program = Program(rig)
    counters = await run(rig, program)
    await rig.write("WATCHDOG", counters["LATENCY"])
    assert await run(rig, program) == counters | {"RUNS": 2}
    await rig.write("WATCHDOG", counters["LATENCY"] - 1)
    await rig.start(IN, OUT)
    assert await rig.settled() == failed("WATCHDOG")
    await recover(rig)
    rig.array.jobs = [Job(1 << 20, 1, 3, 0, bytes(V))]  # waits for ever
    await rig.write("WATCHDOG", 2_000)
    await rig.start(IN, OUT)
    assert await rig.settled() == failed("WATCHDOG")
    assert (await rig.read("ERROR_INFO")) & 0b10 == 0  # the array is not among the finished units
    await recover(rig)
    rig.rd.frozen = True
    await rig.write("WATCHDOG", 50)
    await rig.write("CONTROL", LOAD)
    await rig.bench.step(100)
    assert (await rig.status())["DRAINING"] and (await rig.status())["CODE"] == ERROR["WATCHDOG"]
    rig.rd.frozen = False
    assert await rig.settled() == failed("WATCHDOG", 0)
    await recover(rig)


@cocotb.test()
async def soft_reset_at_any_clock(dut):
    """The bus is left clean, nothing is written outside the output, and the engine works afterwards."""
    rng = draw()
    for share in (0, 0.5):
        rig = Rig(dut, rng, share)
        await rig.bench.reset()
        for i in cases(25):
            loading = rng.random() < 0.25
            if loading:
                beats = image.build(image.section(rng, "WEIGHT", 0, 20), image.section(rng, "TABLE", 0, 3), image.end())
                rig.memory.write(rig.memory.base + 0x8_0000, b"".join(b.to_bytes(BEAT, "little") for b in beats))
                await rig.write("LOAD_BEATS", len(beats))
                await rig.pointer("LOAD_PTR", rig.memory.base + 0x8_0000)
                await rig.write("CONTROL", LOAD)
            else:
                assert await rig.load() == GOOD
                program = Program(rig, words=rng.choice((0, 20)))
                want = program.prepare(rig)
                await rig.start(IN, OUT)
            await rig.bench.step(rng.randint(0, 250))
            await rig.write("CONTROL", SOFT_RESET)
            status = await rig.settled()
            assert status == {name: int(name == "IDLE") for name in GOOD}
            assert rig.rd.open == 0 and rig.wr.open == 0 and not rig.wr.bursts
            if not loading:
                got = rig.memory.data
                changed = [k for k in range(len(got)) if got[k] != want[k]]
                places = {OUT + at * BEAT + b for at in program.out for b in range(BEAT)}
                assert places.issuperset(changed)
            if i % 5 == 0:
                assert await rig.load() == GOOD
                await run(rig)


@cocotb.test()
async def hung_bus(dut):
    """A memory that stops answering keeps the engine draining, visibly; when it answers the engine is usable."""
    rng = draw()
    rig = Rig(dut, rng)
    await rig.bench.reset()
    for side in ("rd", "wr"):
        await rig.load()
        program = Program(rig)
        program.prepare(rig)
        getattr(rig, side).frozen = True
        await rig.start(IN, OUT)
        await rig.bench.step(300)
        await rig.write("CONTROL", SOFT_RESET)
        for _ in range(20):
            status = await rig.status()
            assert status["DRAINING"] and not status["IDLE"] and not status["BUSY"]
        getattr(rig, side).frozen = False
        assert (await rig.settled())["IDLE"]
    await rig.load()
    await run(rig)
