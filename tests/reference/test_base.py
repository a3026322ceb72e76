"""What a reference is asked for and how it refuses."""

import numpy as np
import pytest

from hwgen.errors import InputError, ToolError, UnsupportedError
from hwgen.graph import GraphBuilder, ops, quantize_inputs, run
from hwgen.graph.activations import FUNCTIONS
from hwgen.reference import PLATFORMS, Reference, base


def small():
    b = GraphBuilder("small")
    x = b.input("x", (4,), bits=4, scale=0.5)
    b.output(b.requantize(b.linear(x, np.arange(12).reshape(4, 3) - 6, 0.25), scale=0.5), "y")
    return b.build()


def test_identity_of_a_reference():
    r = Reference("jax-int")
    assert (r.name, r.exact, r.device) == ("jax-int", True, "cpu:0")
    assert r.version.startswith("jax ") and "int32" in r.precision


def test_integers_and_reals_are_both_taken(rng):
    graph, real = small(), {"x": rng.normal(0, 2, (5, 4))}
    integers = quantize_inputs(graph, real)
    want = run(graph, integers)["y"]
    exact = Reference("jax-int").prepare(graph)
    assert np.array_equal(exact(real)["y"], want) and np.array_equal(exact(integers)["y"], want)
    assert exact(integers)["y"].dtype == np.int8 and set(exact(integers, keep=True)) == set(graph.tensors)
    floats = Reference("jax-float64").prepare(graph)
    on_grid = integers["x"] * 0.5
    assert np.allclose(floats(integers)["y"], floats({"x": on_grid})["y"])
    assert np.allclose(floats(integers)["y"], np.clip(on_grid @ (np.arange(12).reshape(4, 3) - 6) * 0.25, -64, 63.5))


def test_batches_of_any_size(rng):
    graph = small()
    prepared = Reference("jax-int").prepare(graph)
    for batch in (0, 1, 3):
        x = rng.integers(-8, 8, (batch, 4))
        assert np.array_equal(prepared({"x": x})["y"], run(graph, {"x": x})["y"])


def test_64_bit_mode_does_not_leak(rng):
    import jax.numpy as jnp

    Reference("jax-int").prepare(small())({"x": rng.integers(-8, 8, (2, 4))})
    assert jnp.asarray(np.zeros(1, np.int64)).dtype == jnp.int32


def test_saturation_is_optional():
    b = GraphBuilder("clip")
    x = b.input("x", (1,), scale=1.0)
    b.output(b.requantize(x, bits=4, scale=1.0), "signed")
    b.output(b.requantize(x, bits=4, signed=False, scale=1.0), "unsigned")
    b.output(b.requantize(x, bits=4, scale=1.0, lo=-2, hi=3), "meant")
    graph = b.build()
    x = {"x": np.array([[-100], [100]])}
    values = {s: Reference("jax-float32").prepare(graph, saturate=s)(x) for s in (True, False)}
    assert values[True]["signed"].ravel().tolist() == [-8, 7]
    assert values[False]["signed"].ravel().tolist() == [-100, 100]
    assert values[False]["unsigned"].ravel().tolist() == [0, 100]
    assert values[False]["meant"].ravel().tolist() == [-2, 3]


def test_every_activation_has_its_real_function():
    from hwgen.reference.jax_float import ACTIVATIONS

    x = np.linspace(-6, 6, 101)
    assert set(ACTIVATIONS) == set(FUNCTIONS)
    for name, fn in ACTIVATIONS.items():
        assert np.allclose(fn(x), FUNCTIONS[name](x), atol=2e-6), name


@pytest.mark.policy
def test_every_activation_has_its_real_function_in_tensorflow():
    import tensorflow as tf

    from hwgen.reference.tensorflow_float import ACTIVATIONS

    x = np.linspace(-6, 6, 101)
    assert set(ACTIVATIONS) == set(FUNCTIONS)
    for name, fn in ACTIVATIONS.items():
        assert np.allclose(fn(tf.constant(x)), FUNCTIONS[name](x), atol=1e-9), name


def test_unknown_reference():
    with pytest.raises(InputError, match="unknown reference 'torch'.*golden, jax-int"):
        Reference("torch")


@pytest.mark.parametrize("device", ["cuda", "tpu:3", "cpu:99", "abacus"])
def test_absent_device(device):
    with pytest.raises(ToolError, match=f"device '{device}' is absent: JAX sees cpu:0"):
        Reference("jax-int", device)


@pytest.mark.policy
def test_absent_device_in_tensorflow():
    with pytest.raises(ToolError, match="device 'tpu' is absent: TensorFlow sees cpu:0"):
        Reference("tensorflow-int", "tpu")


def test_golden_is_cpu_only():
    with pytest.raises(ToolError, match="golden is NumPy"):
        Reference("golden", "cuda")


def test_absent_framework(monkeypatch):
    monkeypatch.setitem(PLATFORMS, "other", ("no_such_framework", "other", "OTHER"))
    assert "other" not in base.present()
    with pytest.raises(ToolError, match="reference 'other' needs the Python package no_such_framework.*make env"):
        Reference("other")


def test_an_operator_that_it_lacks():
    graph = small()

    class Resize(ops.Lookup):
        pass

    graph.nodes.append(Resize(name="rs", inputs=("y",), output="z", table=np.zeros(256)))
    for name in ("jax-int", "jax-float32", "golden"):
        with pytest.raises(UnsupportedError, match=rf"node 'rs' \(Resize\): reference '{name}' has no such operator"):
            Reference(name).prepare(graph)


@pytest.mark.parametrize("name", ["jax-int", "jax-float32"])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' of small is missing"),
        ({"x": np.zeros((1, 5), np.int64)}, "has shape"),
        ({"x": np.full((1, 4), 8)}, "leaves the range of int4"),
        ({"x": np.full((1, 4), np.nan)}, "NaN"),
        ({"x": np.zeros((1, 4), np.int64), "z": np.zeros((1, 4))}, "is not an input"),
    ],
)
def test_bad_inputs(name, inputs, message):
    with pytest.raises(InputError, match=message):
        Reference(name).prepare(small())(inputs)
