"""What is said when no configuration will do: how far the nearest is off, and what would make it fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwgen import boards
from hwgen.boards import Board
from hwgen.codesign import space
from hwgen.codesign.space import Candidate
from hwgen.errors import FitError
from hwgen.graph import Graph
from hwgen.schedule import compile_graph, fit
from hwgen.schedule.budget import fitted, streaming
from hwgen.schedule.config import EngineConfig

BITS = (4, 3, 2)  # of weights, that a quantizer offers below eight


def late(fastest: Candidate, bound: Candidate, limit: int, board: Board) -> str:
    """A limit of clocks that no engine keeps: what the fastest takes, and what no array that the board can hold beats.

    bound: that array, and its clocks.
    """
    mhz = board.clock_mhz
    return (
        f"no engine on {board.name} answers within {limit:,} clocks ({limit / mhz:.2f} us at the assumed {mhz:g} MHz): "
        f"the fastest that fits, {fastest.name}, takes {fastest.clocks:,} ({fastest.clocks / mhz:.2f} us), and the "
        f"bound, for {bound.n * bound.m:,} multipliers without a lost clock, is {bound.bound:,} "
        f"({bound.bound / mhz:.2f} us): allow more time, take a larger board, or a smaller graph"
    )


def too_large(graph: Graph, candidates: Sequence[Candidate], board: Board, ports: int) -> str:
    """No engine fits the board: by how much the nearest does not, and the changes that would do. ports: those that may
    bring weights."""
    off = [c for c in candidates if c.over and c.clocks is not None]
    if not off:  # none could be compiled: what no memory of any engine can hold, or arrays that are too large
        return f"no array fits {board.name}. The smallest: {_smallest(candidates).why}"
    least = {id(c): streaming(c.config, ports, 1) if ports else c.config for c in off}
    nearest = min(off, key=lambda c: space.cost(least[id(c)], board))
    told = f"no array fits {board.name}. The nearest, {nearest.name}: " + ", ".join(nearest.over)
    if ports:
        over = fit.over(least[id(nearest)], board)
        from_ddr = (c.why for c in candidates if c.ports and (c.n, c.m) == (nearest.n, nearest.m))
        told += f"; with its weights in DDR {', '.join(over)}" if over else f"; {next(from_ddr, '')}"
    ways = [*_ddr(graph, nearest, board, ports), *_bits(off, board), *_boards(off, board)]
    would = f"it would fit {', '.join(ways)}" if ways else "no width of weights and no board here would do: split it"
    return f"{told}; {would}"


def _smallest(candidates: Sequence[Candidate]) -> Candidate:
    return min((c for c in candidates if c.verdict == "refused"), key=lambda c: (c.n * c.m, c.n))


def _ddr(graph: Graph, nearest: Candidate, board: Board, ports: int) -> list[str]:
    """Whether weights from DDR would do, where that was not allowed."""
    most = fit.stream_ports(board)
    if ports or not most:
        return []
    try:
        fitted(compile_graph(graph, nearest.n, nearest.m), board, most)
    except FitError:
        return []
    return ["with weights from DDR (--weights auto)"]


def _bits(off: Iterable[Candidate], board: Board) -> list[str]:
    """The most bits of a weight, if any, with which one of the engines would fit."""
    for bits in BITS:
        for one in off:
            if bits < one.config.ww and not fit.over(one.config.resized(ww=bits), board):
                return [f"with weights of {bits} bits ({one.n}x{one.m})"]
    return []


def _boards(off: Sequence[Candidate], board: Board) -> list[str]:
    """The boards that would hold one of the engines as it is."""
    others = (boards.load(name) for name in boards.names() if name != board.name)
    return [f"on {other.name}" for other in others if any(_holds(other, one.config) for one in off)]


def _holds(board: Board, config: EngineConfig) -> bool:
    return (config.n, config.m) in space.arrays(board) and not fit.over(config, board)
