"""Every random graph becomes a host program that equals golden."""

import pytest
from hypothesis import given, settings

from hwgen.build.host_program import WRITE, serialise
from hwgen.errors import FitError
from hwgen.graph import GraphBuilder
from hwgen.graph.ops import OPS
from hwgen.runtime.host import program
from tests.graph.strategies import graphs
from tests.runtime.host.compare import check_equal
from tests.support import cases


def test_the_operators_are_those_of_the_graph():
    assert set(WRITE) == set(program.OPS) == set(OPS)


@settings(max_examples=cases(250, 4000))
@given(graphs())
def test_random_graphs_equal_golden(drawn):
    check_equal(*drawn)


@settings(max_examples=cases(100, 2000))
@given(graphs(vectors=False, softmax=True))
def test_random_images_equal_golden(drawn):
    check_equal(*drawn)


def test_a_graph_too_large_for_a_robot_is_refused():
    b = GraphBuilder("huge")
    x = b.input("x", (64, 2048, 1024), 8, True, 1.0)
    b.output(b.requantize(x, 8, True, 2.0), "y")
    with pytest.raises(FitError, match="'huge' cannot run on the robot's processor.*bytes"):
        serialise(b.build())
