"""`hwgen boards`: what each board holds, and the engine that fits it for the policies that come along."""

from __future__ import annotations

import dataclasses
import json

from rich import box
from rich.console import Console
from rich.table import Table

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.errors import HwgenError
from hwgen.graph import Graph
from hwgen.policies.loading import load_policy
from hwgen.policies.shipped import PARTS
from hwgen.schedule import fit

GRAPHS = ("demo", "demo:head", "demo-nonorm:head")
KINDS = ("lut", "ff", "dsp", "bram36", "uram", "lutram")
WIDTH = 110  # where there is no terminal


def show(name: str | None, as_json: bool) -> None:
    """Print all boards, or one of them in full (`name`: a board's name or folder); as_json: for programs.

    Raises InputError for a board that is unknown or wrongly described.
    """
    chosen = [boards.load(name)] if name else [boards.load(each) for each in boards.names()]
    graphs = {text: _graph(text) for text in GRAPHS}
    rows = [describe(board, graphs) for board in chosen]
    if as_json:
        print(json.dumps(rows[0] if name else rows, indent=1))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    for table in _one(rows[0]) if name else _all(rows):
        console.print(table)


def describe(board: boards.Board, graphs: dict[str, Graph]) -> dict:
    """All fields of a board, `clock.made_mhz` (what the PLL makes), and under `fits` the `engine` of each graph."""
    fields = dataclasses.asdict(board) | {"folder": str(board.folder)}
    fields["clock"]["made_mhz"] = round(board.clock.made(board.clock_mhz), 6)
    return fields | {"fits": {text: engine(graph, board) for text, graph in graphs.items()}}


def engine(graph: Graph, board: boards.Board) -> dict:
    """The array that `hwgen generate` chooses, its predicted clocks and microseconds and its estimated resources; or
    the `reason` why none fits."""
    try:
        design = generate.choose(graph, board, None)
    except HwgenError as error:
        return {"reason": str(error)}
    cycles = design.timing.latency
    return {
        "array": [design.config.n, design.config.m], "predicted_cycles": cycles,
        "latency_us_assumed": round(cycles / board.clock_mhz, 3), "resources": fit.resources(design.config, board),
    }  # fmt: skip


def _graph(text: str) -> Graph:
    name, _, part = text.partition(":")
    return load_policy(name).part(part or PARTS[0])


def _all(rows: list[dict]) -> list[Table]:
    held = _table("What each board holds", "board", "part")
    for head in ("MHz", *map(str.upper, KINDS)):
        held.add_column(head, justify="right")
    fits = _table("Its memory, and what hwgen generate chooses: array, clocks, time", "board", "memory", *GRAPHS)
    for row in rows:
        figures = (f"{row['resources'][kind]:,}" for kind in KINDS)
        held.add_row(row["name"], row["part"], f"{row['clock']['assumed_mhz']:g}", *figures)
        fits.add_row(row["name"], _memory(row), *(_fit(row["fits"][text], short=True) for text in GRAPHS))
    return [held, fits]


def _table(title: str, *heads: str) -> Table:
    return Table(*heads, box=box.SIMPLE_HEAD, title=title, title_justify="left")


def _one(row: dict) -> list[Table]:
    table = _table(row["title"], "field", "value")
    for key in ("family", "part", "board_part", "folder"):
        table.add_row(key, str(row[key] or "none"))
    for key in ("clock", "resources", "processor", "serial", "ecp5"):
        for name, value in (row[key] or {}).items():
            table.add_row(f"{key}.{name}", _value(name, value))
    table.add_row("memory.kind", row["memory"]["kind"])
    for region in row["memory"]["regions"]:
        table.add_row("memory.regions", f"{region['base']:#x}, {region['bytes'] >> 10:,} KiB")
    for port, bits in row["memory"]["ports"].items():
        table.add_row(f"memory.ports.{port}", f"{bits} bits")
    for text, found in row["fits"].items():
        table.add_row(text, _fit(found))
        if "resources" in found:
            need = found["resources"]
            told = (f"{need[kind]:,} of {row['resources'][kind]:,} {kind}" for kind in KINDS if kind in need)
            table.add_row("", ", ".join(told) + " (formula)")
    return [table]


def _value(name: str, value: object) -> str:
    if value is None:
        return "of its own" if name == "pll_mhz" else "none"
    if name == "base":
        return f"{value:#x}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.9g}" if isinstance(value, float) else str(value)


def _memory(row: dict) -> str:
    memory = row["memory"]
    total = sum(region["bytes"] for region in memory["regions"])
    size = (
        f"{total >> 30} GiB" if total >= 1 << 30 else f"{total >> 20} MiB" if total >= 1 << 20 else f"{total >> 10} KiB"
    )
    bits = max(memory["ports"].values(), default=0)
    return f"{size}, {len(memory['ports'])} ports of {bits} bits" if bits else f"{size}, serial host"


def _fit(found: dict, short: bool = False) -> str:
    if "reason" in found:
        return "too large" if short else found["reason"]
    rows, columns = found["array"]
    return f"{rows}x{columns}, {found['predicted_cycles']:,} clocks, {found['latency_us_assumed']:.2f} us"
