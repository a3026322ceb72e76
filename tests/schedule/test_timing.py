"""The cycle model's parts; that the whole is exact is shown by test_image_meaning.py and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.errors import HwgenError
from hwgen.graph import GraphBuilder
from hwgen.graph.phases import without_transposed
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from hwgen.schedule import EngineConfig, compile_graph, timing
from hwgen.schedule.instructions import Din, Dout, Gate, Nop, Program
from hwgen.schedule.layers import layers
from tests.schedule.test_image_meaning import two_layers
from tests.support import cases


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(0, 50))
def test_steps_go_in_order_one_a_clock(ready, start):
    clock, want = start - 1, []
    for r in ready:
        clock = max(clock + 1, r)
        want.append(clock)
    assert timing.in_order(np.array(ready), start).tolist() == want


def test_progress_is_reached_in_the_clock_of_its_count():
    progress = timing._Progress()
    progress.add(np.array([10, 11, 20]), 2)
    progress.add(np.array([30]), 4)
    needs = [-3, 0, 1, 2, 3, 6, 7, 10, 11]
    assert progress.reached(np.array(needs)).tolist() == [0, 0, 10, 10, 11, 20, 30, 30, timing.NEVER]


def test_clocks_of_a_copy_from_first_principles():
    """One beat in, one step, one beat out: every constant of docs/engine.md once."""
    b = GraphBuilder("copy")
    x = b.input("x", (8,), bits=8, signed=True, scale=1.0)
    b.output(b.requantize(x, bits=8, scale=2.0), "y")
    t = compile_graph(b.build(), 8, 8).timing
    arrived = timing.DIN_START + timing.DDR_READ + timing.DIN_WRITE
    assert t.first_issue == arrived
    second_group = arrived + 1 + 14  # a word of 16 bytes is two groups; PIPE = 12 + 2
    assert t.latency == second_group + timing.DOUT_DATA + timing.DDR_WRITE + timing.DONE
    assert (t.issued, t.compute) == (2, 2) and t.waits == {"DIN": arrived - 1, "MM": 0, "ROW": 0}


def test_every_clock_is_accounted_for(rng):
    t = compile_graph(two_layers(rng), 8, 8).timing
    assert 1 + t.issued + sum(t.waits.values()) + t.tail == t.latency == 1 + t.last_issue + t.tail
    assert {span.unit for span in t.spans} == {"DIN", "MM", "DOUT"}
    *two, end = layers(t)
    assert len(two) == 2 and sum(layer.busy for layer in two) == t.issued
    assert end.name == "(end)" and end.as_dict() == {
        "name": "(end)",
        "busy": 0,
        "idle": t.tail,
        "lost": {"END": t.tail},
    }
    assert two[0].lost["START"] == timing.MM_START and two[1].lost.keys() <= {"MM"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_of_any_network_add_up_to_its_latency(kind, seed):
    for i in range(cases(2, 20)):
        graph = without_transposed(random_network(seed + i, kind, Sizes(width=16, layers=1, steps=2)))
        t = compile_graph(graph, 8, 8).timing
        found = layers(t)
        assert sum(layer.busy + layer.idle for layer in found) == t.latency, (seed, i)
        assert sum(layer.busy for layer in found) == t.issued, (seed, i)
        assert all(clocks >= 0 for layer in found for clocks in layer.lost.values()), (seed, i)


def test_a_program_that_waits_for_itself_is_told():
    program = Program(din=[Din(0, 1, 0, 0)], mm=[Nop(Gate("MM", 1))], dout=[Dout(0, 1, 0, 0, "MM", 1, 0)])
    with pytest.raises(HwgenError, match="the program waits for itself at .*MM.*please report"):
        timing.predict(program, EngineConfig(8, 8))


def test_only_norms_the_array_has_nothing_to_do():
    b = GraphBuilder("norm")
    x = b.input("x", (32,), bits=8, signed=True, scale=1.0)
    b.output(b.layernorm(x, 1.0, 0.0, bits=8, scale=2**-5), "y")
    t = compile_graph(b.build(), 8, 8).timing
    assert t.issued == t.compute == 0 and t.waits["DIN"] == 2 and t.tail == t.latency - 3
