"""The host's end of a serial line in cocotb: bytes by wire, frames from and to the board."""

import struct
from collections import deque

import cocotb
from cocotb.triggers import Event, FallingEdge, First, Timer

from hwgen.runtime.serial.protocol import Frame, FrameError, Splitter


class Uart:
    """Sends on `out`, receives from `into`; `bit_ns` is the host's bit. `stops`: bytes whose stop bit was missing."""

    def __init__(self, out, into, bit_ns: float) -> None:
        self.out, self.into, self.bit_ns = out, into, bit_ns
        self.received, self.came, self.stops = bytearray(), Event(), 0
        out.value = 1
        cocotb.start_soon(self._receive())

    async def send(self, data: bytes, stop: int = 1) -> None:
        """Bytes on the wire; `stop` 0 leaves their stop bits out."""
        bits = 0.0
        for byte in data:
            word = byte << 1 | stop << 9
            for _ in range(10):
                self.out.value = word & 1
                word >>= 1
                bits += 1
                await self._until_bit(bits)
        self.out.value = 1
        if not stop:
            await self._until_bit(bits + 2)

    async def _until_bit(self, bits: float) -> None:
        """To the end of this bit of the transmission, in whole picoseconds, without a drift."""
        if bits == 1.0:
            self._sent_ps = 0
        step = round(bits * self.bit_ns * 1000) - self._sent_ps
        self._sent_ps += step
        await Timer(step, unit="ps")

    async def _receive(self) -> None:
        half = round(self.bit_ns * 500)
        while True:
            await FallingEdge(self.into)
            byte, done = 0, half
            await Timer(half, unit="ps")
            if int(self.into.value):
                continue
            for i in range(1, 10):
                at = half + round(i * self.bit_ns * 1000)
                await Timer(at - done, unit="ps")
                done, level = at, int(self.into.value)
                if i < 9:
                    byte |= level << (i - 1)
                elif level:
                    self.received.append(byte)
                    self.came.set()
                else:
                    self.stops += 1


class FrameHost:
    """Frames over a Uart, counted by nobody: what is sent is what the test says."""

    def __init__(self, uart: Uart) -> None:
        self.uart, self.frames, self.fetches, self._splitter = uart, deque(), deque(), Splitter()
        self.damaged = 0

    async def send(self, code: int, number: int, count: int, address: int = 0, data: bytes = b"") -> None:
        await self.uart.send(Frame(code, number, count, address, data).encode())

    def take(self) -> None:
        """Sort what has come: FETCH apart from the rest."""
        data = bytes(self.uart.received)
        self.uart.received.clear()
        for body in self._splitter.feed(data):
            try:
                frame = Frame.parse(body)
            except FrameError:
                self.damaged += 1
                continue
            (self.fetches if frame.code == 0x84 else self.frames).append(frame)

    async def next(self, queue: deque | None = None, limit_us: float = 5000.0) -> Frame:
        """The next frame (FETCH: of `fetches`); fails when none comes."""
        queue = self.frames if queue is None else queue
        spent = 0.0
        while True:
            self.take()
            if queue:
                return queue.popleft()
            assert spent < limit_us, "no frame came"
            self.uart.came.clear()
            await First(self.uart.came.wait(), Timer(50, unit="us"))
            spent += 10 * self.uart.bit_ns / 1000

    async def silence(self, us: float) -> None:
        """No answer comes for so long."""
        await Timer(round(us), unit="us")
        self.take()
        assert not self.frames, self.frames


def spoil(line: bytes, at: int) -> bytes:
    """A frame's bytes with one bit changed, but no END made or lost."""
    changed = bytearray(line)
    for bit in range(8):
        changed[at] = line[at] ^ 1 << bit
        if 0x7D not in (changed[at], line[at]) and 0x7E not in (changed[at], line[at]):
            return bytes(changed)
    raise AssertionError("unreachable")


def words(*values: int) -> bytes:
    """Little-endian words as bytes."""
    return struct.pack(f"<{len(values)}I", *values)


__all__ = ["FrameHost", "Uart", "spoil", "words"]
