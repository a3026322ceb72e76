"""Every operator against a plain definition of its own."""

from fractions import Fraction
from itertools import product
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.errors import InputError
from hwgen.graph import Graph, GraphBuilder, IntType, Tensor, dequantize_outputs, golden, ops, quantize_inputs, run
from hwgen.runtime.host import kernels
from tests.support import cases


def apply(node: ops.Node, *arrays, signed: bool = True) -> np.ndarray:
    types = [Tensor("t", a.shape[1:], IntType(8, signed), 1.0) for a in arrays]
    return golden.EVAL[node.op](node, list(arrays), types)


def ids(n: int = 1) -> dict:
    return {"name": "n", "inputs": tuple("abc"[:n]), "output": "y"}


def one(v: int) -> np.ndarray:
    return np.array([v], np.int64)


@settings(max_examples=cases(200, 5000))
@given(st.integers(-(2**51), 2**51), st.integers(0, 63))
def test_round_shift_is_half_to_even(v, s):
    assert int(kernels.round_shift(np.int64(v), np.int64(s))) == round(Fraction(v, 2**s))


def test_linear(rng):
    x, w = rng.integers(-128, 128, (3, 2, 7)), rng.integers(-128, 128, (7, 5)).astype(np.int8)
    got = apply(ops.Linear(**ids(), weight=w), x)
    assert np.array_equal(got, np.einsum("bti,io->bto", x, w.astype(np.int64)))


@pytest.mark.parametrize("n", [1, 2])
def test_conv_is_the_sum_it_says(rng, n):
    groups, stride, dilation = 2, (2, 1)[:n], (1, 2)[:n]
    pads = (1, 0, 2, 1) if n == 2 else (1, 2)
    space, kernel = (6, 7)[:n], (3, 2)[:n]
    x, w = rng.integers(-128, 128, (2, 4, *space)), rng.integers(-8, 8, (6, 2, *kernel)).astype(np.int8)
    cls = ops.Conv1D if n == 1 else ops.Conv2D
    node = cls(**ids(), weight=w, stride=stride, pads=pads, dilation=dilation, groups=groups)
    got, taps = apply(node, x), 0
    for b, o, *p in product(*(range(d) for d in got.shape)):
        total = 0
        for c, *k in product(range(2), *(range(d) for d in kernel)):
            at = [p[i] * stride[i] + k[i] * dilation[i] - pads[i] for i in range(n)]
            if all(0 <= at[i] < space[i] for i in range(n)):
                total += int(x[(b, o // 3 * 2 + c, *at)]) * int(w[(o, c, *k)])
                taps += b == 0
        assert got[(b, o, *p)] == total
    assert node.macs([x.shape[1:]]) == taps


def test_requantize_order_of_relu_and_residual():
    node = ops.Requantize(**ids(2), mult=[one(3), one(5)], bias=one(-4), shift=one(2), relu=True, lo=-128, hi=127)
    x, r = np.array([[1], [10], [-9]]), np.array([[2], [-100], [7]])
    want = [round((max(3 * a - 4, 0) + 5 * b) / 4) for a, b in ((1, 2), (10, -100), (-9, 7))]
    assert apply(node, x, r)[:, 0].tolist() == [max(-128, v) for v in want]


def test_lookup_index():
    table = np.arange(256)[::-1] // 2
    x = np.array([[-128, 0, 127]])
    assert apply(ops.Lookup(**ids(), table=table), x)[0].tolist() == [table[0], table[128], table[255]]
    assert apply(ops.Lookup(**ids(), table=table), x % 256, signed=False)[0].tolist() == [
        table[128],
        table[0],
        table[127],
    ]


def layernorm_row(x: list[int], eps: int, rms: bool) -> list[int]:
    """The algorithm of docs/numerics.md in Python integers, one element at a time."""
    d = len(x)
    s1 = 0 if rms else sum(x)
    v = d * sum(a * a for a in x) - s1 * s1 + eps
    e = (v.bit_length() - 1) >> 1
    m = (v << 24) >> (2 * e)
    i = m >> 16
    r0 = int(kernels.NORM_ROM[i])
    u = (m * ((r0 * r0) >> 14)) >> 18
    r = (r0 * (3 * 2**24 - u)) >> 17
    return [((a * d - s1) * r + (1 << (3 + e))) >> (4 + e) for a in x]


rows = st.one_of(
    st.lists(st.integers(-128, 255), min_size=1, max_size=80),
    st.tuples(st.integers(-128, 255), st.integers(1, 3000)).map(lambda t: [t[0]] * (t[1] - 1) + [t[0] - 1]),
    st.tuples(st.integers(1, 700), st.integers(0, 2**31)).map(
        lambda t: np.random.default_rng(t[1]).integers(0, 256, t[0]).tolist()
    ),
)


@settings(max_examples=cases(300, 5000))
@given(rows, st.one_of(st.integers(1, 2**40 - 1), st.integers(1, 100)), st.booleans())
def test_layernorm_is_the_written_algorithm_and_close_to_float(x, eps, rms):
    z = golden.normalize(np.array([x]), eps, rms)[0]
    assert z.tolist() == layernorm_row(x, eps, rms)
    d = len(x)
    s1 = 0 if rms else sum(x)
    v = d * sum(a * a for a in x) - s1 * s1 + eps
    for a, got in zip(x, z.tolist(), strict=True):
        # Exact z in Q20, by an integer square root of 60 more bits.
        n = a * d - s1
        want = (n << 50) / isqrt(v << 60) if v else 0
        assert abs(got - want) <= 1 + abs(want) * 2**-17


def test_layernorm_of_the_longest_row():
    x = np.array([[127, -128] * 32767 + [127]])
    z = golden.normalize(x, 1, False)[0]
    assert z[:3].tolist() == layernorm_row(x[0].tolist(), 1, False)[:3]
    one_hot = np.zeros((1, 65535), np.int64)
    one_hot[0, 0] = 255
    z = golden.normalize(one_hot, 1, False)
    assert z[0, 0] == layernorm_row(one_hot[0].tolist(), 1, False)[0] and z.max() < 2**31


def test_rom_is_the_reciprocal_root():
    i = np.arange(256, 1024)
    assert np.array_equal(kernels.NORM_ROM[256:], np.round(2**16 / np.sqrt((i + 0.5) / 256)))
    assert kernels.NORM_ROM.max() < 2**17


def test_layernorm_node(rng):
    x = rng.integers(-128, 128, (4, 16))
    mult, bias, shift = rng.integers(-(2**16), 2**16, 16), rng.integers(-(2**30), 2**30, 16), rng.integers(28, 33, 16)
    node = ops.LayerNorm(**ids(), gamma_mult=mult, bias=bias, shift=shift, eps_int=7, lo=-127, hi=127)
    for row, y in zip(x.tolist(), apply(node, x).tolist(), strict=True):
        z = layernorm_row(row, 7, False)
        v = [z[k] * int(mult[k]) + int(bias[k]) for k in range(16)]
        assert y == [max(-127, min(127, round(a / 2 ** int(s)))) for a, s in zip(v, shift, strict=True)]


def softmax_row(x: list[int], node: ops.Softmax) -> list[int]:
    """The algorithm of docs/numerics.md in Python integers, one element at a time."""
    t = [int(node.table[max(x) - a]) for a in x]
    s = sum(t)
    e = s.bit_length() - 24
    m = s >> (e + 3)
    i, f = (m >> 12) - 256, m & 4095
    left, right = (round(2**28 / (256 + k)) for k in (i, i + 1))
    r = (left - (((left - right) * f) >> 12) + 8) >> 4
    r = (r * node.mult + 2**15) >> 16
    assert r < 2**17 and max(t) <= 2**23
    return [max(node.lo, min(node.hi, round(Fraction(a * r, 2 ** (node.shift + e))))) for a in t]


@settings(max_examples=cases(200, 5000))
@given(
    st.one_of(rows.map(lambda r: [a % 256 for a in r]), st.integers(1, 3000).map(lambda n: [200] * n)),
    st.floats(2.0**-12, 2.0),
    st.one_of(st.just(2.0**-8), st.floats(2.0**-12, 1.0)),
)
def test_softmax_is_the_written_algorithm_and_close_to_float(x, step, scale):
    b = GraphBuilder()
    b.output(b.softmax(b.input("x", (len(x),), signed=False, scale=step), scale=scale), "y")
    (node,) = b.build().nodes
    y = apply(node, np.array([x]), signed=False)[0]
    assert y.tolist() == softmax_row(x, node)
    power = np.exp((np.array(x) - max(x)) * node.step)
    want = np.minimum(power / power.sum() / float(np.float32(scale)), 255)
    # The table is half a step of 2**-23 off for each element, the reciprocal 2**-15.6.
    error = want * (len(x) * 2.0**-24 + 2.0**-15.5)
    assert (np.abs(y - want) <= 0.5 + error + 2.0**-24 / scale).all()


def test_softmax_of_the_longest_row(rng):
    b, rest = GraphBuilder(), 65534
    b.output(b.softmax(b.input("x", (rest + 1,), scale=2.0**-4)), "y")
    x = np.concatenate([np.array([[127], [127], [0]]), [[-128] * rest, [127] * rest, rng.integers(-128, 0, rest)]], 1)
    y = run(b.build(), {"x": x})["y"]
    share = 1 / (1 + np.exp((x[:, 1:] - x[:, :1]) / 16).sum(-1))
    assert (np.abs(y[:, 0] - np.minimum(256 * share, 255)) <= 1.5).all() and y[:, 1:].max() == 0


def test_reciprocal_error_over_all_mantissas():
    """docs/numerics.md states these figures; a row's sum can have any of these mantissas."""
    m = np.arange(2**20, 2**21)
    r, e = kernels.reciprocal(m << 10)
    assert (e == 7).all() and r.min() == 2**15 and r[0] == r.max() == 2**16
    error = np.concatenate([r * m, r * (m + 1)]) / 2.0**36 - 1
    assert -1.5e-5 < error.min() and error.max() < 1.91e-5


def test_equal_values_share_exactly():
    """A row of 2**n equal values has exact probabilities."""
    for n in range(9):
        b = GraphBuilder()
        b.output(b.softmax(b.input("x", (3, 2**n))), "y")
        assert (run(b.build(), {"x": np.full((1, 3, 2**n), -7)})["y"] == min(255, 256 >> n)).all()


def test_mul_broadcasts_and_rounds():
    a, b = np.arange(-6, 6).reshape(1, 3, 2, 2), np.array([3, -1, 7]).reshape(1, 3, 1, 1)
    node = ops.Mul(**ids(2), mult=np.array([1, 3, 5]), shift=one(1), channel_axis=-3, lo=-20, hi=20)
    want = np.clip(np.round(a * b * np.array([1, 3, 5]).reshape(3, 1, 1) / 2), -20, 20)
    assert np.array_equal(apply(node, a, b), want)


def test_pooling(rng):
    x = rng.integers(-128, 0, (2, 3, 5, 5))  # all negative: padding must not win
    window = {"kernel": (3, 2), "stride": (2, 1), "pads": (1, 0, 1, 1)}
    top, total = apply(ops.MaxPool(**ids(), **window), x), apply(ops.SumPool(**ids(), **window), x)
    for b, c, i, j in product(*(range(d) for d in top.shape)):
        block = x[b, c, max(0, 2 * i - 1) : 2 * i + 2, j : j + 2]
        assert top[b, c, i, j] == block.max() and total[b, c, i, j] == block.sum()


def test_moves(rng):
    x = rng.integers(-128, 128, (2, 3, 4))
    assert np.array_equal(apply(ops.Reshape(**ids(), shape=(2, 6)), x), x.reshape(2, 2, 6))
    assert np.array_equal(apply(ops.Flatten(**ids()), x), x.reshape(2, 12))
    assert np.array_equal(apply(ops.Transpose(**ids(), perm=(1, 0)), x), x.transpose(0, 2, 1))
    assert np.array_equal(apply(ops.Slice(**ids(), axis=-1, start=1, stop=4, step=2), x), x[:, :, 1:4:2])
    assert np.array_equal(apply(ops.Concat(**ids(2), axis=0), x, x), np.concatenate([x, x], 1))


@pytest.fixture
def graph() -> Graph:
    b = GraphBuilder("tiny")
    x = b.input("x", (2,), bits=4, scale=0.5, narrow=True)
    b.output(b.wide(b.linear(x, np.array([[1, 2], [3, -1]]), np.array([0.5, 0.25]))), "y")
    return b.build()


def test_run_and_real_units(graph):
    q = quantize_inputs(graph, {"x": np.array([[0.75, -100.0], [0.25, 1.0]])})
    assert q["x"].tolist() == [[2, -7], [0, 2]]  # half to even, and narrow: not -8
    y = run(graph, q, keep=True)
    assert set(y) == set(graph.tensors) and y["y"].tolist() == [[-19, 11], [6, -2]]
    assert dequantize_outputs(graph, {"y": y["y"]})["y"].tolist() == [[-4.75, 1.375], [1.5, -0.25]]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "'x'.*missing"),
        ({"z": np.zeros((1, 2), int)}, "not an input"),
        ({"x": np.zeros((1, 3), int)}, "shape"),
        ({"x": np.zeros((2,), int)}, "shape"),
        ({"x": np.zeros((1, 2))}, "dtype float64"),
        ({"x": np.full((1, 2), 8)}, "range of int4"),
    ],
)
def test_bad_inputs_are_named(graph, inputs, words):
    with pytest.raises(InputError, match=words):
        run(graph, inputs)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_real_inputs_must_be_finite(graph, bad):
    with pytest.raises(InputError, match="NaN or infinity"):
        quantize_inputs(graph, {"x": np.array([[0.0, bad]])})
    with pytest.raises(InputError, match="not an input"):
        quantize_inputs(graph, {"z": np.array([[0.0]])})


def test_batches_must_agree():
    b = GraphBuilder()
    b.output(b.requantize(b.input("a", (2,)), residual=b.input("c", (2,))), "y")
    with pytest.raises(InputError, match="batch 3"):
        run(b.build(), {"a": np.zeros((2, 2), int), "c": np.zeros((3, 2), int)})


@pytest.mark.parametrize("row", [64, 256, 512, 1000])
@pytest.mark.parametrize("scale", [2.0**-5, 0.037])
def test_layernorm_is_within_a_step_of_float(rng, row, scale):
    """The quantized result against float64, with gamma and beta; nearly constant rows among them."""
    b, out_scale, eps = GraphBuilder(), 2.0**-5, 1e-5
    gamma, beta = (a.astype(np.float32) for a in (rng.normal(1, 0.3, row), rng.normal(0, 0.3, row)))
    b.output(b.layernorm(b.input("x", (row,), scale=scale), gamma, beta, eps, scale=out_scale), "y")
    spread = rng.choice([0.7, 3.0, 30.0], (200, 1))
    x = np.clip(np.round(rng.normal(rng.normal(0, 30, (200, 1)), spread, (200, row))), -128, 127).astype(int)
    real = x * np.float64(np.float32(scale))
    norm = (real - real.mean(-1, keepdims=True)) / np.sqrt(real.var(-1, keepdims=True) + eps)
    want = np.clip(np.round((norm * gamma + beta) / out_scale), -128, 127)
    step = np.abs(run(b.build(), {"x": x})["y"] - want)
    assert step.max() <= 1 and (step > 0).mean() < 2e-3
