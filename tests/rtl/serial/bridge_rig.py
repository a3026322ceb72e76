"""What the bench of serial_bridge drives: a host on the wire, an engine's registers and its AXI4 master."""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen.runtime.serial import protocol as p
from hwgen.runtime.serial.protocol import CODE, Frame
from tests.rtl.serial.axi_master import Master
from tests.rtl.serial.uart import FrameHost, Uart

CLOCK_NS, BIT_CLOCKS = 10, 8
OKAY, SLVERR = 0, 2


class Registers:
    """The engine's registers: 32-bit words that answer after a random time; `bad` addresses answer with an error."""

    def __init__(self, dut, rng) -> None:
        self.dut, self.rng, self.values, self.log, self.bad = dut, rng, {}, [], set()
        for name in ("awready", "wready", "bvalid", "arready", "rvalid", "bresp", "rresp", "rdata"):
            getattr(dut, f"m_axil_{name}_i").value = 0
        cocotb.start_soon(self._writes())
        cocotb.start_soon(self._reads())

    async def _until(self, name) -> None:
        while not int(getattr(self.dut, f"m_axil_{name}_o").value):
            await RisingEdge(self.dut.clk_i)

    async def _accept(self, channel, *fields) -> list[int]:
        """Take one channel's payload after a random time."""
        await self._until(f"{channel}valid")
        await ClockCycles(self.dut.clk_i, self.rng.randrange(1, 5))
        values = [int(getattr(self.dut, f"m_axil_{field}_o").value) for field in fields]
        ready = getattr(self.dut, f"m_axil_{channel}ready_i")
        ready.value = 1
        await RisingEdge(self.dut.clk_i)
        ready.value = 0
        return values

    async def _answer(self, channel, address, **fields) -> None:
        await ClockCycles(self.dut.clk_i, self.rng.randrange(1, 5))
        for name, value in fields.items():
            getattr(self.dut, f"m_axil_{name}_i").value = value
        getattr(self.dut, f"m_axil_{channel}resp_i").value = SLVERR if address in self.bad else OKAY
        valid = getattr(self.dut, f"m_axil_{channel}valid_i")
        valid.value = 1
        await RisingEdge(self.dut.clk_i)
        valid.value = 0

    async def _writes(self) -> None:
        while True:
            halves = {"aw": ("awaddr",), "w": ("wdata", "wstrb")}
            order = self.rng.sample(sorted(halves), 2)
            got = {half: await self._accept(half, *halves[half]) for half in order}
            (address,), (value, strobe) = got["aw"], got["w"]
            assert strobe == 15
            self.log.append((address, value))
            self.values[address] = value
            await self._answer("b", address)

    async def _reads(self) -> None:
        while True:
            (address,) = await self._accept("ar", "araddr")
            await self._answer("r", address, rdata=self.values.get(address, 0xDEAD0000 | address))


class Rig:
    """The bridge after reset, with a session."""

    def __init__(self, dut) -> None:
        self.dut, self.rng = dut, random.Random(os.environ["SEED"])
        self.number = self.rng.randrange(256)

    async def begin(self) -> "Rig":
        cocotb.start_soon(Clock(self.dut.clk_i, CLOCK_NS, unit="ns").start())
        self.uart = Uart(self.dut.rxd_i, self.dut.txd_o, CLOCK_NS * BIT_CLOCKS)
        self.host, self.engine = FrameHost(self.uart), Master(self.dut, self.rng)
        self.registers = Registers(self.dut, self.rng)
        self.dut.rst_ni.value = 0
        await ClockCycles(self.dut.clk_i, 5)
        self.dut.rst_ni.value = 1
        await ClockCycles(self.dut.clk_i, 5)
        return self

    async def sync(self) -> Frame:
        await self.host.send(CODE["SYNC"], self.number, 0)
        answer = await self.host.next()
        assert (answer.code, answer.number) == (CODE["SYNCED"], self.number)
        self.number = (self.number + 1) % 256
        return answer

    async def request(self, name: str, count: int, address: int, data: bytes = b"") -> Frame:
        """A request with the next number, and its answer."""
        number, self.number = self.number, (self.number + 1) % 256
        await self.host.send(CODE[name] if name in CODE else int(name), number, count, address, data)
        answer = await self.host.next()
        assert (answer.number, answer.count, answer.address) == (number, count, address), answer
        return answer

    async def put(self, address: int, data: bytes) -> None:
        assert (await self.request("WRITE", len(data) // 4, address, data)).code == CODE["DONE"]

    async def get(self, address: int, count: int) -> bytes:
        answer = await self.request("READ", count, address)
        assert answer.code == CODE["DATA"]
        return answer.data

    async def counter(self, name: str) -> int:
        index = [word for word, _ in p.BRIDGE].index(name)
        return int.from_bytes(await self.get(p.BRIDGE_BASE + 4 * index, 1), "little")
