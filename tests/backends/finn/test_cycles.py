"""FINN's cycle formulas: number by number as real FINN gives them."""

import json
import os
from pathlib import Path

import pytest

from hwgen.backends.finn.cycles import critical_path, layer_cycles, max_cycles
from hwgen.errors import UnsupportedError
from tests.backends.finn.random_layers import EXPECTATIONS, ask_finn, layers
from tests.support import cases

NETWORKS_JSON = Path(__file__).with_name("networks.json")


def test_as_real_finn_gave_them():
    """expectations.json comes from FINN v0.10.1, by the command in random_layers.py."""
    expected = json.loads(EXPECTATIONS.read_text())
    drawn = layers()
    assert len(drawn) == len(expected)
    for layer, want in zip(drawn, expected, strict=True):
        assert layer_cycles(layer["op"], layer["attrs"]) == want["cycles"], layer


@pytest.mark.skipif("HWGEN_FINN" not in os.environ, reason="needs HWGEN_FINN: a FINN v0.10.1 checkout")
def test_as_real_finn_gives_them_now():
    checkout = Path(os.environ["HWGEN_FINN"])
    python = os.environ.get("HWGEN_FINN_PYTHON", str(checkout.parent / "env/bin/python"))
    for seed in cases(range(2, 4), range(2, 30)):
        drawn = layers(seed)
        for layer, want in zip(drawn, ask_finn(checkout, python, drawn), strict=True):
            assert layer_cycles(layer["op"], layer["attrs"]) == want["cycles"], (seed, layer)


def test_critical_path_takes_the_longer_branch():
    cycles = {"fork": 4, "long": 100, "short": 7, "join": 4, "side": 90}
    inputs = {"long": ["fork"], "short": ["fork"], "join": ["long", "short"], "side": ["fork"]}
    assert critical_path(cycles, inputs) == 4 + 100 + 4
    assert max_cycles(cycles) == 100
    assert critical_path({}, {}) == max_cycles({}) == 0


def test_an_unknown_layer_is_named():
    with pytest.raises(UnsupportedError, match="Softmax_hls"):
        layer_cycles("Softmax_hls", {})


@pytest.mark.parametrize("name", ["mlp", "cnn", "head"])
def test_whole_networks_as_real_finn_reported_them(name):
    """networks.json comes from FINN v0.10.1, by the command in networks.py."""
    agrees(json.loads(NETWORKS_JSON.read_text())[name])


@pytest.mark.skipif("HWGEN_FINN" not in os.environ, reason="needs HWGEN_FINN: a FINN v0.10.1 checkout")
@pytest.mark.parametrize("name", cases(["mlp"], ["mlp", "cnn", "head"]))
def test_whole_networks_as_real_finn_reports_them_now(name):
    from tests.backends.finn.networks import ask_finn, folded

    checkout = Path(os.environ["HWGEN_FINN"])
    found = ask_finn(name, checkout, os.environ.get("HWGEN_FINN_PYTHON", str(checkout.parent / "env/bin/python")))
    agrees(found)
    assert folded(name).estimate["layers"] == found["cycles"]


def agrees(found: dict) -> None:
    cycles = {x["name"]: layer_cycles(x["op"], x["attrs"]) for x in found["layers"]}
    assert cycles == found["cycles"]
    reads = {x["name"]: x["inputs"] for x in found["layers"]}
    assert critical_path(cycles, reads) == found["performance"]["critical_path_cycles"]
    assert max_cycles(cycles) == found["performance"]["max_cycles"]
