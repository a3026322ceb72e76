"""`hwgen foldings`: what a block per layer would take with the same multipliers, the best of all foldings.

A layer with MW inputs and MH outputs that multiplies PE outputs by SIMD inputs a clock takes

    positions x (MH / PE) x (MW / SIMD) clocks        PE divides MH, SIMD divides MW, PE x SIMD multipliers

which is FINN's rule for its matrix units; hls4ml's reuse factors give the same clocks. Blocks work one after another
for one observation, so its clocks add up. The choice of one folding a layer is exact (hwgen.schedule.folding). All else
that such hardware pays is left out: norms, softmax, tables, window generators, pipelines, DDR. A layer whose weights
the steps of a loop share is one block. The engine's clocks are whole: START to DONE, input and output in DDR.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from hwgen import boards
from hwgen.backends.engine.generate import find
from hwgen.backends.options import Options
from hwgen.codesign import progress
from hwgen.errors import FitError, UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.graph.phases import without_transposed
from hwgen.schedule.folding import Choice, fastest, pareto
from hwgen.schedule.roles import weight_role

ROWS = 30  # blocks in the table
WIDTH = 100  # where there is no terminal


@dataclass
class Block:
    """One layer in hardware of its own: mw inputs, mh outputs, for each of so many positions, all uses together."""

    name: str
    mw: int
    mh: int
    positions: int


@dataclass(frozen=True)
class Folded:
    """A block and its folding."""

    block: Block
    pe: int
    simd: int
    clocks: int


class Folding(list[Folded]):
    """The best folding of all blocks. gap: another one is faster by no more than this (0: none is)."""

    gap: float = 0

    @property
    def clocks(self) -> int:
        """Of one observation, block after block."""
        return sum(one.clocks for one in self)

    @property
    def multipliers(self) -> int:
        """Of all blocks."""
        return sum(one.pe * one.simd for one in self)


def blocks(graph: Graph) -> list[Block]:
    """The layers that multiply, each once. Raises UnsupportedError for a graph without one."""
    graph, found = without_transposed(graph), {}
    for node in graph.nodes:
        if isinstance(node, ops.ACCUMULATING) and not isinstance(node, ops.SumPool):
            mw, mh, positions = _shape(node, graph)
            key = weight_role(node) if isinstance(node, ops.WEIGHTED) else node.name
            found.setdefault(key, Block(node.name, mw, mh, 0)).positions += positions
    if not found:
        raise UnsupportedError(f"graph {graph.name!r} has no layer that multiplies with weights: nothing to fold")
    return list(found.values())


def best(layers: list[Block], multipliers: int) -> Folding:
    """The foldings with the fewest clocks in all, of at most so many multipliers. Raises FitError."""
    if multipliers < len(layers):
        raise FitError(
            f"{multipliers} multipliers for {len(layers)} layers: a block per layer needs one each, allow {len(layers)}"
        )
    picked = fastest([_choices(block, multipliers) for block in layers], [multipliers], [b.name for b in layers],
                     ["multipliers"])  # fmt: skip
    out = Folding(Folded(block, *c.setting, c.cycles) for block, c in zip(layers, picked, strict=True))
    out.gap = picked.gap
    return out


def compare(graph_file: Path, board: str, multipliers: int, console: Console | None = None) -> dict:
    """Print the best folding beside the fastest engine with no more multipliers; returns both. Raises HwgenError."""
    target = boards.load(board)
    from hwgen.graph import qonnx_in  # onnx takes a second to import

    graph = qonnx_in.load(graph_file)
    folding = best(blocks(graph), multipliers)
    with progress.shown() as say:
        engine = find(graph, target, Options(multipliers=multipliers), say).chosen
    told = {
        "graph": graph.name, "board": board, "multipliers": multipliers, "macs": graph.macs(),
        "foldings": {
            "clocks": folding.clocks, "multipliers": folding.multipliers, "gap": folding.gap,
            "layers": [
                {"name": f.block.name, "mw": f.block.mw, "mh": f.block.mh, "positions": f.block.positions, "pe": f.pe,
                 "simd": f.simd, "clocks": f.clocks} for f in folding
            ],
        },
        "engine": {"array": [engine.n, engine.m], "stream_ports": engine.ports, "clocks": engine.clocks},
        "times_lower": folding.clocks / engine.clocks,
    }  # fmt: skip
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=WIDTH)
    _show(told, folding, console)
    return told


def _shape(node: ops.Node, graph: Graph) -> tuple[int, int, int]:
    """(MW, MH, positions) of a layer."""
    shapes, out = graph.in_shapes(node), graph.tensors[node.output].shape
    if isinstance(node, ops.Linear):
        return node.weight.shape[0], node.weight.shape[1], prod(out[:-1])
    if isinstance(node, ops.MatMul):
        return shapes[0][-1], out[-1], prod(out[:-1])
    return prod(node.weight.shape[1:]), out[0], prod(out[1:])


def _choices(block: Block, multipliers: int) -> list[Choice]:
    """Every legal folding of a block that no other one beats."""
    every = [
        Choice(block.positions * (block.mh // pe) * (block.mw // simd), (pe * simd,), (pe, simd))
        for pe in _divisors(block.mh)
        for simd in _divisors(block.mw)
        if pe * simd <= multipliers
    ]
    return pareto(every)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _show(told: dict, folding: Folding, console: Console) -> None:
    shown = sorted(folding, key=lambda f: -f.clocks)[:ROWS]
    more = "" if len(shown) == len(folding) else f", the {ROWS} of {len(folding)} with the most clocks"
    table = Table(box=box.SIMPLE_HEAD, title=f"The best folding, a block per layer{more}", title_justify="left")
    for head in ("layer", "MW", "MH", "positions", "PE", "SIMD", "multipliers", "clocks"):
        table.add_column(head, justify="left" if head == "layer" else "right")
    for f in (f for f in folding if f in shown):
        figures = (f.block.mw, f.block.mh, f.block.positions, f.pe, f.simd, f.pe * f.simd, f.clocks)
        table.add_row(f.block.name, *(f"{figure:,}" for figure in figures))
    console.print(table)
    engine, (n, m) = told["engine"], told["engine"]["array"]
    sure = "no folding is faster" if not folding.gap else f"at most {folding.gap:,.0f} clocks above the fastest"
    console.print(
        f"a block per layer, {folding.multipliers:,} multipliers: {folding.clocks:,} clocks ({sure}); multiplications "
        f"alone\nengine {n}x{m}, {n * m:,} multipliers on {told['board']}: {engine['clocks']:,} clocks, "
        f"{told['times_lower']:.2f} times fewer; input, output and all that is between included",
        markup=False, highlight=False,
    )  # fmt: skip
