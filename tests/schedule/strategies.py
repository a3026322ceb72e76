"""Hypothesis strategies: arrays, and vector graphs that the engine takes."""

from hypothesis import strategies as st

from hwgen.graph.random_graphs import Limits, random_graph

SIDES = (8, 16, 32, 64)

arrays = st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def graphs(draw, max_width: int = 200, **limits):
    """A random graph of vectors."""
    exact = draw(st.booleans())
    return random_graph(draw(seeds), Limits(power_of_two=exact, max_width=max_width, **limits))
