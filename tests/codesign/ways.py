"""Designs of several engines that are made at once: each engine is 8x8, so nothing is searched for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwgen.backends.engine import engines
from hwgen.boards import Board
from hwgen.codesign.engines import Way, share
from hwgen.codesign.search import Wish, search
from hwgen.codesign.search_engines import Aim, FoundWay
from hwgen.graph import Graph
from hwgen.graph.split import split


def written(folder: Path, graph: Graph, board: Board, copies: Sequence[int], places: Sequence[int] = ()) -> list[Graph]:
    """Write the design of a graph, cut at these places, on so many engines a stage; returns the stages' graphs."""
    parts = split(graph, list(places)) if places else [graph]
    part = share(board, sum(copies))
    way = Way(tuple(copies), parts, part, tuple(places))
    way.found = [search(one, part, Wish(multipliers=64)) for one in parts]
    way.measure(board)
    engines.write(graph, board, folder, FoundWay(board, Aim((sum(copies),), Wish()), way, [way]))
    return parts
