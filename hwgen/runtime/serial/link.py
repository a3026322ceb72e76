"""The host's end of the line: requests in order, each done once, whatever the line loses; and the board's FETCH served.

Requests carry numbers and are answered in their order. What is damaged or lost, request or answer, is sent again from
there on; the board does none twice. Every wait is bounded: a board that does not answer ends in a LineError.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.errors import DeviceFault, NoEngineError
from hwgen.runtime.serial import protocol
from hwgen.runtime.serial.protocol import CODE, END, NAME, Frame, FrameError, Splitter

WINDOW = 32  # requests without an answer; the board tells 128 numbers behind from 128 ahead
PATIENCE = 0.3  # seconds for an answer, beside the time that the bytes take
TRIES = 5  # rounds of sending again without any progress


class LineError(DeviceFault):
    """The serial line failed for good: no answer, a board that was reset, a device that is gone. Nothing goes over the
    port any more until its `download()`."""

    recovered = False


class Transport(Protocol):
    """Bytes to and from the board. Both calls raise OSError where the device is gone."""

    def read(self, seconds: float) -> bytes:
        """What has come; waits at most `seconds` for the first byte. Empty when there is none."""

    def write(self, data: bytes) -> None: ...


@dataclass
class _Request:
    frame: Frame
    line: bytes
    done: bool = False
    data: bytes = b""

    @property
    def reads(self) -> bool:
        return self.frame.code == CODE["READ"]

    def answered_by(self, answer: Frame) -> bool:
        """Whether this is the answer to it."""
        asked = self.frame
        if (asked.number, asked.address, asked.count) != (answer.number, answer.address, answer.count):
            return False
        if answer.code == CODE["REFUSED"]:
            return True
        return (
            answer.code == CODE["DATA" if self.reads else "DONE"] and len(answer.data) == 4 * self.reads * asked.count
        )


@dataclass(frozen=True)
class Identity:
    """What the board says of itself: bytes of memory on its chip, Hz of its engine."""

    memory: int
    clock_hz: int


class Link:
    """See the module. `serve(address, nbytes)` gives the bytes of the host's window, None where there are none. One
    thread at a time."""

    def __init__(
        self,
        transport: Transport,
        name: str,
        baud: int,
        serve: Callable[[int, int], bytes | None],
        clock: Clock = SYSTEM,
    ) -> None:
        self.transport, self.name, self.baud, self.serve = transport, name, baud, serve
        self._now = clock.now
        self._pending: deque[_Request] = deque()
        self._splitter = Splitter()
        self._number = os.urandom(1)[0]  # of the next request; drawn, so that no old answer fits
        self._resent: int | None = None  # number that was sent again since the last progress
        self._broken: str | None = "the session was not begun"
        self.counts = dict.fromkeys(("frames", "damaged", "resent", "timeouts", "fetches", "refused_fetches"), 0)

    # --- session ------------------------------------------------------------------------------------------------------

    def sync(self) -> Identity:
        """Begin a session. Raises NoEngineError naming what is wrong: silence, noise, another version."""
        self._pending.clear()
        self._splitter, self._resent = Splitter(), None
        self._broken = "the session was not begun"
        heard, number = 0, self._number
        for _ in range(TRIES):
            self._send(bytes([END]) + Frame(CODE["SYNC"], number, 0, 0).encode())
            deadline = self._now() + PATIENCE
            while (left := deadline - self._now()) > 0:
                data = self._receive(left)
                heard += len(data)
                for frame in self._frames(data):
                    if frame.code == CODE["SYNCED"] and frame.number == number:
                        return self._begun(frame)
            number = self._number = (number + 1) % 256
        if heard:
            raise NoEngineError(
                f"{self.name}: {heard} bytes came at {self.baud} baud, but no frame of this protocol among them; "
                "is this the board's baud, and does its bitstream have hwgen's serial bridge?"
            )
        raise NoEngineError(
            f"{self.name}: the board is silent at {self.baud} baud; is a bitstream with hwgen's serial bridge loaded, "
            "and is this the board's port?"
        )

    def _begun(self, frame: Frame) -> Identity:
        words = [int.from_bytes(frame.data[i : i + 4], "little") for i in range(0, len(frame.data), 4)]
        if len(words) < protocol.IDENTITY_WORDS or words[0] != protocol.MAGIC:
            raise NoEngineError(f"{self.name}: what answers is no hwgen serial bridge; load the package's bitstream")
        if words[1] != protocol.VERSION:
            raise NoEngineError(
                f"{self.name}: the board speaks version {words[1]} of the serial protocol, this hwgen "
                f"{protocol.VERSION}; build the bitstream again, or update hwgen on this machine"
            )
        self._number = (frame.number + 1) % 256
        self._broken = None
        return Identity(words[2], words[3])

    # --- requests -----------------------------------------------------------------------------------------------------

    def read(self, address: int, words: int) -> bytes:
        """Words of the board, after all that was written before. Raises LineError."""
        request = self._request("READ", address, words, b"")
        self._wait(lambda: request.done)
        return request.data

    def write(self, address: int, data: bytes) -> None:
        """Write whole words; returns at once, and what goes wrong is raised by a later call. Raises LineError."""
        self._request("WRITE", address, len(data) // 4, data)

    def settle(self) -> None:
        """Wait until everything written is on the board. Raises LineError."""
        self._wait(lambda: not self._pending)

    def _request(self, name: str, address: int, words: int, data: bytes) -> _Request:
        frame = Frame(CODE[name], self._number, words, address, data)
        line = frame.encode()
        self._wait(lambda: self._room(len(line)))
        request = _Request(frame, line)
        self._pending.append(request)
        self._number = (self._number + 1) % 256
        self._send(line)
        return request

    def _room(self, nbytes: int) -> bool:
        """Whether the board's buffer surely has room for one more; alone, a request needs none."""
        waiting = sum(len(request.line) for request in self._pending)
        return not waiting or (len(self._pending) < WINDOW and waiting + nbytes < protocol.FIFO_BYTES)

    def _wait(self, done: Callable[[], bool]) -> None:
        """Take what comes until `done()`; send again what is not answered in time."""
        tries, deadline = 0, self._now() + self._patience()
        while self._check() and not done():
            if self._take(self._receive(deadline - self._now())):
                tries, deadline = 0, self._now() + self._patience()
            elif self._now() >= deadline:
                tries += 1
                self.counts["timeouts"] += 1
                if tries > TRIES:
                    self._break("the board no longer answers")
                self._resent = None
                self._again()
                deadline = self._now() + self._patience()

    def _patience(self) -> float:
        waiting = sum(len(r.line) + 2 * 4 * r.frame.count * r.reads for r in self._pending)
        return PATIENCE + 2 * 10 * waiting / self.baud

    # --- what comes ---------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> bool:
        """Deal with received bytes; whether a request was answered."""
        before, damaged = len(self._pending), self.counts["damaged"]
        for frame in self._frames(data):
            name = NAME.get(frame.code)
            if name == "FETCH":
                self._serve(frame)
            elif name == "RESEND":
                self._take_resend(frame)
            elif name in ("DATA", "DONE", "REFUSED"):
                self._take_answer(frame)
        if self._pending and self.counts["damaged"] > damaged:
            self._again_once()  # perhaps it was an answer
        return len(self._pending) < before

    def _take_answer(self, frame: Frame) -> None:
        index = next((i for i, request in enumerate(self._pending) if request.answered_by(frame)), None)
        if index is None:
            return  # answered before, and sent again all the same
        request = self._pending[index]
        self._done_before(index + 1)
        request.data = frame.data
        if frame.code == CODE["REFUSED"]:
            what = "reading" if request.reads else "writing"
            self._broken = f"the board refused {what} {frame.count} words at {frame.address:#x}"

    def _done_before(self, index: int) -> None:
        """These requests are done. Writes need no answer, and for a read that is not the last nobody waits any more."""
        for _ in range(index):
            self._pending.popleft().done = True
        if index:
            self._resent = None

    def _take_resend(self, frame: Frame) -> None:
        if frame.count:
            self._broken = "the board was reset, so its session and what was loaded are gone"
            return
        numbers = [request.frame.number for request in self._pending]
        if frame.number in numbers:
            self._done_before(numbers.index(frame.number))
            self._again_once()
        elif self._pending and frame.number == self._number:
            self._again_once()  # all was done, and an answer or more was lost

    def _again_once(self) -> None:
        """Send again; several RESENDs for one loss ask for it once."""
        number = self._pending[0].frame.number
        if self._resent != number:
            self._resent = number
            self._again()

    def _again(self) -> None:
        for request in self._pending:
            self.counts["resent"] += 1
            self._send(request.line)

    def _serve(self, frame: Frame) -> None:
        data = self.serve(frame.address, 4 * frame.count)
        self.counts["fetches" if data is not None else "refused_fetches"] += 1
        count = 0 if data is None else frame.count
        self._send(Frame(CODE["SERVE"], frame.number, count, 0, data or b"").encode())

    # --- bytes --------------------------------------------------------------------------------------------------------

    def _frames(self, data: bytes) -> list[Frame]:
        frames = []
        for body in self._splitter.feed(data):
            try:
                frames.append(Frame.parse(body))
            except FrameError:
                self.counts["damaged"] += 1
        self.counts["frames"] += len(frames)
        return frames

    def _receive(self, seconds: float) -> bytes:
        try:
            return self.transport.read(max(seconds, 0.0))
        except OSError as error:
            return self._break(f"the device is gone ({error})", error)

    def _send(self, data: bytes) -> None:
        try:
            self.transport.write(data)
        except OSError as error:
            self._break(f"the device is gone ({error})", error)

    def _break(self, why: str, cause: BaseException | None = None) -> NoReturn:
        self._broken = why
        raise self._error() from cause

    def _check(self) -> bool:
        if self._broken is not None:
            raise self._error()
        return True

    def _error(self) -> LineError:
        return LineError(
            f"{self.name}: {self._broken}; look at cable and power, then call reset(download=True) or open it again"
        )
