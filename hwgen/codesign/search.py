"""The configuration for a graph on a board: the lowest latency that fits, or the lowest cost that is in time.

The search is exhaustive over `space` and exact: a configuration is left out only when a lower bound of its clocks (or
of its cost) says that it cannot win, and every other one is compiled, which gives its very clocks. An engine whose
weights are all on the chip is never slower than one of the same array that waits for DDR, and more ports bring a word
no later than fewer; so where only clocks count, DDR is tried where the chip is too small, over the most ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from hwgen.boards import Board
from hwgen.codesign import advice, space
from hwgen.codesign.space import Candidate
from hwgen.errors import FitError
from hwgen.graph import Graph
from hwgen.schedule import Design, compile_graph, fit
from hwgen.schedule.budget import fitted, streaming, usable
from hwgen.schedule.compile import weight_bits

Say = Callable[[str, int, int], None]
"""Told of progress: what is looked at, how many arrays are done, of how many."""
Compiler = Callable[[Graph, int, int], Design]
"""`compile_graph`, or what remembers its designs."""


@dataclass(frozen=True)
class Wish:
    """What is looked for. limit: clocks that the answer may take at most; the cheapest such engine is taken, without a
    limit the fastest. ports: memory ports that may bring weights. from_ddr: they must. multipliers: at most."""

    limit: int | None = None
    ports: int = 0
    from_ddr: bool = False
    multipliers: int | None = None


@dataclass
class Found:
    """The design, and every configuration that there was, in the order in which they were looked at."""

    board: Board
    wish: Wish
    design: Design | None = None
    candidates: list[Candidate] = field(default_factory=list)

    @property
    def chosen(self) -> Candidate:
        """The design's entry."""
        return next(c for c in self.candidates if c.verdict == "chosen")

    def as_dict(self) -> dict[str, object]:
        """As report.json has it."""
        return {
            "objective": "latency" if self.wish.limit is None else "cost", "limit_cycles": self.wish.limit,
            "gap_cycles": 0, "candidates": [c.as_dict(self.board) for c in self.candidates],
        }  # fmt: skip

    def summary(self) -> str:
        """One line: how many there were, and what it came to."""
        arrays = {(c.n, c.m) for c in self.candidates}
        compiled = {(c.n, c.m) for c in self.candidates if c.config is not None and c.clocks is not None}
        best = "fastest" if self.wish.limit is None else "cheapest in time"
        return f"{len(arrays)} arrays, {len(compiled)} compiled: {self.chosen.name} is the {best} that fits"


def search(graph: Graph, board: Board, wish: Wish, say: Say | None = None, compiler: Compiler | None = None) -> Found:
    """The best engine for the wish. compiler: instead of `compile_graph`. Raises FitError: nothing fits, by how much,
    and what would; or the limit is below what is possible, and what that is. UnsupportedError names a node that no
    engine computes."""
    if not space.arrays(board, wish.multipliers):
        raise FitError("no array of the engine has so few multipliers: the smallest is 8x8, allow 64")
    fit.check_weights(graph, board, wish.ports)
    return _Search(graph, board, wish, say or (lambda text, done, total: None), compiler or compile_graph).run()


class _Search:
    def __init__(self, graph: Graph, board: Board, wish: Wish, say: Say, compiler: Compiler):
        self.graph, self.board, self.wish, self.say, self.compiler = graph, board, wish, say, compiler
        self.found, self.best = Found(board, wish), None
        self.bits = weight_bits(graph)

    def run(self) -> Found:
        order = self._order()
        for done, first in enumerate(order):
            self.say(first.name, done, len(order))
            if not first.over and not self._hopeless(first):
                first.clocks = None
                self._array(first)
            else:
                self.found.candidates.append(first)
        self.say("", len(order), len(order))
        if self.best is None:
            raise FitError(self._nothing())
        self.best.verdict = "chosen"
        return self.found

    def _order(self) -> list[Candidate]:
        """One candidate an array, the most promising first."""
        out = []
        for n, m in space.arrays(self.board, self.wish.multipliers):
            config = space.smallest(n, m, self.bits)
            one = Candidate(n, m, space.least_clocks(self.graph, n, m), over=fit.over(config, self.board))
            one.cost = space.cost(config, self.board)
            if one.over:
                one.verdict, one.config = "refused", config
                one.why = f"its array alone is too much for {self.board.name}: {', '.join(one.over)}"
            out.append(one)
        return sorted(out, key=lambda c: (c.bound, c.cost) if self.wish.limit is None else (c.cost, c.bound))

    def _hopeless(self, one: Candidate) -> bool:
        """Whether its bounds (clocks, cost) say that it cannot win any more; then `why` says so."""
        limit, best = self.wish.limit, self.best
        if limit is not None and one.bound > limit:
            one.why = f"at least {one.bound:,} clocks, the limit is {limit:,}"
        elif best is None:
            return False
        elif limit is None and one.bound > best.clocks:
            one.why = f"at least {one.bound:,} clocks, {best.name} takes {best.clocks:,}"
        elif limit is not None and one.cost > best.cost:
            one.why = f"at least {one.cost:.1%} of the board, {best.name} takes {best.cost:.1%}"
        return bool(one.why)

    def _array(self, first: Candidate) -> None:
        """Compile for an array, with its weights wherever they may be."""
        try:
            design = self.compiler(self.graph, first.n, first.m)
        except FitError as error:
            first.verdict, first.why, first.cost = "refused", str(error), None
            self.found.candidates.append(first)
            return
        first.bound = max(first.bound, design.timing.issued + space.AROUND)
        over = fit.over(design.config, self.board)
        if not self.wish.from_ddr:
            self._judge(first, design, over)
        cheaper = self.wish.limit is not None and first.verdict != "late"  # less memory may be
        if self.wish.from_ddr or over or cheaper:
            for one, least in self._streamed(first, design):
                self._from_ddr(one, design, least)

    def _streamed(self, first: Candidate, design: Design) -> Iterator[tuple[Candidate, bool]]:
        """The ways to bring weights from DDR that are worth a look; with each, whether as few as can be stay."""
        ports = usable(design, self.wish.ports)
        held = [p for p in range(1, ports + 1) if not fit.over(streaming(design.config, p, 1), self.board)]
        if self.wish.limit is None:
            held = held[-1:]
        stay = [True] if self.wish.from_ddr else [False] if self.wish.limit is None else [True, False]
        for p in held:
            config = streaming(design.config, p, 1)
            most = fit.weight_words(config, self.board)
            must = max(len(design.program.weights) - most, 0) * config.stream_beats
            bound = max(first.bound, space.DIN_START + space.DDR_READ + must + space.AROUND)
            for least in stay:
                one = Candidate(first.n, first.m, bound, p, cost=space.cost(config, self.board))
                if not self._hopeless(one):
                    yield one, least
                elif first.verdict == "refused":
                    self.found.candidates.append(one)

    def _from_ddr(self, one: Candidate, design: Design, least: bool) -> None:
        try:
            found = fitted(design, self.board, one.ports, least)
        except FitError as error:
            one.verdict, one.why, one.cost = "refused", str(error), None
            self.found.candidates.append(one)
            return
        if found.config.stream_ports:  # else they are on the chip after all
            self._judge(one, found, [])

    def _judge(self, one: Candidate, design: Design, over: list[str]) -> None:
        """Enter a compiled design; it may be the best so far."""
        one.clocks, one.config, one.over = design.timing.latency, design.config, over
        one.cost = space.cost(design.config, self.board)
        self.found.candidates.append(one)
        if over:
            one.verdict, one.why = "refused", f"does not fit {self.board.name}: {', '.join(over)}"
        elif self.wish.limit is not None and one.clocks > self.wish.limit:
            one.verdict, one.why = "late", f"{one.clocks:,} clocks, the limit is {self.wish.limit:,}"
        elif self.best is None or self._rank(one) < self._rank(self.best):
            if self.best is not None:
                self._lost(self.best, one)
            self.best, self.found.design = one, design
        else:
            self._lost(one, self.best)

    def _rank(self, one: Candidate) -> tuple[float, ...]:
        """The lowest is the best; among equals the one that is cheaper all in all."""
        total = sum(space.shares(one.config, self.board).values())
        first, second = one.clocks, one.cost
        return (first, second, total) if self.wish.limit is None else (second, total, first)

    def _lost(self, one: Candidate, to: Candidate) -> None:
        if self.wish.limit is None:
            one.verdict, one.why = "slower", f"{one.clocks:,} clocks, {to.name} takes {to.clocks:,}"
            if one.clocks == to.clocks:
                one.verdict, one.why = "dearer", f"{one.cost:.1%} of the board in the same clocks as {to.name}"
        else:
            one.verdict, one.why = "dearer", f"{one.cost:.1%} of the board, {to.name} takes {to.cost:.1%}"

    def _bound(self) -> Candidate:
        """The array that might be the fastest of those that the board can hold, and what it takes at least."""
        able = [c for c in self._order() if not c.over]
        return min(able, key=lambda c: c.bound)

    def _nothing(self) -> str:
        """Why there is no design, and what would help."""
        late = self.wish.limit is not None
        if late:
            try:
                fastest = search(self.graph, self.board, replace(self.wish, limit=None), self.say, self.compiler)
            except FitError as error:
                return str(error)
            return advice.late(fastest.chosen, self._bound(), self.wish.limit, self.board)
        return advice.too_large(self.graph, self.found.candidates, self.board, self.wish.ports)
