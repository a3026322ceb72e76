"""How good a policy of the simulated robot is: success over scenes, or how far its motions are from the expert's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwgen.evaluate.closed_loop import UNSEEN_SEED, run_episodes
from hwgen.policies.batches import Batches
from hwgen.policies.policy import Act, Shape
from hwgen.quantize import stages
from hwgen.runtime.text import TextEncoder

FIRST_SCENE = UNSEEN_SEED + 1_000_000
"""Scenes of a search: no training and no published evaluation uses them, so a choice by them flatters neither."""
EPISODES, EPISODES_SEED, FRAMES = 48, 7_000, 256
"""Demonstrations that no training uses, and the frames of them that motions are compared on."""
Say = Callable[[str, int, int], None]


def success(act: Act, config: Shape, scenes: int, say: Say) -> float:
    """Share of the scenes in which the arm reaches its cube, 0 to 1."""
    seeds = range(FIRST_SCENE, FIRST_SCENE + scenes)
    report = run_episodes(
        act, list(seeds), execute=config.execute, words=config.words, workers=1,
        progress=lambda done, total: say("scenes", done, total),
    )  # fmt: skip
    return report.success


def error(act: Act, config: Shape, work: Path, say: Say) -> float:
    """Mean absolute difference from the expert's motions, of those that the robot carries out of each answer; 1 is the
    longest motion."""
    demos = stages.demonstrations(EPISODES, EPISODES_SEED, work, lambda stage, done, total, _: say(stage, done, total))
    batches = Batches(demos, TextEncoder(config.words), 0, config.chunk)
    rng = np.random.default_rng(0)
    rows = rng.choice(len(demos.images), min(FRAMES, len(demos.images)), replace=False)
    asked = batches.label(rows, rng)
    found = act(asked.images[..., asked.permutation], asked.state, asked.text)
    expected = asked.chunk.reshape(found.shape)
    return float(np.abs(found - expected)[:, : config.execute].mean())
