"""How many engines, and how they share the work: the lowest latency, or the lowest cost within a deadline or at a rate.

Replicas are searched for exactly. A pipeline is cut where its stages are the most even, each stage's engine is the best
on an equal share of the board: other cuts and shares are not tried, and `gap` says how far from a bound of all of them
the choice may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from hwgen.boards import Board
from hwgen.codesign import engines, space
from hwgen.codesign.engines import Way
from hwgen.codesign.search import Compiler, Say, Wish, search
from hwgen.errors import FitError, UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.schedule import Design, compile_graph, fit
from hwgen.schedule.compile import weight_bits

LOGIC = ("lut", "ff", "dsp")
"""What bounds of cost count: memories can be of one kind or of another."""


@dataclass(frozen=True)
class Aim:
    """What is looked for. counts: numbers of engines to try. latency: clocks an answer may take; interval: clocks
    between two answers at most, when all engines work; with either the cheapest, else the fastest. wish: what each
    engine's weights may do, and the multipliers of all engines together."""

    counts: tuple[int, ...]
    wish: Wish
    latency: int | None = None
    interval: int | None = None

    @property
    def limited(self) -> bool:
        """Whether the cheapest is looked for."""
        return (self.latency, self.interval) != (None, None)


@dataclass
class FoundWay:
    """The chosen way, all that there were, and what a layer over two engines could do (None: not asked for)."""

    board: Board
    aim: Aim
    chosen: Way
    ways: list[Way] = field(default_factory=list)
    gap: float = 0.0
    over_two: dict[str, object] | None = None

    def as_dict(self) -> dict[str, object]:
        """As report.json has it."""
        return {
            "objective": "cost" if self.aim.limited else "latency", "limit_cycles": self.aim.latency,
            "interval_limit_cycles": self.aim.interval, "gap": self.gap,
            "handover_cycles": engines.handover(self.board.clock_mhz), "ways": [way.as_dict() for way in self.ways],
            "layer_over_two_engines": self.over_two,
        }  # fmt: skip


def search_engines(graph: Graph, board: Board, aim: Aim, say: Say | None = None) -> FoundWay:
    """The best way for the aim. Raises FitError: nothing fits, or nothing is in time, and what the nearest does."""
    every = engines.ways(graph, board, aim.counts)
    if not every:
        ports = len(board.memory.ports)
        raise FitError(
            f"{board.name} has {ports or 'no'} memory port{'s' * (ports != 1)} of its processor, and each of "
            f"{min(aim.counts)} engines needs one: give fewer --engines, or a board with more"
        )
    for way in every:
        _bounds(way, board, aim)
    best, compiler = None, _remembering()
    for way in every:
        if _hopeless(way, best, aim):
            continue
        try:
            asked = zip(way.parts, _wishes(way, aim), strict=True)
            way.found = [search(part, way.share, wish, say, compiler) for part, wish in asked]
        except (FitError, UnsupportedError) as error:
            way.found, way.verdict, way.why = [], "refused", f"on {_part(way, board)}: {error}"
            continue
        way.measure(board)
        best = _judge(way, best, aim)
    if best is None:
        raise FitError(_nothing(graph, board, aim, every, compiler))
    best.verdict = "chosen"
    twin = None if aim.interval is not None or 2 not in aim.counts else _over_two(graph, board, aim, compiler)
    return FoundWay(board, aim, best, every, _gap(graph, board, aim, best), twin)


def _remembering() -> Compiler:
    """`compile_graph` that compiles a graph for an array once: the shares of a board try the same."""
    made: dict[tuple[int, int, int], Design | FitError] = {}

    def compiler(graph: Graph, n: int, m: int) -> Design:
        key = (id(graph), n, m)
        if key not in made:
            try:
                made[key] = compile_graph(graph, n, m)
            except FitError as error:
                made[key] = error
        if isinstance(made[key], FitError):
            raise made[key]
        return made[key]

    return compiler


def _wishes(way: Way, aim: Aim) -> list[Wish]:
    """What the engine of each stage is to do."""
    ports = min(aim.wish.ports, max(fit.stream_ports(way.share), 0))
    each = None if aim.wish.multipliers is None else aim.wish.multipliers // way.engines
    limits = [None if aim.interval is None else many * aim.interval for many in way.copies]
    if aim.interval is None and len(way.parts) == 1:
        limits = [aim.latency]
    return [Wish(limit, ports, aim.wish.from_ddr, each) for limit in limits]


def _bounds(way: Way, board: Board, aim: Aim) -> None:
    """What the way takes and costs at least: its best arrays without a lost clock, with memories of one word."""
    least, kinds = [], dict.fromkeys(LOGIC, 0.0)
    for part, many, wish in zip(way.parts, way.copies, _wishes(way, aim), strict=True):
        bits = weight_bits(part)
        able = {a: space.least_clocks(part, *a) for a in space.arrays(way.share, wish.multipliers)
                if not fit.over(space.smallest(*a, bits), way.share)}  # fmt: skip
        if not able:
            fewer = "" if wish.multipliers is None else f" with {wish.multipliers} multipliers at most"
            way.verdict, way.why = "refused", f"no array{fewer} fits {_part(way, board)}"
            return
        least.append(min(able.values()))
        in_time = [a for a, clocks in able.items() if wish.limit is None or clocks <= wish.limit]
        needs = [fit.resources(space.smallest(*a, bits), way.share) for a in in_time]
        for kind in LOGIC:
            least_need = min((need[kind] for need in needs), default=0)
            kinds[kind] += many * space.ratio(least_need, getattr(board.resources, kind))
    latency = sum(least) + engines.handover(board.clock_mhz, len(way.parts))
    interval = max(ceil(clocks / many) for clocks, many in zip(least, way.copies, strict=True))
    way.bound, way.least_cost = (latency if aim.interval is None else interval), max(kinds.values())


def _part(way: Way, board: Board) -> str:
    """What of the board an engine gets, for people."""
    return board.name if way.engines == 1 else f"1/{way.engines} of {board.name}"


def _hopeless(way: Way, best: Way | None, aim: Aim) -> bool:
    """Whether the bounds say that the way cannot win; then `why` says so."""
    limit = aim.interval if aim.interval is not None else aim.latency
    if way.why:
        return True
    if limit is not None and way.bound > limit:
        way.why = f"at least {way.bound:,} clocks{' an answer' * (aim.interval is not None)}, the limit is {limit:,}"
    elif best is None:
        return False
    elif aim.limited and way.least_cost > best.cost:
        way.why = f"at least {way.least_cost:.1%} of the board, {best.cost:.1%} with {best.name}"
    elif not aim.limited and len(way.parts) == len(best.parts) == 1:
        way.why = f"answers no sooner than {best.name} with more of the board, at {best.latency:,} clocks"
    elif not aim.limited and way.bound > best.latency:
        way.why = f"at least {way.bound:,} clocks, {best.latency:,} with {best.name}"
    return bool(way.why)


def _judge(way: Way, best: Way | None, aim: Aim) -> Way | None:
    """Enter a searched way; returns the best so far."""
    late = aim.latency is not None and way.latency > aim.latency
    if late or aim.interval is not None and way.interval > aim.interval:
        way.verdict, way.why = "late", f"{way.latency:,} clocks, one answer in {way.interval:,}"
        return best
    lost, won = (best, way) if best is None or _rank(way, aim) < _rank(best, aim) else (way, best)
    if lost is not None:
        lost.verdict = "dearer" if aim.limited else "slower"
        if aim.limited and lost.cost > won.cost:
            lost.why = f"{lost.cost:.1%} of the board, {won.cost:.1%} with {won.name}"
        else:
            lost.why = f"{lost.latency:,} clocks, {won.latency:,} with {won.name}"
    return won


def _rank(way: Way, aim: Aim) -> tuple[float, ...]:
    return (way.cost, way.latency, way.engines) if aim.limited else (way.latency, way.cost, way.engines)


def _gap(graph: Graph, board: Board, aim: Aim, best: Way) -> float:
    """How much of the choice's cost (of its latency) a better one might save at most; 0: the choice is exact."""
    able = [a for a in space.arrays(board, aim.wish.multipliers)
            if not fit.over(space.smallest(*a, weight_bits(graph)), board)]  # fmt: skip
    if not aim.limited:  # replicas are found exactly, a pipeline hands over at least once
        least = min(space.least_clocks(graph, *a) for a in able) + engines.handover(board.clock_mhz)
        return max(0.0, 1 - least / best.latency)
    summed = sum(n.macs(graph.in_shapes(n)) for n in graph.nodes if isinstance(n, ops.ACCUMULATING))
    multipliers = summed / (aim.interval if aim.interval is not None else aim.latency)  # of all engines together
    each = {a: space.shares(space.smallest(*a, weight_bits(graph)), board) for a in able}
    floor = max(
        max(min(multipliers / (n * m) * cost[kind] for (n, m), cost in each.items()),
            min(aim.counts) * min(cost[kind] for cost in each.values()))
        for kind in LOGIC
    )  # fmt: skip
    return max(0.0, 1 - floor / best.cost)


def _over_two(graph: Graph, board: Board, aim: Aim, compiler: Compiler) -> dict[str, object]:
    """See `engines.over_two`; its twin engine is the fastest on half of the board, its rival the fastest on all."""
    shares = [engines.share(board, many) for many in (2, 1)]
    try:
        twin, single = (
            search(graph, one, Wish(None, min(aim.wish.ports, fit.stream_ports(one))), None, compiler).design
            for one in shares
        )
    except FitError as error:
        return {"pays": False, "why": f"no engine to compare with: {error}"}
    return engines.over_two(twin, single.timing.latency, board.clock_mhz)


def _nothing(graph: Graph, board: Board, aim: Aim, every: Sequence[Way], compiler: Compiler) -> str:
    """Why there is no way, and what the most engines can do."""
    many = f"{min(aim.counts)} to {max(aim.counts)}" if len(aim.counts) > 1 else str(aim.counts[0])
    told = f"no way with {many} engine{'s' * (aim.counts != (1,))} on {board.name} will do"
    nearest = f"{told}: {every[0].why}; give fewer --engines, or take a larger board or a smaller graph"
    if aim.interval is None:
        return nearest
    rates = []
    for way in (way for way in every if len(way.parts) == 1):
        try:
            wish = replace(_wishes(way, aim)[0], limit=None)
            clocks = search(graph, way.share, wish, None, compiler).design.timing.latency
        except FitError:
            continue
        rates.append((ceil(clocks / way.engines), way.name))
    if not rates:
        return nearest
    clocks, name = min(rates)
    return (
        f"{told} at {board.clock_mhz * 1e6 / aim.interval:,.0f} answers a second: of {name} comes one in {clocks:,} "
        f"clocks ({board.clock_mhz * 1e6 / clocks:,.0f} a second at the assumed {board.clock_mhz:g} MHz); take a lower "
        "rate, a larger board or a smaller graph"
    )
