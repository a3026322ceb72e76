"""When a trial is stopped: what its hardware or the beginning of its training says already. Both rules are ours.

Optuna's pruners take studies with one objective only. A trial stopped here is PRUNED in the study, with its reason;
one that is late or does not fit has a violated constraint, too, from which Optuna's sampler learns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import optuna

from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.graph import Graph
from hwgen.search import hardware
from hwgen.search.hardware import Engine
from hwgen.search.storage import Storage

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

WHEN = 0.5
"""Of the float training: when it is compared with those of other trials."""
WORSE = 1.25
"""Times the error of another trial at the same step, that is too much where that trial is no worse in anything else."""
ENGINE, EARLY, WHY = "engine", "early_error", "why"
"""Names under which the study keeps a trial's engine, the error at WHEN, and why it was stopped."""


class Watch:
    """The Judge of a trial: asks for its engine before anything slow begins, and looks at its training half-way."""

    def __init__(self, trial: optuna.Trial, storage: Storage, board: Board, deadline_us: float | None) -> None:
        self.trial, self.storage, self.board, self.deadline_us = trial, storage, board, deadline_us
        self.engine: Engine | None = None
        self.early: float | None = None

    def hardware(self, graph: Graph) -> Engine:
        """The graph's engine. Raises TrialPruned where none fits the board or is in time."""
        try:
            found = hardware.engine(graph, self.board, self.deadline_us)
        except FitError as error:
            self._constrain(1.0, 0.0)
            raise self._stopped(str(error)) from None
        self._constrain(0.0, found.late)
        if found.late:
            raise self._stopped(f"{found.us:.2f} us on the fastest engine, the deadline is {self.deadline_us:g} us")
        with self.storage.failures():
            self.trial.set_user_attr(ENGINE, found.as_dict())
        self.engine = found
        return found

    def training(self, step: int, steps: int, error: float) -> None:
        """Raises TrialPruned when the training is behind another trial's at WHEN."""
        if self.early is not None or step < WHEN * steps:
            return
        self.early = error
        with self.storage.failures():
            self.trial.set_user_attr(EARLY, error)
            others = self.trial.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if reason := behind(others, error, self.engine, self.trial.params):
            raise self._stopped(reason)

    def _constrain(self, board: float, deadline: float) -> None:
        """Tell the sampler, once: above 0 is a violation, and by how much. A trial that is repeated has told it."""
        with self.storage.failures():
            if not self.trial.constraints:
                self.trial.set_constraint("board", board)
                self.trial.set_constraint("deadline", deadline)

    def _stopped(self, why: str) -> optuna.TrialPruned:
        with self.storage.failures():
            self.trial.set_user_attr(WHY, why)
        return optuna.TrialPruned(why)


def behind(others: Iterable[FrozenTrial], error: float, engine: Engine, parameters: Mapping) -> str:
    """Why a training cannot win any more, or nothing: another trial with answers of the same length is no slower and no
    dearer, and its error at the same step was clearly lower."""
    for other in others:
        early, known = other.user_attrs.get(EARLY), other.user_attrs.get(ENGINE)
        if early is None or known is None or other.params.get("chunk") != parameters.get("chunk"):
            continue
        if known["clocks"] <= engine.clocks and known["cost"] <= engine.cost and WORSE * early < error:
            return (f"error {error:.4f} half-way through the float training, trial {other.number} had {early:.4f} and "
                    "is no slower and no dearer")  # fmt: skip
    return ""
