"""A float network in JAX is the same function as in NumPy, and its gradient is that of the function."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from hwgen.errors import UnsupportedError  # noqa: E402
from hwgen.policies import vit_flow  # noqa: E402
from hwgen.policies.config import VitFlowConfig  # noqa: E402
from hwgen.quantize.floats import FloatNet  # noqa: E402
from hwgen.quantize.jax_network import function, parameters  # noqa: E402

SMALL = VitFlowConfig(patch=32, width=8, blocks=1, seen=8, hidden=16, steps=2, time=4)


def test_equals_numpy(rng):
    weights = vit_flow.Weights(seed=int(rng.integers(2**31)))
    for network in (vit_flow.network(SMALL, weights), *vit_flow.training_parts(SMALL, weights)):
        inputs = {name: rng.normal(0, 1, (3, *shape)).astype(np.float32) for name, shape in network.inputs.items()}
        found = function(network)(parameters(network) | weights.arrays, inputs)
        for name, want in network.run(inputs).items():
            np.testing.assert_allclose(found[name], want, atol=1e-4)


def test_training_parts_hold_every_weight_that_is_shipped():
    weights = vit_flow.Weights()
    shared = [parameters(part) for part in vit_flow.training_parts(SMALL, weights)]
    assert {name for part in shared for name in part} == set(weights.arrays)
    before = set(weights.arrays)
    vit_flow.network(SMALL, weights)
    assert set(weights.arrays) == before


def test_the_gradient_is_the_slope(rng):
    """Along a random direction, in float64, where so short a step shows nothing of the curvature."""
    (_, _, flow) = vit_flow.training_parts(SMALL, vit_flow.Weights(seed=3))
    inputs = {name: rng.normal(0, 1, (4, *shape)) for name, shape in flow.inputs.items()}
    weights, call = parameters(flow), function(flow)

    def loss(weights):
        return (call(weights, inputs)["velocity"] ** 2).mean()

    def moved(step):
        return {name: [a + step * d for a, d in zip(arrays, direction[name], strict=True)]
                for name, arrays in weights.items()}  # fmt: skip

    with jax.enable_x64(True):
        weights = {name: [np.asarray(a, np.float64) for a in arrays] for name, arrays in weights.items()}
        direction = {name: [rng.normal(0, 1, np.shape(a)) for a in arrays] for name, arrays in weights.items()}
        slope, step = jax.grad(loss)(weights), 1e-6
        found = (loss(moved(step)) - loss(moved(-step))) / (2 * step)
        assert found.dtype == np.float64
        want = sum(float((g * d).sum()) for name in slope for g, d in zip(slope[name], direction[name], strict=True))
    assert abs(float(found) - want) < 1e-3 * abs(want) + 1e-6


def test_what_cannot_be_trained_is_named():
    f = FloatNet("x")
    f.output(f.groupnorm(f.input("a", (4, 3)), 2, 1.0, 0.0, 1e-3, "norm"), "y")
    with pytest.raises(UnsupportedError, match="'norm' .GroupNorm. cannot be trained"):
        function(f.build())
    f = FloatNet("x")
    f.output(f.table(f.input("a", (4,)), np.sinh, "sinh"), "y")
    with pytest.raises(UnsupportedError, match="'sinh' .Table. cannot be trained"):
        function(f.build())
    f = FloatNet("x")
    f.output(f.linear(f.input("a", (4,)), np.ones((4, 2)), None, "bare"), "y")
    with pytest.raises(UnsupportedError, match="'bare' .Linear. has no bias"):
        parameters(f.build())
