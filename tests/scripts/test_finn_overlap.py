"""The bound on overlapping layers, on cases that can be counted by hand."""

import numpy as np

from scripts.finn_overlap import best, outputs


def test_a_unit_that_waits_for_its_inputs():
    assert outputs(np.zeros(4), 4, 2, 2).tolist() == [2, 2, 4, 4]
    assert outputs(np.array([1, 2, 3, 9]), 2, 2, 1).tolist() == [10, 10]  # the last input comes at 9
    assert outputs(np.array([5, 5, 5, 5]), 2, 1, 4).tolist() == [6, 7]


def test_two_layers_overlap_when_one_gives_what_the_other_takes():
    """4x4 and 4x4 with 8 multipliers: outputs one a clock, each taken at once by all four of the next."""
    assert best([4, 4, 4], 8) == (5.0, [(1, 4), (4, 1)])
    assert best([4, 4], 16)[0] == 1
