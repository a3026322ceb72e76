"""cocotb bench of engine_bus under what goes wrong: errors, bad programs, soft reset at any clock, a bus that hangs."""

import cocotb

from tests.rtl.bus import image
from tests.rtl.bus.axi_memory import BEAT
from tests.rtl.bus.engine_program import GOOD, IN, OUT, Program, failed, recover, run
from tests.rtl.bus.engine_rig import ERROR, LOAD, SOFT_RESET, START, Job, Rig, V
from tests.rtl.clocked import cases, draw


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
