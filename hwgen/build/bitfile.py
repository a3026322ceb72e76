"""What the header of a bitstream file tells: the part it was made for, and the tool."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hwgen.boards import Board
from hwgen.errors import InputError

_AMD_START = bytes.fromhex("00090ff00ff00ff00ff0000001")
_ECP5_START, _ECP5_PREAMBLE = b"\xff\x00", b"\xff\xff\xbd\xb3"
_HEADER = 4096  # bytes in which a header ends


@dataclass(frozen=True)
class Header:
    """kind: "pynq" (an AMD .bit) or "ecp5". part: as the file spells it. tool: empty where the file does not say."""

    kind: str
    part: str
    tool: str


def check(file: Path, data: bytes, board: Board) -> Header:
    """The header of a bitstream that is for the board. Raises InputError."""
    header = _ecp5(data) if board.family == "ecp5" else _amd(data)
    if header is None:
        what = "of an ECP5 (ecppack writes one)" if board.family == "ecp5" else "that Vivado writes (.bit, not .bin)"
        raise InputError(f"{file} is no bitstream {what}: board {board.name} needs one")
    if not _same_part(header.part, board.part):
        raise InputError(f"{file} is a bitstream for the part {header.part}; {board.name} has {board.part}")
    return header


def _amd(data: bytes) -> Header | None:
    """Fields a (design;UserID=..;Version=2022.2), b (part), c, d, each with its length, two bytes."""
    if not data.startswith(_AMD_START):
        return None
    at, fields = len(_AMD_START), {}
    for key in b"abcd":
        if data[at : at + 1] != bytes([key]):
            return None
        length = int.from_bytes(data[at + 1 : at + 3], "big")
        fields[chr(key)] = data[at + 3 : at + 3 + length].rstrip(b"\0").decode("latin-1")
        at += 3 + length
    version = re.search(r"Version=([\w.]{1,20})", fields["a"])
    return Header("pynq", fields["b"], f"Vivado {version[1]}" if version else "Vivado")


def _ecp5(data: bytes) -> Header | None:
    """Comments, each closed by a zero, then the preamble; one comment is "Part: LFE5U-85F-6CABGA381"."""
    head = data[:_HEADER]
    if not head.startswith(_ECP5_START) or _ECP5_PREAMBLE not in head:
        return None
    part = re.search(rb"Part: ([\w-]{1,40})", head)
    return Header("ecp5", part[1].decode(), "ecppack") if part else None


def _same_part(found: str, wanted: str) -> bool:
    """Whether the die agrees; packages and grades are spelt in several ways."""

    def die(part: str) -> str:
        part = part.lower()
        if part.startswith("lfe5"):
            return "-".join(part.split("-")[:2])
        return re.split(r"[-_]|clg|ffvc|sbva|sfvc", part)[0]

    return die(found) == die(wanted)
