"""BatchNorm folding and range finding."""

import numpy as np
import pytest

pytestmark = pytest.mark.policy


def test_folding_keeps_the_function(rng):
    from hwgen.policies.config import PolicyConfig
    from hwgen.policies.float_forward import FloatPolicy
    from hwgen.policies.models import FloatKit, build_encoder, build_head
    from hwgen.quantize.fold import folded_weights

    config = PolicyConfig(widths=(4, 6, 8, 8), hidden=16, chunk=4)
    encoder, head = (build(config, FloatKit(config)) for build in (build_encoder, build_head))
    for layer in encoder.layers:
        if layer.name.endswith("_bn"):
            size = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 2, size), *rng.normal(0, 1, (2, size)), rng.uniform(0.1, 3, size)])
    images = rng.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    state, text = rng.normal(0, 1, (5, 3)).astype(np.float32), rng.normal(0, 1, (5, 32)).astype(np.float32)
    features = np.asarray(encoder([images.astype(np.float32) / 256, text]))
    expected = np.asarray(head(np.concatenate([features, state, text], 1))).reshape(5, 4, 3)
    policy = FloatPolicy(config, {**folded_weights(encoder), **folded_weights(head)})
    np.testing.assert_allclose(policy(images, state, text), expected, atol=1e-4)


def test_a_warm_start_takes_the_function_over_where_shapes_allow(rng):
    """Folded and unfolded again, a model computes the same; a layer of another shape keeps its weights."""
    from hwgen.policies.config import PolicyConfig
    from hwgen.policies.models import FloatKit, build_encoder, build_head
    from hwgen.quantize.fold import folded_weights, unfold

    config = PolicyConfig(widths=(4, 6, 8, 8), hidden=16, chunk=4)
    other = PolicyConfig(widths=(4, 6, 8, 8), hidden=16, chunk=2)
    source, target = build_encoder(config, FloatKit(config)), build_encoder(config, FloatKit(config))
    for layer in source.layers:
        if layer.name.endswith("_bn"):
            size = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 2, size), *rng.normal(0, 1, (2, size)), rng.uniform(0.1, 3, size)])
    inputs = [rng.random((16, 64, 64, 3), np.float32), rng.normal(0, 1, (16, 32)).astype(np.float32)]
    unfold(target, folded_weights(source), inputs)
    np.testing.assert_allclose(target(inputs), source(inputs), atol=1e-3)
    np.testing.assert_allclose(target(inputs, training=True), source(inputs), atol=2e-2)
    head, shorter = build_head(config, FloatKit(config)), build_head(other, FloatKit(other))
    before = shorter.get_layer("action").get_weights()
    unfold(shorter, folded_weights(head))
    np.testing.assert_array_equal(shorter.get_layer("inlet").kernel, head.get_layer("inlet").kernel)
    np.testing.assert_array_equal(shorter.get_layer("action").get_weights()[0], before[0])


@pytest.mark.parametrize(("top", "bits"), [(0.4, 0), (1.5, 1), (7.0, 3)])
def test_integer_bits_cover_a_flat_distribution(top, bits, rng):
    from hwgen.quantize.fold import best_integer_bits

    assert best_integer_bits(rng.uniform(-top, top, 20_000)) == bits


def test_a_rare_outlier_is_clipped(rng):
    from hwgen.quantize.fold import best_integer_bits

    x = rng.normal(0, 0.5, 100_000)
    x[0] = 5.0
    assert best_integer_bits(x) <= 2
