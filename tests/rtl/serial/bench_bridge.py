"""cocotb bench of serial_bridge: host frames on the wire on one side, an AXI4 master and registers on the other."""

import functools
import os

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen.runtime.serial import protocol as p
from hwgen.runtime.serial.protocol import CODE, Frame
from tests.rtl.serial.bridge_rig import CLOCK_NS, OKAY, SLVERR, Rig
from tests.rtl.serial.uart import spoil, words

MEMORY = p.MEMORY_BASE
SIZE = (int(os.environ["MEMORY_KIB"]) - int(os.environ["SLOTS"])) * 1024
SCALE = int(os.environ.get("SCALE", "1"))


def bench(body, skip: bool = False):
    """A cocotb test on a bridge with a session."""

    @cocotb.test(timeout_time=400, timeout_unit="ms", skip=skip)
    @functools.wraps(body)
    async def test(dut):
        rig = await Rig(dut).begin()
        await rig.sync()
        await body(rig)

    return test


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def sessions(dut):
    rig = await Rig(dut).begin()
    await rig.uart.send(bytes(rig.rng.randrange(256) for _ in range(100)) + b"~")
    await rig.host.silence(100)
    await rig.host.send(CODE["WRITE"], 7, 1, p.ENGINE_BASE, words(1))
    answer = await rig.host.next()
    assert (answer.code, answer.count) == (CODE["RESEND"], 1) and not rig.registers.log
    for _ in range(2):
        identity = await rig.sync()
        assert identity.data == words(p.MAGIC, p.VERSION, SIZE, 10**9 // CLOCK_NS)
    assert await rig.counter("DAMAGED") >= 1 and await rig.counter("FRAMES") == 4


@bench
async def memory_by_the_host(rig):
    area = 256  # bytes, at both ends of the memory
    shadow = {at: bytearray(area) for at in (0, SIZE - area)}
    for base in shadow:
        await rig.put(MEMORY + base, bytes(area))
    for _ in range(10 * SCALE):
        count = rig.rng.choice((1, 2, rig.rng.randrange(1, 30)))
        base, at = rig.rng.choice(list(shadow)), 4 * rig.rng.randrange(area // 4 - count + 1)
        data = bytes(rig.rng.choice((0x7D, 0x7E, rig.rng.randrange(256))) for _ in range(4 * count))
        await rig.put(MEMORY + base + at, data)
        shadow[base][at : at + len(data)] = data
        assert await rig.get(MEMORY + base + at, count) == data
    for base, data in shadow.items():
        assert await rig.get(MEMORY + base, area // 4) == data
    await rig.put(MEMORY, bytes(range(256)) * 4)  # the longest frames
    assert await rig.get(MEMORY, 256) == bytes(range(256)) * 4


@bench
async def what_cannot_be(rig):
    refused = [
        ("READ", 0, MEMORY, b""), ("READ", 257, MEMORY, b""), ("READ", 1, MEMORY + 2, b""),
        ("READ", 2, MEMORY + SIZE - 4, b""), ("READ", 1, MEMORY + SIZE, b""), ("WRITE", 1, MEMORY + SIZE, words(1)),
        ("READ", 2, p.ENGINE_BASE, b""), ("READ", 1, p.ENGINE_BASE + 0x1000, b""), ("READ", 1, p.HOST_BASE, b""),
        ("READ", len(p.BRIDGE) + 1, p.BRIDGE_BASE, b""), ("WRITE", 1, p.BRIDGE_BASE, words(1)),
        ("READ", 1, 0x2000_0000, b""),
        ("WRITE", 2, MEMORY, words(1)), ("WRITE", 1, MEMORY, words(1, 2)), ("READ", 1, MEMORY, words(1)),
        ("119", 1, MEMORY, b""), ("READ", 65535, MEMORY, b""), ("READ", 1, MEMORY + 0x0FFF_FFFC, b""),
    ]  # fmt: skip
    for name, count, address, data in refused:
        answer = await rig.request(name, count, address, data)
        assert answer.code == CODE["REFUSED"], (name, count, hex(address))
    assert not rig.registers.log
    await rig.put(MEMORY + SIZE - 4, words(5))
    assert await rig.get(MEMORY + SIZE - 4, 1) == words(5)


@bench
async def registers(rig):
    for _ in range(6 * SCALE):
        at, value = 4 * rig.rng.randrange(1024), rig.rng.getrandbits(32)
        await rig.put(p.ENGINE_BASE + at, words(value))
        assert rig.registers.log[-1] == (at, value)
        assert await rig.get(p.ENGINE_BASE + at, 1) == words(value)
    rig.registers.bad = {8}
    for name, data in (("READ", b""), ("WRITE", words(3))):
        assert (await rig.request(name, 1, p.ENGINE_BASE + 8, data)).code == CODE["REFUSED"]
    assert await rig.get(p.ENGINE_BASE + 12, 1) == words(0xDEAD000C)


@bench
async def each_request_once(rig):
    """Numbers that were done are answered again without doing; numbers ahead are not done."""
    first = rig.number
    for value in range(3):
        await rig.put(p.ENGINE_BASE + 0x20, words(value))
    done = len(rig.registers.log)
    for value in range(3):
        await rig.host.send(CODE["WRITE"], (first + value) % 256, 1, p.ENGINE_BASE + 0x20, words(value))
        answer = await rig.host.next()
        assert (answer.code, answer.number) == (CODE["DONE"], (first + value) % 256)
    assert len(rig.registers.log) == done
    for ahead in (1, 2, 100):
        await rig.host.send(CODE["WRITE"], (rig.number + ahead) % 256, 1, p.ENGINE_BASE + 0x20, words(9))
        answer = await rig.host.next()
        assert (answer.code, answer.number, answer.count) == (CODE["RESEND"], rig.number, 0)
    assert len(rig.registers.log) == done
    await rig.host.send(CODE["READ"], first, 1, p.ENGINE_BASE + 0x20)
    assert (await rig.host.next()).data == words(2)
    await rig.put(p.ENGINE_BASE + 0x20, words(7))


@bench
async def damage(rig):
    """Every bit of a frame counts; after a damaged one the number that is due is named, and all goes on."""
    frame = Frame(CODE["WRITE"], rig.number, 2, MEMORY, words(0x11223344, 0x55667788)).encode()
    cases = [spoil(frame, at) for at in rig.rng.sample(range(1, len(frame) - 1), 6 * SCALE if SCALE == 1 else 20)]
    cases += [frame[:9] + b"~", frame[:-2] + b"~", frame[:-1] + b"}~", b"~" + bytes(1500) + b"~", b"~\0\0\0~"]
    before = await rig.get(MEMORY, 2)
    for bad in cases:
        await rig.uart.send(bad)
        answer = await rig.host.next()
        assert (answer.code, answer.number, answer.count) == (CODE["RESEND"], rig.number, 0), answer
    await rig.uart.send(frame[:5])
    await rig.uart.send(frame[5:6], stop=0)  # a stop bit that is not there spoils the frame
    await rig.uart.send(frame[6:])
    assert (await rig.host.next()).code == CODE["RESEND"]
    assert await rig.get(MEMORY, 2) == before
    await rig.uart.send(b"\x00", stop=0)  # a break between frames is told, and spoils none
    await rig.uart.send(Frame(CODE["WRITE"], rig.number, 1, MEMORY, b"1234").encode())
    assert [(await rig.host.next()).code for _ in range(2)] == [CODE["RESEND"], CODE["DONE"]]
    rig.number = (rig.number + 1) % 256
    await rig.uart.send(b"~~~~")  # nothing between two ENDs is nothing
    assert await rig.counter("DAMAGED") == len(cases) + 2


@functools.partial(bench, skip=SCALE == 1)
async def more_than_the_buffer_holds(rig):
    """Requests come faster than their long answers go: the rest is lost, which is seen and told."""
    first = rig.number
    requests = [("READ", b"")] * 3 + [("WRITE", bytes(1024))] * 3
    line = b""
    for i, (name, data) in enumerate(requests):
        line += Frame(CODE[name], (first + i) % 256, 256, MEMORY, data).encode()
    await rig.uart.send(line)
    for i in range(3):
        answer = await rig.host.next()
        assert (answer.code, answer.number) == (CODE["DATA"], (first + i) % 256)
    rig.number, code = (first + 3) % 256, CODE["DONE"]
    while code == CODE["DONE"]:
        await rig.host.send(CODE["READ"], (first + 6) % 256, 1, MEMORY)
        answer = await rig.host.next()
        code = answer.code
        if code == CODE["DONE"]:
            rig.number = (answer.number + 1) % 256
    assert (code, answer.number) == (CODE["RESEND"], rig.number)
    await ClockCycles(rig.dut.clk_i, 80 * 100)
    rig.host.take()
    rig.host.frames.clear()
    assert await rig.counter("LOST") > 0


@bench
async def engine_reads_memory(rig):
    data = bytes(rig.rng.randrange(256) for _ in range(1024))
    await rig.put(MEMORY + 1024, data)
    for pause in (0.0, 0.5):
        rig.engine.pause = pause
        for _ in range(10 * SCALE):
            beats = rig.rng.randrange(1, 17)
            at = 16 * rig.rng.randrange(64 - beats + 1)
            assert await rig.engine.read(MEMORY + 1024 + at, beats) == (data[at : at + 16 * beats], {OKAY})
    for i in range(4):  # accepted ahead
        await rig.engine.ask(MEMORY + 1024 + 64 * i, 4)
    for i in range(4):
        assert await rig.engine.beats(4) == (data[64 * i : 64 * i + 64], {OKAY})
    await rig.engine.ask(MEMORY + 1024, 64)
    await RisingEdge(rig.dut.s_axi_rvalid_o)
    rig.engine.pause, begin = 0.0, cocotb.utils.get_sim_time("ns")
    assert (await rig.engine.beats(64))[0] == data
    assert (cocotb.utils.get_sim_time("ns") - begin) / CLOCK_NS <= 66, "a beat a clock"


@bench
async def engine_writes_memory(rig):
    shadow = bytearray(512)
    await rig.put(MEMORY, bytes(512))
    for pause in (0.0, 0.5):
        rig.engine.pause = pause
        for _ in range(8 * SCALE):
            beats = rig.rng.randrange(1, 9)
            at = 16 * rig.rng.randrange(32 - beats + 1)
            data = bytes(rig.rng.randrange(256) for _ in range(16 * beats))
            strobes = [sum(15 << 4 * i for i in range(4) if rig.rng.random() < 0.8) for _ in range(beats)]
            assert await rig.engine.write(MEMORY + at, data, strobes) == OKAY
            for i in range(16 * beats):
                if strobes[i // 16] >> (i % 16) & 1:
                    shadow[at + i] = data[i]
    assert await rig.get(MEMORY, 128) == shadow
    assert await rig.engine.write(MEMORY, bytes(16), [0x00F3]) == SLVERR


@bench
async def engine_outside(rig):
    await rig.put(MEMORY + SIZE - 16, words(1, 2, 3, 4))
    bad = [
        0,
        0x1000_0000,
        MEMORY + SIZE,
        MEMORY + SIZE - 16,
        1 << 32 | MEMORY,
        p.HOST_BASE + 1008,
        1 << 40 | p.HOST_BASE,
    ]
    for address in bad:
        _, answers = await rig.engine.read(address, 2)
        assert answers == {SLVERR}, hex(address)
        assert await rig.engine.write(address, bytes(range(32))) == SLVERR, hex(address)
    assert await rig.engine.write(p.HOST_BASE, bytes(16)) == SLVERR
    assert await rig.get(MEMORY + SIZE - 16, 4) == words(1, 2, 3, 4)
    rig.host.take()
    assert not rig.host.fetches


@bench
async def both_at_once(rig):
    """Host and engine use the memory in the same clocks, apart in space."""
    data = bytes(rig.rng.randrange(256) for _ in range(1024))
    await rig.put(MEMORY, data)

    async def engine():
        for _ in range(20):
            assert await rig.engine.read(MEMORY, 64) == (data, {OKAY})
            assert await rig.engine.write(MEMORY + 1536, data[:256]) == OKAY

    running = cocotb.start_soon(engine())
    for i in range(2 * SCALE):
        await rig.put(MEMORY + 1024, words(*range(i, i + 16)))
        assert await rig.get(MEMORY + 1024, 16) == words(*range(i, i + 16))
    await running
    assert await rig.get(MEMORY + 1536, 64) == data[:256]


async def serve(rig, fetch: Frame, window: bytes) -> None:
    at = fetch.address - p.HOST_BASE
    await rig.host.send(CODE["SERVE"], fetch.number, fetch.count, 0, window[at : at + 4 * fetch.count])


@bench
async def host_window(rig):
    window = bytes(rig.rng.randrange(256) for _ in range(4096))
    for step in range(6 * SCALE):
        rig.engine.pause = rig.rng.choice((0.0, 0.5))
        bursts = []
        for _ in range(2):
            beats = rig.rng.randrange(1, 9)
            bursts.append((rig.rng.randrange(4) * 1024 + 16 * rig.rng.randrange(65 - beats), beats))
        for at, beats in bursts:
            await rig.engine.ask(p.HOST_BASE + at, beats)
        fetches = [await rig.host.next(rig.host.fetches) for _ in bursts]
        assert [(f.address - p.HOST_BASE, f.count) for f in fetches] == [(at, 4 * beats) for at, beats in bursts]
        if step % 2:  # what answers none of them changes nothing
            wrong = (fetches[0].number + 64) % 256
            await rig.host.send(CODE["SERVE"], wrong, fetches[0].count, 0, bytes(4 * fetches[0].count))
            await rig.host.send(
                CODE["SERVE"], fetches[0].number, fetches[0].count + 1, 0, bytes(4 * fetches[0].count + 4)
            )
        for fetch in fetches[::-1] if step % 3 else fetches:
            await serve(rig, fetch, window)
        await rig.host.send(CODE["SERVE"], fetches[0].number, fetches[0].count, 0, bytes(4 * fetches[0].count))
        for at, beats in bursts:
            assert await rig.engine.beats(beats) == (window[at : at + 16 * beats], {OKAY})
    assert await rig.counter("REPEATED") == 0
    await rig.engine.ask(p.HOST_BASE, 2)
    fetch = await rig.host.next(rig.host.fetches)
    await rig.host.send(CODE["SERVE"], fetch.number, 0)
    assert (await rig.engine.beats(2))[1] == {SLVERR}


@bench
async def host_that_does_not_serve(rig):
    retry, tries = int(os.environ["RETRY_CLOCKS"]), int(os.environ["TRIES"])
    window = bytes(range(256)) * 8
    await rig.engine.ask(p.HOST_BASE + 64, 2)
    first = await rig.host.next(rig.host.fetches)
    again = await rig.host.next(rig.host.fetches)
    assert again == first
    await serve(rig, again, window)
    assert await rig.engine.beats(2) == (window[64:96], {OKAY})
    assert await rig.counter("REPEATED") == 1
    for i in range(2):  # two slots wait, and a third burst for a slot
        await rig.engine.ask(p.HOST_BASE + 64 * i, 1)
    begin = cocotb.utils.get_sim_time("ns")
    running = cocotb.start_soon(rig.engine.ask(p.HOST_BASE + 512, 3))
    for _ in range(2):
        assert (await rig.engine.beats(1))[1] == {SLVERR}
    assert (await rig.engine.beats(3))[1] == {SLVERR}, "a host that is gone is not asked"
    await running
    took = (cocotb.utils.get_sim_time("ns") - begin) / CLOCK_NS
    assert (tries - 1) * retry < took < (tries + 2) * retry
    rig.host.take()
    late = rig.host.fetches.popleft()
    rig.host.fetches.clear()
    await serve(rig, late, window)  # of a slot that is somebody else's by now: it only tells that the host is back
    assert await rig.counter("GIVEN_UP") == 1
    await rig.engine.ask(p.HOST_BASE + 256, 2)
    await serve(rig, await rig.host.next(rig.host.fetches), window)
    assert await rig.engine.beats(2) == (window[256:288], {OKAY})
