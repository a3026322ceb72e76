"""Small QKeras models of every kind of layer: the graph's results are the model's own."""

import numpy as np
import pytest

from hwgen.errors import UnsupportedError
from hwgen.graph import dequantize_outputs, qonnx_in, qonnx_out, quantize_inputs, run

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("keras")]


def parts():
    """(keras, qkeras, quantizer of weights, of activations)"""
    import keras
    import qkeras

    return keras, qkeras, qkeras.quantized_bits(4, 0, alpha=1), qkeras.quantized_bits(8, 2, alpha=1)


def sequential():
    """The shape of most tutorials: a Sequential, activations in the layers"""
    keras, q, weight, act = parts()
    dense = {"kernel_quantizer": weight, "bias_quantizer": act}
    layers = [q.QDense(8, activation=q.quantized_relu(6), **dense), q.QDense(5, activation="relu", **dense)]
    return keras.Sequential([keras.Input((6,)), q.QActivation(act), *layers, q.QActivation(act)])


def image(build, shape=(6, 6, 4)):
    keras, q, _, act = parts()
    x = keras.Input(shape, name="x")
    return keras.Model(x, build(q.QActivation(act)(x)))


def convolutions():
    keras, q, weight, act = parts()

    def build(x):
        x = q.QConv2D(6, 3, strides=2, padding="same", kernel_quantizer=weight, bias_quantizer=act)(x)
        x = q.QActivation(q.quantized_relu(8, 2))(x)
        x = keras.layers.MaxPooling2D(2, strides=1, padding="same")(x)
        x = q.QDepthwiseConv2D(2, depthwise_quantizer=weight, use_bias=False, depth_multiplier=2)(x)
        x = keras.layers.Flatten()(q.QActivation(act)(x))
        return q.QDense(3, kernel_quantizer=weight, use_bias=False)(x)

    return image(build)


def sequence():
    keras, q, weight, act = parts()

    def build(x):
        x = q.QActivation(q.quantized_relu(8, 2))(q.QConv1D(4, 3, padding="same", kernel_quantizer=weight)(x))
        x = keras.layers.MaxPooling1D(2)(x)
        return keras.layers.GlobalMaxPooling1D()(x)

    return image(build, (8, 3))


def averages():
    """Over 4 and 9 values, behind BatchNormalization: rounded by Keras in float32"""
    keras, q, weight, act = parts()

    def build(x):
        x = keras.layers.BatchNormalization()(q.QConv2D(5, 3, padding="same", kernel_quantizer=weight)(x))
        x = q.QActivation(act)(keras.layers.AveragePooling2D(2)(q.QActivation(act)(keras.layers.ReLU()(x))))
        return q.QActivation(act)(keras.layers.BatchNormalization()(keras.layers.GlobalAveragePooling2D()(x)))

    return image(build)


def functions():
    keras, q, weight, act = parts()
    x = keras.Input((6,), name="x")
    y = q.QActivation(act)(keras.layers.Activation("gelu")(q.QActivation(act)(x)))
    y = q.QActivation(act)(keras.layers.Activation("tanh")(q.QActivation(act)(q.QDense(6, kernel_quantizer=weight)(y))))
    y = keras.layers.Add()([keras.layers.BatchNormalization()(q.QDense(6, kernel_quantizer=weight)(y)), y])
    return keras.Model(x, q.QActivation(q.quantized_relu(8, 0))(keras.layers.Softmax()(q.QActivation(act)(y))))


MODELS = {"sequential": 0, "convolutions": 0, "sequence": 0, "averages": 1, "functions": 1}
"""How many output steps Keras' float32 may be off."""


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_computes_what_keras_does(name, rng, tmp_path):
    from hwgen.frontends.keras_qkeras import load_keras

    model = globals()[name]()
    for v in (v for layer in model.layers for v in layer.weights):
        moved = np.asarray(v) + rng.normal(0, 0.3, v.shape)
        v.assign(np.abs(moved) + 0.2 if "variance" in v.path else moved)
    model.save(tmp_path / "model.keras")
    graph = load_keras(tmp_path / "model.keras")
    shape = tuple(model.inputs[0].shape[1:])
    real = rng.normal(0, 1.5, (40, *shape)).astype(np.float32)
    want = np.asarray(model(real), np.float64)
    (x,), (y,) = graph.inputs, graph.outputs
    given = np.moveaxis(real, -1, 1) if len(shape) == 3 else real
    ints = quantize_inputs(graph, {x: given})
    got = run(graph, ints)
    assert np.abs(dequantize_outputs(graph, got)[y] - want).max() <= (MODELS[name] + 1e-3) * np.max(
        graph.tensors[y].scale
    )
    assert len(np.unique(got[y])) > 5  # the comparison is not about zeros
    again = run(qonnx_in.load(qonnx_out.to_model(graph)), ints)
    assert np.array_equal(again[y], got[y])


def test_what_cannot_be_mapped_is_named():
    keras, q, weight, act = parts()
    layers = keras.layers
    cases = [
        (lambda x: layers.Softmax(name="s")(x), "output 0.*softmax that is not quantized; put a QActivation behind"),
        (lambda x: q.QActivation(act)(layers.Activation("selu", name="a")(x)), "'a': activation selu; known are"),
        (lambda x: q.QActivation(act)(layers.Softmax(axis=1, name="s")(x)), "'s': only the last axis"),
        (
            lambda x: layers.Activation("gelu", name="g")(q.QDense(3, kernel_quantizer=weight)(x)),
            "'g': its input is not",
        ),
        (lambda x: q.QDense(3, kernel_quantizer=weight, activation="tanh", name="d")(x), "'d': activation tanh inside"),
        (lambda x: layers.BatchNormalization(axis=1, name="b")(x), "'b': BatchNormalization.*over the last axis"),
        (lambda x: layers.AveragePooling1D(2, padding="same", name="p")(x), "'p'.*use padding 'valid'"),
        (lambda x: layers.UnitNormalization(name="u")(x), "'u': UnitNormalization cannot be mapped; use QKeras layers"),
    ]
    from hwgen.frontends.keras_qkeras import to_graph

    for build, message in cases:
        with pytest.raises(UnsupportedError, match=message):
            to_graph(image(build, (5, 4)))
