"""How much hardware each layer gets: exact choice of one setting a layer, under budgets of several kinds.

A layer of a dataflow design (hls4ml, FINN) can be folded in many ways: each `Choice` takes some cycles and costs some
multipliers, DSP, LUT, block RAM. `fastest` spends a budget so that the whole takes the fewest cycles; `cheapest` meets
a limit of cycles at the least cost.

Both are a multiple-choice knapsack, solved by dynamic programming over the layers: a state is what the first layers
cost and take. A state goes when another is no worse in every respect (dominance), or when even its Lagrangian bound, an
underestimate of what the remaining layers add, exceeds a solution already known. Up to some tens of layers nothing else
goes, and the solution is exact; beyond, the most promising `MOST` states a layer are kept, and the result says by how
much a better one might beat it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.errors import FitError

BEAM = 128  # states kept by the first pass; whatever it finds prunes the next,
WIDER = 8  # which keeps so many times more, until a pass has to leave nothing out,
MOST = 1024  # or keeps so many
STEPS = 200  # of the search for the Lagrange multipliers; any multipliers are correct, good ones prune more
SLACK = 1e-9  # relative: what rounding may take from a bound


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
    there is none."""
    if not values:
        return [], 0
    least = np.array([c.min(axis=0) for c in costs]).reshape(len(costs), len(budget))
    if (least.sum(axis=0) > budget).any():
        return None
    room = budget - least.sum(axis=0) + least  # what a layer may take when all others take their least
    index = [np.flatnonzero((c <= r).all(axis=1)) for c, r in zip(costs, room, strict=True)]
    if any(not len(i) for i in index):
        return None
    most = sum(c[i].max(axis=0) for c, i in zip(costs, index, strict=True))
    binding = np.flatnonzero(most > budget)  # the other kinds can never run out
    index = [
        i[order[_undominated(np.column_stack([v[i], c[i]])[order])]]
        for v, c, i in zip(values, costs, index, strict=True)
        for order in [np.lexsort(np.column_stack([v[i], c[i]]).T[::-1])]
    ]
    values, costs = (
        [v[i] for v, i in zip(values, index, strict=True)],
        [c[i] for c, i in zip(costs, index, strict=True)],
    )
    if not len(binding):
        solved = [int(v.argmin()) for v in values], 0  # sorted, so the cheapest among equals
    else:
        solved = _knapsack(values, costs, budget, binding)
    return None if solved is None else ([int(i[p]) for i, p in zip(index, solved[0], strict=True)], solved[1])


def _knapsack(values, costs, budget, binding) -> tuple[list[int], float] | None:
    """`_solve` when some kinds are scarce."""
    scarce, room = [c[:, binding] for c in costs], budget[binding]
    prices, bound, first = _prices(values, scarce, room)
    picked, best = first, _total(values, first)
    search = _Search(values, costs, budget, binding, prices)
    beam, exact, checked = BEAM, False, False
    while not exact:
        found, exact = search.run(best, beam)
        if found is None and picked is None and not checked:  # does anything fit? The least of one kind tells
            checked, least = True, _solve([c[:, 0] for c in scarce], [c[:, 1:] for c in scarce], room[1:])
            if least is not None and _total([c[:, 0] for c in scarce], least[0]) <= room[0]:
                found, exact = least[0], False
            elif least is None or least[1] == 0:
                return None
        if found is not None:
            picked, best = found, min(best, _total(values, found))
        if beam >= MOST:
            break
        beam *= WIDER
    if picked is None:
        return None
    return picked, 0 if exact else max(0, best - bound)


def _total(values: list[np.ndarray], picked: list[int] | None) -> float:
    """The sum of what was picked; infinite for nothing."""
    return np.inf if picked is None else sum(v[p] for v, p in zip(values, picked, strict=True))


def _prices(values, costs, budget) -> tuple[np.ndarray, float, list[int] | None]:
    """Lagrange multipliers by subgradient steps, the bound that they prove, and the best of the solutions met on the
    way (or None)."""
    best, first, highest = np.inf, None, float(sum(v.max() for v in values))
    unit = np.maximum(budget, 1).astype(float)
    shares = [c / unit for c in costs]
    room = budget / unit
    prices = np.zeros(len(budget))
    good, bound = prices, -np.inf
    scale = 1.0
    for _ in range(STEPS):
        picked = [int((v + s @ prices).argmin()) for v, s in zip(values, shares, strict=True)]
        value = _total(values, picked)
        over = sum(s[p] for s, p in zip(shares, picked, strict=True)) - room
        now = value + prices @ over
        if now > bound:
            good, bound = prices, now
        else:
            scale *= 0.95
        if (over <= 0).all() and value < best:
            best, first = value, picked
        length = over @ over
        if length == 0 or best <= bound:
            break
        prices = np.maximum(0.0, prices + scale * (min(best, highest) - now) / length * over)
    return good / unit, bound, first


class _Search:
    """The dynamic programming over layers, with bounds from given prices."""

    def __init__(self, values, costs, budget, binding, prices) -> None:
        self.values, self.costs, self.budget, self.binding, self.prices = values, costs, budget, binding, prices
        rest = [(v + c[:, binding] @ prices).min() for v, c in zip(values, costs, strict=True)]
        need = [c.min(axis=0) for c in costs]
        self.rest = np.cumsum([0.0, *rest[::-1]])[::-1]  # bound of layers i.. at these prices
        self.need = np.cumsum([0 * need[0], *need[::-1]], axis=0)[::-1]  # least cost of layers i..

    def run(self, best: float, beam: int) -> tuple[list[int] | None, bool]:
        """The choice per layer among solutions no worse than `best`, and whether it is exact: no more than `beam`
        states a layer were ever worth keeping."""
        exact = True
        value, cost = np.zeros(1, self.values[0].dtype), np.zeros((1, len(self.budget)), np.int64)
        trail = []
        for i, (v, c) in enumerate(zip(self.values, self.costs, strict=True)):
            value, cost, origin, whole = self._step(i, value, cost, v, c, best, beam)
            exact &= whole
            if not len(value):
                return None, exact
            trail.append(origin)
        at, picked = 0, []  # states are sorted: the first is the best
        for i in range(len(trail) - 1, -1, -1):
            at, choice = divmod(int(trail[i][at]), len(self.values[i]))
            picked.append(choice)
        return picked[::-1], exact

    def _step(self, i, value, cost, v, c, best, beam):
        """States after layer i, sorted and undominated; where each came from (state * choices + choice); whether
        none was left out for the beam's sake."""
        new_value = (value[:, None] + v).reshape(-1)
        new_cost = (cost[:, None, :] + c).reshape(-1, len(self.budget))
        left = self.budget - new_cost
        bound = new_value + self.rest[i + 1] - left[:, self.binding] @ self.prices
        keep = (left >= self.need[i + 1]).all(axis=1) & (bound <= best + SLACK * (1 + abs(best)))
        keep = np.flatnonzero(keep)
        whole = len(keep) <= beam * WIDER
        if not whole:  # most would be dominated: far more than are kept, far fewer than there are
            keep = keep[np.argpartition(bound[keep], beam * WIDER)[: beam * WIDER]]
        states = np.column_stack([new_value[keep], new_cost[keep]])
        order = np.lexsort(states.T[::-1])
        live = [0, *(1 + self.binding)]  # a kind that cannot run out decides between equals only
        keep = keep[order[_undominated(states[order][:, live])]]
        if len(keep) > beam:
            whole = False
            keep = keep[np.sort(np.argsort(bound[keep], kind="stable")[:beam])]
        return new_value[keep], new_cost[keep], keep, whole


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
