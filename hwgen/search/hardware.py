"""The engine for a trial's graph: the one that `hwgen generate` would choose, its clocks exact."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil

from hwgen.backends.engine import generate
from hwgen.backends.options import Options
from hwgen.boards import Board
from hwgen.codesign.search import Found
from hwgen.codesign.space import KINDS
from hwgen.errors import FitError
from hwgen.graph import Graph
from hwgen.schedule import fit


@dataclass(frozen=True)
class Engine:
    """clocks: of an observation, START to DONE. us: at the board's assumed clock. cost: share of the board's scarcest
    resource (docs/codesign.md). late: by how much it misses the deadline, 0 where it does not."""

    name: str
    clocks: int
    us: float
    cost: float
    resources: dict[str, int]
    late: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Plain values, for the study and for JSON."""
        return asdict(self)


def engine(graph: Graph, board: Board, deadline_us: float | None) -> Engine:
    """The cheapest engine that is in time, the fastest without a deadline or where none is in time. Raises FitError
    where none fits the board."""
    from hwgen.graph import qonnx_in, qonnx_out  # onnx takes a second to import

    read = qonnx_in.load(qonnx_out.to_model(graph))  # as `hwgen generate` will
    options = Options(deadline_us=deadline_us)
    found, limit = generate.find(read, board, Options()), options.limit(board.clock_mhz)
    clocks = found.chosen.clocks
    if limit is not None and clocks <= limit:
        found = generate.find(read, board, options)
    return _engine(found, board, 0.0 if limit is None else max(0.0, clocks / max(limit, 1) - 1))


def check_deadline(graph: Graph, board: Board, deadline_us: float | None, what: str) -> None:
    """Raise FitError when even this graph, the smallest of a search (`what`), is late or fits no engine."""
    try:
        least = engine(graph, board, deadline_us)
    except FitError as error:
        raise FitError(f"{what} does not fit {board.name}: {error}") from None
    if least.late:
        possible = ceil(100 * least.us + 1) / 100
        raise FitError(
            f"{deadline_us:g} us is below the bound: {what} takes {least.clocks:,} clocks ({least.us:.2f} us) on "
            f"{board.name}'s fastest engine, {least.name}; give --deadline-us {possible:g} or more, or allow smaller "
            "policies"
        )


def _engine(found: Found, board: Board, late: float) -> Engine:
    one = found.chosen
    need = fit.resources(one.config, board)
    resources = {kind: int(need[kind]) for kind in KINDS}
    return Engine(one.name, one.clocks, one.clocks / board.clock_mhz, one.cost, resources, late)
