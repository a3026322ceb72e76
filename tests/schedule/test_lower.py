"""Graph -> plan: what is fused, what is only a view, and what is refused with the way out."""

import numpy as np
import pytest

from hwgen.errors import UnsupportedError
from hwgen.graph import GraphBuilder
from hwgen.schedule.lower import lower
from hwgen.schedule.plan import INPUTS, MatOp, RowOp, View


def start(width=32, shape=None):
    b = GraphBuilder("test")
    return b, b.input("x", shape or (width,), bits=8, signed=True, scale=2**-6)


def plan(b, y, n=8, m=8, v=16):
    b.output(y, "y")
    return lower(b.build(), n, m, v)


def passes_on(part, size):
    """Whether the words of a part only pass each group its own inputs on."""
    words = part.words.reshape(-1, 8, 8)
    return words.sum() == size and len(part.taps) == 1 and part.groups.tolist() == list(range(0, size, 8))


def test_a_layer_with_its_activation_is_one_operation(rng):
    b, x = start()
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (32, 20)), 2**-4), bits=8, scale=2**-5)
    ops = plan(b, b.activation(h, "tanh", bits=8, scale=2**-7)).ops
    assert len(ops) == 1 and ops[0].parts[0].words.shape == (4, 4, 8, 8) and ops[0].table.shape == (256,)


def test_the_table_is_indexed_by_the_unsigned_byte():
    b, x = start()
    table = np.arange(-128, 128)
    op = plan(b, b.lookup(x, table, scale=2**-6)).ops[0]
    assert op.table.view(np.int8).tolist() == np.arange(256).astype(np.uint8).view(np.int8).tolist()
    assert passes_on(op.parts[0], 32)


def test_a_pre_activation_that_is_read_twice_is_kept(rng):
    b, x = start()
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (32, 32)), 2**-4), bits=8, scale=2**-5)
    t = b.activation(h, "tanh", bits=8, scale=2**-7)
    ops = plan(b, b.requantize(t, bits=8, scale=2**-5, residual=h)).ops
    assert [op.table is not None for op in ops] == [False, True, False]


def test_moves_are_views(rng):
    b, x = start(shape=(4, 8))
    y = b.flatten(b.transpose(x, (1, 0)))
    op = plan(b, b.requantize(b.linear(y, rng.integers(-8, 8, (32, 8)), 2**-4), bits=8, scale=1.0)).ops
    assert len(op) == 1
    np.testing.assert_array_equal(op[0].x.positions, np.arange(32).reshape(4, 8).T.reshape(-1))


def test_a_scattered_view_is_selected_where_only_an_identity_would_be():
    b, x = start(32)
    op = plan(b, b.requantize(b.slice(x, 0, 1, 30, 3), bits=8, scale=2**-6)).ops[0]
    words = op.parts[0].words
    assert words.sum() == op.out.channels == 10 and words.max() == 1


def test_concatenated_results_are_written_side_by_side(rng):
    b, x = start()
    parts = [b.requantize(b.linear(x, rng.integers(-8, 8, (32, n)), 2**-4), bits=8, scale=1.0) for n in (5, 24)]
    joined = b.concat(parts)
    got = plan(b, b.requantize(b.linear(joined, rng.integers(-8, 8, (29, 8)), 2**-4), bits=8, scale=1.0))
    assert [(op.out.buffer, op.out.start) for op in got.ops[:2]] == [(joined, 0), (joined, 16)] and len(got.ops) == 3


def test_a_vector_of_moved_results_and_inputs_costs_the_inputs_copy(rng):
    """An image's features, flattened channel by channel, are written into the vector's buffer position by position;
    only the state is copied, and what reads the vector has its weights in that order."""
    b = GraphBuilder("vector")
    image, state = b.input("x", (32, 4, 4), 8, True, 1.0), b.input("s", (3,), 8, True, 1.0)
    h = b.requantize(b.conv2d(image, rng.integers(-8, 8, (16, 32, 1, 1)), 1.0), bits=8, scale=1.0)
    joined = b.concat([b.flatten(h), state])
    got = plan(b, b.requantize(b.linear(joined, rng.integers(-8, 8, (259, 8)), 1.0), bits=8, scale=1.0))
    conv, copy, linear = got.ops
    assert (conv.out.buffer, conv.out.start, conv.out.rows, conv.out.pitch) == (joined, 0, 16, 16)
    assert (copy.out.buffer, copy.out.start, copy.steps) == (joined, 256, 2)
    channel, position = np.divmod(np.arange(256), 16)
    np.testing.assert_array_equal(linear.x.positions[:256], position * 16 + channel)


def test_an_origin_that_others_read_too_is_left_where_it_is(rng):
    b, x = start()
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (32, 16)), 2**-4), bits=8, scale=2**-6)
    joined = b.concat([b.reshape(h, (16,)), x])
    t = b.requantize(b.linear(joined, rng.integers(-8, 8, (48, 16)), 1.0), bits=8, scale=1.0, residual=h)
    assert plan(b, t).ops[0].out.buffer == h


def test_a_norm_runs_right_behind_what_it_reads(rng):
    b, x = start()
    h = b.requantize(b.linear(x, rng.integers(-8, 8, (32, 32)), 2**-4), bits=8, scale=1.0)
    other = b.requantize(b.linear(x, rng.integers(-8, 8, (32, 32)), 2**-4), bits=8, scale=1.0)
    n = b.layernorm(h, 1.0, 0.0, bits=8, scale=2**-5)
    ops = plan(b, b.requantize(n, bits=8, scale=1.0, residual=other)).ops
    assert [type(op) for op in ops] == [MatOp, RowOp, MatOp, MatOp]


def test_operand_and_residual_of_one_buffer_are_parted():
    b, x = start()
    got = plan(b, b.requantize(x, bits=8, scale=2**-5, residual=x))
    assert len(got.ops) == 2 and got.ops[1].residual.buffer != got.ops[1].x.buffer == INPUTS


def test_an_input_that_is_an_output_is_copied():
    b, x = start()
    got = plan(b, b.reshape(x, (4, 8)))
    assert got.outputs[0].buffer != INPUTS and len(got.ops) == 1 and passes_on(got.ops[0].parts[0], 32)


def test_plain_views():
    assert View("b", 16 + np.arange(5), True).start_if_plain(16) == 16
    assert View("b", 8 + np.arange(5), True).start_if_plain(16) is None
    assert View("b", np.array([0, 2]), True).start_if_plain(16) is None


def test_an_accumulator_cannot_be_moved_or_given_out(rng):
    b, x = start()
    acc = b.linear(x, rng.integers(-8, 8, (32, 8)), 2**-4)
    with pytest.raises(UnsupportedError, match="moves accumulators; put it behind the next Quant"):
        plan(b, b.slice(acc, 0, 1, 5))
    b, x = start()
    with pytest.raises(UnsupportedError, match="output 'y' is an accumulator; requantize it"):
        plan(b, b.linear(x, rng.integers(-8, 8, (32, 8)), 2**-4))


def test_a_wide_result_cannot_be_read_again(rng):
    b, x = start()
    wide = b.wide(b.linear(x, rng.integers(-8, 8, (32, 8)), 2**-4))
    with pytest.raises(UnsupportedError, match=r"\(Requantize\): it reads the 32-bit result .*byte planes; requantize"):
        plan(b, b.requantize(wide, scale=1.0))


def test_an_accumulator_may_be_reshaped(rng):
    b, x = start()
    acc = b.reshape(b.linear(x, rng.integers(-8, 8, (32, 8)), 2**-4), (2, 4))
    assert len(plan(b, b.requantize(acc, scale=1.0)).ops) == 1


def test_a_wide_result_with_relu_only_is_possible(rng):
    b, x = start()
    ops = plan(b, b.wide(b.linear(x, rng.integers(-8, 8, (32, 8)), 2**-4), relu=True)).ops
    assert ops[0].wide and ops[0].lane.relu
