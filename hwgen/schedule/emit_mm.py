"""Matrix operations -> instructions: walks of addresses become loop nests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from hwgen.errors import FitError
from hwgen.runtime.abi import LEVELS
from hwgen.schedule.instructions import MM, Loop
from hwgen.schedule.nest import Level, nest, pieces
from hwgen.schedule.plan import MatOp, Part
from hwgen.schedule.weights import OCTET


@dataclass
class _Walk:
    """Weight words: the first, and where each step of a sum, each group and each row has its own, from there."""

    first: int
    taps: np.ndarray
    groups: np.ndarray
    rows: np.ndarray


def instructions(emitter, op: MatOp, part: Part, slow: int, follow: tuple[str, int] | None) -> Iterator[MM]:
    """The instructions of rows that share weights: one, if six loops suffice and its weights are one block. slow: at
    least that many clocks a group; a shorter one meets its inputs again, with weights of zero."""
    cfg, groups = emitter.config, np.arange(len(part.groups))
    if follow is not None:
        follow = follow[0], follow[1] + part.ahead // OCTET
    params = emitter.stored_at(emitter.program.params, op.lane.words(len(groups), cfg.m), op.lane.role)
    words = _words(emitter, op, part, slow)
    taps = np.column_stack([np.tile(part.taps, (len(words.taps) // len(part.taps), 1)), words.taps])
    sums = _loops(_nest_of(op, taps), ("a", "y", "x", "w"), cfg.n, reduce=True)
    outputs = (4 if op.wide else 1) * groups if op.into is None else op.into.write_groups()
    by_group = np.column_stack([part.groups, words.groups, outputs, groups, groups])
    residual_at = np.zeros(op.out.rows, np.int64) if op.residual_at is None else op.residual_at
    each_row = len(groups) if op.lane.mult.ndim == 2 else 0
    r = part.rows
    at = r * (op.out.pitch // cfg.m) if op.into is None else op.into.write_rows()[r]
    by_row = np.column_stack([part.at, at, r * each_row, residual_at[r] // cfg.m, words.rows])
    blocks = _blocks(words, len(groups), 0 if op.kv or op.name in emitter.whole else emitter.most)
    if len(blocks) > 1:
        emitter.cut.add(op.name)
    for block in blocks:
        inner = sums + _loops(_nest_of(op, by_group[block]), ("a", "w", "o", "p", "r"), cfg.n)
        if len(inner) > LEVELS:
            raise FitError(
                f"node {op.name!r}: it needs {len(inner)} nested loops, the array has {LEVELS}; use a larger --array"
            )
        _, w, o, p, r = by_group[block.start] - by_group[0]
        walk = by_row + [part.groups[block.start], 0, 0, o, p, r, w]  # the first group, too, may begin behind others
        for piece in pieces(walk, LEVELS - len(inner)):
            yield _instruction(emitter, op, inner, walk[piece], words.first, params, follow)


def _blocks(words: _Walk, groups: int, most: int) -> list[slice]:
    """Groups whose weights are brought at once, at most so many words of them (0: any); all where words repeat."""
    size = len(words.taps)
    if not most or groups * size <= most or len(set(words.groups)) < groups:
        return [slice(0, groups)]
    each = max(most // size, 1)
    return [slice(at, min(at + each, groups)) for at in range(0, groups, each)]


def _words(emitter, op: MatOp, part: Part, slow: int) -> _Walk:
    """Where a part's weight words are; those that do not lie there yet are stored."""
    if op.kv is not None:
        layout, first = op.kv.layout, emitter.plan.buffers[op.kv.buffer].word
        heads = op.kv.heads[part.rows] * layout.words
        return _Walk(first, layout.read_terms(len(part.taps)), layout.read_outputs(), heads)
    words, block = part.words, np.arange(len(part.words))
    if part.role is None:
        words, block = _distinct(words)
    times = -(-slow // len(part.taps))
    words = np.pad(words, ((0, 0), (0, (times - 1) * len(part.taps)), (0, 0), (0, 0)))
    words_of_array = words.reshape(-1, emitter.config.m * emitter.config.n)
    first = emitter.stored_at(emitter.program.weights, words_of_array, part.role)
    size = words.shape[1]
    return _Walk(first, np.arange(size), block * size, np.zeros(len(part.rows), np.int64))


def _instruction(
    emitter, op: MatOp, inner: list[Loop], walk: np.ndarray, w: int, params: int, follow: tuple[str, int] | None
) -> MM:
    """One instruction: `inner` loops for each row of a walk of operand byte, y, x, output, parameter word and
    residual."""
    cfg = emitter.config
    loops = [*inner, *_loops(nest(walk), ("a", "y", "x", "o", "p", "r", "w"), cfg.n)]
    first, y, x, out, param, residual_at, word = (int(value) for value in walk[0])
    if follow is None:
        dep, need = "NONE", 0
        loops = [replace(loop, need=0) for loop in loops]
    else:
        dep, need = follow[0], follow[1] + (first + cfg.n) // OCTET
    residual = None
    if op.residual is not None:
        at = emitter.byte(op.residual.buffer, 0) // cfg.m + residual_at
        residual = (emitter.plan.buffers[op.residual.buffer].bank, at, op.residual.signed)
    return MM(
        loops=tuple(loops), dep=dep, need=need, a_bank=emitter.plan.buffers[op.x.buffer].bank,
        a=(emitter.byte(op.x.buffer, 0) + first) // cfg.n, a_signed=op.x.signed, w=w + word,
        o_bank=emitter.plan.buffers[op.out.buffer].bank, o=_output_at(emitter, op) + out,
        p=params + param, lo=op.lane.lo, hi=op.lane.hi, relu=op.lane.relu, wide=op.wide, slot=emitter.slot(op),
        residual=residual, name=op.name, inside=None if op.last is None else (y, x, *op.last),
        w_bank="WEIGHTS" if op.kv is None else "KV", o_kind="ACTIVATIONS" if op.into is None else op.into.kind,
    )  # fmt: skip


def _output_at(emitter, op: MatOp) -> int:
    """Address of the first group of the first row."""
    if op.into is not None:
        return op.into.write_base(emitter.plan.buffers[op.out.buffer].word)
    return emitter.byte(op.out.buffer, op.out.start) // emitter.config.m


def _distinct(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(blocks, index of each group's) of weight words [groups, ...]: all, or one period of what repeats."""
    for period in range(1, len(words) // 2 + 1):
        if np.array_equal(words[0], words[period]) and np.array_equal(words[period:], words[:-period]):
            return words[:period], np.arange(len(words)) % period
    return words, np.arange(len(words))


def _nest_of(op: MatOp, walk: np.ndarray) -> list[Level]:
    """The loops of a walk that lowering has made regular. Raises FitError naming the node when they are too many."""
    loops = nest(walk)
    if loops is None or len(loops) > 4:
        raise FitError(f"node {op.name!r}: its operand lies too irregularly for an instruction; requantize it first")
    return loops


def _loops(levels: list[Level], columns: tuple[str, ...], n: int, reduce: bool = False) -> list[Loop]:
    """Loops of walked columns; `a` is in bytes there."""
    out = []
    for count, strides in levels:
        by = {"r": 0} | dict(zip(columns, (int(s) for s in strides), strict=True))
        a = by.pop("a")
        out.append(Loop(count, a=a // n, need=a // OCTET, reduce=reduce, **by))
    return out
