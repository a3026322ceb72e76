"""Weights that stay in DDR: which ones, where they pass through the weight memory, and when they are brought.

The words of a streamed matrix operation come as one block into a ring behind the resident words, as far ahead of the
array as the ring has room: a block's instruction waits until the array has written the results of those whose place it
takes, and the array waits for the block. A block that still lies in the ring when the array needs it again, is not
brought again.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

import numpy as np

from hwgen.errors import FitError
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.instructions import MM, Fetch, Gate, Nop, Program
from hwgen.schedule.resident import LEAST_BEATS, Area, Block, Ring, Use, chosen

BLOCKS = 2  # of the largest, for which the ring has room: one that is read and one that comes


def stream(program: Program, config: EngineConfig, gaps: list[int] | None = None, stay: Container[str] = ()) -> Program:
    """The same program for an engine whose `weight_depth` words do not hold all weights: `streamed` has the words that
    stay in DDR, `stream` brings them. Those stay there that leave the array the fewest clocks to wait.

    gaps: clocks that the array waits before each of its operations that read weights, were all resident. stay: names of
    operations whose weights do. Raises FitError when even so the weights do not fit. Expects weight_depth and
    stream_ports of `config`.
    """
    areas, uses = _areas(program, gaps)
    kept = {use.area.first for ins, use in zip(_reads(program), uses, strict=True) if ins.name in stay}
    could = [a for a in areas if a.smallest * config.stream_beats >= LEAST_BEATS and a.first not in kept]
    fixed = sum(area.words for area in areas if area not in could)
    largest = max((area.largest for area in could), default=0)
    if sum(area.words for area in areas) > config.weight_depth and fixed + BLOCKS * largest > config.weight_depth:
        raise FitError(
            f"the weight memory has {config.weight_depth} words; with all that can stay in DDR the graph needs "
            f"{fixed} and a ring of {BLOCKS * largest}: use a larger --array, or a board with more memory"
        )
    words: list[np.ndarray] = []
    staying = chosen(areas, uses, could, config, BLOCKS)
    for area in areas:
        if area.first in staying:
            area.moved = len(words)
            words += program.weights[area.first : area.end]
    return _Streamed(program, config, uses, words).run()


def pack(program: Program, config: EngineConfig, packed: bytes) -> bytes:
    """The stream buffer of words that `image.pack_weights` packed: a region for each port, its columns of all words.
    Columns beyond a word's last beat are zeros."""
    count, mine = len(program.streamed), config.stream_beats
    words = np.zeros((count, config.stream_ports * mine, BEAT_BYTES), np.uint8)
    words[:, : config.weight_beats] = np.frombuffer(packed, np.uint8).reshape(count, config.weight_beats, BEAT_BYTES)
    return words.reshape(count, config.stream_ports, -1).transpose(1, 0, 2).tobytes()


class _Streamed:
    """The program with its weights moved: to the resident words, or to where a block lies in the ring."""

    def __init__(self, program: Program, config: EngineConfig, uses: list[Use], words: list[np.ndarray]):
        self.program, self.config, self.uses = program, config, iter(uses)
        self.base = len(words)
        self.ring = Ring(config.weight_depth - len(words))
        self.out = replace(program, mm=[], stream=[], weights=words, streamed=[])
        self.offsets: dict[Block, int] = {}  # where in the buffer's words each block lies
        self.there: dict[Block, int] = {}  # words brought up to each block's last
        self.octets = self.brought = self.waited = 0

    def run(self) -> Program:
        for ins in self.program.mm:
            block = None
            if isinstance(ins, MM) and ins.w_bank == "WEIGHTS":
                block, ins = self._moved(ins, next(self.uses))
            self.out.mm.append(ins)
            if isinstance(ins, MM):
                self.octets += int(ins.ends().sum()) * self.config.m // 8
            if block is not None:
                self.ring.used(block, self.octets)
        for fetch in self.out.stream:
            fetch.stride = len(self.out.streamed) * self.config.stream_beats
        return self.out

    def _moved(self, ins: MM, use: Use) -> tuple[Block | None, MM]:
        """(block in the ring, instruction) with the address of its weights in the smaller memory."""
        block, area = use.block, use.area
        if area.moved >= 0:
            return None, replace(ins, w=ins.w - area.first + area.moved)
        at = self.ring.at(block)
        if at is None:
            at, free = self.ring.place(block)
            self._fetch(block, at, free, ins.name)
        ins = replace(ins, w=self.base + at + ins.w - block[0])
        count = self.there[block]
        if count <= self.waited:
            return block, ins
        self.waited = count
        if ins.gate.unit != "NONE":
            self.out.mm.append(Nop(Gate("STREAM", count)))
            return block, ins
        return block, replace(ins, gate=Gate("STREAM", count))

    def _fetch(self, block: Block, at: int, free: int, name: str) -> None:
        first, end = block
        if block not in self.offsets:
            self.offsets[block] = len(self.out.streamed)
            self.out.streamed += self.program.weights[first:end]
        gate = Gate("MM", free) if free else Gate()
        offset = self.offsets[block] * self.config.stream_beats
        self.out.stream.append(Fetch(offset, 0, self.base + at, end - first, gate, name))
        self.brought += end - first
        self.there[block] = self.brought


def _block(ins: MM) -> Block:
    """The words from the first to behind the last that an operation reads."""
    moves = [(loop.count - 1) * loop.w for loop in ins.loops]
    return ins.w + sum(min(move, 0) for move in moves), ins.w + sum(max(move, 0) for move in moves) + 1


def _reads(program: Program) -> list[MM]:
    """The instructions that read the weight memory."""
    return [ins for ins in program.mm if isinstance(ins, MM) and ins.w_bank == "WEIGHTS"]


def _areas(program: Program, gaps: list[int] | None) -> tuple[list[Area], list[Use]]:
    """(areas that no operation reads across, in order; the operations that read them)."""
    reads, areas = _reads(program), []
    blocks = [_block(ins) for ins in reads]
    for first, end in sorted(set(blocks)):
        if not areas or first >= areas[-1].end:
            areas.append(Area(first, end))
        area = areas[-1]
        area.end = max(area.end, end)
        area.largest, area.smallest = max(area.largest, end - first), min(area.smallest, end - first)
    starts = np.array([area.first for area in areas])
    uses = []
    for i, (ins, block) in enumerate(zip(reads, blocks, strict=True)):
        area = areas[int(np.searchsorted(starts, block[0], side="right")) - 1]
        area.uses += 1
        uses.append(Use(area, block, ins.steps(), gaps[i] if gaps else 0))
    return areas, uses
