"""What is searched: something of which every choice can be made, judged on the board, and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hwgen.graph import Graph
from hwgen.search.hardware import Engine
from hwgen.search.space import Choice, Space

if TYPE_CHECKING:
    import optuna

Say = Callable[[str, int, int], None]
"""Told of a trial's progress: the stage, how much is done, of how much."""


@dataclass(frozen=True)
class Quality:
    """What a policy is good for: a name, a unit, and whether more of it is better."""

    name: str
    unit: str
    more: bool

    def text(self, value: float) -> str:
        """For people."""
        return f"{100 * value:.1f} %" if self.unit == "%" else f"{value:.4g} {self.unit}".strip()


SUCCESS = Quality("success", "%", True)
ERROR = Quality("error", "", False)
SQNR = Quality("sqnr", "dB", True)


class Judge(Protocol):
    """What a trial shows as soon as it knows them: a graph of its shapes, and how its training begins."""

    def hardware(self, graph: Graph) -> Engine:
        """The engine for the graph; ends the trial when it is late or fits nowhere."""

    def training(self, step: int, steps: int, error: float) -> None:
        """Ends the trial when the training begins hopelessly; `error` is the held-out one."""


@dataclass(frozen=True)
class Outcome:
    """A trial that ended: its quality, its engine, and the checkpoint if one was trained."""

    quality: float
    engine: Engine
    file: Path | None = None


class Subject(Protocol):
    """name: of the study, if the user gives none. quality: what a trial is measured by."""

    name: str
    space: Space
    quality: Quality

    def identity(self) -> dict[str, object]:
        """What a study is about; trials of others cannot be compared with these."""

    def first(self) -> list[Choice]:
        """Choices that are tried before the sampler begins."""

    def smallest(self) -> tuple[Graph, str]:
        """The graph of the fastest choice, and what to call it."""

    def ask(self, trial: optuna.Trial) -> Choice:
        """The trial's choice."""

    def choice(self, parameters: dict[str, float | int]) -> Choice:
        """A finished trial's."""

    def run(self, choice: Choice, keep: Path, judge: Judge, say: Say) -> Outcome:
        """Make it and measure it; a checkpoint goes to `keep`."""

    def write(self, choice: Choice, trained: Path | None, folder: Path, say: Say) -> Path:
        """Write the choice into a folder as what `hwgen generate` takes: made again, or the checkpoint copied."""
