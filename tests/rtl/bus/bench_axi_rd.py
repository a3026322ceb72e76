"""cocotb bench of axi_rd: data, full rate, bursts, errors, drain."""

import cocotb

from tests.rtl.bus.axi_memory import BEAT, Memory, ReadPort
from tests.rtl.clocked import Agent, Bench, Level, Sink, Source, Stall, cases, draw


class Errors(Agent):
    """Collects what err_o reports."""

    def __init__(self, dut):
        self.dut, self.seen = dut, []

    def see(self) -> None:
        if int(self.dut.err_o.value):
            self.seen.append((self.bench.clock, int(self.dut.err_addr_o.value)))


class Rig:
    """The module with a command source, a memory and a taker of beats."""

    def __init__(self, dut, rng, commands, share=(0.0, 0.0, 0.0, 0.0), **port):
        self.dut, self.memory = dut, Memory()
        self.memory.data[:] = rng.randbytes(len(self.memory.data))
        stalls = [Stall(rng, s) for s in share]
        self.commands = Source(
            dut.cmd_valid_i,
            dut.cmd_ready_o,
            (dut.cmd_addr_i, dut.cmd_beats_i),
            stalls[0],
            [self.command(c) for c in commands],
        )
        self.sink = Sink(dut.beat_valid_o, dut.beat_ready_i, (dut.beat_data_o,), stalls[1])
        self.port = ReadPort(dut, self.memory, stalls[2], stalls[3], **port)
        self.errors = Errors(dut)
        self.drain = Level(dut.drain_i)
        self.bench = Bench(dut, self.drain, self.commands, self.sink, self.port, self.errors)
        self.all = list(self.commands.items)

    def command(self, c):
        return (self.memory.base + c[0] * BEAT, c[1])

    async def finish(self, limit=100_000):
        """Run until every beat of every command has come, and check them all."""
        total = sum(beats for _, beats in self.all)
        await self.bench.until(lambda: len(self.sink.got) == total, limit, f"{total} beats")
        await self.bench.step(2)
        assert int(self.dut.idle_o.value) and self.port.open == 0
        want = [self.memory.read(a + i * BEAT, BEAT) for a, n in self.all for i in range(n)]
        assert [item[0].to_bytes(BEAT, "little") for _, item in self.sink.got] == want
        assert sum(n for _, _, n in self.port.requests) == total


def commands(rng, count, longest, room=40_000):
    """Commands at random places, often right before a 4 KiB boundary."""
    out = []
    for _ in range(count):
        beats = rng.choice((1, 2, 3, 4, 63, 64, 65, rng.randint(1, longest)))
        start = rng.choice((rng.randrange(room), rng.randrange(1, room // 256) * 256 - rng.randint(1, 70)))
        out.append((start, min(beats, longest)))
    return out


@cocotb.test()
async def full_rate(dut):
    """Long and short commands, back to back, 40 clocks of latency: no gap anywhere."""
    rng = draw()
    for _ in range(4):
        many = [(rng.randrange(40_000), rng.randint(20, 400)) for _ in range(30)]
        many[0] = (rng.randrange(100) * 64, 400)
        rig = Rig(dut, rng, many)
        await rig.bench.reset()
        await rig.finish()
        clocks = [clock for clock, _ in rig.sink.got]
        assert rig.port.requests[0][0] == rig.commands.sent[0][0] + 1, "arvalid comes one clock after the command"
        assert clocks[0] == rig.port.requests[0][0] + 40
        assert clocks == list(range(clocks[0], clocks[0] + len(clocks))), "gaps in a stream at full rate"
        assert rig.port.most_open <= 8


@cocotb.test()
async def one_address_a_clock(dut):
    """Eight commands of one beat: eight addresses in eight clocks, then wait for an answer."""
    rng = draw()
    rig = Rig(dut, rng, [(i * 7, 1) for i in range(20)])
    await rig.bench.reset()
    await rig.finish()
    clocks = [clock for clock, _, _ in rig.port.requests]
    assert clocks[:8] == list(range(clocks[0], clocks[0] + 8))
    assert clocks[8] > rig.sink.got[0][0]
    assert rig.port.most_open == 8


@cocotb.test()
async def random_stalls(dut):
    rng = draw()
    for _ in cases(6):
        shares = [rng.choice((0, 0.2, 0.5, 0.8)) for _ in range(4)]
        rig = Rig(dut, rng, commands(rng, 40, 300), shares, latency=rng.choice((1, 5, 40)))
        await rig.bench.reset()
        await rig.finish()


@cocotb.test()
async def errors_name_the_beat(dut):
    rng = draw()
    for _ in cases(10):
        rig = Rig(dut, rng, commands(rng, 8, 200), (0.2, 0.3, 0.2, 0.3), latency=7)
        beats = [a + i * BEAT for a, n in rig.all for i in range(n)]
        rig.port.errors = set(rng.sample(beats, 3))
        await rig.bench.reset()
        await rig.finish()
        want = [(clock, a & 0xFFFF_FFFF) for clock, a in rig.port.taken if a in rig.port.errors]
        assert rig.errors.seen == want and len(want) >= 3


@cocotb.test()
async def drains_at_any_clock(dut):
    """Drain in the middle: nothing new is asked for, all answers are taken, and the next command works."""
    rng = draw()
    rig = Rig(dut, rng, [], (0.2, 0.5, 0.4, 0.4), latency=12)
    await rig.bench.reset()
    for _ in cases(40):
        rig.commands.items += [rig.command(c) for c in commands(rng, 4, 200)]
        await rig.bench.step(rng.randint(1, 200))
        shown = rig.port.ar_channel.held is not None
        asked, got = len(rig.port.requests), len(rig.sink.got)
        taking, rig.sink.stall = rig.sink.stall, lambda: True  # a drain needs no one to take the beats
        rig.drain.value, rig.commands.enabled = 1, False
        rig.commands.items.clear()
        await rig.bench.step()
        # A burst that becomes visible together with drain counts as shown.
        shown = shown or bool(int(dut.m_axi_arvalid_o.value))
        await rig.bench.until(lambda: int(dut.idle_o.value), 5_000, "idle after drain")
        assert len(rig.sink.got) == got, "beats came through a drain"
        assert len(rig.port.requests) <= asked + shown
        assert rig.port.open == 0
        rig.drain.value, rig.commands.enabled = 0, True
        rig.sink.stall = taking
        rig.sink.got.clear()
        rig.port.requests.clear()
        rig.all = [rig.command(c) for c in commands(rng, 2, 100)]
        rig.commands.items += rig.all
        await rig.finish()
        rig.sink.got.clear()
