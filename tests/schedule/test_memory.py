"""The memory plan: nothing overlaps while it lives, what must lie in different banks does, and memory is reused."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder
from hwgen.schedule import memory
from hwgen.schedule.lower import lower
from hwgen.schedule.plan import INPUTS, MatOp, RowOp
from tests.schedule.strategies import arrays, graphs
from tests.support import cases


def plan_of(graph, array, banks=4):
    v = max(*array, 16)
    plan = lower(graph, *array, v)
    return plan, memory.allocate(plan, v, banks), v


def lives(plan):
    """Buffer -> (first operation that writes it, last that touches it), from the operations alone."""
    out = {INPUTS: [-1, -1]}
    for i, op in enumerate(plan.ops):
        out.setdefault(op.out.buffer, [i, i])[1] = i
        for view in (op.x, getattr(op, "residual", None)):
            if view is not None:
                out[view.buffer][1] = i
    for output in plan.outputs:
        out[output.buffer][1] = len(plan.ops)
    return out


@settings(max_examples=cases(100, 3000))
@given(graphs(max_width=600), arrays, st.integers(3, 6))
def test_live_buffers_do_not_overlap(graph, array, banks):
    try:
        plan, words, v = plan_of(graph, array, banks)
    except FitError:
        return
    spans = {
        name: (
            plan.buffers[name].bank,
            plan.buffers[name].word,
            plan.buffers[name].word - -plan.buffers[name].bytes // v,
        )
        for name in lives(plan)
    }
    for a, b in itertools.combinations(lives(plan).items(), 2):
        (one, (first, last)), (other, (begin, end)) = a, b
        if first <= end and begin <= last and spans[one][0] == spans[other][0]:
            assert spans[one][2] <= spans[other][1] or spans[other][2] <= spans[one][1], f"{one} and {other} overlap"
    assert max(span[2] for span in spans.values()) <= words
    assert all(bank < banks for bank, _, _ in spans.values())


@settings(max_examples=cases(100, 3000))
@given(graphs(max_width=100), arrays)
def test_banks_keep_ports_apart(graph, array):
    plan, _, _ = plan_of(graph, array)
    bank = {name: buffer.bank for name, buffer in plan.buffers.items()}
    assert [name for name in lives(plan) if bank[name] == 0] == [INPUTS]  # where the input DMA writes at any time
    for op in plan.ops:
        if isinstance(op, MatOp) and op.residual is not None:
            assert bank[op.x.buffer] != bank[op.residual.buffer]
        # in a buffer of joined parts an operation may read one and write another: then its readers wait for its end
        if isinstance(op, RowOp) and not plan.serial and op.x.buffer != op.out.buffer:
            assert bank[op.x.buffer] != bank[op.out.buffer]


def chain(layers, width):
    b = GraphBuilder("chain")
    x = b.input("x", (width,), bits=8, signed=True, scale=1.0)
    for i in range(layers):
        x = b.requantize(x, bits=8, scale=2.0 ** (i + 1))
    b.output(x, "y")
    return b.build()


def test_memory_of_finished_operations_is_used_again():
    two, many = (plan_of(chain(layers, 128), (8, 8))[1] for layers in (4, 40))
    assert many == two


def test_footprint():
    plan, _, v = plan_of(chain(6, 64), (8, 8))
    took = memory.footprint(plan, v)
    assert took["sum"] == 7 * 64 and took["peak"] < took["sum"]


def test_too_few_banks_is_told():
    b = GraphBuilder("sums")
    x = b.input("x", (8,), bits=8, signed=True, scale=1.0)
    y = b.requantize(x, bits=8, scale=2.0)
    z = b.requantize(y, bits=8, scale=4.0)
    y2 = b.requantize(z, bits=8, scale=8.0, residual=y)
    b.output(b.requantize(y2, bits=8, scale=8.0, residual=z), "out")
    with pytest.raises(FitError, match="cannot be kept apart in 2 banks.*split it"):
        plan_of(b.build(), (8, 8), banks=2)
