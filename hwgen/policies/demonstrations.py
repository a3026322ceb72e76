"""Demonstrations: noisy rollouts of the scripted expert, kept as frames that can be labelled for any instruction."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.evaluate.robot.expert import CHUNK, expert_action, expert_chunk
from hwgen.evaluate.robot.scene import ReachWorld
from hwgen.policies.embodiment import MAX_STEP

_FRAMES = 9  # per episode at most
_JUMP_SHARE = 0.5  # episodes that start anywhere above the table
_LOW, _HIGH = (-0.16, -0.18, 0.02), (0.16, 0.18, 0.25)


@dataclass
class Demonstrations:
    """images uint8 [N,64,64,3]; ee float32 [N,3]; cubes float32 [N,3,3] (red, green, blue); episode int32 [N]."""

    images: np.ndarray
    ee: np.ndarray
    cubes: np.ndarray
    episode: np.ndarray

    def chunks(self, chunk: int = CHUNK) -> np.ndarray:
        """The expert's answer to each of the three instructions: float32 [N, 3, chunk, 3]."""
        return expert_chunk(np.repeat(self.ee[:, None], 3, axis=1), self.cubes, chunk=chunk)

    def save(self, path: Path) -> None:
        np.savez(path, images=self.images, ee=self.ee, cubes=self.cubes, episode=self.episode)

    @staticmethod
    def load(path: Path) -> Demonstrations:
        with np.load(path) as file:
            return Demonstrations(file["images"], file["ee"], file["cubes"], file["episode"])


def _rollouts(job: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Frames of `episodes` rollouts. Noise makes the arm stray, so that the policy sees how to come back."""
    seed, first, episodes = job
    world = ReachWorld()
    rng = np.random.default_rng((seed, first))
    images, ees, cubes, episode = [], [], [], []
    for n in range(first, first + episodes):
        world.reset(seed * 1_000_000 + n)
        if rng.random() < _JUMP_SHARE:
            world.jump(rng.uniform(_LOW, _HIGH))
        noise = rng.choice([0.0, 0.4, 0.8])
        drift = rng.normal(0.0, 0.5 * noise, 3)
        arrived = 0
        for _ in range(_FRAMES):
            images.append(world.image())
            ees.append(world.ee)
            cubes.append(world.cubes)
            episode.append(n)
            for _ in range(int(rng.integers(2, 5))):  # neighbouring frames differ little: several steps between two
                world.step(expert_action(world.ee, world.goal) + drift + rng.normal(0.0, noise, 3))
            arrived += bool(np.linalg.norm(world.ee - world.goal) < MAX_STEP)
            if arrived >= 2:
                break
    world.close()
    return (
        np.array(images, np.uint8),
        np.array(ees, np.float32),
        np.array(cubes, np.float32),
        np.array(episode, np.int32),
    )


def collect(
    episodes: int, seed: int = 1, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> Demonstrations:
    """Roll out `episodes` noisy expert episodes in `workers` processes; same arguments, same frames.

    progress(done, total) is called after each finished piece.
    """
    pieces = max(workers * 8, 1)
    bounds = np.linspace(0, episodes, pieces + 1).astype(int)
    jobs = [(seed, int(a), int(b - a)) for a, b in zip(bounds[:-1], bounds[1:], strict=True) if b > a]
    parts = []
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for part in pool.imap(_rollouts, jobs):
            parts.append(part)
            if progress:
                progress(len(parts), len(jobs))
    return Demonstrations(*(np.concatenate(column) for column in zip(*parts, strict=True)))
