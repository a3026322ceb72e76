"""The vector unit's operations: products of two tensors, maxima of windows; and the loops that walk over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.runtime import abi
from hwgen.schedule.instructions import Loop
from hwgen.schedule.nest import nest, pieces
from hwgen.schedule.plan import Lane, Target, View

OCTET = 8
COLUMNS = ("a", "w", "r", "o", "p", "y", "x")  # what moves from word to word


@dataclass
class VecOp:
    """y = requantize(x * second, residual), or requantize(largest of a window of x), row by row.

    kind: "MUL" or "MAXPOOL". at: [R, 3] byte of x where each row's window begins, and that position's coordinates y,
    x. taps: [K, 3] the same three of each of the window's steps, from there; a product has one. last: of what
    has windows, y, x of the last position. second_at, residual_at: [R] first byte of each row's.
    """

    name: str
    kind: str
    x: View
    at: np.ndarray
    taps: np.ndarray
    lane: Lane
    out: Target
    last: tuple[int, int] | None = None
    second: View | None = None
    second_at: np.ndarray | None = None
    residual: View | None = None
    residual_at: np.ndarray | None = None

    def words(self, v: int) -> int:
        """Words of a row."""
        return -(-self.out.channels // v)

    def reads(self) -> list[View]:
        """What it reads."""
        return [view for view in (self.x, self.second, self.residual) if view is not None]


@dataclass
class Walk:
    """Words of the result that one instruction makes: its loops, innermost first, and where they begin. Addresses are
    words from the start of their buffers, `p` from the first of the operation's parameters."""

    loops: tuple[Loop, ...]
    first: dict[str, int]


def walks(op: VecOp, v: int) -> list[Walk]:
    """The instructions of an operation, in words of v bytes; one, where rows lie evenly."""
    inner = _taps(op, v)
    table = _words(op, v)
    out = []
    for piece in pieces(table, abi.LEVELS - len(inner)):
        run = table[piece]
        outer = [_loop(count, step, v) for count, step in nest(run)]
        out.append(Walk((*inner, *outer), dict(zip(COLUMNS, (int(value) for value in run[0]), strict=True))))
    return out


def _taps(op: VecOp, v: int) -> list[Loop]:
    """The steps that make one word."""
    if op.residual is not None:
        return [Loop(2, reduce=True, r=0)]  # the product, then what is added
    columns = np.zeros((len(op.taps), len(COLUMNS)), np.int64)
    columns[:, 0], columns[:, 5:] = op.taps[:, 0] // v, op.taps[:, 1:]
    loops = nest(columns)
    assert loops is not None, "a window is a grid"
    return [_loop(count, step, v, reduce=True) for count, step in loops]


def _words(op: VecOp, v: int) -> np.ndarray:
    """[rows x words, COLUMNS] of the first step of each word of the result."""
    rows, words = len(op.at), op.words(v)
    none = np.zeros(rows, np.int64)
    each_row = np.arange(rows) * words if op.lane.mult.ndim == 2 else none
    by_row = np.stack(
        [
            op.at[:, 0] // v,
            none if op.second_at is None else op.second_at // v,
            none if op.residual_at is None else op.residual_at // v,
            (op.out.start + op.out.pitch * np.arange(rows)) // v,
            each_row, op.at[:, 1], op.at[:, 2],
        ],
        axis=1,
    )  # fmt: skip
    by_word = np.arange(words)[:, None] * np.array([1, 1, 1, 1, 1, 0, 0])
    return (by_row[:, None] + by_word).reshape(-1, len(COLUMNS))


def _loop(count: int, step: np.ndarray, v: int, reduce: bool = False) -> Loop:
    values = dict(zip(COLUMNS, (int(value) for value in step), strict=True))
    return Loop(count, need=values["a"] * v // OCTET, reduce=reduce, **values)
