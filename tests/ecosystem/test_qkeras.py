"""A QKeras model from its `.keras` file through `hwgen quantize` into hls4ml: Keras' own numbers come out."""

import numpy as np
import pytest
from typer.testing import CliRunner

from hwgen.backends import generate
from hwgen.backends.options import Options
from hwgen.cli import app
from hwgen.evaluate.simulate import simulate
from hwgen.graph import qonnx_in
from tests.support import cases

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("keras")]


def mlp():
    import keras
    from qkeras import QActivation, QDense, quantized_bits, quantized_relu

    def dense(n: int, **more):
        return QDense(
            n, kernel_quantizer=quantized_bits(4, 0, alpha=1), bias_quantizer=quantized_bits(8, 2, alpha=1), **more
        )

    first = [keras.Input((6,), name="x"), QActivation(quantized_bits(8, 2, alpha=1))]
    return keras.Sequential(
        [*first, dense(8, activation=quantized_relu(6, 2)), dense(4), QActivation(quantized_bits(8, 3, alpha=1))]
    )


def cnn():
    import keras
    from qkeras import QActivation, QConv2D, QDense, quantized_bits, quantized_relu

    weight = quantized_bits(4, 0, alpha=1)
    x = keras.Input((6, 6, 2), name="x")
    y = QConv2D(3, 3, padding="same", kernel_quantizer=weight, use_bias=False)(
        QActivation(quantized_bits(8, 2, alpha=1))(x)
    )
    y = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(QActivation(quantized_relu(8, 2))(y)))
    return keras.Model(
        x, QActivation(quantized_bits(8, 3, alpha=1))(QDense(4, kernel_quantizer=weight, use_bias=False)(y))
    )


@pytest.mark.parametrize("build", cases([mlp], [mlp, cnn]))
def test_quantize_generate_simulate(build, tmp_path, rng):
    model = build()
    for v in (v for layer in model.layers for v in layer.weights):
        v.assign(rng.normal(0, 0.4, v.shape))
    model.save(tmp_path / "model.keras")
    asked = ["quantize", str(tmp_path / "model.keras"), "-o", str(tmp_path / "graph.onnx")]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    (y,) = qonnx_in.load(tmp_path / "graph.onnx").outputs
    out = generate(tmp_path / "graph.onnx", "zcu104", "hls4ml", Options(), tmp_path / "out")

    x = rng.normal(0, 2, (200, *model.inputs[0].shape[1:])).astype(np.float32)
    np.savez(tmp_path / "in.npz", x=np.moveaxis(x, -1, 1) if x.ndim == 4 else x)
    report = simulate(out, tmp_path / "in.npz", tmp_path / "out.npz")
    assert report["bit_exact"] and report["vectors"] == 200
    found = np.load(tmp_path / "out.npz", allow_pickle=False)[y]
    np.testing.assert_array_equal(found, np.asarray(model(x)))
    assert len(np.unique(found)) > 20  # the comparison is not about zeros
