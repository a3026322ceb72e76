"""Integer references equal golden in every tensor, and real-valued ones lie as close as rounding allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.graph import GraphBuilder, golden, ops
from hwgen.reference import Reference, verify
from tests.reference.graphs import drawn, full_house
from tests.support import cases

SEEDS = st.integers(0, 2**32 - 1)


def differences(names: list[str], graph, vectors) -> list[str]:
    report = verify(graph, names, vectors)
    return [f"{e.who.name}: {e.mismatches} of {e.values}, first {e.first}" for e in report.exact if e.mismatches]


@given(SEEDS)
@settings(max_examples=cases(8, 150))
def test_jax_integers_equal_golden(seed):
    assert not differences(["jax-int"], *drawn(seed))


@pytest.mark.policy
@given(SEEDS)
@settings(max_examples=cases(5, 150))
def test_tensorflow_integers_equal_golden(seed):
    assert not differences(["tensorflow-int"], *drawn(seed))


def test_jax_has_every_operator(seed):
    graph, vectors = full_house(seed)
    assert {n.op for n in graph.nodes} == set(ops.OPS)
    assert not differences(["golden", "jax-int"], graph, vectors)


@pytest.mark.policy
def test_tensorflow_has_every_operator(seed):
    assert not differences(["tensorflow-int"], *full_house(seed))


def corner_lanes(rng) -> GraphBuilder:
    """Requantize at the limits of its widths: shifts 0 and 63, largest multipliers and biases, ties."""
    b = GraphBuilder("corners")
    x, r = b.input("x", (64,)), b.input("r", (64,))
    node = ops.Requantize(
        name="y", inputs=(x, r), output="y",
        mult=[rng.integers(-(2**17) + 1, 2**17, 64), rng.integers(-(2**26) + 1, 2**26, 64)],
        bias=rng.integers(-(2**47) + 1, 2**47, 64), shift=rng.permutation(64), relu=bool(rng.integers(2)),
    )  # fmt: skip
    b._add(node, golden.Tensor("y", (64,), b.tensor(x).dtype).dtype, 1.0)
    ties = ops.Requantize(
        name="t", inputs=(x,), output="t", mult=[np.ones(1, np.int64)], bias=np.zeros(1, np.int64),
        shift=rng.integers(0, 9, 64),
    )  # fmt: skip
    b._add(ties, b.tensor(x).dtype, 1.0)
    b.output("y"), b.output("t")
    return b


@pytest.mark.parametrize("name", ["jax-int", pytest.param("tensorflow-int", marks=pytest.mark.policy)])
def test_lane_limits(name, rng):
    graph = corner_lanes(rng).build()
    vectors = {n: rng.integers(-128, 128, (256, 64)) for n in ("x", "r")}
    assert not differences([name], graph, vectors)


@pytest.mark.parametrize("name", ["jax-int", pytest.param("tensorflow-int", marks=pytest.mark.policy)])
@pytest.mark.parametrize("rms", [False, True])
def test_norm_limits(name, rms, rng):
    """Constant rows (variance 0), one element apart, extremes, a long row of the largest values."""
    b = GraphBuilder("norm")
    long = 4096
    x = b.input("x", (long,), signed=False)
    b.output(b.layernorm(x, 1.0, 0.0, eps=1e-9, scale=2**-4, rms=rms), "y")
    rows = np.zeros((6, long), np.int64)
    rows[1], rows[2, 0], rows[3, ::2], rows[4] = 255, 1, 255, rng.integers(0, 256, long)
    rows[5, : long // 2] = rng.integers(0, 3, long // 2)
    assert not differences([name], b.build(), {"x": rows})


@given(SEEDS)
@settings(max_examples=cases(3, 60))
def test_jax_reals_round_to_the_integers(seed):
    check_one_layer("jax-float64", seed)


@pytest.mark.policy
@given(SEEDS)
@settings(max_examples=cases(3, 60))
def test_tensorflow_reals_round_to_the_integers(seed):
    check_one_layer("tensorflow-float64", seed)


def check_one_layer(name: str, seed: int) -> None:
    """After one rounding, integers are half a step from the real value: in float64 nothing else differs."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("one")
    x = b.input("x", (4, 9), signed=bool(rng.integers(2)), scale=float(rng.uniform(0.01, 0.1)))
    a = b.conv(x, rng.integers(-8, 8, (6, 2, 3)), rng.uniform(0.01, 0.1, 6), rng.normal(0, 1, 6), groups=2, pads=1)
    b.output(b.requantize(a, scale=0.11, relu=bool(rng.integers(2)), channel_axis=-2), "conv")
    b.output(b.layernorm(x, rng.normal(1, 0.2, 9), rng.normal(0, 1, 9), scale=0.05), "norm")
    b.output(b.activation(x, "mish", scale=0.07), "mish")
    b.output(b.maxpool(x, 3, 2, pads=1), "max")
    b.output(b.avgpool(x, scale=0.03), "mean")
    b.output(b.groupnorm(x, 2, rng.normal(1, 0.2, 4), rng.normal(0, 1, 4), scale=0.05), "groups")
    b.output(b.requantize(b.matmul(x, b.transpose(x, (1, 0))), scale=0.11), "product")
    b.output(b.requantize(x, scale=0.11, residual=b.constant(rng.integers(-128, 128, (4, 9)), 0.07)), "sum")
    a = b.conv_transpose1d(x, rng.integers(-8, 8, (4, 3, 4)), rng.uniform(0.01, 0.1, 6), None, 4, 2, (1, 3), 1, 2)
    b.output(b.requantize(a, scale=0.11, channel_axis=-2), "transposed")
    graph = b.build()
    lo, hi = graph.input_range("x")
    errors = verify(graph, [name], {"x": rng.integers(lo, hi + 1, (32, 4, 9))}).real[0].tensors
    worst = {e.tensor: e.worst_steps for e in errors if e.tensor in graph.outputs}
    # LayerNorm's algorithm and rounded multipliers add under a thousandth of the value, 128 steps at most.
    assert worst["max"] == 0 and max(worst.values()) < 0.63, worst


@pytest.mark.parametrize("kind", ["jax", pytest.param("tensorflow", marks=pytest.mark.policy)])
def test_the_two_precisions_agree(kind, seed):
    graph, vectors = full_house(seed)
    single, double = (Reference(f"{kind}-float{bits}").prepare(graph)(vectors) for bits in (32, 64))
    for name, y in double.items():
        assert single[name].dtype == np.float32 and y.dtype == np.float64
        assert np.abs(single[name] - y).max() <= 1e-3 * np.abs(y).max() + 1e-6
