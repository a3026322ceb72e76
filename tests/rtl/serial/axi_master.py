"""An AXI4 master as the engine is one: bursts in order, with random pauses on every channel. One signal set, no ids."""

import random

from cocotb.triggers import RisingEdge


class Master:
    """Signals `s_axi_*` of `dut`; `pause` is the chance of a clock without valid or ready."""

    def __init__(self, dut, rng: random.Random, pause: float = 0.0) -> None:
        self.dut, self.rng, self.pause = dut, rng, pause
        for name in ("arvalid", "awvalid", "wvalid", "rready", "bready"):
            self._set(name, 0)
        for name, value in {"arsize": 4, "awsize": 4, "arburst": 1, "awburst": 1}.items():
            self._set(name, value)

    def _set(self, name: str, value: int) -> None:
        getattr(self.dut, f"s_axi_{name}_i").value = value

    def _get(self, name: str) -> int:
        return int(getattr(self.dut, f"s_axi_{name}_o").value)

    async def _clock(self) -> None:
        await RisingEdge(self.dut.clk_i)

    async def _offer(self, channel: str, **fields: int) -> None:
        while self.rng.random() < self.pause:
            await self._clock()
        for name, value in fields.items():
            self._set(name, value)
        self._set(f"{channel}valid", 1)
        await self._clock()
        while not self._get(f"{channel}ready"):
            await self._clock()
        self._set(f"{channel}valid", 0)

    async def ask(self, address: int, beats: int) -> None:
        """A read address."""
        await self._offer("ar", araddr=address, arlen=beats - 1)

    async def beats(self, count: int) -> tuple[bytes, set[int]]:
        """The data of the oldest burst, and its answers."""
        data, answers = b"", set()
        for i in range(count):
            while True:
                ready = int(self.rng.random() >= self.pause)
                self._set("rready", ready)
                await self._clock()
                if ready and self._get("rvalid"):
                    break
            data += self._get("rdata").to_bytes(16, "little")
            answers.add(self._get("rresp"))
            assert self._get("rlast") == (i == count - 1), "rlast"
        self._set("rready", 0)
        return data, answers

    async def read(self, address: int, beats: int) -> tuple[bytes, set[int]]:
        """One burst."""
        await self.ask(address, beats)
        return await self.beats(beats)

    async def write(self, address: int, data: bytes, strobes: list[int] | None = None) -> int:
        """One burst; returns its answer. `strobes`: 16 bits a beat."""
        count = len(data) // 16
        await self._offer("aw", awaddr=address, awlen=count - 1)
        for i in range(count):
            beat = int.from_bytes(data[16 * i : 16 * i + 16], "little")
            strobe = 0xFFFF if strobes is None else strobes[i]
            await self._offer("w", wdata=beat, wstrb=strobe, wlast=int(i == count - 1))
        self._set("bready", 1)
        await self._clock()
        while not self._get("bvalid"):
            await self._clock()
        self._set("bready", 0)
        return self._get("bresp")
