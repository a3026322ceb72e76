"""Several engines on a board: what they are, what they take, what they cost (docs/engines.md).

A **way** to use the board is a chain of stages, each a part of the graph on `copies` equal engines. One stage:
replicas, which take observations in turn. Several: a pipeline, where each engine works on another observation. Every
engine gets an equal share of the board, so a stage's engine is what `search` finds for its part on that share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil

from hwgen.boards import Board, Resources
from hwgen.codesign import space
from hwgen.codesign.search import Found
from hwgen.errors import GraphError
from hwgen.graph import Graph
from hwgen.graph.split import Cut, cuts, split
from hwgen.schedule import Design, fit
from hwgen.schedule.layers import END, layers
from hwgen.schedule.timing import DDR_READ, DIN_START

DRIVER_MS = 0.2
"""What the driver takes for a run: checks, registers, the answer (docs/performance.md, times ten). Assumed."""
SHAPES = {1: ((1,),), 2: ((2,), (1, 1)), 3: ((3,), (1, 1, 1)), 4: ((4,), (2, 2), (1, 1, 1, 1))}
"""Copies of each stage's engine, by the number of engines: up to four, for the processors have four memory ports that
are alike, and each engine needs one."""


@dataclass
class Way:
    """A way to use the board, and what became of it.

    copies: engines of each stage; parts: its graphs; found: its engines, once searched for. latency: clocks from the
    first START to the last DONE, with what the driver takes between two stages. interval: clocks between two answers
    when all engines work. cost: the share of the board's scarcest resource that all take. bound, least_cost: what
    latency (under a rate: interval) and cost are at least. verdict, why: as of a `space.Candidate`.
    """

    copies: tuple[int, ...]
    parts: list[Graph]
    share: Board
    places: tuple[int, ...] = ()
    bound: int = 0
    least_cost: float = 0.0
    found: list[Found] = field(default_factory=list)
    latency: int | None = None
    interval: int | None = None
    cost: float | None = None
    verdict: str = "bounded"
    why: str = ""

    @property
    def engines(self) -> int:
        """All of them."""
        return sum(self.copies)

    @property
    def name(self) -> str:
        """For people."""
        if len(self.copies) == 1:
            return "1 engine" if self.copies == (1,) else f"{self.copies[0]} replicas"
        return f"a pipeline of {len(self.copies)} stages" + (f", {self.copies[0]} engines each" * (self.copies[0] > 1))

    @property
    def designs(self) -> list[Design]:
        """Of the stages."""
        return [found.design for found in self.found]

    def resources(self) -> dict[str, int]:
        """Of all engines together."""
        each = [fit.resources(design.config, self.share) for design in self.designs]
        return {kind: sum(many * one[kind] for many, one in zip(self.copies, each, strict=True))
                for kind in space.KINDS}  # fmt: skip

    def ports(self) -> int:
        """Memory ports of all engines."""
        return sum(many * (1 + d.config.stream_ports) for many, d in zip(self.copies, self.designs, strict=True))

    def traffic(self) -> int:
        """Bytes between all engines and DDR for an answer: inputs, outputs, streamed weights of each stage."""
        return sum(d.plan.in_bytes + d.plan.out_bytes + d.streamed_bytes for d in self.designs)

    def measure(self, board: Board) -> None:
        """Enter what the engines that were found take and cost."""
        clocks = [design.timing.latency for design in self.designs]
        self.latency = sum(clocks) + handover(board.clock_mhz, len(clocks))
        self.interval = max(ceil(one / many) for one, many in zip(clocks, self.copies, strict=True))
        has = board.resources
        self.cost = max(space.ratio(need, getattr(has, kind)) for kind, need in self.resources().items())

    def as_dict(self) -> dict[str, object]:
        """As report.json has it."""
        searched = len(self.found) == len(self.parts)
        return {
            "engines": self.engines, "copies": list(self.copies), "cut_at": list(self.places),
            "arrays": [[d.config.n, d.config.m] for d in self.designs] if searched else None,
            "stage_cycles": [d.timing.latency for d in self.designs] if searched else None,
            "bound_cycles": self.bound, "predicted_cycles": self.latency, "interval_cycles": self.interval,
            "cost": self.cost, "resources": self.resources() if searched else None,
            "ddr_ports": self.ports() if searched else None, "verdict": self.verdict, "why": self.why,
        }  # fmt: skip


def handover(clock_mhz: float, stages: int = 2) -> int:
    """Clocks that the driver takes between the stages of a chain: from one's DONE to the next one's START."""
    return round((stages - 1) * DRIVER_MS * 1e3 * clock_mhz)


def share(board: Board, engines: int) -> Board:
    """The board that one of so many engines sees: its part of the resources and of the memory ports."""
    if engines == 1:
        return board
    kept = Resources(**{kind: getattr(board.resources, kind) // engines for kind in vars(board.resources)})
    ports = dict(list(board.memory.ports.items())[: len(board.memory.ports) // engines])
    return replace(board, resources=kept, memory=replace(board.memory, ports=ports))


def ways(graph: Graph, board: Board, counts: Sequence[int]) -> list[Way]:
    """The ways with so many engines, a board's memory ports permitting: replicas, and pipelines whose stages have as
    even multiplications as the graph's cuts allow."""
    able, out = cuts(graph), []
    for many in counts:
        if many > max(len(board.memory.ports), 1):
            continue
        for copies in SHAPES[many]:
            places = balanced(able, graph.macs(), len(copies))
            if len(places) != len(copies) - 1:
                continue
            try:
                out.append(Way(copies, split(graph, places) if places else [graph], share(board, many), tuple(places)))
            except GraphError:  # a part's sums could overflow, for it knows less of its input than the whole does
                continue
    return out


def balanced(able: Sequence[Cut], macs: int, stages: int) -> list[int]:
    """Where to cut into so many stages: the places nearest to even multiplications; [] where there are too few."""
    out: list[int] = []
    for i in range(1, stages):
        left = [cut for cut in able if not out or cut.at > out[-1]]
        if not left:
            return []
        out.append(min(left, key=lambda cut: abs(cut.macs * stages - macs * i)).at)
    return out if all(a < b for a, b in pairwise(out)) else []


def over_two(twin: Design, single: int, clock_mhz: float) -> dict[str, object]:
    """Whether a layer over two engines can pay, each of which computes half of its channels (model parallelism).

    twin: the graph on the fastest engine that fits the board twice; single: clocks on the fastest alone. A layer so
    split takes half of its clocks at best, and its halves meet in DDR before the next one: the answer's way there, the
    driver, the way back. Only layers that gain are split. The bound is of all such splits.
    """
    exchange = handover(clock_mhz) + space.AROUND + DIN_START + DDR_READ
    gains = [max((one.busy + one.idle) // 2 - exchange, 0) for one in layers(twin.timing) if one.name != END]
    bound = twin.timing.latency - sum(gains)
    pays = bound < single
    return {
        "array": [twin.config.n, twin.config.m], "exchange_cycles": exchange, "twin_cycles": twin.timing.latency,
        "layers_that_gain": sum(gain > 0 for gain in gains), "bound_cycles": bound, "single_cycles": single,
        "pays": pays,
        "why": f"halving each layer that gains more than the exchange of {exchange:,} clocks gives {bound:,} clocks at "
        f"least, one engine with the whole board takes {single:,}"
        + ("; such a split is not built by hwgen" if pays else ""),
    }  # fmt: skip
