"""How far a search is, for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hwgen.codesign.search import Say


@contextmanager
def shown() -> Iterator[Say]:
    """A bar on stderr while a search runs, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("searching"), BarColumn(), MofNCompleteColumn(), TextColumn("arrays"), TimeElapsedColumn()
    columns += (TextColumn("{task.description}"),)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text, done, total: bar.update(task, description=text, completed=done, total=total)
