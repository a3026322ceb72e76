"""Plan -> program: loops, weight words, shared tables, and the rules of wide groups."""

import numpy as np
import pytest
from hypothesis import given, settings

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder
from hwgen.schedule import compile_graph
from hwgen.schedule.emit import WIDE_STEPS
from hwgen.schedule.instructions import MM, Nop
from tests.schedule.strategies import arrays, graphs
from tests.support import cases


def start(width):
    b = GraphBuilder("test")
    return b, b.input("x", (width,), bits=8, signed=True, scale=2**-6)


def compiled(b, y, n=8, m=8):
    b.output(y, "y")
    return compile_graph(b.build(), n, m)


def test_a_layer_takes_chunks_times_groups_steps(rng):
    b, x = start(40)
    design = compiled(b, b.requantize(b.linear(x, rng.integers(-8, 8, (40, 32)), 2**-4), bits=8, scale=1.0))
    (ins,) = design.program.mm
    assert [(loop.count, loop.reduce) for loop in ins.loops] == [(5, True), (4, False)]
    assert (ins.dep, ins.need) == ("DIN", 1) and ins.walk("need", ins.need).tolist() == [1, 2, 3, 4, 5] * 4
    assert ins.walk("w").tolist() == list(range(20))
    assert design.timing.issued == 20 and design.graph.macs() == 40 * 32


@pytest.mark.parametrize("n, m, words, steps", [(8, 8, 1, 8), (8, 32, 4, 8), (32, 8, 4, 8), (16, 16, 1, 4)])
def test_identity_groups_share_their_weights(n, m, words, steps):
    b, x = start(64)
    y = b.requantize(b.requantize(x, bits=8, scale=2**-5), bits=8, scale=2**-4)
    design = compiled(b, y, n, m)
    assert len(design.program.weights) == words and [ins.steps() for ins in design.program.mm] == [steps, steps]
    np.testing.assert_array_equal(np.stack(design.program.weights).sum(1), min(n, m))


@settings(max_examples=cases(100, 2000))
@given(graphs(max_width=100), arrays)
def test_after_a_wide_group_three_clocks_bring_no_group(graph, array):
    design = compile_graph(graph, *array)
    ends, wide = [], []
    for span, ins in zip(
        (s for s in design.timing.spans if s.unit == "MM"),
        (i for i in design.program.mm if isinstance(i, MM)),
        strict=True,
    ):
        every = np.flatnonzero(ins.ends())  # steps of one instruction are at least a clock apart
        ends += (span.first + every).tolist()
        wide += [ins.wide] * len(every)
    gaps = np.diff(ends)[np.array(wide[:-1], bool)] if len(ends) > 1 else np.array([])
    assert (gaps >= WIDE_STEPS).all()


def test_a_wide_output_of_a_short_layer_meets_its_inputs_again(rng):
    b, x = start(8)
    design = compiled(b, b.wide(b.linear(x, rng.integers(-8, 8, (8, 32)), 2**-4)))
    (ins,) = design.program.mm
    assert ins.wide and [loop.count for loop in ins.loops] == [WIDE_STEPS, 4]
    words = np.stack(design.program.weights).reshape(4, WIDE_STEPS, -1)
    assert not words[:, 1:].any()


def test_equal_tables_share_a_slot():
    b, x = start(16)
    t = [b.activation(x, "tanh", bits=8, scale=2**-7) for _ in range(2)]
    design = compiled(b, b.requantize(t[0], bits=8, scale=2**-5, residual=t[1]))
    assert len(design.program.tables) == 1
    assert design.config.slots == 2  # trained again, the two may differ


def test_more_tables_than_slots_is_told(rng):
    b, x = start(16)
    for _ in range(17):
        x = b.lookup(x, rng.integers(-128, 128, 256), scale=2**-6)
    with pytest.raises(FitError, match="more than 16 different activation tables; give some activations the same"):
        compiled(b, x)


def test_a_second_gate_is_an_instruction_of_its_own(rng):
    """The residual comes from DDR, the operand from a norm of it: two units to wait for."""
    b, x = start(64)
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (64, 64)), 2**-4), bits=8, scale=1.0)
    n = b.layernorm(h, 1.0, 0.0, bits=8, scale=2**-5)
    design = compiled(b, b.requantize(n, bits=8, scale=1.0, residual=x))
    gates = [ins.gate.unit for ins in design.program.mm]
    assert set(gates) >= {"DIN", "ROW"} and any(isinstance(ins, Nop) for ins in design.program.mm)


def test_padding_channels_have_zero_parameters(rng):
    b, x = start(16)
    design = compiled(b, b.requantize(b.linear(x, rng.integers(-8, 8, (16, 11)), 2**-4), bits=8, scale=1.0))
    params = np.concatenate(design.program.params)
    assert len(params) == 16 and params[:11, 0].all() and not params[11:].any()
