"""A model of the board behind its serial line, by docs/serial.md: bridge, register-level engine, a cable with faults.

`Board` is transport and clock of a SerialPort in one: time passes only in `read` and `sleep`, byte by byte at the
line's rate, so that no test waits. It is written from the document, not from the RTL or the host's side.
"""

from __future__ import annotations

import heapq
import itertools
import struct
import zlib
from collections.abc import Callable

import numpy as np

from hwgen.runtime import abi
from tests.runtime import samples
from tests.runtime.model import BUSY, EngineModel

MEMORY, HOST, CHIP_BYTES = 0x4000_0000, 0x8000_0000, 28672
SYNC, READ, WRITE, SERVE, SYNCED, DATA, ANSWERED, FETCH, RESEND, REFUSED = (1, 2, 3, 4, *range(0x81, 0x87))
RETRY, TRIES, SLOTS = 0.13, 10, 4


def encode(code: int, number: int, count: int, address: int, data: bytes = b"") -> bytes:
    """A frame on the line."""
    body = struct.pack("<BBHI", code, number, count, address) + data
    body += struct.pack("<I", zlib.crc32(body))
    return b"\x7e" + b"".join(bytes([0x7D, b ^ 0x20]) if b in b"\x7d\x7e" else bytes([b]) for b in body) + b"\x7e"


class Engine(EngineModel):
    """The engine whose memory is the chip's and the host's: its image is fetched burst by burst."""

    def __init__(self, board: Board) -> None:
        self.board = board
        super().__init__(samples.compute, 64, 144, samples.HASH)
        self.ddr, self.ddr_base = np.zeros(CHIP_BYTES, np.uint8), MEMORY

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.state & BUSY and self.todo == self._load:
            start = self.regs["LOAD_PTR_LO"] | self.regs["LOAD_PTR_HI"] << 32
            self.hang = True  # BUSY until all bursts are there
            if start < HOST:
                self.board.later(0, self.fetched)
                return
            end = start + 16 * self.regs["LOAD_BEATS"]
            cuts = [start, *range((start // 1024 + 1) * 1024, end, 1024), end]
            self.board.fetch(list(itertools.pairwise(cuts)), self.fetched)

    def fetched(self, image: bytes | None = None, failed: int | None = None) -> None:
        """All bursts were answered."""
        if not self.state & BUSY:
            return  # soft reset meanwhile
        self.hang, self.polls = False, 1
        if failed is not None:
            self._error("AXI_READ", failed)
            return
        try:
            data = np.frombuffer(image, np.uint8) if image else self._memory("LOAD_PTR", 16 * self.regs["LOAD_BEATS"])
        except IndexError:
            return self._error("AXI_READ", self.regs["LOAD_PTR_LO"])
        memory, self._memory = self._memory, lambda *_: data
        self._load()
        self._memory = memory

    def _status(self) -> int:
        if self.state & BUSY and self.todo == self._load and self.hang:
            return self.state
        return super()._status()


class Board:
    """See the module. `to_board` and `from_board`, where given, turn a chunk of bytes into a list of (delay, bytes)."""

    name = "model board"

    def __init__(self, baud: int = 3_000_000) -> None:
        self.byte = 10 / baud
        self.to_board: Callable[[bytes], list[tuple[float, bytes]]] | None = None
        self.from_board: Callable[[bytes], list[tuple[float, bytes]]] | None = None
        self.identity = [0x4C534748, 1, CHIP_BYTES, 80_000_000]
        self.silent = self.pulled = False
        self.written = 0
        self._time, self._order, self._events = 0.0, itertools.count(), []
        self.busy_until = [0.0, 0.0]  # each direction of the line
        self.reset()

    def reset(self) -> None:
        """The board's button: everything is as after its bitstream was loaded, but memory."""
        old = getattr(self, "engine", None)
        self.engine = Engine(self)
        if old is not None:
            self.engine.ddr = old.ddr
        self.synced, self.due, self.body, self.escaped, self.spoilt = False, 0, bytearray(), False, False
        self.slots: dict[int, list] = {}  # tag: [start, stop, data or None]
        self.todo: list[tuple[int, int]] = []
        self.tag, self.tries, self.gone, self.inbox = 0, 0, False, b""

    # --- transport and clock ------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None:
        self._pass(seconds, lambda: False)

    def read(self, seconds: float) -> bytes:
        if self.pulled:
            raise OSError(5, "Input/output error")
        self._pass(max(seconds, 1e-6), lambda: bool(self.inbox))
        data, self.inbox = self.inbox, b""
        return data

    def write(self, data: bytes) -> None:
        if self.pulled:
            raise OSError(5, "Input/output error")
        self.written += len(data)
        self._carry(0, data, self.to_board, self._bytes)

    def later(self, seconds: float, action: Callable, *arguments: object) -> None:
        """Do it when so much time has passed."""
        heapq.heappush(self._events, (self._time + seconds, next(self._order), action, arguments))

    def _pass(self, seconds: float, stop: Callable[[], bool]) -> None:
        end = self._time + seconds
        while not stop() and self._events and self._events[0][0] <= end:
            self._time, _, action, arguments = heapq.heappop(self._events)
            action(*arguments)
        if not stop():
            self._time = end

    def _carry(self, line: int, data: bytes, faults: Callable | None, deliver: Callable) -> None:
        for delay, piece in faults(data) if faults else [(0.0, data)]:
            if piece:
                self.busy_until[line] = max(self.busy_until[line], self._time) + delay + len(piece) * self.byte
                self.later(self.busy_until[line] - self._time, deliver, piece)

    def _arrive(self, data: bytes) -> None:
        self.inbox += data

    # --- frames -------------------------------------------------------------------------------------------------------

    def _say(self, *frame: object) -> None:
        if not self.silent:
            self._carry(1, encode(*frame), self.from_board, self._arrive)

    def _bytes(self, data: bytes) -> None:
        for byte in data:
            if byte == 0x7E:
                body, whole = bytes(self.body), not self.escaped
                self.body, self.escaped = bytearray(), False
                if body:
                    self._frame(body if whole else b"")
            elif byte == 0x7D:
                self.escaped = True
            else:
                self.body.append(byte ^ 0x20 if self.escaped else byte)
                self.escaped = False

    def _frame(self, body: bytes) -> None:
        good = len(body) % 4 == 0 and 12 <= len(body) <= 1036
        if not good or zlib.crc32(body[:-4]) != struct.unpack("<I", body[-4:])[0]:
            if self.synced:
                self._say(RESEND, self.due, 0, 0)
            return
        (code, number, count, address), data = struct.unpack("<BBHI", body[:8]), body[8:-4]
        self.gone = False
        if code == SERVE:
            self._served(number, count, data)
        elif code == SYNC:
            self.synced, self.due = True, (number + 1) % 256
            self._say(SYNCED, number, 4, 0, struct.pack("<4I", *self.identity))
        elif not self.synced:
            self._say(RESEND, self.due, 1, 0)
        elif (late := (self.due - number) % 256) > 127:
            self._say(RESEND, self.due, 0, 0)
        else:
            self.due = (self.due + (late == 0)) % 256
            self._request(code, number, count, address, data, late == 0)

    def _request(self, code: int, number: int, count: int, address: int, data: bytes, fresh: bool) -> None:
        space, offset = address >> 28, address & 0x0FFF_FFFF
        end = offset + 4 * count
        fits = {0: end <= 36 and code == READ, 1: count == 1 and end <= 4096, 4: end <= CHIP_BYTES}.get(space, False)
        if not (fits and 0 < count <= 256 and address % 4 == 0 and len(data) == 4 * count * (code == WRITE)):
            self._say(REFUSED, number, count, address)
        elif code == READ:
            words = {0: self._own, 1: self._registers, 4: self._chip}[space](offset, 4 * count)
            self._say(DATA, number, count, address, words)
        else:
            if fresh and space == 1:
                self.engine.write(offset, struct.unpack("<I", data)[0])
            elif fresh:
                self.engine.ddr[offset:end] = np.frombuffer(data, np.uint8)
            self._say(ANSWERED, number, count, address)

    def _own(self, offset: int, size: int) -> bytes:
        return struct.pack("<9I", *self.identity, 1, 2, 3, 4, 5)[offset : offset + size]

    def _registers(self, offset: int, _: int) -> bytes:
        known = any(offset == register.offset for register in abi.REGISTERS)
        return struct.pack("<I", self.engine.read(offset) if known else 0)

    def _chip(self, offset: int, size: int) -> bytes:
        return self.engine.ddr[offset : offset + size].tobytes()

    # --- the host's window --------------------------------------------------------------------------------------------

    def fetch(self, bursts: list[tuple[int, int]], done: Callable) -> None:
        """Read these pieces of the host's window; then `done(data)` or `done(failed=address)`."""
        self.todo, self.got, self.done, self.slots = bursts, b"", done, {}
        self._ask()
        self.later(RETRY, self._watch, self.engine, 0, 0)

    def _ask(self) -> None:
        while self.todo and len(self.slots) < SLOTS:
            start, stop = self.todo.pop(0)
            self.tag = (self.tag + 1) % 256
            self.slots[self.tag] = [start, stop, None]
            self._say(FETCH, self.tag, (stop - start) // 4, start)

    def _served(self, tag: int, count: int, data: bytes) -> None:
        slot = self.slots.get(tag)
        if slot is None or slot[2] is not None:
            return
        if count == 0:
            self._fail(slot[0])
        elif 4 * count == slot[1] - slot[0] == len(data):
            slot[2], self.progress = data, self._time
            while self.slots and (first := next(iter(self.slots.values())))[2] is not None:
                self.got += first[2]
                del self.slots[next(iter(self.slots))]
            self._ask()
            if not self.slots:
                self.later(0, self.done, self.got)

    def _fail(self, address: int) -> None:
        self.slots, self.todo = {}, []
        self.later(0, self.done, None, address & 0xFFFFFFFF)

    def _watch(self, engine: Engine, seen: int, tries: int) -> None:
        if engine is not self.engine or not self.slots:
            return
        now = len(self.got) + sum(slot[2] is not None for slot in self.slots.values())
        tries = tries + 1 if now == seen else 0
        if tries >= TRIES:
            self.gone = True
            return self._fail(next(iter(self.slots.values()))[0])
        if tries:
            for tag, (start, stop, data) in self.slots.items():
                if data is None:
                    self._say(FETCH, tag, (stop - start) // 4, start)
        self.later(RETRY, self._watch, engine, now, tries)
