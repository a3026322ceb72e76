"""From chunks of actions to one action a tick.

`ExecuteChunk`: carry out the first k of a chunk, then look again (receding horizon).
`TemporalEnsemble`: look at every tick, and average what all chunks that are still valid say about this tick, with
weights exp(-m * i), i = 0 for the oldest: T. Zhao et al., Learning Fine-Grained Bimanual Manipulation with Low-Cost
Hardware (ACT), RSS 2023, section IV-A and algorithm 2. A larger m gives the older chunks more weight.

Both: `wants()` tells whether this tick needs a new chunk; `put(chunk)` takes it (InputFault where it holds NaN or
infinity); `next()` is this tick's action and moves on to the next tick; `skip(n)` tells of ticks that were left out;
`reset()` forgets everything, for a new instruction or after a fault. One thread at a time.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hwgen.runtime.errors import InputFault, UsageError


class Chunks(Protocol):
    """What turns chunks into actions; see the module."""

    def wants(self) -> bool: ...
    def put(self, chunk: np.ndarray) -> None: ...
    def next(self) -> np.ndarray: ...
    def skip(self, ticks: int) -> None: ...
    def reset(self) -> None: ...


class ExecuteChunk:
    """See the module. execute: actions of a chunk that are carried out, at least 1."""

    def __init__(self, execute: int) -> None:
        if execute < 1:
            raise UsageError(f"execute is {execute}; carry out at least one action of a chunk")
        self._execute = execute
        self.reset()

    def wants(self) -> bool:
        """True when the chunk is used up."""
        return self._chunk is None or self._at >= self._execute

    def put(self, chunk: np.ndarray) -> None:
        """Take a chunk [>= execute, dof], which is copied. Raises UsageError for fewer actions."""
        chunk = _checked(chunk)
        if len(chunk) < self._execute:
            raise UsageError(f"the chunk has {len(chunk)} actions, {self._execute} are to be carried out")
        self._chunk, self._at = chunk.copy(), 0

    def next(self) -> np.ndarray:
        """This tick's action [dof]. Raises UsageError without a chunk."""
        if self.wants():
            raise _nothing()
        self._at += 1
        return self._chunk[self._at - 1]

    def skip(self, ticks: int) -> None:
        """Nothing: the actions of a chunk are carried out one after the other, however late."""

    def reset(self) -> None:
        """Forget the chunk."""
        self._chunk, self._at = None, 0


class TemporalEnsemble:
    """See the module. chunk: actions in a chunk; m: how much older chunks outweigh newer ones, 0.01 in ACT."""

    def __init__(self, chunk: int, m: float = 0.01) -> None:
        if chunk < 1 or not 0 <= m < np.inf:
            raise UsageError(f"chunk is {chunk}, m is {m}; a chunk has at least one action, and m is 0 or more")
        self._size = chunk
        self._weights = np.exp(-m * np.arange(chunk))
        self.reset()

    def wants(self) -> bool:
        """True until this tick's chunk was put."""
        return not self._fresh

    def put(self, chunk: np.ndarray) -> None:
        """Take this tick's chunk [chunk, dof], which is copied. Raises UsageError for another shape."""
        chunk = _checked(chunk)
        if len(chunk) != self._size or (self._ring is not None and chunk.shape != self._ring.shape[1:]):
            raise UsageError(f"the chunk has the shape {chunk.shape}, the ensemble takes {self._size} actions a chunk")
        if self._ring is None:
            self._ring = np.zeros((self._size, *chunk.shape), np.float64)
        self._ring[self._tick % self._size] = chunk
        self._made[self._tick % self._size] = self._tick
        self._fresh = True

    def next(self) -> np.ndarray:
        """This tick's action float32 [dof]. Raises UsageError when no chunk says anything about this tick."""
        valid = [t for t in sorted(self._made) if self._tick - self._size < t <= self._tick]
        if not valid:
            raise _nothing()
        said = np.stack([self._ring[t % self._size, self._tick - t] for t in valid])  # oldest first
        weights = self._weights[: len(valid)]
        self._tick, self._fresh = self._tick + 1, False
        return (weights @ said / weights.sum()).astype(np.float32)

    def skip(self, ticks: int) -> None:
        """So many ticks passed without an action: what older chunks say is about a later moment now."""
        self._tick, self._fresh = self._tick + ticks, False

    def reset(self) -> None:
        """Forget all chunks."""
        self._ring: np.ndarray | None = None
        self._made = [-self._size] * self._size  # the tick of each chunk in the ring
        self._tick, self._fresh = 0, False


def _checked(chunk: np.ndarray) -> np.ndarray:
    chunk = np.asarray(chunk)
    if chunk.ndim != 2 or chunk.dtype.kind != "f":
        raise UsageError(f"a chunk is {chunk.dtype} {chunk.shape}; give floats [actions, dof]")
    if not np.isfinite(chunk).all():
        action, number = np.argwhere(~np.isfinite(chunk))[0]
        raise InputFault(
            f"number {number} of action {action} of a chunk is {chunk[action, number]}; no robot can do that: "
            "check the policy"
        )
    return chunk


def _nothing() -> UsageError:
    return UsageError("there is no action for this tick; put() a chunk first")
