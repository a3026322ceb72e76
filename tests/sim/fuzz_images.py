"""Load images that were altered, and the judgement of docs/abi.md on any image in memory."""

from __future__ import annotations

import struct

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.simlib import SimLib
from tests.sim.designs import Small, sections

Rng = np.random.Generator


def depths(engine: dict) -> dict[int, tuple[int, int]]:
    """Target -> (words, beats of a word), of an engine's parameters (docs/abi.md)."""
    n, m, ww, lanes = engine["n"], engine["m"], engine["ww"], max(engine["n"], engine["m"], 16)
    out = {
        "WEIGHT": (engine["weight_depth"], -(-n * m * ww // 128)), "PARAM": (engine["param_depth"], m),
        "TABLE": (engine["slots"], 16), "ROW_PARAM": (engine["row_param_depth"], lanes),
        "SOFTMAX_TABLE": (engine["softmax_slots"], 256),
    }  # fmt: skip
    rows = engine["row_param_depth"] + engine["softmax_slots"]
    there = {"ROW": rows, "VEC": engine["vec_param_depth"], "STREAM": engine.get("stream_ports", 0)}
    for unit, fields in abi.INSTRUCTIONS.items():
        words = engine["prog_depth" if unit == "MM" else "unit_prog_depth"]
        out[f"PROG_{unit}"] = words if there.get(unit, 1) else 0, abi.beats(fields)
    return {abi.TARGETS[name]: value for name, value in out.items()}


def judge(sim: SimLib, at: int, beats: int, engine: dict, code: int) -> dict[str, int | None]:
    """How LOAD of `beats` beats at an address may end, by the text of docs/abi.md; ERROR_INFO where it is certain."""
    known = depths(engine)
    inside = sim.base <= at and at + 16 * beats <= sim.base + sim.size
    also = {} if inside else {"AXI_READ": None}  # the bus may run into the end of the memory first

    def beat(i: int) -> bytes | None:
        address = at + 16 * i
        if not sim.base <= address <= sim.base + sim.size - 16:
            return None
        return sim.view(address, 16).tobytes()

    def bad(i: int, name: str = "BAD_IMAGE") -> dict[str, int | None]:
        return {name: i} | also

    if beats == 0:
        return {"BAD_IMAGE": 0}
    head = beat(0)
    if head is None:
        return {"AXI_READ": None}
    magic, version, design = struct.unpack("<IIQ", head)
    if magic != abi.IMAGE_MAGIC or version != abi.ABI_VERSION or beats == 1:
        return bad(0)
    if design != code:
        return bad(0, "HASH")
    i = 1
    while True:
        if i >= beats:
            return bad(beats - 1)
        head = beat(i)
        if head is None:
            return {"AXI_READ": None}
        fields = abi.unpack(abi.SECTION_HEADER, head)
        end, last = fields["target"] == abi.TARGETS["END"], i == beats - 1
        depth, size = known.get(fields["target"], (-1, 0))
        if fields["magic"] != abi.SECTION_MAGIC or end != last or not end and fields["first"] + fields["words"] > depth:
            return bad(i)
        if end:
            return {"DONE": None} | also
        i += 1 + fields["words"] * size
        if i >= beats:  # its words reach the last beat, which only END may be
            return bad(beats - 1) if beat(beats - 1) is not None else {"AXI_READ": None}


def altered(small: Small, engine: dict, rng: Rng) -> bytes:
    """An image with other header fields, sections, words or instructions; sometimes the good one; sometimes noise."""
    image, parts = bytearray(small.image), sections(small)
    targets = list(parts)
    what = rng.integers(10)
    if what == 0:
        image[:16] = header(rng, bytes(image[:16]))
    elif what in (1, 2):
        at, _ = parts[targets[rng.integers(len(targets))]]
        image[at : at + 16] = section(rng, bytes(image[at : at + 16]), depths(engine))
    elif what == 3:
        heads = [at + 16 for at, _ in parts.values()]  # behind a section's header, or anywhere
        cut = int(rng.choice([16 * int(rng.integers(1, len(image) // 16 + 1)), heads[rng.integers(len(heads))]]))
        image = image[:cut] if rng.integers(2) else image + image[-16:] * int(rng.integers(1, 4))
    elif what == 4:
        at, size = parts[targets[rng.integers(len(targets))]]
        block = bytes(image[at : at + 16 + size])
        place = [at, 16, len(image) - 16][rng.integers(3)]
        image = image[:place] + block + image[place:] if rng.integers(2) else image[:at] + image[at + len(block) :]
    elif what in (5, 6, 7):
        for _ in range(rng.integers(1, 4)):
            instruction(image, parts, rng)
    elif what == 8:
        for at in rng.integers(16, len(image), rng.integers(1, 30)):
            image[at] = rng.integers(256)
    elif rng.integers(2):
        image = bytearray(rng.bytes(16 * int(rng.integers(1, 40))))
    return bytes(image)


def header(rng: Rng, old: bytes) -> bytes:
    """One bit of it."""
    value = int.from_bytes(old, "little") ^ 1 << int(rng.choice([64, rng.integers(128)]))
    return value.to_bytes(16, "little")


def section(rng: Rng, old: bytes, known: dict[int, tuple[int, int]]) -> bytes:
    """Another field; or the last place in the memory where the words have room, or one behind it."""
    fields = abi.unpack(abi.SECTION_HEADER, old)
    depth, _ = known.get(fields["target"], (0, 0))
    if rng.integers(2):
        fields["first"] = depth - fields["words"] + int(rng.integers(2))
    else:
        name = str(rng.choice(list(fields)))
        near, other = fields[name] + int(rng.choice([-1, 1])), int(rng.choice(list(known)))
        fields[name] = int(rng.choice([0, 1, 255, -1, near, near, other, int(rng.integers(1 << 16))]))
    value = sum((fields[key] & ((1 << size) - 1)) << lsb for key, lsb, size in abi.SECTION_HEADER)
    return value.to_bytes(16, "little")


def instruction(image: bytearray, parts: dict[int, tuple[int, int]], rng: Rng) -> None:
    """One field of one instruction."""
    units = [unit for unit in abi.INSTRUCTIONS if abi.TARGETS[f"PROG_{unit}"] in parts]
    unit = units[rng.integers(len(units))]
    fields = abi.INSTRUCTIONS[unit]
    at, size = parts[abi.TARGETS[f"PROG_{unit}"]]
    step = 16 * abi.beats(fields)
    start = at + 16 + step * int(rng.integers(size // step))
    _, lsb, width = fields[rng.integers(len(fields))]
    value, mask = int.from_bytes(image[start : start + step], "little"), (1 << width) - 1
    old = value >> lsb & mask
    new = [0, mask, old + 1, old - 1, old ^ 1 << int(rng.integers(width)), int(rng.integers(1 << min(width, 62)))]
    value = value & ~(mask << lsb) | (new[rng.integers(len(new))] & mask) << lsb
    image[start : start + step] = value.to_bytes(step, "little")
