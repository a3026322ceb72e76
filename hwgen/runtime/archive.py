"""Zip archives in one canonical form: written so that equal members give equal bytes, read without any trust.

Reading accepts what `zip_bytes` writes and nothing else of the format: members one after the other, then the central
directory, then the end; deflate, no encryption, no extra field, no comment, no zip64, not a byte before, between or
behind. Only the way in which deflate encoded a member is free. So there is one way to understand an archive, and what
other tools show of it is what is read here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
END_BYTES = _END.size
_VERSION, _UNIX = 20, 3 << 8
_UTF8, _DEFLATE = 0x800, 8
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00
_MODE = 0o100644 << 16
_MAX_MEMBERS, _MAX_NAME = 4096, 1000


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """The archive of these members in this order. Raises ValueError beyond what a plain zip holds (4 GiB, 4096)."""
    body, central, size = [], [], 0
    for name, data in members.items():
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(data) + packer.flush()
        facts = (name, zlib.crc32(data), len(packed), len(data))
        if len(name.encode()) > _MAX_NAME or max(len(packed), len(data), size) >= 1 << 32:
            raise ValueError(f"member {name!r:.100} is too large for a zip file")
        central.append(_central(*facts, size))
        body += [_local(*facts), packed]
        size += len(body[-2]) + len(packed)
    directory = b"".join(central)
    if len(members) > _MAX_MEMBERS or size + len(directory) >= 1 << 32:
        raise ValueError(f"{len(members)} members of {size} bytes are too many for a zip file")
    return b"".join([*body, directory, _end(len(members), len(directory), size)])


def zip_members(data: bytes, limits: Mapping[str, int] | int) -> dict[str, bytes]:
    """The members of an archive held in memory, in order, each inflated to its limit in bytes and no further.

    `limits`: one for each member that may occur, or one for the total of all. Raises ValueError saying what is wrong.
    Nothing is written to disk, so a name cannot escape; a name outside `limits` is refused all the same.
    """
    out: dict[str, bytes] = {}
    at = total = 0
    for name, crc, packed, size in _directory(data):
        if isinstance(limits, Mapping) and name not in limits:
            raise ValueError(f"member {name!r:.100} does not belong here")
        if name in out:
            raise ValueError(f"member {name!r:.100} occurs twice")
        limit = limits[name] if isinstance(limits, Mapping) else limits - total
        if size > limit:
            raise ValueError(f"member {name!r:.100} is larger than the {limit} bytes allowed")
        at += len(_local(name, crc, packed, size))
        out[name] = _inflate(name, data[at : at + packed], crc, size)
        at, total = at + packed, total + size
    return out


def first_name(data: bytes) -> str:
    """What the first member of an archive calls itself; nothing is checked."""
    length = int.from_bytes(data[_LOCAL.size - 4 : _LOCAL.size - 2], "little")
    return data[_LOCAL.size : _LOCAL.size + min(length, _MAX_NAME)].decode("utf-8", "replace")


def looks_whole(tail: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that ends with `tail` can be an archive: a look before all of it is read."""
    if len(tail) < _END.size:
        return False
    _, _, _, _, count, length, start, _ = _END.unpack(tail[-_END.size :])
    return tail[-_END.size :] == _end(count, length, start) and start + length + _END.size == size


def _directory(data: bytes) -> list[tuple[str, int, int, int]]:
    """(name, crc, packed size, size) of every member, once all headers are where and what they have to be."""
    if not looks_whole(data[-END_BYTES:], len(data)):
        raise ValueError("it does not close with the end record of a plain zip file")
    _, _, _, _, count, length, start, _ = _END.unpack(data[-END_BYTES:])
    if count > _MAX_MEMBERS:
        raise ValueError(f"{count} members, at most {_MAX_MEMBERS} are allowed")
    members, at, where = [], 0, start
    for _ in range(count):
        head = data[where : min(where + _CENTRAL.size, start + length)]
        if len(head) < _CENTRAL.size:
            raise ValueError("its directory ends too early")
        fields = _CENTRAL.unpack(head)
        crc, packed, size, name_length = fields[7:11]
        name = _name(data[where + _CENTRAL.size : where + _CENTRAL.size + name_length])
        central, local = _central(name, crc, packed, size, at), _local(name, crc, packed, size)
        if data[where : where + len(central)] != central or data[at : at + len(local)] != local:
            raise ValueError(f"the headers of member {name!r:.100} are damaged, or not as hwgen writes them")
        members.append((name, crc, packed, size))
        at, where = at + len(local) + packed, where + len(central)
    if at != start or where != start + length:
        raise ValueError("its members and its directory are not where they should be")
    return members


def _inflate(name: str, packed: bytes, crc: int, size: int) -> bytes:
    stream = zlib.decompressobj(-15)
    try:
        data = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"member {name!r:.100} cannot be inflated ({error})") from None
    if len(data) != size or not stream.eof or stream.unused_data or stream.unconsumed_tail:
        raise ValueError(f"member {name!r:.100} is shorter or longer than it says")
    if zlib.crc32(data) != crc:
        raise ValueError(f"member {name!r:.100} is damaged: its CRC differs")
    return data


def _name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"a member's name {raw!r:.100} is not UTF-8") from None
    if not 0 < len(raw) <= _MAX_NAME:
        raise ValueError(f"a member's name has {len(raw)} bytes, 1 to {_MAX_NAME} are allowed")
    return name


def _flags(name: str) -> int:
    return 0 if name.isascii() else _UTF8


def _local(name: str, crc: int, packed: int, size: int) -> bytes:
    raw = name.encode()
    head = (_VERSION, _flags(name), _DEFLATE, _TIME, _DATE, crc, packed, size, len(raw), 0)
    return _LOCAL.pack(b"PK\x03\x04", *head) + raw


def _central(name: str, crc: int, packed: int, size: int, offset: int) -> bytes:
    raw = name.encode()
    head = (_UNIX | _VERSION, _VERSION, _flags(name), _DEFLATE, _TIME, _DATE, crc, packed, size, len(raw))
    return _CENTRAL.pack(b"PK\x01\x02", *head, 0, 0, 0, 0, _MODE, offset) + raw


def _end(count: int, length: int, start: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, length, start, 0)
