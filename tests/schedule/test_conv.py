"""Convolutions as parts of matrix operations: steps, words, padding, and what is refused."""

import pytest

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder
from hwgen.schedule import compile_graph
from hwgen.schedule.instructions import MM


def conv(rng, shape, out, kernel, array, **more):
    b = GraphBuilder("conv")
    x = b.input("x", shape, bits=8, signed=True, scale=1.0)
    x = b.requantize(x, bits=8, scale=1.0)  # so that it is no window of the input
    weight = rng.integers(-8, 8, (out, shape[0] // more.get("groups", 1), *kernel))
    b.output(b.requantize(b.conv(x, weight, 2**-4, **more), bits=8, scale=1.0), "y")
    return compile_graph(b.build(), *array)


def layer(design):
    return [ins for ins in design.program.mm if isinstance(ins, MM) and ins.name == "y"]


def test_a_convolution_is_one_instruction_of_six_levels(rng):
    (ins,) = layer(conv(rng, (16, 6, 5), 32, (3, 3), (8, 16), pads=1))
    assert ins.steps() == 2 * 9 * 2 * 30 and ins.inside == (-1, -1, 5, 4)
    assert ins.pads().reshape(30, -1).sum() == 2 * 2 * (30 * 9 - (3 * 6 - 2) * (3 * 5 - 2))


def test_without_padding_nothing_is_outside(rng):
    (ins,) = layer(conv(rng, (16, 6, 5), 32, (3, 3), (8, 16)))
    assert ins.inside is None and not conv(rng, (16, 6, 5), 32, (3, 3), (8, 16)).config.padded


def test_depthwise_groups_meet_their_own_chunks(rng):
    (ins,) = layer(conv(rng, (64, 4, 4), 64, (3, 3), (16, 16), pads=1, groups=64))
    assert ins.steps() == 9 * 4 * 16


def test_equal_weights_are_stored_once(rng):
    b = GraphBuilder("twice")
    x = b.input("x", (5, 16), bits=8, signed=True, scale=1.0)
    weight = rng.integers(-8, 8, (16, 16))
    for _ in range(2):
        x = b.requantize(b.linear(x, weight, 2**-4), bits=8, scale=1.0)
    b.output(x, "y")
    program = compile_graph(b.build(), 8, 8).program
    assert len(program.weights) == 4 and len(program.params) == 2


def test_an_image_beyond_the_coordinates_is_refused_by_name(rng):
    with pytest.raises(FitError, match=r"node 'y': it is too large for one instruction .*x_last"):
        conv(rng, (8, 1, 1030), 8, (1, 3), (8, 8), pads=(0, 1, 0, 1))
