"""Bits by layer: layers that share their weights are one, and every name must be known."""

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.graph import ops
from hwgen.quantize.bits import by_layer, groups
from hwgen.quantize.floats import FloatNet
from hwgen.quantize.post import Options, quantize


@pytest.fixture
def looped(rng):
    """Two steps of one layer, and another behind them."""
    f, weight = FloatNet("looped"), rng.normal(size=(16, 16)).astype(np.float32)
    x = f.input("x", (16,))
    for step in range(2):
        x = f.table(f.linear(x, weight, rng.normal(size=16), f"step{step}"), "relu", f"relu{step}")
    f.output(f.linear(x, rng.normal(size=(16, 8)), None, "last"), "y")
    return f.build()


def test_layers_with_the_same_weights_are_one(looped):
    assert groups(looped) == {"step0": ["step0", "step1"], "last": ["last"]}
    assert by_layer(looped, {"step0": 4, "last": 8}) == {"step0": 4, "step1": 4, "last": 8}


def test_every_layer_gets_its_own_bits(looped, rng):
    data = {"x": rng.normal(size=(32, 16)).astype(np.float32)}
    made = quantize(looped, data, Options({"step0": 2, "last": 8})).graph
    found = {node.name: node.weight_bits for node in made.nodes if isinstance(node, ops.WEIGHTED)}
    assert sorted(found.values()) == [2, 2, 8] and [bits for name, bits in found.items() if "last" in name] == [8]


@pytest.mark.parametrize("chosen", [{"step0": 4}, {"step0": 4, "last": 8, "step1": 4}])
def test_missing_and_unknown_layers_are_named(looped, chosen, rng):
    with pytest.raises(InputError, match="bits by layer of looped: (last|step1) are missing or unknown"):
        quantize(looped, {"x": rng.normal(size=(4, 16)).astype(np.float32)}, Options(chosen))
    with pytest.raises(InputError, match="bits is 5; 2, 3, 4, 8 and auto are possible"):
        Options({"step0": 5}).check()
