"""Pictures of a search: the trials and the Pareto front, and Optuna's of what mattered and who did what when."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from optuna.trial import FrozenTrial, TrialState  # noqa: E402
from optuna.visualization import matplotlib as theirs  # noqa: E402

from hwgen.search.study import Search  # noqa: E402

ENOUGH = 4
"""Different trials, from which on it can be told what mattered."""


def draw(search: Search, trials: list[FrozenTrial], front: list[FrozenTrial], folder: Path) -> list[Path]:
    """Write pareto.png, timeline.png, and with enough trials importances.png; returns them."""
    complete = [t for t in trials if t.state is TrialState.COMPLETE]
    made = [_pareto(search, complete, front, folder / "pareto.png")]
    with warnings.catch_warnings(), plt.style.context("default"):
        warnings.simplefilter("ignore")  # Optuna's plots are experimental, by its own word
        made.append(_theirs(theirs.plot_timeline(search.study), folder / "timeline.png"))
        if len({t.values[0] for t in complete}) >= ENOUGH:
            name = search.task.subject.quality.name
            sign = -1 if search.task.subject.quality.more else 1  # it asks what makes the target low
            axes = theirs.plot_param_importances(search.study, target=lambda t: sign * t.values[0], target_name=name)
            made.append(_theirs(axes, folder / "importances.png"))
    return made


def _pareto(search: Search, complete: list[FrozenTrial], front: list[FrozenTrial], file: Path) -> Path:
    """Latency against quality, the colour is the cost; the front is ringed."""
    task = search.task
    figure, axes = plt.subplots(figsize=(8, 5))
    us, quality = [t.values[1] for t in complete], [t.values[0] for t in complete]
    dots = axes.scatter(us, quality, c=[100 * t.values[2] for t in complete], cmap="viridis", s=40)
    axes.scatter([t.values[1] for t in front], [t.values[0] for t in front], s=110, facecolors="none",
                 edgecolors="tab:red", label="Pareto front")  # fmt: skip
    if task.deadline_us is not None:
        axes.axvline(task.deadline_us, color="grey", linestyle="--", label=f"deadline {task.deadline_us:g} us")
    figure.colorbar(dots, label=f"% of {task.board.name}'s scarcest resource")
    q = task.subject.quality
    axes.set(xlabel="us, START to DONE", ylabel=f"{q.name} {f'({q.unit})' if q.unit == 'dB' else ''}".strip())
    axes.set_title(f"{search.name}: {len(complete)} complete trials")
    axes.legend()
    figure.savefig(file, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return file


def _theirs(axes: plt.Axes, file: Path) -> Path:
    axes.figure.savefig(file, dpi=120, bbox_inches="tight")
    plt.close(axes.figure)
    return file
