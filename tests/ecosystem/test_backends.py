"""Models as Brevitas exports them, through every backend: each bit as golden says, or an error that names the node."""

from __future__ import annotations

import re

import onnx
import pytest

from hwgen import backends
from hwgen.backends.options import Options
from hwgen.errors import UnsupportedError
from hwgen.evaluate.simulate import simulate
from tests.ecosystem.brevitas import MODELS, Flavor
from tests.support import cases

FLAVORS = {
    "any scale": Flavor(power_of_two=False, per_channel=True),
    "traced": Flavor(traced=True, opset=13, bits=8, bias="acc"),
    "any scale, traced": Flavor(traced=True, opset=17, power_of_two=False, bias="own"),
    "2 bits": Flavor(opset=20, bits=2, per_channel=True),
}
OPTIONS = {"engine": Options(array=(8, 8)), "hls4ml": Options(), "finn": Options()}
REFUSED = {
    ("finn", "tokens"): r"\(LayerNorm\): FINN has no LayerNorm for this board; use the backend engine or hls4ml",
}
"""By backend and model, what the error says behind the node's name."""

SAMPLE = [
    ("hls4ml", "mlp", "any scale"),
    ("hls4ml", "cnn_residual", "traced"),
    ("hls4ml", "tokens", "any scale"),
    pytest.param("engine", "mlp_joined", "any scale, traced", marks=pytest.mark.rtl),
    pytest.param("engine", "cnn", "traced", marks=pytest.mark.rtl),
    ("finn", "mlp", "traced"),
    ("finn", "cnn_residual", "any scale"),
    ("finn", "tokens", "2 bits"),
]  # fmt: skip
EVERY = [
    pytest.param(b, m, f, marks=[pytest.mark.rtl] if b == "engine" else [])
    for b in OPTIONS for m in MODELS for f in FLAVORS
]  # fmt: skip


@pytest.mark.parametrize(("backend", "name", "flavor"), cases(SAMPLE, EVERY))
def test_every_bit_or_the_node(backend, name, flavor, tmp_path, rng):
    file = tmp_path / "model.onnx"
    onnx.save(MODELS[name](FLAVORS[flavor], rng), str(file))
    if words := REFUSED.get((backend, name)):
        with pytest.raises(UnsupportedError) as caught:
            backends.generate(file, "zcu104", backend, OPTIONS[backend], tmp_path / "out")
        assert re.match(rf"node '[^']+' {words}", str(caught.value))
        return
    out = backends.generate(file, "zcu104", backend, OPTIONS[backend], tmp_path / "out")
    report = simulate(out)
    assert report["bit_exact"] and report["vectors"] >= 32
