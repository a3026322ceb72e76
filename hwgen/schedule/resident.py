"""Which weights stay on the chip and which are streamed, so that the array waits least: a model of the ring in words,
and a search over what it says.

A word's residence saves its way from DDR at each use, but takes room from the ring, in which words come early.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.schedule.config import EngineConfig

LEAST_BEATS = 16  # of a port in a block: with fewer, eight bursts under way might not hide the latency of DDR
LATENCY = 44  # clocks from an open gate to the first word
SHARES = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1)  # of the room, that the ring takes at least
PATIENCE = (0.0, 0.3, 1.0)  # what of a block's way may be waited for before it becomes resident

Block = tuple[int, int]
"""Weight words [first, end) that an operation reads."""


@dataclass(eq=False)
class Area:
    """Weight words [first, end) that some operations read, each a block of them."""

    first: int
    end: int
    uses: int = 0
    largest: int = 0
    smallest: int = 1 << 30
    moved: int = -1  # where it is resident; -1: streamed

    @property
    def words(self) -> int:
        """Words of the weight memory that it takes when resident."""
        return self.end - self.first


@dataclass
class Use:
    """An operation that reads weights: its clocks, and those that the array waits before it anyhow."""

    area: Area
    block: Block
    steps: int
    gap: int


class Ring:
    """Blocks in `size` words, one behind the other; a new one takes the place of the oldest."""

    def __init__(self, size: int):
        self.size, self.next = size, 0
        self.live: dict[Block, tuple[int, int, int]] = {}  # first, end, what it is free after

    def at(self, block: Block) -> int | None:
        """Where a block lies that is there, or comes."""
        found = self.live.get(block)
        return None if found is None else found[0]

    def place(self, block: Block) -> tuple[int, int]:
        """(where it will lie, when that is free) of a block that has to come."""
        words = block[1] - block[0]
        if self.next + words > self.size:
            self.next = 0
        at, self.next = self.next, self.next + words
        taken = [b for b, (first, end, _) in self.live.items() if first < at + words and at < end]
        free = max((self.live.pop(b)[2] for b in taken), default=0)
        self.live[block] = (at, at + words, 0)
        return at, free

    def used(self, block: Block, free: int) -> None:
        """A block that is there may be overwritten from `free` on."""
        self.live[block] = (*self.live[block][:2], free)


@dataclass
class _Way:
    """What the model says of one choice: clocks, and the areas that are resident."""

    clocks: int
    resident: set[int]


def chosen(areas: list[Area], uses: list[Use], could: list[Area], config: EngineConfig, blocks: int) -> set[int]:
    """The first words of the areas that are best resident. could: those that may be streamed, in a ring of at least so
    many `blocks` of the largest."""
    everything = {area.first for area in areas}
    depth = config.weight_depth
    if sum(area.words for area in areas) <= depth:
        return everything
    must = everything - {area.first for area in could}
    room = depth - sum(area.words for area in areas if area.first in must)
    least = blocks * max(area.largest for area in could)
    best: _Way | None = None
    for share in SHARES:
        for patience in PATIENCE:
            for often in sorted({1, max(area.uses for area in could)}):
                ring = max(least, int(room * share))
                resident = _walk(uses, must, ring, room - ring, config, patience, often).resident
                taken = sum(area.words for area in areas if area.first in resident)
                way = _walk(uses, resident, depth - taken, 0, config)
                if best is None or way.clocks < best.clocks:
                    best = way
    return best.resident


def _walk(
    uses: list[Use],
    resident: set[int],
    size: int,
    budget: int,
    config: EngineConfig,
    patience: float = 0,
    often: int = 1,
) -> _Way:
    """Clocks with a ring of `size` words. An area that the array would wait for becomes resident, when `budget` has
    room and it is used so often."""
    ring, resident = Ring(size), set(resident)
    array = stream = 0  # until then they work
    there: dict[Block, int] = {}
    for use in uses:
        array += use.gap
        if use.area.first not in resident:
            arrives = there.get(use.block, 0)
            if ring.at(use.block) is None:
                way = (use.block[1] - use.block[0]) * config.stream_beats
                may_stay = use.area.words <= budget and use.area.uses >= often
                before = ring.next, dict(ring.live) if may_stay else {}
                _, free = ring.place(use.block)
                arrives = max(stream, free + LATENCY) + way
                if may_stay and arrives - array > patience * way:
                    ring.next, ring.live = before
                    resident.add(use.area.first)
                    budget -= use.area.words
                    arrives = 0
                else:
                    stream = there[use.block] = arrives
            array = max(array, arrives)
        array += use.steps
        if use.area.first not in resident:
            ring.used(use.block, array + config.pipe)
    return _Way(array, resident)
