"""Several engines: what is chosen keeps the aim and the board, what is left out could not win, and why is said."""

import dataclasses

import pytest

from hwgen import boards
from hwgen.codesign import engines
from hwgen.codesign.search import Wish, search
from hwgen.codesign.search_engines import Aim, search_engines
from hwgen.errors import FitError
from hwgen.graph.split import cuts
from tests.codesign.test_search import mlp

EVERY = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def board():
    return boards.load("zcu104")


def check(found, board):
    """What holds of every choice."""
    way = found.chosen
    assert [w for w in found.ways if w.verdict == "chosen"] == [way] and way.ports() <= len(board.memory.ports)
    assert all(need <= getattr(board.resources, kind) for kind, need in way.resources().items())
    assert all(w.why for w in found.ways if w is not way) and 0 <= found.gap < 1
    for w in found.ways:
        if w.latency is not None:
            assert w.bound <= (w.latency if found.aim.interval is None else w.interval)
            assert w.least_cost <= w.cost
    found.as_dict()


def test_one_engine_answers_soonest(board):
    graph = mlp((64, 128, 128, 128, 16))
    found = search_engines(graph, board, Aim(EVERY, Wish()))
    check(found, board)
    single = search(graph, board, Wish())
    assert found.chosen.engines == 1 and found.chosen.latency == single.chosen.clocks and found.gap == 0
    assert {w.verdict for w in found.ways} == {"chosen", "bounded"} and len(found.ways) == 8
    two = found.over_two
    assert not two["pays"] and two["exchange_cycles"] > 50_000 and two["bound_cycles"] >= two["single_cycles"]


def test_a_rate_beyond_one_engine_takes_several(board):
    graph = mlp((256, 512, 512, 64), bits=8)
    limit = search(graph, board, Wish()).chosen.clocks * 3 // 4
    with pytest.raises(FitError, match="no way with 1 engine on zcu104 will do at"):
        search_engines(graph, board, Aim((1,), Wish(), interval=limit))
    found = search_engines(graph, board, Aim(EVERY, Wish(), interval=limit))
    check(found, board)
    assert found.chosen.engines > 1 and found.chosen.interval <= limit
    in_time = [w for w in found.ways if w.verdict in ("chosen", "dearer")]
    assert found.chosen.cost == min(w.cost for w in in_time)


@pytest.mark.parametrize("many", [2, 3, 4])
def test_so_many_are_taken_as_are_asked_for(board, many):
    found = search_engines(mlp((64, 64, 64, 64, 16)), board, Aim((many,), Wish()))
    check(found, board)
    assert found.chosen.engines == many and len(found.ways) == len(engines.SHAPES[many])
    each = search(mlp((64, 64, 64, 64, 16)), engines.share(board, many), Wish())
    assert found.chosen.latency == each.chosen.clocks and found.chosen.copies == (many,)


def test_layers_that_are_large_enough_pay_over_two_engines(board):
    """The bound is no constant: where the exchange costs nothing, halving pays."""
    twin = search(mlp((512, 512, 512)), engines.share(board, 2), Wish()).design
    told = engines.over_two(twin, twin.timing.latency, 0.001)
    assert told["pays"] and told["layers_that_gain"] == 2 and told["bound_cycles"] < twin.timing.latency
    assert "not built by hwgen" in told["why"]


def test_stages_are_cut_where_they_are_even():
    graph = mlp((64, 64, 64, 64, 64))
    places = engines.balanced(cuts(graph), graph.macs(), 4)
    macs = {cut.at: cut.macs for cut in cuts(graph)}
    assert [macs[at] * 4 // graph.macs() for at in places] == [1, 2, 3]
    assert engines.balanced(cuts(mlp((8, 8))), 64, 2) == []


def test_a_board_without_ports_has_one_engine():
    with pytest.raises(FitError, match="ulx3s has no memory ports of its processor, and each of 2 engines"):
        search_engines(mlp((8, 8, 8)), boards.load("ulx3s"), Aim((2,), Wish()))


def test_no_shares_add_up_to_more_than_the_board(board):
    for many in EVERY:
        part = engines.share(board, many)
        assert len(part.memory.ports) * many <= len(board.memory.ports)
        for kind, value in dataclasses.asdict(part.resources).items():
            assert value * many <= getattr(board.resources, kind)


def test_a_rate_that_nothing_reaches_tells_the_most(board):
    with pytest.raises(FitError, match=r"of [1-4] (engine|replicas) comes one in \d+ clocks") as told:
        search_engines(mlp((64, 64, 64)), board, Aim(EVERY, Wish(), interval=20))
    assert "\n" not in str(told.value)
