"""The two networks of MLPerf Tiny that engines are compared on: given as QONNX, within their clocks, bit for bit."""

import numpy as np
import pytest

from hwgen.backends.engine.generate import generate
from hwgen.backends.options import Options
from hwgen.evaluate.simulate import simulate
from hwgen.graph import GraphBuilder, qonnx_out

pytestmark = pytest.mark.rtl


def mlp(widths, rng):
    """A QONNX-able MLP with 4-bit weights, biases and ReLU."""
    b = GraphBuilder("mlp")
    x = b.input("x", (widths[0],), bits=8, signed=True, scale=2**-6)
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
        last = i == len(widths) - 2
        acc = b.linear(x, rng.integers(-8, 8, (inputs, outputs)), 2**-4, rng.normal(0, 1, outputs), weight_bits=4)
        x = b.requantize(acc, bits=8, signed=last, scale=2**-3, relu=not last)
    b.output(x, "y")
    return b.build()


@pytest.mark.parametrize(
    ("widths", "array", "most"),
    [((490, 256, 256, 256, 12), (16, 32), 600), ((64, 72, 72, 8, 72, 72, 64), (16, 16), 220)],
    ids=["keyword-spotting", "anomaly-detection"],
)
def test_latency(widths, array, most, rng, tmp_path):
    qonnx_out.save(mlp(widths, rng), tmp_path / "net.onnx")
    generate(tmp_path / "net.onnx", "zcu104", Options(array=array), tmp_path / "net")
    np.savez(tmp_path / "in.npz", x=rng.uniform(-3, 3, (50, widths[0])).astype(np.float32))
    report = simulate(tmp_path / "net", tmp_path / "in.npz", tmp_path / "out.npz")
    assert report["bit_exact"] and report["vectors"] == 50
    assert report["latency_cycles"] == report["predicted_cycles"] <= most
    assert sum(report["cycles"].values()) + 1 == report["latency_cycles"]
    assert np.load(tmp_path / "out.npz")["y"].shape == (50, widths[-1])
