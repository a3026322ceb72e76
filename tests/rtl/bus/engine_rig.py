"""Everything around engine_bus for the benches: AXI-Lite host, program queues, activation memory, a pretended array."""

import os
from dataclasses import dataclass

from hwgen.runtime import abi
from tests.rtl.bus import image
from tests.rtl.bus.axi_memory import BEAT, Memory, ReadPort, WritePort
from tests.rtl.clocked import Agent, Bench, Level, Sink, Source, Stall

V = int(os.environ.get("V", "16"))
PARTS = V // BEAT  # beats of an activation word
REG = {r.name: r.offset for r in abi.REGISTERS}
ERROR = {name: code for code, (name, _) in abi.ERRORS.items()}
START, LOAD, SOFT_RESET, CLEAR_DONE, IRQ_ENABLE = 1, 2, 4, 8, 256


class Host:
    """AXI4-Lite master: address and data of a write come independently, each with its own stalls."""

    def __init__(self, dut, rng, share=0.0):
        stalls = [Stall(rng, share) for _ in range(5)]
        d = dut
        self.aw = Source(d.s_axil_awvalid_i, d.s_axil_awready_o, (d.s_axil_awaddr_i,), stalls[0])
        self.w = Source(d.s_axil_wvalid_i, d.s_axil_wready_o, (d.s_axil_wdata_i, d.s_axil_wstrb_i), stalls[1])
        self.b = Sink(d.s_axil_bvalid_o, d.s_axil_bready_i, (d.s_axil_bresp_o,), stalls[2])
        self.ar = Source(d.s_axil_arvalid_i, d.s_axil_arready_o, (d.s_axil_araddr_i,), stalls[3])
        self.r = Sink(d.s_axil_rvalid_o, d.s_axil_rready_i, (d.s_axil_rdata_o, d.s_axil_rresp_o), stalls[4])
        self.agents = (self.aw, self.w, self.b, self.ar, self.r)

    async def write(self, address, value, strobe=15) -> int:
        """Write a register; returns the clock in which the later of address and data was accepted."""
        answers = len(self.b.got)
        self.aw.items.append((address,))
        self.w.items.append((value, strobe))
        await self.b.bench.until(lambda: len(self.b.got) > answers, 1_000, "the write's answer")
        assert self.b.got[-1][1] == (0,)
        return max(self.aw.sent[-1][0], self.w.sent[-1][0])

    async def read(self, address) -> int:
        answers = len(self.r.got)
        self.ar.items.append((address,))
        await self.r.bench.until(lambda: len(self.r.got) > answers, 1_000, "the read's answer")
        value, response = self.r.got[-1][1]
        assert response == 0
        return value


class Queue(Agent):
    """A program queue: the next instruction while valid; rewinds at clear; nothing may be popped beyond `last`.

    ``loaded``: what it offers is the coming run's program, of which the first instruction is popped before the run.
    """

    def __init__(self, instr, valid, pop, clear, fields, stall: Stall):
        self.instr, self.valid, self.pop, self.clear, self.fields, self.stall = instr, valid, pop, clear, fields, stall
        self.program, self.at, self.on, self.loaded = [], 0, False, False

    def drive(self) -> None:
        self.on = self.loaded and self.at < len(self.program) and (self.on or not self.stall())
        self.valid.value = int(self.on)
        if self.on:
            self.instr.value = word(self.fields, self.program[self.at])

    def see(self) -> None:
        if int(self.pop.value):
            assert self.on, "popped an empty queue, or beyond the last instruction"
            self.at += 1
            self.on = False
        if int(self.clear.value):
            self.at, self.on, self.loaded = 0, False, False


class Activations(Agent):
    """The activation memory's DIN write port and DOUT read port: data come three clocks after the address."""

    def __init__(self, dut, banks=4, words=512):
        self.dut = dut
        self.data = [bytearray(words * V) for _ in range(banks)]
        self.pipe, self.writes, self.reads = [0, 0, 0], [], []

    def drive(self) -> None:
        self.dut.dout_rd_data_i.value = self.pipe[0]

    def see(self) -> None:
        d, clock = self.dut, self.bench.clock
        value = int.from_bytes(os.urandom(V), "little")  # not asked for: anything
        if int(d.dout_rd_en_o.value):
            bank, word = int(d.dout_rd_bank_o.value), int(d.dout_rd_addr_o.value)
            self.reads.append((clock, bank, word))
            value = int.from_bytes(self.data[bank][word * V : word * V + V], "little")
        self.pipe = [*self.pipe[1:], value]
        if int(d.din_wr_en_o.value):
            bank, word, mask = (int(p.value) for p in (d.din_wr_bank_o, d.din_wr_addr_o, d.din_wr_mask_o))
            data = int(d.din_wr_data_o.value).to_bytes(V, "little")
            self.writes.append((clock, bank, word, mask))
            for octet in range(V // 8):
                if mask >> octet & 1:
                    at = octet * 8
                    self.data[bank][word * V + at : word * V + at + 8] = data[at : at + 8]


@dataclass
class Job:
    """One word that the pretended array writes: after ``need`` octets of DIN, ``clocks`` of work, then ``data``."""

    need: int
    clocks: int
    bank: int
    word: int
    data: bytes


class Array(Agent):
    """Pretends to be the MM unit: one event a clock until its jobs are issued, results ``pipeline`` clocks later."""

    def __init__(self, dut, activations: Activations, pipeline=9):
        self.dut, self.activations, self.pipeline = dut, activations, pipeline
        self.jobs, self.history, self.last_run = [], [], 0  # last_run: the last clock with run_o
        self.restart()

    def restart(self) -> None:
        self.at = self.work = self.count = 0
        self.landing, self.done = [], False  # landing: (clock of the write request, job)

    def drive(self) -> None:
        d, clock = self.dut, self.bench.clock
        issue = wait = 0
        while self.landing and self.landing[0][0] <= clock:
            _, job = self.landing.pop(0)
            self.activations.data[job.bank][job.word * V : job.word * V + V] = job.data
            self.count += V // 8
        if self.running() and self.at < len(self.jobs):
            job = self.jobs[self.at]
            if self.din_count() >= job.need:
                issue = 1
                self.work += 1
                if self.work == job.clocks:
                    self.landing.append((clock + self.pipeline, job))
                    self.work, self.at = 0, self.at + 1
            else:
                wait = 1
        d.ev_issue_i.value, d.ev_wait_i.value = issue, wait
        if self.running():
            self.history.append((issue, wait))
        d.mm_count_i.value = self.count
        adds = V // 8 * sum(at == clock + 1 for at, _ in self.landing)
        d.adds_i.value = adds << 24  # progress_t: mm follows din
        d.mm_done_i.value = int(self.running() and self.at == len(self.jobs) and not self.landing)

    def running(self) -> bool:
        return bool(int(self.dut.run_o.value))

    def din_count(self) -> int:
        return int(self.dut.progress_o.value) & 0xFFFFFF

    def see(self) -> None:
        if self.running():
            self.last_run = self.bench.clock
        if int(self.dut.clear_o.value):
            self.restart()


class Rig:
    """engine_bus with all of it. ``share`` is the density of stalls on every channel."""

    def __init__(self, dut, rng, share=0.0, latency=(40, 4)):
        self.dut, self.rng, self.memory = dut, rng, Memory()

        def stall():
            return Stall(rng, share and rng.choice((0, share, share)))

        self.host = Host(dut, rng, share)
        self.rd = ReadPort(dut, self.memory, stall(), stall(), latency[0])
        self.wr = WritePort(dut, self.memory, stall(), stall(), stall(), latency[1])
        self.act = Activations(dut)
        self.array = Array(dut, self.act)
        self.din = Queue(dut.din_instr_i, dut.din_valid_i, dut.din_pop_o, dut.clear_o, abi.DIN, stall())
        self.dout = Queue(dut.dout_instr_i, dut.dout_valid_i, dut.dout_pop_o, dut.clear_o, abi.DOUT, stall())
        self.bad_mm, self.bad_row = Level(dut.mm_bad_instr_i), Level(dut.row_bad_instr_i)
        self.conflict = Level(dut.conflict_i)
        rest = [Level(dut.row_done_i, 1), Level(dut.row_count_i), Level(dut.prog_index_i, 0x0004_0003_0002_0001)]
        rest += [Level(dut.vec_done_i, 1), Level(dut.vec_count_i), Level(dut.vec_bad_instr_i)]
        rest += [Level(dut.stream_done_i, 1), Level(dut.stream_count_i), Level(dut.stream_bad_instr_i)]
        rest += [Level(dut.stream_idle_i, 1), Level(dut.stream_err_i), Level(dut.stream_err_addr_i)]
        agents = [*self.host.agents, self.rd, self.wr, self.array, self.act, self.din, self.dout]
        self.bench = Bench(dut, *agents, self.bad_mm, self.bad_row, self.conflict, *rest)

    async def write(self, name, value) -> int:
        return await self.host.write(REG[name], value)

    async def read(self, name) -> int:
        return await self.host.read(REG[name])

    async def pointer(self, name, address) -> None:
        await self.write(f"{name}_LO", address & 0xFFFF_FFFF)
        await self.write(f"{name}_HI", address >> 32)

    async def status(self) -> dict[str, int]:
        value = await self.read("STATUS")
        return {
            name: abi.field("STATUS", name, value)
            for name in ("IDLE", "BUSY", "DONE", "ERROR", "LOADED", "DRAINING", "CODE")
        }

    async def settled(self, limit=3_000) -> dict[str, int]:
        """Poll STATUS until nothing is under way."""
        for _ in range(limit):
            status = await self.status()
            if not status["BUSY"] and not status["DRAINING"]:
                return status
        raise AssertionError(f"still {status} after {limit} polls")

    async def load(self, beats=None, address=0x8_0000) -> dict[str, int]:
        """Put an image into memory, load it, and return the final status."""
        beats = image.build(image.end()) if beats is None else beats
        self.memory.write(self.memory.base + address, b"".join(b.to_bytes(BEAT, "little") for b in beats))
        await self.pointer("LOAD_PTR", self.memory.base + address)
        await self.write("LOAD_BEATS", len(beats))
        await self.write("CONTROL", LOAD)
        return await self.settled()

    async def start(self, source, target) -> int:
        """START with these buffers (offsets in memory); returns the clock of the accepted command."""
        self.din.loaded = self.dout.loaded = True
        await self.pointer("IN_PTR", self.memory.base + source)
        await self.pointer("OUT_PTR", self.memory.base + target)
        return await self.write("CONTROL", START)


def instruction(**values) -> dict[str, int]:
    """An instruction's fields with defaults: EXEC, no gate, no dependency."""
    return {"opcode": abi.OPCODES["EXEC"], "gate_unit": 7, **values}


def word(fields, values: dict[str, int]) -> int:
    """An instruction as the bits of its struct."""
    return sum(values.get(name, 0) << lsb for name, lsb, _ in fields)
