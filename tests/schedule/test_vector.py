"""Loops of the vector unit against a plain enumeration of what each step must touch."""

import numpy as np
import pytest

from hwgen.runtime import abi
from hwgen.schedule.instructions import Vec
from hwgen.schedule.plan import Lane, Target, View
from hwgen.schedule.vector import VecOp, walks
from tests.support import cases

V = 16


def lane(channels: int, rows: int | None = None) -> Lane:
    shape = (channels,) if rows is None else (rows, channels)
    return Lane(np.ones(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64), -128, 127)


def target(rows: int, channels: int, start: int = 0) -> Target:
    return Target("out", start, rows, channels, -(-channels // V) * V)


def touched(op: VecOp) -> list[tuple[int, ...]]:
    """(a, w, r, o, p, y, x, first, last) of every step, from the loops."""
    out = []
    for walk in walks(op, V):
        assert len(walk.loops) <= abi.LEVELS
        ins = Vec(op.kind, walk.loops, "NONE", 0, 0, 0, True, 0, 0, 0, -128, 127)
        columns = [ins.walk(name, walk.first[name]) for name in ("a", "w", "r", "o", "p", "y", "x")]
        begins = [walk_ == 0 for walk_ in _counters(ins)]
        out += list(zip(*(c.tolist() for c in columns), begins, ins.ends().tolist(), strict=True))
    return out


def _counters(ins: Vec) -> list[int]:
    """How far each step is in its word."""
    inner = int(np.prod([loop.count for loop in ins.loops if loop.reduce]))
    return [i % inner for i in range(ins.steps())]


def test_a_product_with_a_row_for_all_and_a_residual(seed):
    rng = np.random.default_rng(seed)
    for _ in range(cases(50, 1000)):
        rows, channels = int(rng.integers(1, 30)), int(rng.integers(1, 70))
        words = -(-channels // V)
        at = V * (int(rng.integers(9)) + int(rng.integers(words, words + 3)) * np.arange(rows))
        second = np.full(rows, V * int(rng.integers(9))) if rng.integers(2) else at + V
        residual = at + 5 * V if rng.integers(2) else None
        view = View("x", np.arange(4), True)
        op = VecOp(
            "m", "MUL", view, np.stack([at, 0 * at, 0 * at], 1), np.zeros((1, 3), np.int64),
            lane(channels, rows if rng.integers(2) else None), target(rows, channels, V), None, view, second,
            None if residual is None else view, residual,
        )  # fmt: skip
        expected = []
        for row in range(rows):
            for k in range(words):
                r = 0 if residual is None else residual[row] // V + k
                p = k + (row * words if op.lane.mult.ndim == 2 else 0)
                step = (at[row] // V + k, second[row] // V + k, r, 1 + row * words + k, p, 0, 0)
                taps = 1 if residual is None else 2
                expected += [(*step, tap == 0, tap == taps - 1) for tap in range(taps)]
        got = touched(op)
        if residual is None:  # r does not matter
            got, expected = ([(*s[:2], *s[3:]) for s in steps] for steps in (got, expected))
        assert got == expected


def test_a_window_meets_every_tap_once(seed):
    rng = np.random.default_rng(seed)
    for _ in range(cases(50, 1000)):
        (h, w), (kh, kw), (sy, sx), (py, px) = (rng.integers(*r, 2) for r in ((3, 9), (1, 4), (1, 3), (0, 2)))
        py, px = min(py, kh - 1), min(px, kw - 1)
        oh, ow = (h + 2 * py - kh) // sy + 1, (w + 2 * px - kw) // sx + 1
        channels = int(rng.integers(1, 40))
        pitch = -(-channels // V) * V
        y, x = (i.reshape(-1) for i in np.indices((oh, ow)))
        at = np.stack([((y * sy - py) * w + x * sx - px) * pitch, y * sy - py, x * sx - px], 1)
        ty, tx = (i.reshape(-1) for i in np.indices((kh, kw)))
        taps = np.stack([(ty * w + tx) * pitch, ty, tx], 1)
        view = View("x", np.arange(4), True)
        op = VecOp("p", "MAXPOOL", view, at, taps, lane(channels), target(oh * ow, channels), (h - 1, w - 1))
        expected = [
            ((row[0] + tap[0]) // V + k, i * pitch // V + k, k, row[1] + tap[1], row[2] + tap[2], t == 0,
             t == len(taps) - 1)
            for i, row in enumerate(at) for k in range(pitch // V) for t, tap in enumerate(taps)
        ]  # fmt: skip
        assert [(s[0], *s[3:]) for s in touched(op)] == expected


def test_uneven_rows_take_several_instructions():
    at = V * np.array([0, 5, 6, 20, 22, 24])
    view = View("x", np.arange(4), True)
    op = VecOp(
        "m", "MUL", view, np.stack([at, 0 * at, 0 * at], 1), np.zeros((1, 3), np.int64), lane(V), target(6, V), None,
        view, at,
    )  # fmt: skip
    found = walks(op, V)
    assert len(found) > 1
    assert [step[0] for step in touched(op)] == [0, 5, 6, 20, 22, 24]


@pytest.mark.parametrize("field", ["a", "o"])
def test_needs_follow_the_operand(field):
    at = V * 3 * np.arange(4)
    view = View("x", np.arange(4), True)
    op = VecOp("m", "MUL", view, np.stack([at, 0 * at, 0 * at], 1), np.zeros((1, 3), np.int64), lane(2 * V),
               target(4, 2 * V), None, view, at)  # fmt: skip
    (walk,) = walks(op, V)
    ins = Vec("MUL", walk.loops, "MM", 2, 0, 0, True, 0, 0, 0, 0, 0)
    assert (ins.walk("need", 2) == 2 + 2 * ins.walk("a")).all()
    assert len(ins.walk(field)) == 8
