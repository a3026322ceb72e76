"""The serial line's protocol: one table, which the SystemVerilog package, the host and docs/serial.md share.

A frame is END, its words (32 bits, little endian), END. The words: a head (opcode, number, count), an address, data,
and the CRC-32 of all before it. In between, a byte that equals END or ESC goes as ESC and the byte with bit 5 turned.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

VERSION = 1
MAGIC = 0x4C534748  # "HGSL"

END, ESC, TURN = 0x7E, 0x7D, 0x20
MAX_WORDS = 256  # data words of a frame
FIFO_BYTES = 2048  # what the board keeps of requests that it has not come to yet
CRC_RESIDUE = 0xDEBB20E3  # of the CRC register (not inverted) over a whole good frame

# opcode: (code, who sends it, number, count, address, data, meaning)
OPCODES = {
    "SYNC": (0x01, "host", "any", "0", "0", "none", "begin a session: the next request has this number plus one"),
    "READ": (0x02, "host", "request", "words", "first", "none", "read words; one word at a time from the engine"),
    "WRITE": (0x03, "host", "request", "words", "first", "words", "write words; one word at a time to the engine"),
    "SERVE": (0x04, "host", "tag", "words", "0", "words", "the words that FETCH asked for; none: there are none"),
    "SYNCED": (0x81, "board", "of SYNC", "words", "0", "identity", "answer to SYNC: the first words of the bridge"),
    "DATA": (0x82, "board", "of READ", "words", "first", "words", "answer to READ"),
    "DONE": (0x83, "board", "of WRITE", "words", "first", "none", "answer to WRITE"),
    "FETCH": (0x84, "board", "tag", "words", "first", "none", "the engine reads words of the host's window"),
    "RESEND": (0x85, "board", "expected", "0, 1", "0", "none", "a frame was damaged or lost: send again from "
               "`expected` on; count 1: there is no session, send SYNC"),
    "REFUSED": (0x86, "board", "of it", "count", "first", "none", "the request cannot be: opcode, count or address"),
}  # fmt: skip
CODE = {name: row[0] for name, row in OPCODES.items()}
NAME = {code: name for name, code in CODE.items()}

# Addresses, in bytes. The engine's own reads and writes meet the memory and the host's window only.
BRIDGE_BASE = 0x0000_0000
ENGINE_BASE, ENGINE_BYTES = 0x1000_0000, 0x1000
MEMORY_BASE = 0x4000_0000
HOST_BASE, HOST_BYTES = 0x8000_0000, 0x8000_0000
BURST_BYTES = 1024  # a burst into the host's window stays inside one block of this size
ON_CHIP_SHARE = 4  # a buffer larger than this part of the memory on the chip stays on the host

# Words of the bridge: (name, meaning). SYNCED carries the first IDENTITY_WORDS.
BRIDGE = (
    ("MAGIC", 'constant, "HGSL"'),
    ("VERSION", "of this protocol"),
    ("MEMORY", "bytes of memory on the chip that the host may use"),
    ("CLOCK", "of the engine, in Hz"),
    ("FRAMES", "good frames received"),
    ("DAMAGED", "frames with a wrong CRC, length or stop bit"),
    ("LOST", "bytes that found the receive buffer full"),
    ("REPEATED", "FETCH frames sent again"),
    ("GIVEN_UP", "times that the host did not serve in time"),
)
IDENTITY_WORDS = 4


def largest_on_chip(memory: int) -> int:
    """Bytes of the largest buffer in so many bytes of memory on the chip: the engine can write no larger one."""
    return memory // ON_CHIP_SHARE


class FrameError(ValueError):
    """Bytes that are no frame of this protocol."""


@dataclass(frozen=True)
class Frame:
    """A frame's content. `data`: whole words, as bytes."""

    code: int
    number: int
    count: int
    address: int
    data: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the line, both ENDs included."""
        words = struct.pack("<BBHI", self.code, self.number, self.count, self.address) + self.data
        return stuff(words + struct.pack("<I", zlib.crc32(words)))

    @classmethod
    def parse(cls, body: bytes) -> Frame:
        """The frame in the unstuffed bytes between two ENDs. Raises FrameError."""
        if len(body) % 4 or not 12 <= len(body) <= 4 * (MAX_WORDS + 3):
            raise FrameError(f"{len(body)} bytes are no frame")
        if zlib.crc32(body[:-4]) != struct.unpack("<I", body[-4:])[0]:
            raise FrameError("the CRC is wrong")
        return cls(*struct.unpack("<BBHI", body[:8]), body[8:-4])


def stuff(body: bytes) -> bytes:
    """END, the body with END and ESC escaped, END."""
    for byte in (ESC, END):  # ESC first: escapes hold one themselves
        body = body.replace(bytes([byte]), bytes([ESC, byte ^ TURN]))
    return bytes([END]) + body + bytes([END])


class Splitter:
    """Bytes of the line, in pieces of any size, into the unstuffed bodies between ENDs. What cannot be a frame is
    counted in `noise` and left out; memory is bounded.
    """

    def __init__(self) -> None:
        self._body, self._escaped, self.noise = bytearray(), False, 0

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that ended within `data`."""
        bodies = []
        for byte in data:
            if byte == END:
                if self._body and not self._escaped:
                    bodies.append(bytes(self._body))
                self._body, self._escaped = bytearray(), False
            elif byte == ESC:
                self._escaped = True
            elif len(self._body) > 4 * (MAX_WORDS + 3):
                self.noise += 1
            else:
                self._body.append(byte ^ TURN if self._escaped else byte)
                self._escaped = False
        return bodies
