"""The load image taken apart by the tables of `abi`: sections, words, fields, and the steps of a loop nest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwgen.runtime import abi
from hwgen.schedule import EngineConfig

SIGNED = ("lo", "hi", "mult", "bias", "rmult", "y", "x", "at")  # fields that are two's complement; steps simply wrap


def words(image: bytes, config: EngineConfig) -> dict[str, list[bytes]]:
    """The words of each memory, by target; checks magic numbers, lengths and the END section."""
    beats = {
        "WEIGHT": config.weight_beats, "PARAM": config.m, "TABLE": 16, "ROW_PARAM": config.v, "SOFTMAX_TABLE": 256,
        "VEC_PARAM": config.v,
        **{f"PROG_{unit}": abi.beats(fields) for unit, fields in abi.INSTRUCTIONS.items()}, "END": 0,
    }  # fmt: skip
    names = {code: name for name, code in abi.TARGETS.items()}
    head, at = abi.unpack(abi.IMAGE_HEADER, image[:16]), 16
    assert (head["magic"], head["abi"]) == (abi.IMAGE_MAGIC, abi.ABI_VERSION)
    out: dict[str, list[bytes]] = {name: [] for name in beats}
    while True:
        section = abi.unpack(abi.SECTION_HEADER, image[at : at + 16])
        at += 16
        assert section["magic"] == abi.SECTION_MAGIC
        name = names[section["target"]]
        assert section["first"] == len(out[name])
        if name == "END":
            assert at == len(image) and section["words"] == 0
            return out
        size = beats[name] * 16
        out[name] += [image[at + k * size : at + (k + 1) * size] for k in range(section["words"])]
        at += size * section["words"]


def fields(table, word: bytes) -> dict[str, int]:
    """The fields of a word, two's complement where they are."""
    out = abi.unpack(table, word)
    for name, _, size in table:
        if name in SIGNED and not (table is abi.ROW and name == "mult"):  # softmax's is positive
            out[name] -= (out[name] >> (size - 1)) << size
    return out


def lane_word(word: bytes) -> dict[str, np.ndarray]:
    """Parameters of a word's channels as arrays."""
    rows = [fields(abi.PARAM, word[i : i + 16]) for i in range(0, len(word), 16)]
    return {name: np.array([row[name] for row in rows], np.int64) for name, _, _ in abi.PARAM}


def weight_word(word: bytes, config: EngineConfig) -> np.ndarray:
    """Weights [m, n] of a word."""
    bits = np.unpackbits(np.frombuffer(word, np.uint8), bitorder="little")[: config.n * config.m * config.ww]
    value = (bits.reshape(-1, config.ww).astype(np.int64) << np.arange(config.ww)).sum(1)
    return (value - ((value >> (config.ww - 1)) << config.ww)).reshape(config.m, config.n)


def steps(ins: dict[str, int]) -> Iterator[dict[str, int]]:
    """The steps of a matrix instruction: addresses, need, whether a group begins or ends, whether it reads padding."""
    levels = range(abi.LEVELS)
    counter = [0] * abi.LEVELS
    size = dict.fromkeys("awor", abi.ADDR_BITS) | {
        "p": abi.PADDR_BITS,
        "need": abi.NEED_BITS,
        "y": abi.COORD_BITS,
        "x": abi.COORD_BITS,
    }
    at = {name: ins.get(name, 0) for name in size}
    while True:
        reduction = [level for level in levels if ins["red_mask"] >> level & 1]
        first = all(counter[level] == 0 for level in reduction)
        last = all(counter[level] == ins[f"count{level}"] for level in reduction)
        inside = all(_signed(at[c], abi.COORD_BITS) in range(ins[f"{c}_last"] + 1) for c in "yx")
        shown = at | {"need": _signed(at["need"], abi.NEED_BITS)}
        yield shown | {"first": first, "last": last, "pad": not inside}
        moving = next((level for level in levels if counter[level] != ins[f"count{level}"]), None)
        if moving is None:
            return
        counter = [0] * moving + [counter[moving] + 1] + counter[moving + 1 :]
        for name, bits in size.items():
            at[name] = (at[name] + ins.get(f"{name}_step{moving}", 0)) % (1 << bits)


def _signed(value: int, bits: int) -> int:
    value %= 1 << bits
    return value - ((value >> (bits - 1)) << bits)
