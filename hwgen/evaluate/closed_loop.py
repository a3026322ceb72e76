"""The policy drives the simulated robot: success over unseen seeds, and the controls that give it a meaning.

A policy is any function (images uint8 [B, 64, 64, 3], state float32 [B, S], text float32 [B, E]) -> actions
float32 [B, T, 3] in [-1, 1], in units of 1.5 cm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.evaluate.robot.lanes import Episode, Trial, run_lanes
from hwgen.policies.embodiment import COLOURS, STATE_SIZE
from hwgen.policies.instructions import PHRASINGS, TRAIN_TEMPLATES
from hwgen.policies.text import informativeness
from hwgen.runtime.text import TEXT_SIZE

Policy = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
UNSEEN_SEED = 900_000_000  # demonstrations use seeds far below
EPISODES = 300


@dataclass
class EpisodeReport:
    """What came of the episodes, in order of their seeds."""

    episodes: list[Episode]

    @property
    def count(self) -> int:
        return len(self.episodes)

    @property
    def success(self) -> float:
        """Share of episodes that came within 2 cm of the right cube without touching a wrong one before."""
        return float(np.mean([e.success for e in self.episodes]))

    @property
    def wrong(self) -> float:
        """Share of episodes in which a wrong cube was touched (within 5 cm)."""
        return float(np.mean([e.wrong >= 0 for e in self.episodes]))

    @property
    def steps(self) -> np.ndarray:
        """Control steps of each success, int64."""
        return np.array([e.steps for e in self.episodes if e.success], np.int64)

    def summary(self) -> dict:
        """Plain numbers for a table or a JSON report."""
        steps = self.steps
        return {
            "episodes": self.count,
            "success": round(self.success, 4),
            "wrong_cube": round(self.wrong, 4),
            "steps_min": int(steps.min()) if len(steps) else None,
            "steps_mean": round(float(steps.mean()), 1) if len(steps) else None,
        }


def unseen_seeds(count: int = EPISODES) -> list[int]:
    """Seeds that no demonstration uses."""
    return list(range(UNSEEN_SEED, UNSEEN_SEED + count))


def run_episodes(
    policy: Policy,
    seeds: Sequence[int],
    phrasing: str = "train",
    shuffle: bool = False,
    blank: bool = False,
    execute: int = 4,
    limit: int = 60,
    lanes: int = 8,
    workers: int = 2,
    record: int = 0,
    words: dict[str, float] | None = None,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> EpisodeReport:
    """Run one episode per seed and judge it.

    phrasing: "train" or "unseen" sentences. shuffle: the instruction names a random cube (control: chance). blank:
    a grey image (control). execute: motions of a chunk carried out before the robot looks again. limit: control steps.
    lanes: robots per process that share one call of the policy. workers: processes; 1 keeps everything in this one.
    record: keep pictures of the first so many episodes. words: weights of the text encoder (default: as trained).
    whole: the policy is given what a robot has, positions float32 [B, 3] in metres and sentences str [B].
    progress(done, total). Deterministic for given arguments. Raises InputError for a policy that answers nonsense.
    """
    if phrasing not in PHRASINGS:
        raise InputError(f"phrasing {phrasing!r} does not exist; choose from {', '.join(PHRASINGS)}")
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError("seeds must be distinct, and at least one; use unseen_seeds(count)")
    try:
        import panda_gym  # noqa: F401
    except ImportError:
        raise InputError("panda-gym is not installed, and the robot lives there; pip install 'hwgen[flow]'") from None
    weights = informativeness(TRAIN_TEMPLATES, COLOURS) if words is None else words
    trial = Trial(phrasing, shuffle, blank, execute, limit, dict(weights), whole)

    def checked(images: np.ndarray, state: np.ndarray, text: np.ndarray) -> np.ndarray:
        chunk = np.asarray(policy(images, state, text), np.float32)
        if chunk.ndim != 3 or chunk.shape[0] != len(images) or chunk.shape[1] < execute or chunk.shape[2] != 3:
            raise InputError(f"the policy answered shape {chunk.shape}; expected ({len(images)}, >= {execute}, 3)")
        if not np.isfinite(chunk).all():
            raise InputError("the policy answered NaN or infinity; check its weights and its inputs")
        return chunk

    seeds = [int(s) for s in seeds]
    return EpisodeReport(run_lanes(checked, seeds, trial, lanes, workers, set(seeds[:record]), progress))


CONDITIONS: dict[str, dict] = {
    "instructed": {},
    "unseen phrasing": {"phrasing": "unseen"},
    "shuffled instruction": {"shuffle": True},
    "blank image": {"blank": True},
}
"""What every evaluation shows side by side."""


def random_observations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, states, texts of random content, for tests that need inputs of the right shape only."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    state = rng.uniform(-4, 4, (count, STATE_SIZE)).astype(np.float32)
    return images, state, rng.normal(0, 1, (count, TEXT_SIZE)).astype(np.float32)


def picture(report: EpisodeReport, path: Path | str) -> Path:
    """Draw recorded episodes (frames in a row) and all paths seen from above and from the side; writes PNG (or PDF)."""
    from hwgen.evaluate.robot.picture import draw

    return draw(report, Path(path))
