"""Several robots in lockstep, in this process or in workers: look, think (elsewhere), move, until all are done."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait

import numpy as np

from hwgen.errors import ToolError
from hwgen.evaluate.robot.scene import REACH_RADIUS, TOUCH_RADIUS, ReachWorld
from hwgen.policies.embodiment import normalize_state
from hwgen.policies.instructions import instruction
from hwgen.runtime.text import TextEncoder

FRAME_SIZE = 192
BLANK = 128


@dataclass(frozen=True)
class Trial:
    """How episodes are run: see closed_loop.run_episodes."""

    phrasing: str = "train"
    shuffle: bool = False
    blank: bool = False
    execute: int = 4
    limit: int = 60
    words: dict[str, float] = field(default_factory=dict)
    whole: bool = False


@dataclass
class Episode:
    """One episode's course. path: end-effector positions float64 [steps + 1, 3]; cubes float64 [3, 3];
    goal, told: index of the cube to reach and of the one the instruction names; wrong: index of a wrong cube that was
    touched, or -1; frames: pictures uint8 [n, H, W, 3] if they were recorded."""

    seed: int
    instruction: str
    goal: int
    told: int
    cubes: np.ndarray
    success: bool
    wrong: int
    steps: int
    path: np.ndarray
    frames: np.ndarray | None = None


class Lane:
    """One robot working through one episode."""

    def __init__(self, world: ReachWorld, seed: int, trial: Trial, record: bool) -> None:
        self.world, self.trial, self.seed, self.record = world, trial, seed, record
        world.reset(seed)
        rng = np.random.default_rng((seed, 1))
        self.told = int(rng.integers(3)) if trial.shuffle else world.goal_index
        self.instruction = instruction(self.told, trial.phrasing, rng)
        self.text = TextEncoder(trial.words)(self.instruction)
        self.path, self.frames = [world.ee], []
        self.success, self.wrong = False, -1

    def look(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | str]:
        """(image, state, text) for the policy; of a whole one, the position in metres and the sentence."""
        if self.record:
            self.frames.append(self.world.image(FRAME_SIZE))
        image = self.world.image()
        if self.trial.blank:
            image = np.full_like(image, BLANK)
        if self.trial.whole:
            return image, self.world.ee.astype(np.float32), self.instruction
        return image, normalize_state(self.world.ee), self.text

    def move(self, chunk: np.ndarray) -> Episode | None:
        """Carry out the first motions of the chunk; the finished episode, or None if it goes on."""
        for action in chunk[: self.trial.execute]:
            self.world.step(action)
            self.path.append(self.world.ee)
            distance = np.linalg.norm(self.world.cubes - self.world.ee, axis=1)
            near = int(distance.argmin())
            if near != self.world.goal_index and distance[near] < TOUCH_RADIUS:
                self.wrong = near
            self.success = self.wrong < 0 and bool(distance[self.world.goal_index] < REACH_RADIUS)
            if self.success or self.wrong >= 0 or len(self.path) > self.trial.limit:
                return self._finish()
        return None

    def _finish(self) -> Episode:
        frames = None
        if self.record:
            frames = np.stack([*self.frames, self.world.image(FRAME_SIZE)])
        return Episode(
            self.seed,
            self.instruction,
            self.world.goal_index,
            self.told,
            self.world.cubes.copy(),
            self.success,
            self.wrong,
            len(self.path) - 1,
            np.array(self.path),
            frames,
        )


def lockstep(seeds: list[int], trial: Trial, lanes: int, recorded: set[int]) -> Iterator:
    """A generator: yields (images, states, texts, finished episodes), is sent chunks [B, T, 3] for them.

    The last yield has no images. Freed robots take the next seed, so the batch stays full.
    """
    todo = list(seeds)[::-1]
    worlds = [ReachWorld() for _ in range(min(lanes, len(todo)))]
    active = [Lane(w, s, trial, s in recorded) for w in worlds for s in (todo.pop(),)]
    finished: list[Episode] = []
    while active:
        images, states, texts = (np.stack(column) for column in zip(*(lane.look() for lane in active), strict=True))
        chunks = yield images, states, texts, finished
        finished, going = [], []
        for lane, chunk in zip(active, chunks, strict=True):
            episode = lane.move(chunk)
            if episode is None:
                going.append(lane)
                continue
            finished.append(episode)
            if todo:
                seed = todo.pop()
                going.append(Lane(lane.world, seed, trial, seed in recorded))
        active = going
    for world in worlds:
        world.close()
    yield None, None, None, finished


def _worker(pipe, seeds: list[int], trial: Trial, lanes: int, recorded: set[int]) -> None:
    """The generator of `lockstep` behind a pipe."""
    run = lockstep(seeds, trial, lanes, recorded)
    message = next(run)
    while True:
        pipe.send(message)
        if message[0] is None:
            return
        message = run.send(pipe.recv())


def run_lanes(
    policy: Callable,
    seeds: list[int],
    trial: Trial,
    lanes: int,
    workers: int,
    recorded: set[int],
    progress: Callable[[int, int], None] | None,
) -> list[Episode]:
    """All episodes, by seed. Each worker's batch is one call of the policy, so results do not depend on timing."""
    with single_blas_thread():
        return _run_lanes(policy, seeds, trial, lanes, workers, recorded, progress)


@contextlib.contextmanager
def single_blas_thread() -> Iterator[None]:
    """One thread for NumPy's matrix products: batches are small, the robots' processes have the other cores, and
    threads that wait for each other while spinning make everything ten times slower there."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield


def _run_lanes(policy, seeds, trial, lanes, workers, recorded, progress) -> list[Episode]:
    done: list[Episode] = []

    def note(finished: list[Episode]) -> None:
        done.extend(finished)
        if progress and finished:
            progress(len(done), len(seeds))

    if workers <= 1 or len(seeds) <= 2:
        run = lockstep(seeds, trial, lanes, recorded)
        message = next(run)
        while message[0] is not None:
            note(message[3])
            message = run.send(policy(*message[:3]))
        note(message[3])
    else:
        _run_workers(policy, seeds, trial, lanes, workers, recorded, note)
    return sorted(done, key=lambda episode: episode.seed)


def _run_workers(policy, seeds, trial, lanes, workers, recorded, note) -> None:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for i in range(workers):
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker, args=(theirs, seeds[i::workers], trial, lanes, recorded), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        while pipes:
            for pipe in wait(pipes):
                try:
                    images, states, texts, finished = pipe.recv()
                except EOFError:
                    raise ToolError(
                        "a robot simulation process ended early; see its message above, or use workers=1 "
                        "(a script that calls this needs `if __name__ == '__main__':`)"
                    ) from None
                note(finished)
                if images is None:
                    pipes.remove(pipe)
                else:
                    pipe.send(policy(images, states, texts))
    finally:
        for process in processes:
            process.join(timeout=0 if pipes else 5)
            if process.is_alive():
                process.terminate()
