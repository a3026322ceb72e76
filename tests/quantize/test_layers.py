"""Training layers: the forward pass is golden's integers, the gradient the float operation's."""

import numpy as np
import pytest

pytestmark = pytest.mark.policy


@pytest.mark.parametrize("width", [1, 2, 7, 64, 256])
@pytest.mark.parametrize("signed", [True, False])
def test_norm_equals_golden(width, signed, rng):
    import tensorflow as tf

    from hwgen.graph.golden import normalize
    from hwgen.quantize.layers import integer_normalize

    low, high = (-128, 128) if signed else (0, 256)
    spread = rng.choice([1, 8, high], (60, 1))
    x = np.clip(rng.integers(low, high, (60, width)) // (high // spread), low, high - 1)
    x[0], x[1], x[2] = 0, low, high - 1
    for eps_int in (1, 777, 2**40 - 1):
        found = integer_normalize(tf.constant(x, tf.int64), eps_int).numpy()
        np.testing.assert_array_equal(found, normalize(x, eps_int, False))


def test_norm_layer_equals_its_graph(rng):
    import keras
    from qkeras import QActivation

    from hwgen.frontends.keras_qkeras import to_graph
    from hwgen.graph import run
    from hwgen.quantize.layers import QLayerNorm, clipped_bits

    source = keras.Input((48,), name="x")
    layer = QLayerNorm(2.0**-4, 3, name="norm")
    model = keras.Model(source, layer(QActivation(clipped_bits(8, 3), name="q")(source)))
    layer.set_weights([rng.normal(1, 1, 48).astype(np.float32), rng.normal(0, 1, 48).astype(np.float32)])
    x = rng.integers(-128, 128, (200, 48))
    expected = np.asarray(model(x.astype(np.float32) * 2.0**-4)) / layer.out_scale
    graph = to_graph(model)
    np.testing.assert_array_equal(run(graph, {"x": x})[graph.outputs[0]], expected)


def test_norm_gradient_is_the_float_norms(rng):
    import keras
    import tensorflow as tf

    from hwgen.quantize.layers import QLayerNorm

    x = tf.constant(rng.integers(-100, 100, (4, 32)) * 2.0**-4, tf.float32)
    weigh = tf.constant(rng.normal(0, 1, (4, 32)), tf.float32)
    gradients = []
    for layer in (QLayerNorm(2.0**-4, 3), keras.layers.LayerNormalization(epsilon=1e-3)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * weigh)
        gradients.append(tape.gradient(loss, x).numpy())
    np.testing.assert_allclose(*gradients, atol=1e-5)


def test_clipped_bits_round_half_even_and_stop_the_gradient_outside():
    import tensorflow as tf

    from hwgen.quantize.layers import clipped_bits

    x = tf.constant([-9.0, -8.0, -0.09375, -0.03125, 0.03125, 0.09375, 0.15625, 7.9375, 8.0, 9.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = clipped_bits(8, 3)(x)
    np.testing.assert_array_equal(y.numpy() * 16, [-128, -128, -2, 0, 0, 2, 2, 127, 127, 127])
    np.testing.assert_array_equal(tape.gradient(y, x).numpy() != 0, [0, 1, 1, 1, 1, 1, 1, 1, 0, 0])
