"""cocotb bench of stream_unit: every weight in its place, counted when it is there, at full rate and with stalls."""

import cocotb

from hwgen.runtime import abi
from hwgen.schedule.instructions import Fetch, Gate, Nop
from tests.rtl.bus.axi_memory import BEAT, Memory, ReadPort
from tests.rtl.clocked import Agent, Bench, Level, Source, Stall, cases, draw

LATENCY = 40
WORDS = 64  # of the weight memory


class Slice:
    """One port's part of a signal that all ports share, as a signal."""

    driven: dict = {}

    def __init__(self, signal, port: int, ports: int):
        self.signal, self.width = signal, len(signal) // ports
        self.at = port * self.width

    @property
    def value(self) -> int:
        return int(self.signal.value) >> self.at & ((1 << self.width) - 1)

    @value.setter
    def value(self, value: int) -> None:
        kept = self.driven.get(self.signal._name, 0) & ~(((1 << self.width) - 1) << self.at)
        self.driven[self.signal._name] = kept | int(value) << self.at
        self.signal.value = self.driven[self.signal._name]


class PortOf:
    """The unit as `ReadPort` sees one of its ports."""

    def __init__(self, dut, port: int, ports: int):
        for name in ("araddr", "arlen", "arsize", "arburst", "arvalid", "rready"):
            setattr(self, f"m_axi_{name}_o", Slice(getattr(dut, f"m_axi_{name}_o"), port, ports))
        for name in ("arready", "rdata", "rresp", "rlast", "rvalid"):
            setattr(self, f"m_axi_{name}_i", Slice(getattr(dut, f"m_axi_{name}_i"), port, ports))


class Weights(Agent):
    """The weight memory: takes the writes, and says that a word which counts is there."""

    def __init__(self, rig):
        self.rig, self.beats, self.clocks, self.count, self.grows = rig, {}, [], 0, 0

    def see(self) -> None:
        dut, rig = self.rig.dut, self.rig
        count = int(dut.count_o.value)
        if self.rig.clear.value:
            self.count = self.grows = 0
            return
        assert count - self.count == self.grows, "counts_o tells what count_o becomes"
        self.grows = int(dut.counts_o.value)
        if count > self.count:
            self.clocks.append(self.bench.clock)
            word = rig.order[count - 1]
            for column in range(rig.columns):
                assert (count - 1, column) in self.beats, f"word {word} counts before its column {column} is there"
        self.count = count
        for port in range(rig.ports):
            if Slice(dut.we_o, port, rig.ports).value:
                column = port * rig.mine + Slice(dut.beat_o, port, rig.ports).value
                word, data = Slice(dut.word_o, port, rig.ports).value, Slice(dut.data_o, port, rig.ports).value
                index = rig.written[port] // rig.mine
                rig.written[port] += 1
                assert word == rig.order[index], f"port {port} writes word {word}, not {rig.order[index]}"
                assert data.to_bytes(BEAT, "little") == rig.want(index, column)
                self.beats[index, column] = self.bench.clock


class Counters(Agent):
    """The array's counter, which grows at random; no instruction goes before its gate."""

    def __init__(self, rig, rng, most: int):
        self.rig, self.rng, self.most, self.mm = rig, rng, most, 0

    def drive(self) -> None:
        self.mm += self.rng.choice((0, 0, self.most))
        self.rig.dut.progress_i.value = self.mm << abi.NEED_BITS * abi.LANES.index("mm")

    def see(self) -> None:
        if int(self.rig.dut.pop_o.value):
            assert self.rig.gates.pop(0) <= self.mm, "an instruction went before its gate"


class Rig:
    """The unit with a program, a memory a port, and what must come of it."""

    def __init__(self, dut, rng, program, share=0.0, latency=LATENCY, most=1, errors=False):
        self.dut, self.ports = dut, len(dut.we_o)
        self.columns = int(dut.COLUMNS.value)
        self.mine, self.memory = -(-self.columns // self.ports), Memory()
        self.memory.data[:] = rng.randbytes(len(self.memory.data))
        self.program, self.written = program, [0] * self.ports
        fetches = [ins for ins in program if isinstance(ins, Fetch)]
        self.order = [ins.word + k for ins in fetches for k in range(ins.words)]
        self.places = [(ins, k) for ins in fetches for k in range(ins.words)]
        self.gates = [ins.gate.count for ins in program]
        words = [
            int.from_bytes(ins.encode(i == len(program) - 1, *([abi.STREAM] if isinstance(ins, Nop) else [])), "little")
            for i, ins in enumerate(program)
        ]
        self.source = Source(dut.valid_i, dut.pop_o, (dut.instr_i,), Stall(rng, share), [(word,) for word in words])
        self.reads = [
            ReadPort(PortOf(dut, p, self.ports), self.memory, Stall(rng, share), Stall(rng, share), latency)
            for p in range(self.ports)
        ]
        self.weights, self.counters = Weights(self), Counters(self, rng, most)
        self.run, self.clear, self.drain = Level(dut.run_i, 1), Level(dut.clear_i), Level(dut.drain_i)
        levels = (self.run, self.clear, self.drain, Level(dut.base_i, self.memory.base))
        self.bench = Bench(dut, *levels, self.counters, self.source, *self.reads, self.weights)

    def want(self, index: int, column: int) -> bytes:
        """What belongs into a column of the word that is the `index`th to come."""
        ins, k = self.places[index]
        port, beat = divmod(column, self.mine)
        at = ins.offset + port * ins.stride + k * self.mine + beat
        return self.memory.read(self.memory.base + at * BEAT, BEAT)

    async def finish(self, limit: int = 50_000) -> None:
        """Run to the end of the program: all is there, and counted."""
        await self.bench.until(lambda: int(self.dut.done_o.value), limit, "the end of the program")
        assert self.written == [len(self.order) * self.mine] * self.ports
        assert self.weights.count == len(self.order) and int(self.dut.idle_o.value) and not self.gates
        assert not int(self.dut.bad_instr_o.value)


def draw_program(rng, count: int, mine: int, gated: bool) -> list:
    """Some instructions anywhere in the buffer, their gates rising."""
    program, gate = [], 0
    for _ in range(count):
        gate += rng.randint(0, 30) if gated else 0
        at = Gate("MM", gate) if gate else Gate()
        words = rng.choice((0, 1, 2, rng.randint(3, 40)))
        if rng.random() < 0.1:
            program.append(Nop(at))
        else:
            program.append(Fetch(rng.randrange(1000), rng.randrange(5000), rng.randrange(WORDS), words, at))
    return program


@cocotb.test()
async def full_rate(dut):
    """Back to back, without stalls: a beat a port and clock, however the instructions cut them."""
    rng = draw()
    program = [Fetch(64 * i, 4096, 3 * i, words) for i, words in enumerate((20, 1, 30, 40, 1, 1, 5, 60))]
    rig = Rig(dut, rng, program)
    await rig.bench.reset()
    await rig.finish()
    begun = rig.source.sent[0][0]
    assert [port.requests[0][0] for port in rig.reads] == [begun + 1] * rig.ports
    first = begun + 1 + LATENCY  # the first beat; a write one later, which counts one after the last of the word
    assert rig.weights.clocks == [first + rig.mine * (k + 1) + 1 for k in range(len(rig.order))]


@cocotb.test()
async def random_programs(dut):
    rng = draw()
    for _ in cases(8):
        program = draw_program(rng, rng.randint(1, 20), 1, rng.random() < 0.7)
        rig = Rig(dut, rng, program, rng.choice((0, 0.3, 0.7)), rng.choice((1, 7, 40)), rng.choice((1, 9)))
        await rig.bench.reset()
        await rig.finish()


@cocotb.test()
async def a_failed_beat_is_told(dut):
    """Its address, in its clock; then a drain ends what is under way."""
    rng = draw()
    for _ in cases(4):
        rig = Rig(dut, rng, [Fetch(0, 300, 0, 40), Fetch(64, 300, 5, 40)], 0.3, 7)
        port = rng.randrange(rig.ports)
        bad = rig.memory.base + (300 * port + rng.randrange(40 * rig.mine)) * BEAT
        rig.reads[port].errors = {bad}
        await rig.bench.reset()
        await rig.bench.until(lambda: int(dut.err_o.value), what="the error")
        assert int(dut.err_addr_o.value) == bad & 0xFFFF_FFFF
        rig.drain.value = rig.clear.value = 1
        rig.run.value = 0
        await rig.bench.step()
        await rig.bench.until(lambda: int(dut.idle_o.value), what="the end of the drain")
        assert not any(port.open for port in rig.reads)
        rig.drain.value = rig.clear.value = 0
        await rig.bench.step(2)


@cocotb.test()
async def unknown_opcodes(dut):
    rng = draw()
    for opcode in (0, 3, 15):
        rig = Rig(dut, rng, [Nop()])
        rig.source.items = [(int.from_bytes(abi.pack(abi.STREAM, opcode=opcode, gate_unit=7, last=1), "little"),)]
        await rig.bench.reset()
        await rig.bench.step(4)
        assert int(dut.bad_instr_o.value) and not int(dut.done_o.value) and rig.source.items
