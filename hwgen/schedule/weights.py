"""The weight words of a matrix operation, and which chunks of its operand meet them."""

from __future__ import annotations

import numpy as np

from hwgen.schedule.nest import nest
from hwgen.schedule.plan import Part

OCTET = 8


def linear(positions: np.ndarray, weight: np.ndarray, n: int, m: int, groups: int) -> list[Part]:
    """Rows times a matrix. positions: [rows, in] bytes; weight: int8 [in, out]; groups of m outputs, at least out / m.

    Rows that lie differently within their chunks of n bytes need words of their own, so they are parts of their own.
    """
    parts = []
    for rows, first, pattern in alike(positions, n):
        chunks, rank = _chunks(pattern // n)
        words = _dense(rank, pattern % n, weight[None], len(chunks), n, m, groups)
        parts.append(Part(rows, inside(first), inside(chunks * n), np.zeros(groups, np.int64), words))
    return parts


def select(positions: np.ndarray, n: int, m: int, v: int, groups: int) -> list[Part]:
    """A copy: channel c of row r is the byte at positions[r, c]. A group only meets the chunks that it copies."""
    parts = []
    for rows, first, pattern in alike(positions, n):
        out = np.arange(len(pattern))
        chunks, rank = _chunks(pattern // n)
        starts, size = _windows(rank, out // m, groups, chunks, _room(first, chunks, n, v))
        words = np.zeros((groups, size, m, n), np.int8)
        words[out // m, rank - starts[out // m], out % m, pattern % n] = 1
        parts.append(Part(rows, inside(first), inside(chunks[:size] * n), _moved(starts, chunks) * n, words))
    return parts


def convolution(
    at: np.ndarray,
    taps: np.ndarray,
    pattern: np.ndarray,
    weight: np.ndarray,
    conv_groups: int,
    n: int,
    m: int,
    v: int,
    groups: int,
) -> Part:
    """A convolution as one part. at: [rows, 3] byte of the position under each row's first tap, its y and x; taps:
    [T, 3] from there; pattern: [C] bytes of a position's channels from its first, which is a multiple of n; weight:
    int8 [T, C / conv_groups, out]."""  # fmt: skip
    chunks, rank = _chunks(pattern // n)
    each, outputs = weight.shape[1], weight.shape[2]
    if conv_groups == 1:
        starts, size = np.zeros(groups, np.int64), len(chunks)
        words = _dense(rank, pattern % n, weight, size, n, m, groups)
        offsets = chunks * n
    else:
        out = np.arange(outputs)[:, None]
        channel = out // (outputs // conv_groups) * each + np.arange(each)  # [out, each]
        group = np.broadcast_to(out // m, channel.shape)
        starts, size = _windows(rank[channel].ravel(), group.ravel(), groups, chunks, _room(at[:, 0], chunks, n, v))
        words = np.zeros((groups, len(taps), size, m, n), np.int8)
        for tap in range(len(taps)):
            words[group, tap, rank[channel] - starts[group], out % m, (pattern % n)[channel]] = weight[tap].T
        words = words.reshape(groups, -1, m, n)
        offsets = chunks[:size] * n
    steps = (taps[:, None] + inside(offsets)).reshape(-1, 3)  # taps outside, chunks inside
    return Part(np.arange(len(at)), at, steps, _moved(starts, chunks) * n, words)


def alike(positions: np.ndarray, n: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(rows, their first bytes, bytes of the elements from there) of rows that lie alike within chunks of n bytes."""
    first = positions.min(axis=1) // n * n
    pattern = positions - first[:, None]
    if (pattern == pattern[0]).all():
        return [(np.arange(len(first)), first, pattern[0])]
    kinds, kind = np.unique(pattern, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    return [(rows := np.flatnonzero(kind == k), first[rows], kinds[k]) for k in range(len(kinds))]


def _chunks(of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(chunks that are read, index of each element's among them): those needed, or all in between when a loop or two
    cannot name them."""
    chunks, rank = np.unique(of, return_inverse=True)
    loops = nest(chunks[:, None])
    if loops is not None and len(loops) <= 2:
        return chunks, rank.reshape(-1)
    return np.arange(chunks[0], chunks[-1] + 1), of - chunks[0]


def inside(bytes_: np.ndarray) -> np.ndarray:
    """[.., 3] with coordinates of 0."""
    return np.stack([bytes_, np.zeros_like(bytes_), np.zeros_like(bytes_)], axis=1)


def _dense(
    rank: np.ndarray, lane: np.ndarray, weight: np.ndarray, chunks: int, n: int, m: int, groups: int
) -> np.ndarray:
    """Words [groups, taps * chunks, m, n] of a weight [taps, in, out] whose inputs are at (chunk rank, lane)."""
    taps, _, outputs = weight.shape
    full = np.zeros((taps, chunks, n, groups * m), np.int8)
    full[:, rank, lane, :outputs] = weight
    return full.reshape(taps * chunks, n, groups, m).transpose(2, 0, 3, 1)


def _moved(starts: np.ndarray, chunks: np.ndarray) -> np.ndarray:
    """By how many chunks windows move that begin with the chunks of these ranks."""
    return starts * (int(chunks[1] - chunks[0]) if len(chunks) > 1 else 1)


def _room(first: np.ndarray, chunks: np.ndarray, n: int, v: int) -> int:
    """Chunks from a row's first to the end of the word that holds its last: so many can be read."""
    end = first + (int(chunks[-1]) + 1) * n
    return int(((end + -end % v - first) // n).min())


def _windows(rank: np.ndarray, group: np.ndarray, groups: int, chunks: np.ndarray, room: int) -> tuple[np.ndarray, int]:
    """(first chunk of each group, chunks of each) for entries that join the chunk of a rank to an output group: as few
    as every group needs, or all when such windows do not move regularly. Chunks lie evenly, or all are needed."""
    low, high = np.full(groups, len(chunks)), np.full(groups, -1)
    np.minimum.at(low, group, rank)
    np.maximum.at(high, group, rank)
    size = max(int((high - low).max()) + 1, 1)
    used = int(np.flatnonzero(high >= 0)[-1]) + 1
    loops = nest(low[:used, None])
    if size < len(chunks) and len(set(np.diff(chunks))) == 1 and loops is not None and len(loops) <= 2:
        room = room if chunks[1] - chunks[0] == 1 else len(chunks)
        going_on = _continued(low[:used], groups)
        if going_on is not None and going_on.max() + size <= room:
            return going_on, size
    return np.zeros(groups, np.int64), len(chunks)


def _continued(low: np.ndarray, groups: int) -> np.ndarray | None:
    """The walk of the first groups carried on to groups of padding, which read in the bank, too; None if impossible."""
    for inner in range(1, len(low) + 1):  # groups a round of the inner loop
        outer = -(-groups // inner)
        per, step = low[:inner], int(low[inner] - low[0]) if inner < len(low) else 0
        walk = (per[None, :] + step * np.arange(outer)[:, None]).reshape(-1)[:groups]
        loops = nest(walk[:, None])
        if walk.min() >= 0 and (walk[: len(low)] == low).all() and loops is not None and len(loops) <= 2:
            return walk
    return None
