"""One engine for several graphs that take turns on it: their images are loaded in turn into the same bitstream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from hwgen.boards import Board
from hwgen.codesign import space
from hwgen.codesign.search import Say
from hwgen.errors import FitError
from hwgen.graph import Graph
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule import Design, compile_graph, compile_onto, fit
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.image import image


@dataclass(frozen=True)
class Turn:
    """A graph, and how often it runs for an observation."""

    graph: Graph
    runs: int = 1


def engine(turns: Sequence[Turn], board: Board, say: Say | None = None) -> list[Design]:
    """The graphs' designs on the engine, all weights on the chip, that takes the fewest clocks for all turns.

    say: told of progress. Raises FitError: no array holds each of them; what the nearest lacks.
    """
    best, nearest = None, None
    arrays = [(n, m) for n, m in space.arrays(board) if not fit.over(space.smallest(n, m, 2), board)]
    for done, (n, m) in enumerate(sorted(arrays, key=lambda array: _least(turns, *array))):
        if say is not None:
            say(f"{n}x{m}", done, len(arrays))
        if best is not None and _least(turns, n, m) > clocks(turns, best):
            continue
        try:
            config = union([compile_graph(turn.graph, n, m).config for turn in turns])
        except FitError as error:
            nearest = nearest or (float("inf"), str(error))
            continue
        if over := fit.over(config, board):
            nearest = min(nearest or (float("inf"), ""), (space.cost(config, board), f"{n}x{m}: {', '.join(over)}"))
            continue
        designs = [compile_onto(turn.graph, config) for turn in turns]
        if best is None or clocks(turns, designs) < clocks(turns, best):
            best = designs
    if best is None:
        raise FitError(
            f"no engine of {board.name} holds {' and '.join(turn.graph.name for turn in turns)}, each with its weights "
            f"on the chip; the nearest, {nearest[1]}: take fewer bits, a smaller graph or a larger board"
        )
    return best


def union(configs: Sequence[EngineConfig]) -> EngineConfig:
    """The least engine that is as large as each of these, of one array."""
    return EngineConfig(**{f.name: max(getattr(config, f.name) for config in configs) for f in fields(EngineConfig)})


def clocks(turns: Sequence[Turn], designs: Sequence[Design]) -> int:
    """Of all runs for an observation, and of loading each graph's image before its turn."""
    runs = sum(turn.runs * design.timing.latency for turn, design in zip(turns, designs, strict=True))
    return runs + (sum(load(design) for design in designs) if len(designs) > 1 else 0)


def load(design: Design) -> int:
    """Clocks in which the load image of a design (program, weights, parameters) comes over its port, a beat a clock."""
    return -(-len(image(design.program, design.config, 0)) // BEAT_BYTES)


def _least(turns: Sequence[Turn], n: int, m: int) -> int:
    return sum(turn.runs * space.least_clocks(turn.graph, n, m) for turn in turns)
