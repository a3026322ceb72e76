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


def integer_bits(model: keras.Model, inputs: list[np.ndarray], share: float = 0.9995) -> dict[str, int]:
    """Integer bits that cover `share` of each activation of a float model (ReLU, Clip, LayerNormalization)."""
    kinds = (layers.ReLU, Clip, layers.LayerNormalization)
    names = [layer.name for layer in model.layers if isinstance(layer, kinds)]
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    tops = [float(np.quantile(np.abs(np.asarray(out)), share)) for out in probe(inputs)]
    return {name: max(0, int(np.ceil(np.log2(max(top, 1e-6))))) for name, top in zip(names, tops, strict=True)}
