"""Weights that stay in DDR: which ones, where they pass through the weight memory, and when they are brought.

The words of a streamed matrix operation come as one block into a ring behind the resident words, as far ahead of the
array as the ring has room: a block's instruction waits until the array has written the results of those whose place it
takes, and the array waits for the block. An operation that runs again has its block brought again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from hwgen.errors import FitError
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.instructions import MM, Fetch, Gate, Nop, Program

LEAST_BEATS = 16  # of a port in a block: with fewer, eight bursts under way might not hide the latency of DDR
BLOCKS = 2  # of the largest, for which the ring has room: one that is read and one that comes


@dataclass
class _Area:
    """Weight words [first, end) that some operations read, each a block of them."""

    first: int
    end: int
    steps: int = 0
    read: int = 0  # words, in all operations
    largest: int = 0
    smallest: int = 1 << 30
    moved: int = field(default=-1)  # where it is resident; -1: streamed

    @property
    def words(self) -> int:
        """Words of the weight memory that it takes when resident."""
        return self.end - self.first


def stream(program: Program, config: EngineConfig) -> Program:
    """The same program for an engine whose `weight_depth` words do not hold all weights: `streamed` has the words that
    stay in DDR, `stream` brings them. Operations with the most clocks for a word that comes are streamed first.

    Raises FitError when even so the weights do not fit. Expects weight_depth and stream_ports of `config`.
    """
    areas = _areas(program)
    resident, largest = sum(area.words for area in areas), 0
    mine = config.weight_beats // config.stream_ports
    could = [area for area in areas if area.smallest * mine >= LEAST_BEATS]
    streams = set()
    for area in sorted(could, key=lambda area: -area.steps / area.read):
        if resident + BLOCKS * largest <= config.weight_depth:
            break
        streams.add(area.first)
        resident -= area.words
        largest = max(largest, area.largest)
    if resident + BLOCKS * largest > config.weight_depth:
        raise FitError(
            f"the weight memory has {config.weight_depth} words; with all that can stay in DDR the graph needs "
            f"{resident} and a ring of {BLOCKS * largest}: use a larger --array, or a board with more memory"
        )
    words: list[np.ndarray] = []
    for area in areas:
        if area.first not in streams:
            area.moved = len(words)
            words += program.weights[area.first : area.end]
    return _Ring(program, config, areas, words).run()


def pack(program: Program, config: EngineConfig, packed: bytes) -> bytes:
    """The stream buffer of words that `image.pack_weights` packed: a region for each port, its columns of all words."""
    mine = config.weight_beats // config.stream_ports * BEAT_BYTES
    words = np.frombuffer(packed, np.uint8).reshape(len(program.streamed), config.stream_ports, mine)
    return words.transpose(1, 0, 2).tobytes()


class _Ring:
    def __init__(self, program: Program, config: EngineConfig, areas: list[_Area], words: list[np.ndarray]):
        self.program, self.config, self.areas = program, config, areas
        self.base, self.size = len(words), config.weight_depth - len(words)
        self.out = replace(program, mm=[], stream=[], weights=words, streamed=[])
        self.offsets: dict[tuple[int, int], int] = {}  # where in the buffer's words each block lies
        self.at = self.octets = self.brought = 0
        self.live: list[tuple[int, int, int]] = []  # blocks in the ring: first, end, octets with its results

    def run(self) -> Program:
        for ins in self.program.mm:
            if isinstance(ins, Nop):
                self.out.mm.append(ins)
                continue
            if ins.w_bank == "WEIGHTS":
                ins = self._moved(ins)
            self.out.mm.append(ins)
            self.octets += int(ins.ends().sum()) * self.config.m // 8
            if self.live and self.live[-1][2] < 0:
                self.live[-1] = (*self.live[-1][:2], self.octets)
        mine = self.config.weight_beats // self.config.stream_ports
        for fetch in self.out.stream:
            fetch.stride = len(self.out.streamed) * mine
        return self.out

    def _moved(self, ins: MM) -> MM:
        first, end = _block(ins)
        area = next(area for area in self.areas if area.first <= first < area.end)
        if area.moved >= 0:
            return replace(ins, w=ins.w - area.first + area.moved)
        at = self._bring(first, end, ins.name)
        ins = replace(ins, w=self.base + at + ins.w - first)
        there = Gate("STREAM", self.brought)
        if ins.gate.unit != "NONE":
            self.out.mm.append(Nop(there))
            return ins
        return replace(ins, gate=there)

    def _bring(self, first: int, end: int, name: str) -> int:
        """Bring a block; its place in the ring."""
        words = end - first
        if self.at + words > self.size:
            self.at = 0
        at, self.at = self.at, self.at + words
        taken = [block for block in self.live if block[0] < at + words and at < block[1]]
        self.live = [block for block in self.live if block not in taken] + [(at, at + words, -1)]
        gate = Gate("MM", max(block[2] for block in taken)) if taken else Gate()
        if (first, end) not in self.offsets:
            self.offsets[first, end] = len(self.out.streamed)
            self.out.streamed += self.program.weights[first:end]
        mine = self.config.weight_beats // self.config.stream_ports
        self.out.stream.append(Fetch(self.offsets[first, end] * mine, 0, self.base + at, words, gate, name))
        self.brought += words
        return at


def _block(ins: MM) -> tuple[int, int]:
    """The words from the first to behind the last that an operation reads."""
    moves = [(loop.count - 1) * loop.w for loop in ins.loops]
    return ins.w + sum(min(move, 0) for move in moves), ins.w + sum(max(move, 0) for move in moves) + 1


def _areas(program: Program) -> list[_Area]:
    """Areas that no operation reads across, in order."""
    reads = [ins for ins in program.mm if isinstance(ins, MM) and ins.w_bank == "WEIGHTS"]
    areas: list[_Area] = []
    for (first, end), ins in sorted(((_block(ins), ins) for ins in reads), key=lambda pair: pair[0]):
        if not areas or first >= areas[-1].end:
            areas.append(_Area(first, end))
        area = areas[-1]
        area.end = max(area.end, end)
        area.steps += ins.steps()
        area.read += end - first
        area.largest, area.smallest = max(area.largest, end - first), min(area.smallest, end - first)
    return areas
