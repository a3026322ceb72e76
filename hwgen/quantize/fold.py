"""From a float policy to the start of quantization-aware training: BatchNorm folded, activation ranges measured."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from hwgen.quantize.layers import Clip


def folded_weights(model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Weights by layer name, with each `NAME_bn` folded into the convolution NAME (kernel, bias).

    w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps), per output channel.
    """
    result = {}
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) or not layer.weights:
            continue
        weights = layer.get_weights()
        norms = [other for other in model.layers if other.name == f"{layer.name}_bn"]
        if norms:
            gamma, beta, mean, variance = norms[0].get_weights()
            gain = gamma / np.sqrt(variance + norms[0].epsilon)
            weights = [weights[0] * gain, beta - mean * gain]
        result[layer.name] = [np.asarray(w, np.float32) for w in weights]
    return result


def load_folded(model: keras.Model, weights: dict[str, list[np.ndarray]]) -> None:
    """Put folded weights into the layers of the same names."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])


def unfold(model: keras.Model, weights: dict[str, list[np.ndarray]], inputs: list[np.ndarray] | None = None) -> None:
    """The inverse, for a warm start: folded weights into those layers whose shapes they have. A BatchNorm behind such a
    layer gets the statistics of these inputs, and the gain and offset with which it changes nothing."""
    norms = {layer.name.removesuffix("_bn"): layer for layer in model.layers if layer.name.endswith("_bn")}
    for layer in model.layers:
        kept, norm = layer.get_weights(), norms.get(layer.name)
        given = weights.get(layer.name, [])
        if not kept or layer.name.endswith("_bn") or [a.shape for a in given[: len(kept)]] != [a.shape for a in kept]:
            continue
        layer.set_weights(given[: len(kept)])
        if norm is not None:
            made = np.asarray(keras.Model(model.inputs, layer.output)(inputs))
            mean, variance = made.mean((0, 1, 2)), made.var((0, 1, 2))
            norm.set_weights([np.sqrt(variance + norm.epsilon), given[1] + mean, mean, variance])


def integer_bits(model: keras.Model, inputs: list[np.ndarray]) -> dict[str, int]:
    """Integer bits of each activation of a float model (ReLU, Clip, LayerNormalization), measured on inputs."""
    kinds = (layers.ReLU, Clip, layers.LayerNormalization)
    found = [layer for layer in model.layers if isinstance(layer, kinds)]
    probe = keras.Model(model.inputs, [layer.output for layer in found])
    values = zip(found, probe(inputs), strict=True)
    return {layer.name: best_integer_bits(np.asarray(out), isinstance(layer, layers.ReLU)) for layer, out in values}


def best_integer_bits(values: np.ndarray, unsigned: bool = False, bits: int = 8) -> int:
    """The range 2**n, n >= 0, whose `bits`-bit grid gives the least mean squared error (rounding and clipping)."""
    values = np.asarray(values, np.float64).ravel()
    errors = []
    for n in range(7):
        step = 2.0 ** (n - bits + (not unsigned))
        low = 0.0 if unsigned else -(2.0**n)
        errors.append(np.mean((np.clip(np.round(values / step) * step, low, 2.0**n - step) - values) ** 2))
    return int(np.argmin(errors))
