"""The load image alone carries the meaning: an interpreter that sees nothing else computes golden's outputs.

The interpreter also refuses a second access to a port and a read of what is being written, so these tests prove the
compiler's port and hazard rules in every clock; and its clock of DONE must be the predicted one.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.schedule import EngineConfig, compile_graph, compile_onto
from tests.schedule.interpreter import Conflict
from tests.schedule.strategies import arrays, graphs, seeds
from tests.schedule.support import engine, run
from tests.support import cases

GRAPHS = settings(max_examples=cases(60, 2000))


def check(design, seed, gap=int, frames=2):
    """Run some frames on one engine, one after the other; returns the last result."""
    inputs = random_inputs(design.graph, seed, frames)
    want = golden.run(design.graph, inputs)
    machine = engine(design, seed, gap)
    for i in range(frames):
        got, result = run(design, machine, {name: x[i] for name, x in inputs.items()})
        for name, y in want.items():
            np.testing.assert_array_equal(got[name], y[i])
    return result


@GRAPHS
@given(graphs(), arrays, seeds)
def test_outputs_and_clocks(graph, array, seed):
    design = compile_graph(graph, *array)
    result, timing = check(design, seed), design.timing
    assert result.latency == timing.latency
    assert result.issued == timing.issued
    assert [result.waits[unit] for unit in ("DIN", "MM", "ROW")] == list(timing.waits.values())
    assert 1 + timing.issued + sum(timing.waits.values()) + timing.tail == timing.latency


@GRAPHS
@given(graphs(), arrays, seeds, st.floats(0.05, 0.9))
def test_a_slow_memory_breaks_no_rule(graph, array, seed, often):
    rng = np.random.default_rng(seed)
    check(compile_graph(graph, *array), seed, lambda: int(rng.integers(1, 30)) if rng.random() < often else 0)


@GRAPHS
@given(graphs(max_width=100), arrays, seeds, st.integers(2, 6))
def test_engines_with_few_banks(graph, array, seed, banks):
    """With few banks the plan is serial, or there is none; then the error says so."""
    config = EngineConfig(
        *array, banks=banks, act_depth=2048, weight_depth=1 << 16, param_depth=2048, row_param_depth=1024, slots=16,
        row_words=64, prog_depth=256, unit_prog_depth=256, residual=True, wide=True,
    )  # fmt: skip
    try:
        design = compile_onto(graph, config)
    except FitError as error:
        assert f"kept apart in {banks} banks" in str(error)
        return
    assert check(design, seed).latency == design.timing.latency


def two_layers(rng):
    b = GraphBuilder("mlp")
    x = b.input("x", (24,), bits=8, signed=True, scale=2**-6)
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (24, 40)), 2**-4), bits=8, signed=False, scale=2**-3, relu=True)
    y = b.requantize(b.linear(h, rng.integers(-8, 8, (40, 12)), 2**-4), bits=8, scale=2**-2)
    b.output(y, "y")
    return b.build()


@pytest.mark.parametrize("array", [(8, 8), (64, 16), (32, 64)])
def test_a_residual_that_is_the_next_operand(array):
    """The residual of one operation is read a few clocks late, when the next one already reads the same buffer."""
    b = GraphBuilder("late")
    x = b.input("x", (40,), bits=8, signed=True, scale=1.0)
    y = b.requantize(b.lookup(x, np.arange(-128, 128), scale=1.0), bits=8, scale=1.0, residual=x)
    b.output(y, "y")
    b.output(b.requantize(x, bits=8, scale=2.0), "z")
    check(compile_graph(b.build(), *array), 1)


def test_an_output_that_is_a_part_of_a_result(rng):
    b = GraphBuilder("part")
    x = b.input("x", (20,), bits=8, signed=True, scale=1.0)
    y = b.requantize(b.linear(x, rng.integers(-8, 8, (20, 50)), 2**-6), bits=8, scale=1.0)
    b.output(b.slice(y, 0, 16, 45), "y")
    result = check(compile_graph(b.build(), 8, 16), 1)
    assert result.latency == compile_graph(b.graph, 8, 16).timing.latency


def test_more_groups_than_half_the_parameter_addresses():
    """Behind 3000 groups the parameter address goes back by more than a signed field holds: it wraps."""
    b = GraphBuilder("many")
    x = b.input("x", (8,), bits=8, signed=True, scale=1.0)
    weight = np.arange(8 * 24_000).reshape(8, 24_000) % 16 - 8
    b.output(b.requantize(b.linear(x, weight, 1.0, weight_bits=4), bits=8, scale=8.0), "y")
    check(compile_graph(b.build(), 8, 8), 1, frames=1)


@pytest.mark.parametrize("bits", [4, 8])
def test_an_element_that_is_read_twice(bits):
    """[x, x] with the largest weights: their sum fits no weight, so the operand is copied."""
    b = GraphBuilder("twice")
    x = b.input("x", (16,), bits=8, signed=True, scale=1.0)
    weight = np.full((32, 8), (1 << (bits - 1)) - 1)
    b.output(b.requantize(b.linear(b.concat([x, x]), weight, 1.0, weight_bits=bits), bits=8, scale=256.0), "y")
    check(compile_graph(b.build(), 8, 8), 1)


def test_the_interpreter_sees_a_missing_wait(rng):
    """Without the needs of its first layer the program reads what has not arrived: the outputs differ."""
    design = compile_graph(two_layers(rng), 8, 8)
    design.program.mm[0].dep = "NONE"
    with pytest.raises(AssertionError, match="not equal"):
        check(design, 1)


def test_the_interpreter_sees_a_read_of_what_is_being_written(rng):
    design = compile_graph(two_layers(rng), 8, 8)
    design.program.mm[1].need -= 1  # an octet is a group of eight outputs: one clock too early
    with pytest.raises(AssertionError):
        check(design, 1)


def test_the_interpreter_sees_two_writers_of_a_bank(rng):
    design = compile_graph(two_layers(rng), 8, 8)
    bank, row = design.program.din[0].bank, design.config.act_depth // 2
    design.program.din[0].beats = 32  # the input goes on arriving
    design.plan.in_bytes = 512
    for ins in design.program.mm:
        ins.o_bank, ins.o = bank, row * design.config.v // 8
    with pytest.raises(Conflict, match="write bank 0"):
        check(design, 1)
