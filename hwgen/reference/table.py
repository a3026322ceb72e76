"""A verification report for people (a table) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from hwgen.reference.verification import Report


def print_report(report: Report, tensors: bool = False, console: Console | None = None) -> None:
    """Print one table of mismatches and one of quantization errors (tensors: of all tensors, else of outputs)."""
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 110)  # into a file: whole lines
    if report.exact:
        console.print(_exact_table(report))
    if report.real:
        console.print(_error_table(report, tensors))
    for e in report.exact:
        if e.first:
            console.print(f"first mismatch of {e.who.name}: {e.first}", markup=False)


def _exact_table(report: Report) -> Table:
    table = Table(title=f"{escape(report.graph)}: integers against golden", title_justify="left", box=SIMPLE)
    for column in ("reference", "device", "version"):
        table.add_column(column)
    for column in ("vectors", "integers", "mismatches", "seconds"):
        table.add_column(column, justify="right")
    for e in report.exact:
        color = "red" if e.mismatches else "green"
        found = f"[{color}]{e.mismatches:,}[/{color}]"
        who = (e.who.name, e.who.device, e.who.version)
        table.add_row(*who, f"{e.vectors:,}", f"{e.values:,}", found, f"{e.who.seconds:.1f}")
    return table


def _error_table(report: Report, tensors: bool) -> Table:
    table = Table(
        title=f"{escape(report.graph)}: quantization error against real values", title_justify="left", box=SIMPLE
    )
    for column in ("reference", "tensor", "made by"):
        table.add_column(column)
    for column in ("SQNR dB", "worst, steps", "clipped"):
        table.add_column(column, justify="right")
    for q in report.real:
        for t in q.tensors:
            if tensors or t.tensor in report.outputs:
                row = (f"{t.sqnr_db:.1f}", f"{t.worst_steps:.2f}", f"{t.clipped:.1%}")
                table.add_row(q.who.name, escape(t.tensor), t.op, *row)
    return table


@contextmanager
def ask_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar per reference, for verify's `progress`; silent where stderr is no terminal."""
    with Progress(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, int] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)

        yield progress


def write_json(report: Report, path: Path) -> None:
    """Write the report as JSON; an infinite SQNR becomes null."""
    values = report.to_dict()
    for q in values["real"]:
        for t in q["tensors"]:
            t["sqnr_db"] = None if t["sqnr_db"] in (float("inf"), float("-inf")) else t["sqnr_db"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n")
