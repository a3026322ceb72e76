"""cocotb bench of engine_bus: registers, exact latency, random programs, the interrupt."""

import cocotb

from hwgen.runtime import abi
from tests.rtl.bus import image
from tests.rtl.bus.axi_memory import BEAT
from tests.rtl.bus.engine_program import DIN, GOOD, IN, MM, OUT, Program, run
from tests.rtl.bus.engine_rig import CLEAR_DONE, IRQ_ENABLE, LOAD, PARTS, REG, START, Job, Rig, V, instruction
from tests.rtl.clocked import cases, draw


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
