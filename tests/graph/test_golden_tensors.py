"""Products of activations, GroupNorm, transposed convolutions and constants against plain definitions of their own."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import GraphError, UnsupportedError
from hwgen.graph import GraphBuilder, golden, ops, run
from tests.graph.measure_errors import measure
from tests.graph.test_golden import apply, ids, layernorm_row
from tests.support import cases


def test_matmul(rng):
    a, b = rng.integers(0, 256, (3, 2, 5, 7)), rng.integers(-128, 128, (3, 2, 7, 4))
    node = ops.MatMul(**ids(2))
    assert np.array_equal(apply(node, a, b), np.einsum("bhik,bhkj->bhij", a, b))
    assert node.out_shape([a.shape[1:], b.shape[1:]]) == (2, 5, 4) and node.macs([a.shape[1:], b.shape[1:]]) == 280


@settings(max_examples=cases(40, 1000))
@given(st.data())
def test_conv_transpose_is_the_sum_it_says(data):
    draw = data.draw
    stride, kernel, length, groups = (draw(st.integers(1, n)) for n in (4, 5, 6, 2))
    ins, outs, more = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(0, stride - 1))
    full = (length - 1) * stride + kernel + more
    begin = draw(st.integers(0, full - 1))
    pads = (begin, draw(st.integers(0, full - 1 - begin)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-128, 128, (2, groups * ins, length))
    w = rng.integers(-128, 128, (groups * ins, outs, kernel)).astype(np.int8)
    node = ops.ConvTranspose1D(**ids(), weight=w, stride=stride, pads=pads, output_padding=more, groups=groups)
    want, taps = np.zeros((2, groups * outs, full - sum(pads)), np.int64), 0
    for c, o, n, i in product(range(groups * ins), range(outs), range(length), range(kernel)):
        t = n * stride + i - pads[0]
        if 0 <= t < want.shape[2]:
            want[:, c // ins * outs + o, t] += x[:, c, n] * int(w[c, o, i])
            taps += 1
    assert np.array_equal(apply(node, x), want)
    assert node.out_shape([x.shape[1:]]) == want.shape[1:] and node.macs([x.shape[1:]]) == taps


@settings(max_examples=cases(20, 300))
@given(st.integers(0, 2**32 - 1))
def test_ranges_of_the_new_sums_are_reached_and_never_left(seed):
    """The largest product, and for a transposed convolution the largest sum of the taps that meet in an output."""
    rng = np.random.default_rng(seed)
    stride, kernel = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    b = GraphBuilder()
    x = b.input("x", (2, 9), signed=bool(rng.integers(2)))
    w = rng.integers(-128, 128, (2, 3, kernel))
    b.output(b.wide(b.conv_transpose1d(x, w, 1.0, stride=stride)), "y")
    r, (lo, hi) = b.build().ranges()["conv_transpose1d"], b.graph.input_range("x")
    worst = np.zeros((2, 3), np.int64)  # [lowest or highest, channel]
    for o, p in product(range(3), range(stride)):
        best = np.where(w[:, o] > 0, [[[lo]], [[hi]]], [[[hi]], [[lo]]])  # [2, C, k]
        sums = (best * w[:, o])[:, :, p::stride].sum((1, 2))
        worst[:, o] = [min(worst[0, o], sums[0]), max(worst[1, o], sums[1])]
    assert np.array_equal(np.broadcast_to(r.lo, 3), np.minimum(worst[0], 0))
    assert np.array_equal(np.broadcast_to(r.hi, 3), np.maximum(worst[1], 0))
    corner = rng.choice([lo, hi], (64, 2, 9))
    y = run(b.graph, {"x": corner})["y"]
    assert (y >= np.reshape(r.lo, (-1, 1))).all() and (y <= np.reshape(r.hi, (-1, 1))).all()


def test_groupnorm_is_layernorm_of_each_group(rng):
    x = rng.integers(-128, 128, (3, 6, 4, 5))
    mult, bias, shift = rng.integers(-(2**16), 2**16, 6), rng.integers(-(2**30), 2**30, 6), rng.integers(28, 33, 6)
    node = ops.GroupNorm(**ids(), groups=3, gamma_mult=mult, bias=bias, shift=shift, eps_int=7, lo=-127, hi=127)
    y = apply(node, x)
    for b, g in product(range(3), range(3)):
        z = np.reshape(layernorm_row(x[b, 2 * g : 2 * g + 2].ravel().tolist(), 7, False), (2, 20))
        for c in range(2):
            v = [a * int(mult[2 * g + c]) + int(bias[2 * g + c]) for a in z[c].tolist()]
            want = [max(-127, min(127, round(a / 2 ** int(shift[2 * g + c])))) for a in v]
            assert y[b, 2 * g + c].ravel().tolist() == want


@settings(max_examples=cases(30, 500))
@given(st.integers(0, 2**32 - 1))
def test_groupnorm_is_close_to_float(seed):
    rng = np.random.default_rng(seed)
    groups, per, space = (int(n) for n in rng.integers(1, (5, 9, 40)))
    channels, eps, scale = groups * per, float(rng.choice([1e-5, 1e-3])), 2.0 ** -int(rng.integers(2, 7))
    gamma, beta = rng.normal(1, 0.3, channels).astype(np.float32), rng.normal(0, 0.3, channels).astype(np.float32)
    b = GraphBuilder()
    b.output(b.groupnorm(b.input("x", (channels, space), scale=scale), groups, gamma, beta, eps, scale=2.0**-5), "y")
    x = np.clip(np.round(rng.normal(0, rng.uniform(1, 60), (4, channels, space))), -128, 127).astype(np.int64)
    y = run(b.build(), {"x": x})["y"]
    rows = (x * scale).reshape(4, groups, -1)
    d = rows.shape[-1]
    real_eps = max(1, round(eps * d * d / scale**2)) * scale**2 / d**2
    z = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + real_eps)
    want = (z.reshape(x.shape) * gamma[:, None] + beta[:, None]) * 32
    # 7.2e-6 of z, half a unit of Q20, and multipliers of 17 bits; then one rounding.
    assert (np.abs(y - np.clip(want, -128, 127)) <= 0.5 + 1e-2).all()


@pytest.mark.parametrize("kind", ["Sums, powers of two", "Mul, powers of two"])
def test_powers_of_two_are_float64_rounded_half_to_even(kind, seed):
    _, off, _, worst = measure(kind, cases(50_000, 3_000_000), seed)
    assert off == 0 and worst <= 0.5


@pytest.mark.parametrize("kind", ["Sums, any scales", "Mul, any scales", "Average", "Lookup"])
def test_any_scales_are_within_a_step_of_float64(kind, seed):
    """Multipliers have 17 bits, tables pass through float32: only ties and what lies beside them may differ."""
    _, _, most, worst = measure(kind, cases(50_000, 3_000_000), seed)
    assert most <= 1 and worst < 0.502


@pytest.mark.parametrize("kind", ["Softmax", "LayerNorm", "RMSNorm", "GroupNorm"])
def test_the_errors_are_those_of_the_documentation(kind, seed):
    """A step at most, and hardly ever: in few draws one row of near ties may weigh much."""
    count, off, most, _ = measure(kind, cases(150_000, 3_000_000), seed)
    assert most <= 1 and off < count / cases(100, 1000)


def test_a_constant_is_the_same_for_every_observation(rng):
    b = GraphBuilder()
    x, table = b.input("x", (5, 3), scale=0.5), rng.integers(-8, 8, (5, 3))
    c = b.constant(table, 0.25, bits=4)
    c = b.output(c, "c")
    b.output(b.concat([b.requantize(x, scale=0.25, bits=4), c], axis=0), "both")
    b.output(b.requantize(x, scale=0.25, residual=c), "sum")
    for batch in (0, 1, 4):
        ints = rng.integers(-128, 128, (batch, 5, 3))
        got = run(b.build(), {"x": ints})
        assert got["c"].shape == (batch, 5, 3) and (got["c"] == table).all() and (got["both"][:, 5:] == table).all()
        assert np.array_equal(got["sum"], np.clip(2 * ints + table, -128, 127))


BAD = {
    "leading axes": (lambda b, x: b.matmul(x, b.input("z", (1, 4, 4))), "'matmul'.*no product of matrices"),
    "inner axes": (lambda b, x: b.matmul(x, b.input("z", (3, 4))), "'matmul'.*no product of matrices"),
    "groups": (lambda b, x: b.groupnorm(x, 3, 1.0), "'groupnorm'.*do not divide into 3 groups"),
    "group size": (lambda b, x: b.groupnorm(b.input("z", (2, 65536)), 2, 1.0), "'groupnorm'.*65536 elements each"),
    "channels": (lambda b, x: b.conv_transpose1d(x, np.ones((3, 2, 2), int), 1.0), "'conv_trans.*does not fit weight"),
    "cropped": (lambda b, x: b.conv_transpose1d(x, np.ones((4, 2, 2), int), 1.0, pads=9), "pads.*leave nothing"),
    "padding": (
        lambda b, x: b.conv_transpose1d(x, np.ones((4, 2, 2), int), 1.0, stride=2, output_padding=2),
        "a stride above output_padding",
    ),
    "constant's range": (lambda b, x: b.constant([9], 1.0, bits=4), "reaches from 9 to 9, beyond int4"),
    "constant's type": (lambda b, x: b.constant(0.5, 1.0), "float64.*give integers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_nodes_are_named(case):
    make, words = BAD[case]
    b = GraphBuilder()
    x = b.input("x", (4, 4))
    with pytest.raises(GraphError, match=words):
        b.output(make(b, x))
        b.build()


@pytest.mark.parametrize("kind", ["matmul", "groupnorm"])
def test_sums_must_be_rounded_before(kind):
    b = GraphBuilder()
    acc = b.linear(b.input("x", (4, 4)), np.ones((4, 4), int), np.full(4, 0.5) * [1, 2, 1, 1], name="fc")
    with pytest.raises(UnsupportedError, match=rf"'{kind}'.*the sums 'fc'; requantize them"):
        b.matmul("x", acc) if kind == "matmul" else b.groupnorm(acc, 2, 1.0)


def test_a_damaged_constant_is_found():
    b = GraphBuilder()
    b.output(b.requantize(b.input("x", (2,)), residual=b.constant([1, 2], 1.0, bits=4)), "y")
    node = next(n for n in b.graph.nodes if n.op == "Constant")
    for value, words in ((np.array([1, 9]), "beyond int4"), (np.array([0.5, 1]), "must be integers")):
        node.value = value
        with pytest.raises(GraphError, match=f"'constant'.*{words}"):
            b.build()


def test_golden_evaluates_one_node(rng):
    b = GraphBuilder()
    x = b.input("x", (2,))
    c = b.constant([3, 4], 1.0)
    node = b.graph.nodes[0]
    assert golden.evaluate(node, {x: rng.integers(0, 9, (3, 2))}, b.graph.tensors).tolist() == [[3, 4]] * 3 and c


def test_the_range_of_a_product_is_reached():
    b = GraphBuilder()
    x, y = b.input("x", (3, 5), signed=False), b.input("y", (5, 2))
    r = (b.output(b.wide(b.matmul(x, y)), "z"), b.build().ranges()["matmul"])[1]
    low = run(b.graph, {"x": np.full((1, 3, 5), 255), "y": np.full((1, 5, 2), -128)})["z"]
    high = run(b.graph, {"x": np.full((1, 3, 5), 255), "y": np.full((1, 5, 2), 127)})["z"]
    assert (low == r.lo).all() and (high == r.hi).all()


def test_products_that_overflow_are_found():
    b = GraphBuilder()
    x = b.input("x", (1, 40000), signed=False)
    b.output(b.wide(b.matmul(x, b.transpose(x, (1, 0)), name="qk")), "y")
    with pytest.raises(GraphError, match="'qk'.*beyond int32"):
        b.build()


NORM = {"gamma_mult": np.ones(4, int), "bias": np.zeros(1, int), "shift": np.full(1, 15), "eps_int": 1}
BAD_NORMS = {
    "multiplier": ({"gamma_mult": np.full(4, 1 << 17)}, "multiplier 0 reaches 131072"),
    "length": ({"gamma_mult": np.ones(8, int)}, r"one or 4 \(one per channel\)"),
    "bias": ({"bias": np.full(1, 1 << 47)}, "bias reaches"),
    "eps": ({"eps_int": 0}, "eps_int 0"),
    "clamp": ({"hi": 255}, "clamp -128 to 255 is not within int8"),
}


@pytest.mark.parametrize("case", BAD_NORMS)
def test_damaged_group_norms_are_found(case):
    change, words = BAD_NORMS[case]
    b = GraphBuilder()
    x = b.input("x", (4, 16000))
    b.output(b.groupnorm(x, 2, 1.0), "y")
    b.graph.nodes[0] = ops.GroupNorm(**{"name": "gn", "inputs": ("x",), "output": "y", "groups": 2, **NORM, **change})
    with pytest.raises(GraphError, match=f"'gn'.*{words}"):
        b.build()
