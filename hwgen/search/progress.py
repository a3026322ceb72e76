"""How far a search is, for people: a bar on a terminal, a line for each trial elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hwgen.search.hopeless import WHY
from hwgen.search.study import SAME, Search, engine
from hwgen.search.subject import Say


@contextmanager
def shown(search: Search) -> Iterator[tuple[Say, Callable[[FrozenTrial], None]]]:
    """(what a trial is at, what to do with one that has ended), both for `Search.run`; on stderr."""
    console = Console(stderr=True)
    columns = TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    columns += (TextColumn("{task.description}"),)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=search.task.trials, completed=search.done())

        def say(stage: str, done: int, total: int) -> None:
            bar.update(task, description=f"{stage} {done}/{total}")

        def finished(trial: FrozenTrial) -> None:
            bar.update(task, description="", completed=search.done())
            bar.console.print(line(search, trial), highlight=False, markup=False, soft_wrap=True)

        yield say, finished


def line(search: Search, trial: FrozenTrial) -> str:
    """What became of a trial."""
    quality, made, user = search.task.subject.quality, engine(trial), trial.user_attrs
    if trial.state is TrialState.PRUNED:
        return f"trial {trial.number}: stopped: {user.get(WHY, '')}"
    if trial.state is not TrialState.COMPLETE:
        return f"trial {trial.number}: failed, it gave no number"
    text = f"trial {trial.number}: {quality.name} {quality.text(trial.values[0])}, {made.us:.2f} us, {made.cost:.1%}"
    again = f", as trial {user[SAME]}" if SAME in user else ""
    return f"{text} of {search.task.board.name} ({search.task.subject.choice(trial.params).text}{again})"
