"""What the trainings of all policies of the simulated robot share: demonstrations before, an evaluation behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.policies.batches import Batches
from hwgen.policies.demonstrations import Demonstrations, collect
from hwgen.policies.embodiment import COLOURS
from hwgen.policies.instructions import TRAIN_TEMPLATES
from hwgen.policies.policy import Integers, Policy
from hwgen.policies.text import informativeness

Progress = Callable[[str, int, int, str], None]
"""(stage, done, total, text)"""
Watch = Callable[[int, int, float], None]
"""(step, steps, held-out error) of the float training, about 40 times; what it raises ends the training."""
RECORDED = 24  # frames kept in the checkpoint, for bit-exact checks on real inputs


def demonstrations(episodes: int, seed: int, work: Path, say: Progress) -> Demonstrations:
    """Collected once, kept in `work`. Raises InputError without panda-gym."""
    path = work / f"demonstrations_{episodes}_{seed}.npz"
    if path.exists():
        return Demonstrations.load(path)
    try:
        import panda_gym  # noqa: F401
    except ImportError:
        raise InputError("demonstrations need panda-gym; pip install 'hwgen[flow]'") from None
    demos = collect(episodes, seed, progress=lambda done, total: say("collect", done, total, ""))
    work.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    demos.save(part)
    os.replace(part, path)
    return demos


def known_words() -> dict[str, float]:
    """Weights of the words that the training instructions use."""
    return informativeness(TRAIN_TEMPLATES, COLOURS)


def recorded(batches: Batches) -> Integers:
    """Held-out images, states and texts that go into a checkpoint."""
    rows = np.random.default_rng(11).choice(batches.held, min(RECORDED, len(batches.held)), replace=False)
    texts = batches.texts.reshape(-1, batches.texts.shape[-1])
    return {"images": batches.demos.images[rows], "state": batches.state[rows], "text": texts[::40].copy()}


def evaluate(policy: Policy, episodes: int, say: Progress) -> dict:
    """Success of the float policy and of the integers over unseen scenes; nothing for no episodes."""
    from hwgen.evaluate.closed_loop import run_episodes, unseen_seeds

    if not episodes:
        return {}
    seeds, results = unseen_seeds(episodes), {}
    for name, act in (("float", policy.float_policy), ("integer", policy.integer_policy())):
        report = run_episodes(
            act, seeds, execute=policy.config.execute, words=policy.config.words,
            progress=lambda done, total, name=name: say(f"evaluate {name}", done, total, ""),
        )  # fmt: skip
        results[f"{name}_success"] = round(report.success, 4)
    return results
