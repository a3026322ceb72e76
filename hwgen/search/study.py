"""The study: its trials, however many workers and interruptions they take."""

from __future__ import annotations

import re
import socket
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from hwgen.boards import Board
from hwgen.errors import InputError
from hwgen.search import hopeless
from hwgen.search.hardware import Engine, check_deadline
from hwgen.search.hopeless import WHY, Watch
from hwgen.search.storage import Storage
from hwgen.search.subject import Outcome, Quality, Say, Subject

IDENTITY, FILE, HOST, SAME = "hwgen", "file", "host", "same_as"
"""Names under which a study keeps what it is about, and a trial its checkpoint, whose disk that is on, and the trial
whose values it took over."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Task:
    """subject: on this board, given by the user as board_given, within deadline_us if there is one. trials: of the
    study in all, those of other workers included. folder: where checkpoints go. seed: of the sampler; None for one that
    no other worker has."""

    subject: Subject
    board: Board
    board_given: str
    deadline_us: float | None
    trials: int
    folder: Path
    seed: int | None = None

    def identity(self) -> dict[str, object]:
        """What all trials of the study have in common."""
        return self.subject.identity() | {"board": self.board.name, "deadline_us": self.deadline_us}


class Search:
    """A worker: opens the study, or makes it, and does trials until there are enough."""

    def __init__(self, task: Task, storage: Storage, name: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.task, self.storage, self.name = task, storage, name
        self.failed: BaseException | None = None
        quality = task.subject.quality
        directions = ["maximize" if quality.more else "minimize", "minimize", "minimize"]
        sampler = optuna.samplers.TPESampler(seed=task.seed)
        with storage.failures(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.study = optuna.create_study(
                storage=storage.optuna, sampler=sampler, study_name=name, directions=directions, load_if_exists=True
            )
            known = self.study.user_attrs.get(IDENTITY)
            if known is None:
                self.study.set_user_attr(IDENTITY, task.identity())
                self.study.set_metric_names([quality.name, "us", "cost"])
        if known is not None:
            self._check(known)

    def run(self, say: Say, finished: Callable[[FrozenTrial], None]) -> None:
        """Do trials until the study has as many as the task wants. finished: told of each of this worker's. Raises
        FitError for a deadline that no choice meets, ToolError for a storage that went away."""
        graph, what = self.task.subject.smallest()
        check_deadline(graph, self.task.board, self.task.deadline_us, what)
        with self.storage.failures():
            for choice in self.task.subject.first():
                self.study.enqueue_trial(choice.parameters, skip_if_exists=True)
        enough = optuna.study.MaxTrialsCallback(self.task.trials, states=FINISHED)
        if self.done() >= self.task.trials:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                self.study.optimize(
                    lambda trial: self._trial(trial, say), callbacks=[enough, lambda _, trial: finished(trial)]
                )
        except Exception as error:
            if self.failed is not None:
                raise self.failed from None
            with self.storage.failures():
                raise error
        self.storage.check()

    def done(self) -> int:
        """Trials that have ended, by any worker."""
        with self.storage.failures():
            return len(self.study.get_trials(deepcopy=False, states=FINISHED))

    def _trial(self, trial: optuna.Trial, say: Say) -> tuple[float, float, float]:
        """The objectives of a trial: quality, latency in microseconds, cost."""
        self.storage.check()
        try:
            return self._measured(trial, say)
        except optuna.TrialPruned:
            raise
        except KeyboardInterrupt:
            self._again(trial)
            raise
        except Exception as error:
            self.failed = error
            self._again(trial)
            raise

    def _measured(self, trial: optuna.Trial, say: Say) -> tuple[float, float, float]:
        task = self.task
        with self.storage.failures():
            choice = task.subject.ask(trial)
            same = self._same(trial)
        if same is not None:
            return self._taken_over(trial, same)
        watch = Watch(trial, self.storage, task.board, task.deadline_us)
        name = re.sub(r"[^-.\w]", "_", self.name)
        keep = task.folder / "trials" / f"{name}-{trial.number}.safetensors"
        outcome = task.subject.run(choice, keep, watch, say)
        self._note(trial, outcome)
        return outcome.quality, outcome.engine.us, outcome.engine.cost

    def _note(self, trial: optuna.Trial, outcome: Outcome) -> None:
        with self.storage.failures():
            trial.set_user_attr(hopeless.ENGINE, outcome.engine.as_dict())
            if outcome.file is not None:
                trial.set_user_attr(FILE, str(outcome.file.absolute()))
                trial.set_user_attr(HOST, socket.gethostname())

    def _same(self, trial: optuna.Trial) -> FrozenTrial | None:
        """An earlier trial with these parameters: a small space is soon exhausted."""
        ended = self.study.get_trials(deepcopy=False, states=FINISHED)
        return next((t for t in ended if t.params == trial.params and SAME not in t.user_attrs), None)

    def _taken_over(self, trial: optuna.Trial, same: FrozenTrial) -> tuple[float, float, float]:
        with self.storage.failures():
            trial.set_user_attr(SAME, same.number)
            for key, value in same.user_attrs.items():
                trial.set_user_attr(key, value)
            for key, value in same.constraints.items():
                trial.set_constraint(key, value)
        if same.state is TrialState.PRUNED:
            raise optuna.TrialPruned(same.user_attrs.get(WHY, ""))
        return tuple(same.values)

    def _again(self, trial: optuna.Trial) -> None:
        """What was interrupted or failed is asked again first, if the storage still hears it."""
        with suppress(Exception):  # the reason for the interruption is what the user must see
            self.study.enqueue_trial(trial.params)

    def _check(self, known: dict[str, object]) -> None:
        """Raise InputError when the study is about something else."""
        mine = self.task.identity()
        if differing := [k for k in {**known, **mine} if known.get(k) != mine.get(k)]:
            told = ", ".join(f"{k} {_text(known.get(k))}, not {_text(mine.get(k))}" for k in differing)
            raise InputError(f"study {self.name!r} in {self.storage.name} has {told}: give another --study, or what it "
                             "began with")  # fmt: skip


def engine(trial: FrozenTrial) -> Engine | None:
    """A trial's engine; None where none was found."""
    known = trial.user_attrs.get(hopeless.ENGINE)
    return None if known is None else Engine(**known)


def best(study: optuna.Study, quality: Quality) -> FrozenTrial | None:
    """Of the Pareto front the trial with the best quality; among equals the cheapest, then the fastest. All that are
    complete are in time."""
    front = study.best_trials
    sign = -1 if quality.more else 1
    return min(front, key=lambda t: (sign * t.values[0], t.values[2], t.values[1], t.number), default=None)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
