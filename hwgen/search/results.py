"""What a search found: a table, search.json, the best choice as a file, and the command that comes next."""

from __future__ import annotations

import json
import shlex
import socket
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from hwgen.errors import FitError, InputError
from hwgen.search.hopeless import WHY
from hwgen.search.study import FILE, HOST, SAME, Search, best, engine
from hwgen.search.subject import Say

WIDTH = 110
"""Columns where there is no terminal."""
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped"}


def finish(search: Search, folder: Path, say: Say) -> Path:
    """Write search.json, the pictures and the best choice into the folder and print the table; returns the best's file.

    Raises FitError when no trial was completed, InputError when the best's checkpoint lies on another machine.
    """
    from hwgen.search import pictures  # matplotlib takes a second to import

    task, study = search.task, search.study
    with search.storage.failures():
        trials = [t for t in study.get_trials(deepcopy=False) if t.state in STATES]
        front, winner = study.best_trials, best(study, task.subject.quality)
    (folder / "search.json").write_text(json.dumps(as_dict(search, trials, front, winner), indent=1) + "\n")
    if winner is None:
        raise FitError(_nothing(search, trials))
    pictures.draw(search, trials, front, folder)
    _print_table(search, front, winner)
    print(_counts(trials))
    file = task.subject.write(task.subject.choice(winner.params), _checkpoint(winner), folder, say)
    print(f"{file}: trial {winner.number}, {_figures(search, winner)}; pictures and search.json are beside it")
    print(f"Next: {next_command(file, search, folder)}")
    return file


def as_dict(search: Search, trials: list[FrozenTrial], front: list[FrozenTrial], winner: FrozenTrial | None) -> dict:
    """Plain values: search.json."""
    quality = search.task.subject.quality
    return {
        "study": search.name, "storage": search.storage.name, **search.task.identity(),
        "quality": {"name": quality.name, "unit": quality.unit, "more_is_better": quality.more},
        "best": None if winner is None else winner.number, "pareto": [t.number for t in front],
        "trials": [_row(search, t) for t in trials],
    }  # fmt: skip


def next_command(file: Path, search: Search, folder: Path) -> str:
    """What makes the design of the best choice: the very engine that its trial had."""
    task = search.task
    deadline = "" if task.deadline_us is None else f" --deadline-us {task.deadline_us:.12g}"
    return (
        f"hwgen generate {shlex.quote(str(file))} --board {shlex.quote(task.board_given)}{deadline} -o "
        + shlex.quote(str(folder / "design"))
    )


def _row(search: Search, trial: FrozenTrial) -> dict[str, object]:
    values = trial.values or [None]
    return {
        "number": trial.number, "state": STATES[trial.state], "parameters": trial.params, "value": values[0],
        "engine": trial.user_attrs.get("engine"), "why": trial.user_attrs.get(WHY),
        "same_as": trial.user_attrs.get(SAME), "checkpoint": trial.user_attrs.get(FILE),
        "host": trial.user_attrs.get(HOST), "seconds": round(trial.duration.total_seconds(), 1),
    }  # fmt: skip


def _print_table(search: Search, front: list[FrozenTrial], winner: FrozenTrial) -> None:
    """The Pareto front, the best first; equal ones once."""
    quality, console = search.task.subject.quality, Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    table = Table("trial", quality.name, "us", "clocks", "of the board", "engine", "choice", box=None,
                  title="not beaten by another trial in quality, latency and cost together")  # fmt: skip
    shown = [t for t in front if SAME not in t.user_attrs]
    for trial in sorted(shown, key=lambda t: (t.number != winner.number, t.values[1], t.number)):
        made, mark = engine(trial), " *" if trial.number == winner.number else ""
        choice = search.task.subject.choice(trial.params).text
        table.add_row(f"{trial.number}{mark}", quality.text(trial.values[0]), f"{made.us:.2f}", f"{made.clocks:,}",
                      f"{made.cost:.1%}", made.name, choice)  # fmt: skip
    console.print(table)


def _counts(trials: list[FrozenTrial]) -> str:
    complete = sum(t.state is TrialState.COMPLETE for t in trials)
    return f"{len(trials)} trials: {complete} complete, {len(trials) - complete} stopped early (search.json says why)"


def _figures(search: Search, trial: FrozenTrial) -> str:
    made, quality = engine(trial), search.task.subject.quality
    return (
        f"{quality.name} {quality.text(trial.values[0])}, {made.us:.2f} us, {made.cost:.1%} of {search.task.board.name}"
    )


def _nothing(search: Search, trials: list[FrozenTrial]) -> str:
    """Why no trial was completed."""
    if not trials:
        return f"study {search.name!r}: no trial has ended yet; give the same command again"
    reasons = [t.user_attrs.get(WHY, "") for t in trials]
    often = max(reasons, key=reasons.count)
    many = f"all {len(trials)} were stopped, {reasons.count(often)} of them because"
    return (f"no trial was completed: {many}: {often}; give a later --deadline-us, a larger board, fewer --bits, or "
            "smaller policies (--width, --depth)")  # fmt: skip


def _checkpoint(trial: FrozenTrial) -> Path | None:
    """The checkpoint of a trial that trained one. Raises InputError when it is not on this machine."""
    if FILE not in trial.user_attrs:
        return None
    file = Path(trial.user_attrs[FILE])
    if not file.is_file():
        host = trial.user_attrs.get(HOST, "another machine")
        here = " (this machine: it was removed)" if host == socket.gethostname() else ""
        raise InputError(f"the best is trial {trial.number}, whose checkpoint is {file} on {host}{here}: give this "
                         "command there, or give all workers an -o on a shared disk")  # fmt: skip
    return file
