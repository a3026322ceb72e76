"""A board on a serial line as a device of the driver (`hwgen.runtime.device.Port`).

    Accelerator("policy.hwpkg", device=SerialPort("/dev/ttyUSB0"))

Small buffers lie in the memory on the board's chip: flush writes what changed, invalidate reads. Large ones, the load
image above all, stay on the host, and the engine reads them over the line while the driver polls; it cannot write them.
"""

from __future__ import annotations

import threading

import numpy as np

from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.errors import UsageError
from hwgen.runtime.memory import Pool, shadow
from hwgen.runtime.serial import protocol
from hwgen.runtime.serial.device import SerialTransport, find
from hwgen.runtime.serial.link import Link, Transport

BAUD = 3_000_000  # of hwgen's bitstreams
FRAME_BYTES = 4 * protocol.MAX_WORDS
GRAIN = 16  # bytes; what changed is found and sent in such pieces
_IMAGE_BYTES = 1 << 20  # the load that `timeout` allows for


class LineBuffer(np.ndarray):
    """Memory that the engine reads, on the chip or over the line. A slice is a plain view, without an address."""

    port: SerialPort | None
    physical_address: int
    freed: bool

    def __array_finalize__(self, obj: object) -> None:
        self.port, self.physical_address, self.freed = None, 0, False

    def flush(self) -> None:
        """Host to engine: what changed since the last flush or invalidate."""
        self.port._flush(self)

    def invalidate(self) -> None:
        """Engine to host."""
        self.port._invalidate(self)

    def freebuffer(self) -> None:
        """Give the memory back; a second call does nothing."""
        if self.port is not None and not self.freed:
            self.freed = True
            self.port._free(self)


class SerialPort:
    """See the module. `device`: the path of a serial device, or a Transport. Several threads may call.

    `timeout`: seconds the driver waits by default, for a load over the line. Raises NoEngineError where no board
    answers, UsageError without pyserial.
    """

    page = 64  # bytes to which buffers are rounded: over a line each one counts

    def __init__(self, device: str | Transport, baud: int = BAUD, *, clock: Clock = SYSTEM) -> None:
        self.device, self.baud, self._clock = device, baud, clock
        self.name = f"serial device {device}" if isinstance(device, str) else getattr(device, "name", "serial line")
        self.timeout = 5.0 + 11 * _IMAGE_BYTES / baud
        self._lock = threading.RLock()
        self._buffers: dict[int, LineBuffer] = {}
        self._transport: Transport | None = None
        self._connect()
        memory = self.identity.memory
        self._chip = Pool(protocol.MEMORY_BASE, memory, self.page, "the memory on the board's chip")
        self._host = Pool(protocol.HOST_BASE, protocol.HOST_BYTES, protocol.BURST_BYTES, "the host's window")
        self._small = protocol.largest_on_chip(memory)

    def _connect(self) -> None:
        self._transport = SerialTransport(self.device, self.baud) if isinstance(self.device, str) else self.device
        self._link = Link(self._transport, self.name, self.baud, self._serve, self._clock)
        try:
            self.identity = self._link.sync()
        except BaseException:
            self.close()
            raise

    # --- the driver's protocol ----------------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        """One register of the engine."""
        with self._lock:
            return int.from_bytes(self._link.read(protocol.ENGINE_BASE + offset, 1), "little")

    def write(self, offset: int, value: int) -> None:
        """Write one register; an error of the line is raised by a later call."""
        with self._lock:
            self._link.write(protocol.ENGINE_BASE + offset, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def allocate(self, nbytes: int) -> LineBuffer:
        """A uint8 buffer [nbytes], small ones on the chip. Raises MemoryError."""
        with self._lock:
            pool = self._chip if nbytes <= self._small else self._host
            address = pool.take(nbytes)
            size = -(-nbytes // GRAIN) * GRAIN
            memory = shadow(size)
            buffer = memory[:nbytes].view(LineBuffer)
            buffer.port, buffer.physical_address, buffer._pool, buffer._memory = self, address, pool, memory
            buffer._known = None if pool is self._chip else np.zeros(size, np.uint8)  # what the engine sees
            self._buffers[address] = buffer
            return buffer

    def download(self) -> None:
        """After a failure: open the device again, begin a new session, write all buffers again. Loads no bitstream."""
        with self._lock:
            self.close()
            self._connect()
            for buffer in self._buffers.values():
                if buffer._pool is self._chip:
                    buffer._known = None
                    self._flush(buffer)

    # --- beyond it ----------------------------------------------------------------------------------------------------

    def line_stats(self) -> dict[str, int]:
        """Frames and losses, of this end and (`board_...`) of the board's, which counts since its reset."""
        with self._lock:
            first = protocol.IDENTITY_WORDS
            data = self._link.read(protocol.BRIDGE_BASE + 4 * first, len(protocol.BRIDGE) - first)
            words = np.frombuffer(data, "<u4").tolist()
            board = {f"board_{name.lower()}": v for (name, _), v in zip(protocol.BRIDGE[first:], words, strict=True)}
            return {**self._link.counts, **board}

    def close(self) -> None:
        """Give the device back."""
        with self._lock:
            transport, self._transport = self._transport, None
            if isinstance(self.device, str) and transport is not None:
                transport.close()

    def __enter__(self) -> SerialPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- buffers ------------------------------------------------------------------------------------------------------

    def _flush(self, buffer: LineBuffer) -> None:
        with self._lock:
            memory, known = buffer._memory, buffer._known
            if buffer._pool is self._host:
                known[:] = memory
                return
            buffer._known = None  # while in doubt
            for start, stop in _changed(memory, known):
                for at in range(start, stop, FRAME_BYTES):
                    piece = memory[at : min(at + FRAME_BYTES, stop)]
                    self._link.write(buffer.physical_address + at, piece.tobytes())
            buffer._known = memory.copy()

    def _invalidate(self, buffer: LineBuffer) -> None:
        with self._lock:
            memory = buffer._memory
            if buffer._pool is self._host:
                memory[:] = buffer._known
                return
            buffer._known = None
            for at in range(0, len(memory), FRAME_BYTES):
                words = (min(at + FRAME_BYTES, len(memory)) - at) // 4
                data = self._link.read(buffer.physical_address + at, words)
                memory[at : at + len(data)] = np.frombuffer(data, np.uint8)
            buffer._known = memory.copy()

    def _free(self, buffer: LineBuffer) -> None:
        with self._lock:
            del self._buffers[buffer.physical_address]
            buffer._pool.give_back(buffer.physical_address)

    def _serve(self, address: int, nbytes: int) -> bytes | None:
        """Bytes of the host's window as last flushed; a burst may end behind the buffer, but not begin there."""
        for start, buffer in self._buffers.items():
            if buffer._pool is self._host and start <= address < start + len(buffer._known):
                data = buffer._known[address - start : address - start + nbytes].tobytes()
                return data + bytes(nbytes - len(data))
        return None


def open_serial(text: str) -> SerialPort:
    """The board at `DEVICE`, `DEVICE@BAUD` or `auto` (the only FT231X). Raises NoEngineError, UsageError."""
    device, _, rate = text.partition("@")
    if rate and not rate.isdecimal():
        raise UsageError(f"serial device {text}: {rate!r} is no baud; write DEVICE@BAUD, such as /dev/ttyUSB0@{BAUD}")
    return SerialPort(find() if device in ("", "auto") else device, int(rate) if rate else BAUD)


def _changed(memory: np.ndarray, known: np.ndarray | None) -> list[tuple[int, int]]:
    """Pieces [start, stop) that differ, whole grains; a gap of one grain is not worth a frame of its own."""
    if known is None:
        return [(0, len(memory))]
    wide = (memory.view(np.uint64) != known.view(np.uint64)).reshape(-1, GRAIN // 8)
    grains = np.flatnonzero(wide.any(axis=1))
    if not len(grains):
        return []
    splits = np.flatnonzero(np.diff(grains) > 2) + 1
    starts, ends = grains[np.r_[0, splits]], grains[np.r_[splits - 1, len(grains) - 1]]
    return [(int(a) * GRAIN, (int(b) + 1) * GRAIN) for a, b in zip(starts, ends, strict=True)]
