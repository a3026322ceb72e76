"""`hwgen explain DIR`: why this design, what binds it, and what would make it faster, from its report alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from hwgen.backends.engine.like import config_of
from hwgen.codesign import causes, roofline
from hwgen.codesign.causes import Layer
from hwgen.codesign.remedies import remedies
from hwgen.errors import InputError
from hwgen.evaluate import timeline
from hwgen.evaluate.design_files import AGAIN, read_object
from hwgen.schedule.config import EngineConfig

ROWS = 24  # layers in the table; explain.json has all
CANDIDATES = 8
WIDTH = 130  # where there is no terminal


def explain(folder: Path, console: Console | None = None) -> dict:
    """Print why a design is what it is; writes explain.json, roofline.png and timeline.png into its folder and returns
    what explain.json holds. Raises InputError for a folder without an engine's report, or with a damaged one."""
    report, config = _read(folder)
    try:
        every = causes.layers(report["layers"], config.multipliers)
        candidates = report["search"]["candidates"] if "search" in report else []
        told = _told(report, config, every, candidates)
        roofline.draw(report["name"], every, config, folder / "roofline.png")
        timeline.draw(report, folder / "timeline.png")
        (folder / "explain.json").write_text(json.dumps(told, indent=1) + "\n")
        if console is None:
            console = Console()
            console = console if console.is_terminal else Console(width=WIDTH)
        _show(told, console)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{folder / 'report.json'} cannot be explained ({error!r:.200}); {AGAIN}") from None
    console.print(f"{folder}: explain.json, roofline.png, timeline.png", markup=False, highlight=False, soft_wrap=True)
    return told


def _read(folder: Path) -> tuple[dict, EngineConfig]:
    """The report and the engine."""
    for name in ("report.json", "manifest.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}: give a folder that `hwgen generate` wrote")
    report = read_object(folder / "report.json", ("name", "board", "backend"), ("predicted_cycles",))
    if report["backend"] == "engines":
        raise InputError(f"{folder} is a design of several engines: explain one of them, such as {folder / 'stage0'}; "
                         "how they share the board is in its report.json under search_engines")  # fmt: skip
    if report["backend"] != "engine":
        raise InputError(
            f"{folder} is a design of the backend {report['backend']}, and the clocks are known of the engine only: "
            "its report.json has a formula's, layer by layer"
        )
    return report, config_of(read_object(folder / "manifest.json").get("engine"), folder)


def _told(report: dict, config: EngineConfig, every: Sequence[Layer], candidates: Sequence[dict]) -> dict:
    """What explain.json holds."""
    clocks, mhz = report["predicted_cycles"], report["clock_mhz_assumed"]
    by_cause = causes.total(every)
    return {
        "name": report["name"], "board": report["board"], "array": [config.n, config.m], "weight_bits": config.ww,
        "clocks": clocks, "us_assumed": clocks / mhz, "binds": max(by_cause, key=by_cause.get),
        "causes": {cause: round(value, 1) for cause, value in by_cause.items()},
        "roofs": {
            "multipliers": config.multipliers, "weight_bytes_a_clock": config.multipliers * config.ww / 8,
            "activation_bytes_a_clock": config.n, "ddr_bytes_a_clock": 16 * report["ddr_ports"],
        },
        "layers": [layer.as_dict() for layer in every], "faster": remedies(every, config, candidates),
        "resources": report["resources"], "objective": report.get("search", {}).get("objective"),
        "candidates": list(candidates),
    }  # fmt: skip


def _show(told: dict, console: Console) -> None:
    n, m = told["array"]
    console.print(
        f"{told['name']} on {told['board']}: {n}x{m}, {told['clocks']:,} clocks ({told['us_assumed']:.2f} us assumed)",
        markup=False, highlight=False,
    )  # fmt: skip
    console.print(_causes(told))
    console.print(_layers(told))
    if told["candidates"]:
        console.print(_candidates(told))
    else:
        console.print("The array was asked for; without --array and --like, hwgen chooses and says why.")
    for sentence in told["faster"]:
        console.print(f"faster: {sentence}", markup=False, highlight=False, soft_wrap=True)


def _table(title: str, *heads: str, left: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for head in heads:
        table.add_column(head, justify="left" if head in left else "right", no_wrap=head not in left)
    return table


def _causes(told: dict) -> Table:
    table = _table("Where the clocks go", "clocks", "share", "cause", "what it is", left=("cause", "what it is"))
    for cause, clocks in sorted(told["causes"].items(), key=lambda item: -item[1]):
        if clocks >= 0.5:
            table.add_row(f"{clocks:,.0f}", f"{clocks / told['clocks']:.1%}", cause, causes.WORDS[cause])
    return table


def _layers(told: dict) -> Table:
    """The layers in order; of many, those that take the most clocks."""
    rows = told["layers"]
    shown = sorted(sorted(range(len(rows)), key=lambda i: -rows[i]["clocks"])[:ROWS])
    title = f"Layers, {len(shown)} of {len(rows)} that take the most clocks" if len(shown) < len(rows) else "Layers"
    table = _table(title, "layer", "clocks", "share", "of the array", "binds", "all", left=("layer", "binds", "all"))
    for row in (rows[i] for i in shown):
        parts = sorted(row["causes"].items(), key=lambda item: -item[1])
        table.add_row(
            row["name"], f"{row['clocks']:,}", f"{row['clocks'] / told['clocks']:.1%}",
            f"{row['macs_per_clock'] / told['roofs']['multipliers']:.0%}", row["binds"],
            ", ".join(f"{cause} {clocks:,.0f}" for cause, clocks in parts if clocks >= 0.5),
        )  # fmt: skip
    return table


def _candidates(told: dict) -> Table:
    """The chosen one, and those next to it: compiled ones first, by their clocks."""
    rows = sorted(told["candidates"], key=_place)
    table = _table(f"Configurations, {min(CANDIDATES, len(rows))} of {len(rows)}", "array", "clocks", "cost", "verdict",
                   "why", left=("array", "verdict", "why"))  # fmt: skip
    for row in rows[:CANDIDATES]:
        n, m = row["array"]
        clocks = f"{row['predicted_cycles']:,}" if row["predicted_cycles"] else f"> {row['bound_cycles']:,}"
        ports = f", {row['stream_ports']} ports" if row["stream_ports"] else ""
        cost = "" if row["cost"] is None else f"{row['cost']:.0%}"
        table.add_row(f"{n}x{m}{ports}", clocks, cost, row["verdict"], row["why"])
    return table


def _place(row: dict) -> tuple:
    return row["verdict"] != "chosen", row["predicted_cycles"] is None, row["predicted_cycles"] or row["bound_cycles"]
