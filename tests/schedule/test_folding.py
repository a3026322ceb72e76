"""The folding solver against brute force, and at the size of a real network."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import FitError
from hwgen.schedule.folding import Choice, cheapest, fastest, pareto
from tests.support import cases

COUNT = cases(200, 3000)


@st.composite
def problems(draw):
    kinds = draw(st.integers(1, 3))
    choice = st.builds(Choice, st.integers(1, 30), st.tuples(*[st.integers(0, 9)] * kinds), st.integers())
    layers = draw(st.lists(st.lists(choice, min_size=1, max_size=6), min_size=1, max_size=4))
    return layers, draw(st.tuples(*[st.integers(0, 22)] * kinds))


def total(choices):
    return sum(c.cycles for c in choices), tuple(map(sum, zip(*(c.cost for c in choices), strict=True)))


def solutions(layers, budget=None):
    for picked in itertools.product(*layers):
        if budget is None or all(a <= b for a, b in zip(total(picked)[1], budget, strict=True)):
            yield picked


@settings(max_examples=COUNT, deadline=None)
@given(problems())
def test_fastest_is_the_optimum(problem):
    layers, budget = problem
    want = min((total(s) for s in solutions(layers, budget)), default=None)
    if want is None:
        with pytest.raises(FitError):
            fastest(layers, budget)
    else:
        picked = fastest(layers, budget)
        assert total(picked) == want
        assert all(p in layer for p, layer in zip(picked, layers, strict=True))


@settings(max_examples=COUNT, deadline=None)
@given(problems(), st.integers(1, 90), st.sampled_from([sum, max]), st.booleans(), st.data())
def test_cheapest_is_the_optimum(problem, limit, how, limited, data):
    layers, budget = problem
    weights = data.draw(st.tuples(*[st.integers(0, 5)] * len(budget)))

    def price(picked):
        return sum(w * c for w, c in zip(weights, total(picked)[1], strict=True))

    allowed = solutions(layers, budget if limited else None)
    want = min((price(s) for s in allowed if how(c.cycles for c in s) <= limit), default=None)
    if want is None:
        with pytest.raises(FitError):
            cheapest(layers, limit, how, weights, budget if limited else None)
    else:
        picked = cheapest(layers, limit, how, weights, budget if limited else None)
        assert how(c.cycles for c in picked) <= limit
        assert price(picked) == want


@settings(max_examples=COUNT, deadline=None)
@given(problems())
def test_pareto_keeps_what_nothing_beats(problem):
    def beats(a, b):
        return a.cycles <= b.cycles and all(x <= y for x, y in zip(a.cost, b.cost, strict=True))

    choices = problem[0][0]
    kept = pareto(choices)
    assert all(any(beats(k, c) for k in kept) for c in choices)
    assert not any(beats(a, b) for a in kept for b in kept if a is not b)


def dense(inputs, outputs):
    """Every folding of a matrix: multipliers, LUT and block RAM grow apart."""
    return [
        Choice(inputs // simd * (outputs // pe), (pe * simd, 40 * pe + 9 * simd, -(-pe * simd // 4)), (pe, simd))
        for pe in range(1, outputs + 1)
        for simd in range(1, inputs + 1)
        if outputs % pe == 0 and inputs % simd == 0
    ]


def test_twenty_layers_with_three_budgets():
    layers = [dense(256, 256), dense(256, 96), dense(96, 512), dense(512, 60)] * 5
    budget = (512, 9000, 200)
    picked = fastest(layers, budget)
    cycles, cost = total(picked)
    assert all(a <= b for a, b in zip(cost, budget, strict=True))
    again = cheapest(layers, cycles, sum, (1, 0, 0), budget)  # the same optimum from the other side
    assert total(again)[0] <= cycles
    with pytest.raises(FitError):
        cheapest(layers, cycles - 1, sum, (1, 0, 0), budget)


def test_known_optimum_of_the_keyword_network():
    """490-256-256-256-12 with 512 multipliers: 1,712 cycles with a fill of 8 a layer, found by an older program."""
    sizes = [490, 256, 256, 256, 12]
    layers = [[Choice(c.cycles + 8, c.cost[:1]) for c in dense(a, b)] for a, b in itertools.pairwise(sizes)]
    assert total(fastest(layers, (512,)))[0] == 1712


def test_messages_name_what_does_not_fit():
    layers = [[Choice(1, (4, 9))], [Choice(2, (5, 1))]]
    with pytest.raises(FitError, match=r"dsp: at least 9 needed, 8 available, most by fc1 \(5\)"):
        fastest(layers, (8, 99), names=["fc0", "fc1"], kinds=["dsp", "lut"])
    with pytest.raises(FitError, match="fc1 cannot be built"):
        fastest([layers[0], []], (8, 99), names=["fc0", "fc1"])
    with pytest.raises(FitError, match="fc1 takes 2 cycles at best, the limit is 1"):
        cheapest(layers, 1, max, names=["fc0", "fc1"])
    with pytest.raises(FitError, match="cycles: at least 3 needed, 2 available"):
        cheapest(layers, 2)
    either = [[Choice(1, (9, 0)), Choice(1, (0, 9))]]
    with pytest.raises(FitError, match="no folding keeps to dsp 8, lut 8 at once"):
        fastest([*either, [Choice(1, (0, 0))]], (8, 8), kinds=["dsp", "lut"])


def test_no_layers_cost_nothing():
    assert fastest([], (1,)) == []
