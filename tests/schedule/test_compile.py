"""compile_graph sizes an engine to a graph; compile_onto puts a graph on an engine that exists."""

import numpy as np
import pytest
from hypothesis import given, settings

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder
from hwgen.schedule import compile_graph, compile_onto
from tests.schedule.strategies import arrays, graphs
from tests.schedule.test_image_meaning import two_layers
from tests.support import cases


@settings(max_examples=cases(40, 500))
@given(graphs(max_width=100), arrays)
def test_the_sized_engine_takes_its_own_graph(graph, array):
    design = compile_graph(graph, *array)
    again = compile_onto(graph, design.config)
    assert again.timing.latency == design.timing.latency and again.config == design.config
    assert 0 <= design.utilization <= 1 and design.streamed_bytes == 0


def test_a_retrained_policy_takes_the_same_engine():
    one, two = (compile_graph(two_layers(np.random.default_rng(i)), 8, 8) for i in (1, 2))
    assert one.config == two.config
    assert not np.array_equal(np.stack(one.program.weights), np.stack(two.program.weights))
    assert compile_onto(two.graph, one.config).timing.latency == one.timing.latency


def test_a_weight_memory_of_any_depth_is_used_to_its_last_word(rng):
    design = compile_graph(two_layers(rng), 8, 8)
    words = len(design.program.weights)
    again = compile_onto(design.graph, design.config.resized(weight_depth=words))
    assert again.timing.latency == design.timing.latency
    with pytest.raises(FitError, match=f"weight_depth = {words - 1}, the graph needs {words} "):
        compile_onto(design.graph, design.config.resized(weight_depth=words - 1))


@pytest.mark.parametrize(
    "change", [{"weight_depth": 8}, {"ww": 3}, {"act_depth": 2}, {"prog_depth": 1}, {"unit_prog_depth": 0}]
)
def test_what_the_engine_lacks_is_told(change, rng):
    config = compile_graph(two_layers(rng), 8, 8).config.resized(**change)
    (name,) = change
    with pytest.raises(FitError, match=f"the engine has {name} = {change[name]}, the graph needs .*generate an engine"):
        compile_onto(two_layers(rng), config)


def test_units_that_a_policy_lacks_are_left_out(rng):
    config = compile_graph(two_layers(rng), 8, 8).config
    assert (config.row_param_depth, config.slots, config.residual, config.wide) == (0, 0, False, False)


def test_more_than_instructions_reach_is_told():
    b = GraphBuilder("big")
    x = b.input("x", (8,), bits=8, signed=True, scale=2**-6)
    weight = np.broadcast_to(np.int64(1), (8, 40_000))
    b.output(b.requantize(b.linear(x, weight, 2**-4), bits=8, scale=1.0), "y")
    with pytest.raises(FitError, match="needs param_depth = .* on a 8x8 array.*larger --array, or split"):
        compile_graph(b.build(), 8, 8)


def test_a_layer_too_large_for_an_instruction_is_told():
    b = GraphBuilder("long")
    x = b.input("x", (140_000,), bits=8, signed=True, scale=2**-6)
    weight = np.broadcast_to(np.int64(1), (140_000, 1))
    b.output(b.requantize(b.linear(x, weight, 2**-9, weight_bits=2), bits=8, scale=1.0, name="sum"), "y")
    with pytest.raises(FitError, match="node 'y': it is too large for one instruction .*count0.*larger --array"):
        compile_graph(b.build(), 8, 8)
