"""The weight words of a matrix operation, and the loops that walk over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.schedule.config import EngineConfig
from hwgen.schedule.instructions import Loop
from hwgen.schedule.plan import MatOp

OCTET = 8


@dataclass
class Layout:
    """loops: innermost first, needs in octets. first: chunk of the operand's buffer that the walk begins with.
    words: weights [M*N] each, output by output."""

    loops: list[Loop]
    first: int
    words: list[np.ndarray]


def dense(op: MatOp, groups: int, slow: int, cfg: EngineConfig) -> Layout:
    """A full matrix: a group's sum is finished before the next begins.

    slow: at least that many clocks a group; a short one meets its inputs again, with weights of zero.
    """
    pos = op.x.positions
    weight = np.eye(op.size, dtype=np.int8) if op.weight is None else op.weight
    first, last = int(pos.min()) // cfg.n, int(pos.max()) // cfg.n
    chunks = last - first + 1
    times = -(-slow // chunks)
    full = np.zeros((times * chunks * cfg.n, groups * cfg.m), np.int8)
    np.add.at(full, pos - first * cfg.n, np.pad(weight, ((0, 0), (0, groups * cfg.m - op.size))))
    words = full.reshape(times * chunks, cfg.n, groups, cfg.m).transpose(2, 0, 3, 1)  # group, chunk, m, n
    loops = [Loop(chunks, a=1, w=1, need=cfg.n // OCTET, reduce=True)]
    if times > 1:
        loops.append(Loop(times, w=chunks, reduce=True))
    loops.append(Loop(groups, w=times * chunks, o=4 if op.wide else 1, p=1))
    return Layout(loops, first, list(words.reshape(-1, cfg.m * cfg.n)))


def identity(op: MatOp, groups: int, cfg: EngineConfig) -> Layout:
    """An identity: each group only meets its own inputs, and all groups (of all identities) share the words."""
    first, step = int(op.x.positions[0]) // cfg.n, cfg.n // OCTET
    eye = np.eye(max(cfg.n, cfg.m), dtype=np.int8)
    if cfg.m >= cfg.n:  # word j passes inputs j*n.. of the group's m
        per = cfg.m // cfg.n
        blocks = [eye[:, j * cfg.n : (j + 1) * cfg.n] for j in range(per)]
        loops = [Loop(per, a=1, w=1, need=step, reduce=True), Loop(groups, a=per, need=per * step, o=1, p=1)]
    else:  # word s passes the s-th m inputs of a chunk
        per = cfg.n // cfg.m
        blocks = [eye[s * cfg.m : (s + 1) * cfg.m, :] for s in range(per)]
        loops = [Loop(per, w=1, o=1, p=1), Loop(groups // per, a=1, need=step, o=per, p=per)]
    return Layout(loops, first, [block.reshape(-1) for block in blocks])
