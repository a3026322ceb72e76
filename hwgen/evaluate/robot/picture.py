"""The picture of a run: what the robot did, frame by frame, and where its hand went."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.evaluate.robot.lanes import Episode
from hwgen.evaluate.robot.scene import CUBE_HALF
from hwgen.policies.embodiment import COLOURS

_FRAMES = 6
_PAINT = {"red": "#cc2222", "green": "#228833", "blue": "#2244cc"}


def draw(report, path: Path) -> Path:
    """Up to three recorded episodes as film strips, then the paths of the first 60 episodes. Returns path."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    strips = [e for e in report.episodes if e.frames is not None][:3]
    figure = plt.figure(figsize=(12, 2.2 * len(strips) + 4.6), layout="constrained")
    grid = figure.add_gridspec(len(strips) + 1, _FRAMES, height_ratios=[1] * len(strips) + [2.1])
    for row, episode in enumerate(strips):
        _film(figure, grid, row, episode)
    half = _FRAMES // 2
    above, side = figure.add_subplot(grid[-1, :half]), figure.add_subplot(grid[-1, half:])
    _paths(above, report.episodes[:60], 0, 1)
    _paths(side, report.episodes[:60], 1, 2)
    above.set(title="paths from above", xlabel="x, cm", ylabel="y, cm", aspect="equal")
    side.set(title="paths from the front", xlabel="y, cm", ylabel="z, cm", aspect="equal")
    figure.suptitle(f"{report.count} episodes, {100 * report.success:.1f} % within 2 cm of the right cube")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _film(figure, grid, row: int, episode: Episode) -> None:
    picks = np.linspace(0, len(episode.frames) - 1, _FRAMES).round().astype(int)
    for column, pick in enumerate(picks):
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(episode.frames[pick])
        axes.set(xticks=[], yticks=[])
        if column == 0:
            end = "reached" if episode.success else "missed"
            axes.set_title(f"“{episode.instruction}”: {end} after {episode.steps} steps", loc="left", fontsize=9)


def _paths(axes, episodes: list[Episode], a: int, b: int) -> None:
    """Paths of the hand, coloured by the cube it should reach; missed ones dashed; the goals as squares."""
    for episode in episodes:
        paint = _PAINT[COLOURS[episode.goal]]
        points = 100 * episode.path
        axes.plot(points[:, a], points[:, b], "-" if episode.success else "--", color=paint, lw=0.8, alpha=0.7)
        x, y = 100 * (episode.cubes[episode.goal][[a, b]] - CUBE_HALF)
        axes.add_patch(_square(x, y, paint))


def _square(x: float, y: float, paint: str):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 200 * CUBE_HALF, 200 * CUBE_HALF, fc=paint, alpha=0.15, lw=0)
