"""cocotb bench of axi_wr: data, full rate, bursts, errors, drain."""

import cocotb

from tests.rtl.bus.axi_memory import BEAT, Memory, WritePort
from tests.rtl.bus.bench_axi_rd import Errors, commands
from tests.rtl.clocked import Bench, Level, Source, Stall, cases, draw


class Rig:
    """The module with a command source, a beat source and a memory."""

    def __init__(self, dut, rng, some, share=(0.0,) * 5, **port):
        self.dut, self.rng, self.memory = dut, rng, Memory()
        stalls = [Stall(rng, s) for s in share]
        self.all, self.beats = [], []
        self.commands = Source(dut.cmd_valid_i, dut.cmd_ready_o, (dut.cmd_addr_i, dut.cmd_beats_i), stalls[0])
        self.stream = Source(dut.beat_valid_i, dut.beat_ready_o, (dut.beat_data_i,), stalls[1])
        self.port = WritePort(dut, self.memory, *stalls[2:], **port)
        self.errors = Errors(dut)
        self.drain = Level(dut.drain_i)
        self.bench = Bench(dut, self.drain, self.commands, self.stream, self.port, self.errors)
        self.add(some)

    def add(self, some) -> None:
        """Queue commands (start beat, beats) with random data."""
        self.all = [(self.memory.base + start * BEAT, beats) for start, beats in some]
        self.beats = [self.rng.getrandbits(128) for _, n in self.all for _ in range(n)]
        self.commands.items = list(self.all)
        self.stream.items = [(b,) for b in self.beats]

    async def finish(self, limit=100_000):
        """Run until all is answered; check the memory and that nothing else was written."""
        want = bytearray(self.memory.data)
        beats = iter(self.beats)
        for address, n in self.all:
            for i in range(n):
                at = self.memory.at(address + i * BEAT)
                want[at : at + BEAT] = next(beats).to_bytes(BEAT, "little")
        await self.bench.until(lambda: not self.stream.items and not self.commands.items, limit, "the end of the data")
        await self.bench.until(lambda: int(self.dut.idle_o.value), limit, "idle")
        assert self.memory.data == want
        assert self.port.open == 0 and not self.port.bursts
        if self.port.answers:
            assert self.bench.clock >= self.port.answers[-1] + 1


@cocotb.test()
async def full_rate(dut):
    rng = draw()
    for _ in range(3):
        rig = Rig(dut, rng, [(rng.randrange(40_000), rng.randint(4, 300)) for _ in range(30)])
        await rig.bench.reset()
        await rig.finish()
        clocks = [clock for clock, _, _ in rig.port.written]
        assert rig.port.requests[0][0] == rig.commands.sent[0][0] + 1, "awvalid comes one clock after the command"
        assert clocks[0] == rig.port.requests[0][0] + 1
        assert clocks == list(range(clocks[0], clocks[0] + len(clocks))), "gaps in a stream at full rate"
        assert rig.bench.clock == rig.port.answers[-1] + 1, "idle comes in the clock after the last answer"
        assert rig.port.most_open <= 16


@cocotb.test()
async def bursts_of_one_beat_at_full_rate(dut):
    rng = draw()
    rig = Rig(dut, rng, [(i * 5, 1) for i in range(200)])
    await rig.bench.reset()
    await rig.finish()
    clocks = [clock for clock, _, _ in rig.port.written]
    assert clocks == list(range(clocks[0], clocks[0] + len(clocks)))


@cocotb.test()
async def random_stalls(dut):
    rng = draw()
    for _ in cases(8):
        shares = [rng.choice((0, 0.2, 0.5, 0.8)) for _ in range(5)]
        rig = Rig(dut, rng, commands(rng, 40, 300), shares, latency=rng.choice((1, 4, 30)))
        await rig.bench.reset()
        await rig.finish()


@cocotb.test()
async def errors_name_the_burst(dut):
    rng = draw()
    for _ in cases(10):
        rig = Rig(
            dut, rng, [(i * 500 + rng.randrange(100), rng.randint(1, 200)) for i in range(8)], (0.2, 0.3, 0.2, 0.3, 0.2)
        )
        rig.port.errors = {address for address, _ in rng.sample(rig.all, 3)}
        await rig.bench.reset()
        await rig.finish()
        want = [a & 0xFFFF_FFFF for _, a, _ in rig.port.requests if a in rig.port.errors]
        assert [a for _, a in rig.errors.seen] == want and len(want) == 3
        assert {clock for clock, _ in rig.errors.seen} <= set(rig.port.answers)


@cocotb.test()
async def drains_at_any_clock(dut):
    """Drain in the middle: begun bursts end without touching memory, nothing new begins, and the next command works."""
    rng = draw()
    rig = Rig(dut, rng, [], (0.2, 0.3, 0.4, 0.4, 0.3), latency=9)
    await rig.bench.reset()
    for _ in cases(60):
        rig.add(commands(rng, 4, 200))
        await rig.bench.step(rng.randint(1, 250))
        shown = rig.port.aw_channel.held is not None
        asked, beats = len(rig.port.requests), len(rig.port.written)
        kept = rig.port.w_channel.held is not None
        rig.drain.value, rig.commands.enabled, rig.stream.enabled = 1, False, False
        rig.commands.items.clear()
        rig.stream.items.clear()
        await rig.bench.step()
        shown = shown or bool(int(dut.m_axi_awvalid_o.value)) or len(rig.port.requests) > asked
        await rig.bench.until(lambda: int(dut.idle_o.value), 5_000, "idle after drain")
        assert len(rig.port.requests) <= asked + shown
        assert rig.port.open == 0 and not rig.port.bursts, "a burst was left half-way"
        strobes = [strobe for _, _, strobe in rig.port.written[beats:]]
        assert sum(s != 0 for s in strobes) <= kept, "a drain wrote more than the beat that was shown"
        rig.drain.value, rig.commands.enabled, rig.stream.enabled = 0, True, True
        rig.add(commands(rng, 2, 100))
        await rig.finish()
