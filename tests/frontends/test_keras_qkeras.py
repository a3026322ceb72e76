"""QKeras models become graphs with the very same integers; what cannot be mapped is named."""

import numpy as np
import pytest

from hwgen.errors import InputError, UnsupportedError
from hwgen.graph import run
from tests.support import cases

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("keras")]

INTEGERS = {
    "relu0": 2, "conv1_q": 3, "relu1": 2, "conv2_q": 3, "relu2": 3, "conv3_q": 2, "inlet_q": 3, "block0_ln": 3,
    "block0_q": 3, "block1_ln": 2, "block1_q": 3,
    **{f"film{i}_{part}_q": 2 for i in (1, 2, 3) for part in ("scale", "shift")},
}  # fmt: skip


def tiny_policy(rng):
    """(config, encoder, head) with random weights and biases, large enough that activations saturate at times."""
    from hwgen.policies.config import PolicyConfig
    from hwgen.policies.models import QatKit, build_encoder, build_head

    config = PolicyConfig(widths=(4, 6, 8, 8), hidden=24, chunk=4, integers=INTEGERS)
    parts = build_encoder(config, QatKit(config)), build_head(config, QatKit(config))
    for model in parts:
        for layer in model.layers:
            if layer.weights:
                layer.set_weights([w + rng.normal(0, 0.4, w.shape) for w in layer.get_weights()])
    return config, *parts


def test_policy_equals_its_graphs(rng):
    from hwgen.frontends.keras_qkeras import to_graph

    config, encoder, head = tiny_policy(rng)
    graphs = to_graph(encoder), to_graph(head)
    count = cases(24, 400)
    images = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    text = rng.integers(-128, 128, (count, config.text))
    scale = config.vector_scale
    features = np.asarray(encoder([images.astype(np.float32) / 256, (text * scale).astype(np.float32)]))
    found = run(graphs[0], {"image": images.transpose(0, 3, 1, 2), "text": text})[graphs[0].outputs[0]]
    np.testing.assert_array_equal(found, features / scale)

    vector = rng.integers(-128, 128, (count, config.vector))
    vector[: count // 2, : config.features] = found[: count // 2]
    actions = np.asarray(head((vector * scale).astype(np.float32)))
    found = run(graphs[1], {"vector": vector})[graphs[1].outputs[0]]
    np.testing.assert_array_equal(found, actions * 2**7)
    assert found.std() > 5  # the comparison is not about zeros


def test_keras_file_gives_the_same_graph(tmp_path, rng):
    from hwgen.frontends.keras_qkeras import load_keras, to_graph

    config, _, head = tiny_policy(rng)
    head.save(tmp_path / "head.keras")
    vector = rng.integers(-128, 128, (16, config.vector))
    first, second = (run(g, {"vector": vector}) for g in (to_graph(head), load_keras(tmp_path / "head.keras")))
    np.testing.assert_array_equal(first["action_q"], second["action_q"])


def test_a_model_inside_a_model_and_no_last_quantizer(rng):
    import keras
    from qkeras import QActivation, QDense, quantized_bits

    from hwgen.frontends.keras_qkeras import to_graph

    def dense(n, name):
        return QDense(n, kernel_quantizer=quantized_bits(3, 0, 1, alpha="auto_po2"), name=name)

    x = keras.Input((8,), name="x")
    inner_in = keras.Input((8,), name="inner_in")
    inner = keras.Model(inner_in, QActivation("quantized_relu(6,2)", name="h")(dense(5, "a")(inner_in)), name="inner")
    model = keras.Model(x, dense(3, "b")(inner(QActivation("quantized_bits(8,1,0,alpha=1)", name="q")(x))))
    graph = to_graph(model)
    ints = rng.integers(-128, 128, (50, 8))
    expected = np.asarray(model((ints * 2.0**-6).astype(np.float32)), np.float64)
    out = graph.outputs[0]
    np.testing.assert_array_equal(run(graph, {"x": ints})[out] * graph.tensors[out].scale, expected)


def test_channels_last_flatten(rng):
    import keras
    from qkeras import QActivation, QConv2D, quantized_bits

    from hwgen.frontends.keras_qkeras import to_graph

    x = keras.Input((7, 6, 2), name="x")
    y = QConv2D(3, (3, 2), (2, 1), "same", kernel_quantizer=quantized_bits(4, 0, 1, alpha="auto_po2"), name="c")(
        QActivation("quantized_relu(8,0)", name="q")(x)
    )
    model = keras.Model(x, keras.layers.Flatten()(QActivation("quantized_bits(8,2,1,alpha=1)", name="y")(y)))
    graph = to_graph(model)
    ints = rng.integers(0, 256, (20, 7, 6, 2))
    expected = np.asarray(model((ints / 256).astype(np.float32))) * 2**5
    found = run(graph, {"x": ints.transpose(0, 3, 1, 2)})[graph.outputs[0]]
    np.testing.assert_array_equal(found, expected)


def _reject(build, message):
    import keras

    from hwgen.frontends.keras_qkeras import to_graph

    x = keras.Input((8,), name="x")
    with pytest.raises(UnsupportedError, match=message):
        to_graph(keras.Model(x, build(x)))


def test_what_cannot_be_mapped_is_named():
    import keras
    from qkeras import QActivation, QDense, quantized_bits

    def quantize(x):
        return QActivation("quantized_bits(8,1,0,alpha=1)", name="q")(x)

    weight = quantized_bits(4, 0, 1, alpha="auto_po2")
    _reject(lambda x: keras.layers.Dense(4, name="plain")(quantize(x)), "'plain': Dense cannot be mapped")
    _reject(lambda x: QDense(4, kernel_quantizer=weight, name="early")(x), "'early': its input is not quantized")
    _reject(lambda x: QDense(4, name="bare")(quantize(x)), "'bare': kernel quantizer None")
    _reject(
        lambda x: QActivation("quantized_bits(8,1,1,alpha='auto')", name="free")(quantize(x)), "'free'.*alpha='auto'"
    )
    _reject(lambda x: QActivation("ternary()", name="t")(x), "'t': quantizer ternary")
    _reject(lambda x: keras.layers.ReLU(name="r")(quantize(x)), "'r': a plain ReLU must follow")


def test_integer_scale_mismatch_is_named():
    from qkeras import QActivation

    from hwgen.quantize.layers import QLayerNorm

    _reject(lambda x: QLayerNorm(0.5, 3, name="n")(QActivation("quantized_bits(8,1,0,alpha=1)")(x)), "'n': in_scale")


def test_an_unreadable_file(tmp_path):
    from hwgen.frontends.keras_qkeras import load_keras

    path = tmp_path / "broken.keras"
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match="broken.keras: not a readable .keras model"):
        load_keras(path)
