"""hwgen_top between cocotbext-axi's processor and memory, with a watch on the rules of AXI4."""

import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Event, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave
from cocotbext.axi.address_space import Region

from hwgen.runtime import abi
from tests.sim import designs

REG = {item.name: item.offset for item in abi.REGISTERS}
CODE = {name: code for code, (name, _) in abi.ERRORS.items()}
START, LOAD, SOFT_RESET, CLEAR_DONE, IRQ_ENABLE = 1, 2, 4, 8, 0x100
BASE, SIZE = 0x9_8765_0000, 1 << 20
IMAGE, IN, OUT = BASE, BASE + 0x80000, BASE + 0xA0000


class Memory(Region):
    """The DDR: bytes at BASE. `bad` addresses raise, which is answered with SLVERR; `open_` holds answers back."""

    def __init__(self):
        super().__init__(2**64)
        self.data, self.bad, self.open_ = bytearray(SIZE), range(0), Event()
        self.open_.set()

    def at(self, address: int, length: int) -> slice:
        if address in self.bad or not BASE <= address <= BASE + SIZE - length:
            raise ValueError(f"{address:#x} answers with an error")
        return slice(address - BASE, address - BASE + length)

    async def _read(self, address, length, **_):
        await self.open_.wait()
        return bytes(self.data[self.at(address, length)])

    async def _write(self, address, data, **_):
        await self.open_.wait()
        self.data[self.at(address, len(data))] = data


class Watch:
    """Checks held channels and bursts in every clock, and counts latency outside the engine."""

    CHANNELS = {
        "ar": ("araddr", "arlen", "arsize", "arburst"),
        "aw": ("awaddr", "awlen", "awsize", "awburst"),
        "w": ("wdata", "wstrb", "wlast"),
    }

    def __init__(self, dut):
        self.dut, self.clock, self.held = dut, 0, {}
        self.half, self.started, self.latency = {}, None, None

    def value(self, name: str) -> int:
        return int(getattr(self.dut, name).value)

    async def run(self):
        while True:
            await RisingEdge(self.dut.aclk)
            self.clock += 1
            if not self.value("aresetn"):
                self.held, self.half = {}, {}
                continue
            for name, payload in self.CHANNELS.items():
                self.check(name, payload)
            self.count()

    def check(self, name: str, payload: tuple[str, ...]) -> None:
        valid = self.value(f"m_axi_{name}valid")
        now = tuple(self.value(f"m_axi_{p}") for p in payload) if valid else None
        if name in self.held:
            assert now == self.held.pop(name), f"{name} changed before it was taken"
        if not valid:
            return
        if not self.value(f"m_axi_{name}ready"):
            self.held[name] = now
        elif name != "w":
            address, length, size, burst = now
            assert size == 4 and burst == 1 and address % 16 == 0, f"{name}: {now}"
            assert address // 4096 == (address + 16 * length + 15) // 4096, f"{name} burst crosses 4 KiB: {now}"

    def count(self) -> None:
        """From the clock in which the later half of a START is taken to the first clock with irq."""
        if self.started is not None and self.value("irq_o"):
            self.latency, self.started = self.clock - self.started, None
        for half, payload in (("aw", "awaddr"), ("w", "wdata")):
            if self.value(f"s_axi_ctrl_{half}valid") and self.value(f"s_axi_ctrl_{half}ready"):
                self.half[half] = self.value(f"s_axi_ctrl_{payload}")
        if len(self.half) == 2:
            if self.half["aw"] == REG["CONTROL"] and self.half["w"] & START:
                self.started = self.clock
            self.half = {}


class Rig:
    """The accelerator of HWGEN_DIR after reset. SEED draws everything."""

    def __init__(self, dut):
        self.dut, self.rng = dut, random.Random(os.environ["SEED"])
        self.small = designs.load(Path(os.environ["HWGEN_DIR"]))
        self.memory, self.watch = Memory(), Watch(dut)
        lite, full = AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), AxiBus.from_prefix(dut, "m_axi")
        self.lite = AxiLiteMaster(lite, dut.aclk, dut.aresetn, reset_active_level=False)
        self.slave = AxiSlave(full, dut.aclk, dut.aresetn, self.memory, reset_active_level=False)
        for part in (self.lite, self.slave):
            part.write_if.log.setLevel("ERROR")
            part.read_if.log.setLevel("ERROR")
        reads, writes = self.slave.read_if, self.slave.write_if
        self.channels = [reads.ar_channel, reads.r_channel, writes.aw_channel, writes.w_channel, writes.b_channel]
        reads, writes = self.lite.read_if, self.lite.write_if
        self.channels += [reads.ar_channel, reads.r_channel, writes.aw_channel, writes.w_channel, writes.b_channel]

    async def begin(self) -> "Rig":
        """Clock, watch and reset."""
        cocotb.start_soon(Clock(self.dut.aclk, 4, unit="ns").start())
        cocotb.start_soon(self.watch.run())
        await self.reset()
        return self

    async def reset(self):
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 8)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    def stall(self, most: float) -> None:
        """Random pauses on all ten channels, each with a chance of its own of at most `most`; 0 ends them."""
        for channel in self.channels:
            channel.clear_pause_generator()
            channel.pause = False
            if most:
                channel.set_pause_generator(self._pauses(self.rng.random() * most, random.Random(self.rng.random())))

    @staticmethod
    def _pauses(chance: float, rng: random.Random):
        while True:
            yield rng.random() < chance

    async def clocks(self, count: int):
        await ClockCycles(self.dut.aclk, max(1, count))

    async def read(self, name: str) -> int:
        return await self.lite.read_dword(REG[name])

    async def write(self, name: str, value: int):
        await self.lite.write_dword(REG[name], value)

    async def pointer(self, name: str, address: int):
        await self.write(f"{name}_LO", address & 0xFFFFFFFF)
        await self.write(f"{name}_HI", address >> 32)

    async def status(self) -> dict[str, int]:
        value = await self.read("STATUS")
        return {name: abi.field("STATUS", name, value) for name, *_ in abi.register("STATUS").fields}

    async def settled(self, polls: int = 3000) -> dict[str, int]:
        """STATUS once it is neither BUSY nor DRAINING."""
        for _ in range(polls):
            now = await self.status()
            if not now["BUSY"] and not now["DRAINING"]:
                return now
            await self.clocks(20)
        raise AssertionError(f"the engine hangs: {now}")

    async def load(self, image: bytes | None = None) -> dict[str, int]:
        image = self.small.image if image is None else image
        self.memory.data[: len(image)] = image
        await self.pointer("LOAD_PTR", IMAGE)
        await self.write("LOAD_BEATS", len(image) // 16)
        await self.write("CONTROL", LOAD)
        return await self.settled()

    async def start(self, vector: int = 0):
        """START without waiting."""
        data, size = self.small.inputs[vector].tobytes(), self.small.out_bytes
        self.memory.data[IN - BASE : IN - BASE + len(data)] = data
        self.memory.data[OUT - BASE : OUT - BASE + size] = b"\xa5" * size
        await self.pointer("IN_PTR", IN)
        await self.pointer("OUT_PTR", OUT)
        await self.write("CONTROL", START | IRQ_ENABLE)

    async def frame(self, vector: int = 0):
        """Run one golden vector; bits and LATENCY must be right."""
        await self.start(vector)
        now = await self.settled()
        assert now["DONE"] and not now["ERROR"], now
        got = self.memory.data[OUT - BASE : OUT - BASE + self.small.out_bytes]
        expected = self.small.outputs[vector]
        wrong = [i for i in range(len(expected)) if self.small.written[i] and got[i] != expected[i]]
        assert not wrong, f"vector {vector}: {len(wrong)} bytes differ, the first at {wrong[0]}"
        assert await self.read("LATENCY") == self.watch.latency

    async def failed(self, name: str) -> int:
        """The engine is in its error state with this code; returns ERROR_INFO."""
        now = await self.settled()
        assert now["ERROR"] and now["CODE"] == CODE[name] and not now["DONE"] and not now["IDLE"], (name, now)
        assert await self.read("CONTROL") != IRQ_ENABLE or int(self.dut.irq_o.value)
        return await self.read("ERROR_INFO")

    async def recover(self):
        """Soft reset, load and a right frame: the engine is usable."""
        await self.write("CONTROL", SOFT_RESET | IRQ_ENABLE)
        now = await self.settled()
        assert now == {"IDLE": 1, "BUSY": 0, "DONE": 0, "ERROR": 0, "LOADED": 0, "DRAINING": 0, "CODE": 0}, now
        now = await self.load()
        assert now["LOADED"] and now["DONE"], now
        await self.frame(self.rng.randrange(len(self.small.inputs)))
