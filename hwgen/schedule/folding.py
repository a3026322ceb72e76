"""How much hardware each layer gets: exact choice of one setting a layer, under budgets of several kinds.

A layer of a dataflow design (hls4ml, FINN) can be folded in many ways: each `Choice` takes some cycles and costs some
multipliers, DSP, LUT, block RAM. `fastest` spends a budget so that the whole takes the fewest cycles; `cheapest` meets
a limit of cycles at the least cost.

Both are a multiple-choice knapsack, given to HiGHS (through SciPy) as a mixed-integer program with one binary variable
a choice. It is solved exactly unless it takes more than `NODES` nodes; then the best found is returned, with a proof of
how far from the best it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.errors import FitError
from hwgen.quiet import STDOUT, quiet

NODES = 4000  # of the branch and bound; a count, not a time, so that the same graph always gets the same folding
NEAR = 1e-6  # relative: differences of objectives that are rounding


@dataclass(frozen=True)
class Choice:
    """One way to build a layer. cycles: per frame. cost: one integer per resource kind, same order in all choices.
    setting: whatever the caller wants back."""

    cycles: int
    cost: tuple[int, ...]
    setting: object = None


class Picked(list):
    """One choice a layer. gap: a better solution is better by no more than this (0: there is none)."""

    gap: float = 0


def fastest(
    layers: Sequence[Sequence[Choice]],
    budget: Sequence[int],
    names: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> Picked:
    """One choice a layer with the least sum of cycles whose costs add up to no more than `budget`, kind by kind.

    Among equally fast ones, the first in the order of the kinds' costs. names, kinds: for messages. Raises FitError,
    which says what does not fit.
    """
    _check(layers, len(budget), names)
    return _choose(layers, lambda c: c.cycles, lambda c: c.cost, budget, names, kinds)


def cheapest(
    layers: Sequence[Sequence[Choice]],
    limit: int,
    total: Callable = sum,
    weights: Sequence[float] | None = None,
    budget: Sequence[int] | None = None,
    names: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> Picked:
    """One choice a layer with the least weighted cost whose cycles, added up (`sum`: latency) or each (`max`: the rate
    of a pipeline), stay within `limit`.

    weights: what one of each kind counts (1 each when left out). budget: as for `fastest`, none when left out. Raises
    FitError, which says what does not fit.
    """
    if total not in (sum, max):
        raise ValueError("total is sum (latency) or max (slowest layer)")
    width = next((len(c.cost) for layer in layers for c in layer), 0)
    _check(layers, width, names)
    weights = [1] * width if weights is None else weights
    budget, kinds = ([], []) if budget is None else (list(budget), list(kinds))

    def value(c: Choice) -> float:
        return sum(w * k for w, k in zip(weights, c.cost, strict=True))

    def cost(c: Choice) -> tuple[int, ...]:
        return c.cost if budget else ()

    if total is sum:
        kinds = ["cycles", *(kinds or _unnamed(len(budget)))]
        return _choose(layers, value, lambda c: (c.cycles, *cost(c)), [limit, *budget], names, kinds)
    in_time = [[c for c in layer if c.cycles <= limit] for layer in layers]
    for i, layer in enumerate(in_time):
        if not layer:
            best = min(c.cycles for c in layers[i])
            raise FitError(f"{_name(names, i)} takes {best} cycles at best, the limit is {limit}: allow more time")
    return _choose(in_time, value, cost, budget, names, kinds)


def pareto(choices: Sequence[Choice]) -> list[Choice]:
    """The choices that no other one beats: no more cycles and no more of any cost."""
    order = sorted(choices, key=lambda c: (c.cycles, c.cost))
    if not order:
        return []
    keep = _undominated(np.array([(c.cycles, *c.cost) for c in order], np.int64))
    return [order[i] for i in keep]


def _check(layers: Sequence[Sequence[Choice]], width: int, names: Sequence[str]) -> None:
    for i, layer in enumerate(layers):
        if not layer:
            raise FitError(f"{_name(names, i)} cannot be built in any way on this board")
        if any(len(c.cost) != width for c in layer):
            raise ValueError(f"{_name(names, i)}: every choice needs {width} costs")


def _choose(layers, value, cost, budget, names, kinds) -> Picked:
    """Turn choices into arrays, solve, turn back; FitError when nothing fits."""
    budget = np.array(budget, np.int64)
    values = [np.array([value(c) for c in layer]) for layer in layers]
    costs = [np.array([cost(c) for c in layer], np.int64).reshape(len(layer), len(budget)) for layer in layers]
    solved = _solve(values, costs, budget)
    if solved is None:
        raise FitError(_why(costs, budget, names, kinds or _unnamed(len(budget))))
    picked = Picked(layer[i] for layer, i in zip(layers, solved[0], strict=True))
    picked.gap = solved[1]
    return picked


def _why(costs: list[np.ndarray], budget: np.ndarray, names: Sequence[str], kinds: Sequence[str]) -> str:
    """Which kind does not fit, and the layer that needs most of it."""
    least = np.array([c.min(axis=0) for c in costs])
    for k, kind in enumerate(kinds):
        need = int(least[:, k].sum())
        if need > budget[k]:
            most = _name(names, int(least[:, k].argmax()))
            return (
                f"{kind}: at least {need} needed, {int(budget[k])} available, most by {most} "
                f"({int(least[:, k].max())}): allow more, take a larger board or a smaller model"
            )
    have = ", ".join(f"{kind} {int(b)}" for kind, b in zip(kinds, budget, strict=True))
    return (
        f"no folding keeps to {have} at once, though each alone can be kept: allow more of one, or take a larger board"
    )


def _name(names: Sequence[str], i: int) -> str:
    return names[i] if i < len(names) else f"layer {i}"


def _unnamed(count: int) -> list[str]:
    return [f"resource {k}" for k in range(count)]


def _solve(values: list[np.ndarray], costs: list[np.ndarray], budget: np.ndarray) -> tuple[list[int], float] | None:
    """Index of the choice per layer with the least sum of `values` and sum of `costs` <= budget, and the gap; None when
    there is none. Among equals the one with the least sum of the first cost, then of the second, ..."""
    if not values:
        return [], 0
    program = _Program(values, costs, budget)
    first = program.solve(np.concatenate(values))
    if first is None:
        return None
    picked, best, gap = first
    objective = np.concatenate(values)
    for kind in range(len(budget)):
        program.keep(objective, best)
        objective = np.concatenate(costs)[:, kind]
        better = program.solve(objective)
        if better is None:  # the solver's limit, or its rounding: what we have is as good
            break
        picked, best, _ = better
    return picked, gap


class _Program:
    """One binary variable a choice; exactly one a layer is chosen, and the sum of costs stays within the budget."""

    def __init__(self, values: list[np.ndarray], costs: list[np.ndarray], budget: np.ndarray) -> None:
        from scipy.sparse import csr_array

        sizes = [len(v) for v in values]
        self.starts = np.cumsum([0, *sizes])
        layer = np.repeat(np.arange(len(sizes)), sizes)
        one_each = csr_array((np.ones(len(layer)), (layer, np.arange(len(layer)))))
        self.costs, self.budget = np.concatenate(costs), budget
        self.limits = [(one_each, np.ones(len(sizes)), np.ones(len(sizes)))]
        if len(budget):
            unit = np.maximum(budget, 1)  # shares of the budget, so that the solver's tolerance means the same for all
            self.limits.append((self.costs.T / unit[:, None], -np.inf, budget / unit))

    def keep(self, objective: np.ndarray, best: float) -> None:
        """From now on no solution is worse in this respect."""
        unit = max(1.0, abs(best))
        self.limits.append((objective[None] / unit, -np.inf, best / unit + NEAR / 10))

    def solve(self, objective: np.ndarray) -> tuple[list[int], float, float] | None:
        """(choice per layer, its value, gap to the proven bound) of the least sum of `objective`; None when there is
        none."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        unit = max(1.0, float(np.abs(objective).max()))
        with quiet(STDOUT):  # HiGHS prints when it mends a solution
            found = milp(
                objective / unit,
                integrality=np.ones(len(objective)),
                bounds=Bounds(0, 1),
                constraints=[LinearConstraint(*limit) for limit in self.limits],
                options={"node_limit": NODES, "mip_rel_gap": 0},
            )
        if found.x is None:
            return None
        picked = [int(found.x[a:b].argmax()) for a, b in zip(self.starts, self.starts[1:], strict=False)]
        at = self.starts[:-1] + picked
        if (self.costs[at].sum(axis=0) > self.budget).any():
            return None
        value = objective[at].sum()
        bound = found.mip_dual_bound * unit
        gap = value - bound
        exact = gap <= NEAR * max(1.0, abs(value)) * len(picked) or (objective.dtype.kind == "i" and gap < 1 - NEAR)
        return picked, value, 0 if exact else gap


def _undominated(rows: np.ndarray) -> np.ndarray:
    """Indices of the rows, sorted lexicographically, that no other row is <= in every column (the first of equals)."""
    if rows.shape[1] == 1:
        return np.arange(min(1, len(rows)))
    if rows.shape[1] == 2:
        low = np.minimum.accumulate(rows[:, 1])
        return np.flatnonzero(np.r_[True, rows[1:, 1] < low[:-1]][: len(rows)])
    kept = np.empty((0, rows.shape[1]), rows.dtype)
    keep = []
    for start in range(0, len(rows), 256):  # a row can only be beaten by an earlier one
        block = rows[start : start + 256]
        alive = np.flatnonzero(~_beaten(kept, block))
        block = block[alive]
        inside = (block[:, None, :] <= block[None, :, :]).all(axis=2)
        alive = alive[~np.triu(inside, 1).any(axis=0)]
        keep.append(start + alive)
        kept = np.concatenate([kept, rows[start + alive]])
    return np.concatenate(keep) if keep else np.arange(0)


def _beaten(by: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Which rows have a row of `by` that is <= in every column."""
    beaten = np.zeros(len(rows), bool)
    for start in range(0, len(by), 2048):
        part = by[start : start + 2048]
        beaten |= (part[:, None, 1:] <= rows[None, :, 1:]).all(axis=2).any(axis=0)
    return beaten
