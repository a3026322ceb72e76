"""Norms and softmax over a tensor's rows: the interpreter computes golden's outputs, at the predicted clock."""

import numpy as np
import pytest

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder
from hwgen.schedule import compile_graph, compile_onto
from tests.schedule.row_graphs import groups_graph, rows_graph
from tests.schedule.test_image_meaning import check
from tests.support import cases


@pytest.mark.parametrize("array", [(8, 8), (8, 64), (32, 16), (64, 64)])
def test_outputs_and_clocks(seed, array):
    for case in range(cases(8, 200)):
        rng = np.random.default_rng([seed, case])
        design = compile_graph(rows_graph(rng), *array)
        result = check(design, [seed, case])
        assert result.latency == design.timing.latency, f"case {case}"


@pytest.mark.parametrize("array", [(8, 8), (8, 64), (32, 16)])
def test_group_norms(seed, array):
    for case in range(cases(8, 200)):
        design = compile_graph(groups_graph(np.random.default_rng([seed, case])), *array)
        assert check(design, [seed, case]).latency == design.timing.latency, f"case {case}"


def test_equal_tables_are_stored_once(rng):
    b = GraphBuilder("tables")
    x = b.input("x", (3, 20), bits=8, signed=True, scale=2**-4)
    for i, step in enumerate([2**-4, 2**-4, 2**-5]):
        y = b.requantize(b.linear(x, rng.integers(-128, 128, (20, 20)), 2.0**-9), bits=8, scale=step)
        b.output(b.softmax(y), f"y{i}")
    design = compile_graph(b.build(), 16, 16)
    assert [ins.softmax.slot for ins in design.program.row] == [0, 0, 1]
    assert (design.config.softmax_slots, design.config.row_param_depth) == (2, 0)
    check(design, 1)


def test_an_engine_without_softmax_says_so(rng):
    design = compile_graph(rows_graph(rng, ["softmax"]), 16, 16)
    with pytest.raises(FitError, match="tables of exponentials"):
        compile_onto(design.graph, design.config.resized(softmax_slots=0))


def test_rows_follow_each_other_at_a_word_a_clock(rng):
    """197 rows of 197 probabilities: four words of 64, and a fixed number of clocks."""
    b = GraphBuilder("attention")
    x = b.input("x", (197, 16), bits=8, signed=True, scale=2**-4)
    y = b.requantize(b.linear(x, rng.integers(-128, 128, (16, 197)), 2.0**-9), bits=8, scale=2**-4)
    y = b.linear(b.softmax(y), rng.integers(-128, 128, (197, 16)), 2.0**-9)
    b.output(b.requantize(y, bits=8, scale=2**-4), "y")
    spans = compile_graph(b.build(), 64, 64).timing.spans
    row = next(span for span in spans if span.unit == "ROW")
    assert row.last - row.first == 197 * 4 - 1 + 4 + 3 + 9 + 3 + 12


@pytest.mark.parametrize("unit", ["ROW", "VEC"])
@pytest.mark.parametrize("begin", [0, 6])
def test_the_first_row_may_be_done_before_the_last_residual_is_read(seed, unit, begin):
    """A class token's norm: one row, that of an operation which goes on adding; what reads it follows at once."""
    rng = np.random.default_rng(seed)
    for width in (8, 16, 24, 40):
        b = GraphBuilder("class token")

        def layer(x, outputs, b=b, **more):
            acc = b.linear(x, rng.integers(-128, 128, (b.tensor(x).shape[-1], outputs)), 2.0**-9)
            return b.requantize(acc, bits=8, scale=2**-4, **more)

        x = layer(b.input("x", (40, width), bits=8, signed=True, scale=2**-4), width)
        y = layer(layer(x, 4 * width), width, residual=x)  # so the bank of x is the emptiest
        first = b.reshape(b.slice(y, 0, begin, begin + 1), (width,))
        normed = b.layernorm(first, 1.0, bits=8, scale=2**-5) if unit == "ROW" else b.mul(first, first, scale=2**-4)
        b.output(layer(normed, 8), "y")
        design = compile_graph(b.build(), 8, 16)
        assert check(design, seed).latency == design.timing.latency, (seed, width)
