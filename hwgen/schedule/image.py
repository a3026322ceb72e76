"""Program -> load image: what the engine reads from DDR at LOAD (format: docs/abi.md)."""

from __future__ import annotations

import numpy as np

from hwgen.runtime import abi
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.instructions import Nop, Program

WORDS = 1024  # packed at once, for bits are bytes meanwhile


def image(program: Program, config: EngineConfig, design_hash: int) -> bytes:
    """The whole image, a multiple of 16 bytes."""
    out = [abi.pack(abi.IMAGE_HEADER, magic=abi.IMAGE_MAGIC, abi=abi.ABI_VERSION, hash=design_hash)]
    out += _section("WEIGHT", len(program.weights), pack_weights(program.weights, config))
    out += _section("PARAM", len(program.params), pack_params(program.params))
    out += _section("TABLE", len(program.tables), b"".join(program.tables))
    out += _section("ROW_PARAM", len(program.row_params), pack_params(program.row_params))
    out += _section("SOFTMAX_TABLE", len(program.softmax_tables), pack_exponentials(program.softmax_tables))
    out += _section("VEC_PARAM", len(program.vec_params), pack_params(program.vec_params))
    there = {"ROW": config.has_rows, "VEC": config.vec_param_depth, "STREAM": config.stream_ports}
    for unit in abi.INSTRUCTIONS:
        if not there.get(unit, True):
            continue
        code = getattr(program, unit.lower())
        words = [_encode(ins, unit, i == len(code) - 1) for i, ins in enumerate(code)]
        words = words or [_encode(Nop(), unit, True)]  # a unit without work still has to say that it is done
        out += _section(f"PROG_{unit}", len(words), b"".join(words))
    out += _section("END", 0, b"", always=True)
    return b"".join(out)


def _encode(instruction, unit: str, last: bool) -> bytes:
    if isinstance(instruction, Nop):
        return instruction.encode(last, abi.INSTRUCTIONS[unit])
    return instruction.encode(last)


def _section(target: str, words: int, data: bytes, always: bool = False) -> list[bytes]:
    if not words and not always:
        return []
    return [
        abi.pack(abi.SECTION_HEADER, magic=abi.SECTION_MAGIC, target=abi.TARGETS[target], first=0, words=words),
        data,
    ]


def pack_weights(words: list[np.ndarray], config: EngineConfig) -> bytes:
    """Weight words [M*N] int8 -> ww bits each, least significant first, padded to whole beats."""
    return b"".join(_packed(words[at : at + WORDS], config) for at in range(0, len(words), WORDS))


def _packed(words: list[np.ndarray], config: EngineConfig) -> bytes:
    values = np.stack(words).astype(np.uint8)
    if config.ww == 8 and values.shape[1] == config.weight_beats * abi.BEAT_BYTES:
        return values.tobytes()
    bits = np.unpackbits(values[:, :, None], axis=2, bitorder="little")[:, :, : config.ww].reshape(len(words), -1)
    bits = np.pad(bits, ((0, 0), (0, config.weight_beats * 128 - bits.shape[1])))
    return np.packbits(bits, axis=1, bitorder="little").tobytes()


def pack_params(words: list[np.ndarray]) -> bytes:
    """Parameter words [channels, 4] (mult, shift, bias, rmult) -> one beat a channel."""
    if not words:
        return b""
    mult, shift, bias, rmult = np.concatenate(words).astype(np.int64).T
    low = (mult & 0x3FFFF) | (shift & 0x3F) << 18 | (bias & 0xFFFFFFFFFF) << 24  # 18 + 6 + the first 40 bits of 48
    high = (bias >> 40) & 0xFF | (rmult & 0x7FFFFFF) << 8
    return np.stack([low, high], axis=1).astype("<i8").tobytes()


def pack_exponentials(tables: list[np.ndarray]) -> bytes:
    """Softmax tables of 256 integers of 24 bits -> one beat an entry."""
    if not tables:
        return b""
    entries = np.concatenate(tables).astype("<i8")
    return np.stack([entries, np.zeros_like(entries)], axis=1).tobytes()
