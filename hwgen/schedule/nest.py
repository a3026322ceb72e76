"""Walks as loop nests: which counts and strides make a given sequence of addresses."""

from __future__ import annotations

import numpy as np

Level = tuple[int, np.ndarray]  # rounds, and what one round adds to each column


def nest(walk: np.ndarray) -> list[Level] | None:
    """Loops, innermost first, that walk the rows of an int array [steps, columns]; None when there are none.

    The innermost loop is the longest possible, so there are few.
    """
    if len(walk) == 1:
        return []
    longest = straight(walk)
    for count in range(longest, 1, -1):
        if len(walk) % count:
            continue
        rounds = walk.reshape(-1, count, walk.shape[1])
        if (rounds - rounds[:, :1] == rounds[:1] - rounds[:1, :1]).all():
            outer = nest(rounds[:, 0])
            if outer is not None:
                return [(count, walk[1] - walk[0]), *outer]
    return None


def straight(walk: np.ndarray) -> int:
    """How many first rows follow one another with one stride."""
    if len(walk) < 3:
        return len(walk)
    steps = np.diff(walk, axis=0)
    bends = np.flatnonzero((steps != steps[0]).any(1))
    return len(walk) if not len(bends) else int(bends[0]) + 1


def pieces(walk: np.ndarray, levels: int) -> list[slice]:
    """The walk in runs that are nests of at most so many loops each; in order, and few."""
    out, at = [], 0
    while at < len(walk):
        rest = walk[at:]
        size = next((s for s in _sizes(rest) if _fits(rest[:s], levels)), 1)
        out.append(slice(at, at + size))
        at += size
    return out


def _sizes(walk: np.ndarray) -> list[int]:
    """Lengths that a first piece may have, longest first: all, what its nest repeats, a straight run."""
    sizes, loops = [len(walk)], nest(walk)
    if loops is not None:
        for level in range(len(loops) - 1, 0, -1):
            sizes.append(int(np.prod([count for count, _ in loops[:level]])))
    return [*sizes, straight(walk)]


def _fits(walk: np.ndarray, levels: int) -> bool:
    loops = nest(walk)
    return loops is not None and len(loops) <= levels
