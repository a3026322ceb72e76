"""The demo policy as Keras models: a SmallStem encoder with FiLM and an MLP-ResNet head, float or QKeras.

One topology, two kits of layers. Names are the same in both, so weights go over layer by layer. The encoder gives the
features in channels-first order; the head reads one vector: features, state, text.
"""

from __future__ import annotations

import keras
from keras import layers

from hwgen.policies.config import PolicyConfig
from hwgen.policies.float_forward import FILM_RANGE, RANGE


class FloatKit:
    """Plain Keras layers, BatchNorm after each convolution, activations clipped to RANGE."""

    def __init__(self, config: PolicyConfig) -> None:
        self.config = config

    def image(self, x):
        return x

    def vector(self, x, name):
        return x

    def conv(self, x, width, name):
        x = layers.Conv2D(width, 3, 2, "same", use_bias=False, name=name)(x)
        return layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")(x)

    def dense(self, x, width, name, bias="zeros"):
        return layers.Dense(width, bias_initializer=bias, name=name)(x)

    def relu(self, x, name):
        return layers.ReLU(max_value=RANGE, name=name)(x)

    def features(self, x, name):
        return layers.ReLU(max_value=2.0**self.config.vector_integer, name=name)(x)

    def signed(self, x, name):
        from hwgen.quantize.layers import Clip

        return Clip(FILM_RANGE if "film" in name else RANGE, name=name)(x)

    def norm(self, x, source, name):
        return layers.LayerNormalization(epsilon=self.config.norm_eps, name=name)(x)

    def action(self, x, name):
        return x


class QatKit:
    """QKeras layers: weights with power-of-two scales per channel, 8-bit activations, BatchNorm folded away."""

    def __init__(self, config: PolicyConfig) -> None:
        from qkeras import quantized_bits

        self.config = config
        self.weight = lambda name: quantized_bits(config.bits.get(name, config.weight_bits), 0, 1, alpha="auto_po2")
        self.bias = lambda: quantized_bits(16, 4, 1, alpha=1.0)

    def _activate(self, x, quantizer, name):
        from qkeras import QActivation

        return QActivation(quantizer, name=name)(x)

    def _unsigned(self, x, bits, integer, name):
        from qkeras import quantized_relu

        return self._activate(x, quantized_relu(bits, integer), name)

    def _signed(self, x, integer, name):
        from hwgen.quantize.layers import clipped_bits

        return self._activate(x, clipped_bits(self.config.activation_bits, integer), name)

    def image(self, x):
        return self._unsigned(x, 8, 0, "image_q")

    def vector(self, x, name):
        return self._signed(x, self.config.vector_integer, name)

    def conv(self, x, width, name):
        from qkeras import QConv2D

        weight, bias = self.weight(name), self.bias()
        return QConv2D(width, 3, 2, "same", kernel_quantizer=weight, bias_quantizer=bias, name=name)(x)

    def dense(self, x, width, name, bias="zeros"):
        from qkeras import QDense

        return QDense(width, kernel_quantizer=self.weight(name), bias_quantizer=self.bias(), name=name)(x)

    def relu(self, x, name):
        return self._unsigned(x, self.config.activation_bits, self.config.integers[name], name)

    def features(self, x, name):
        # One bit less, so that the features share int8 and the scale with state and text.
        return self._unsigned(x, self.config.activation_bits - 1, self.config.vector_integer, name)

    def signed(self, x, name):
        return self._signed(x, self.config.integers[name], name)

    def norm(self, x, source, name):
        from hwgen.quantize.layers import QLayerNorm

        scale = 2.0 ** (self.config.integers[source] - self.config.activation_bits)
        integer = self.config.integers[name]
        return QLayerNorm(scale, integer, self.config.activation_bits, self.config.norm_eps, name=name)(x)

    def action(self, x, name):
        return self._signed(x, 0, name)


def build_encoder(config: PolicyConfig, kit: FloatKit | QatKit) -> keras.Model:
    """image [64, 64, 3] in [0, 1), text [text] -> features [features], each in [0, 2**vector_integer]."""
    image = keras.Input((config.image, config.image, 3), name="image")
    text = keras.Input((config.text,), name="text")
    x, words = kit.image(image), kit.vector(text, "text_q")
    last = len(config.widths) - 1
    for i, width in enumerate(config.widths):
        x = kit.conv(x, width, f"conv{i}")
        if i > last - config.film:
            x = kit.signed(x, f"conv{i}_q")
            scale = kit.signed(kit.dense(words, width, f"film{i}_scale", "ones"), f"film{i}_scale_q")
            shift = kit.signed(kit.dense(words, width, f"film{i}_shift"), f"film{i}_shift_q")
            x = layers.Multiply(name=f"film{i}_mul")([x, layers.Reshape((1, 1, width))(scale)])
            x = layers.Add(name=f"film{i}_add")([x, layers.Reshape((1, 1, width))(shift)])
        x = kit.features(x, f"relu{i}") if i == last else kit.relu(x, f"relu{i}")
    x = layers.Flatten(name="features")(layers.Permute((3, 1, 2), name="channels_first")(x))
    return keras.Model([image, text], x, name="encoder")


def build_head(config: PolicyConfig, kit: FloatKit | QatKit) -> keras.Model:
    """vector [features + state + text] -> actions [chunk * 3], in [-1, 1]."""
    vector = keras.Input((config.vector,), name="vector")
    x = kit.relu(kit.dense(kit.vector(vector, "vector_q"), config.hidden, "inlet"), "inlet_q")
    source = "inlet_q"
    for i in range(config.blocks):
        if config.norm:
            y = kit.dense(kit.norm(x, source, f"block{i}_ln"), config.hidden, f"block{i}")
            y = layers.ReLU(name=f"block{i}_relu")(y)
        else:  # relu after the sum only, so that the sum is one of integers
            y = kit.dense(x, config.hidden, f"block{i}")
        source = f"block{i}_q"
        x = kit.relu(layers.Add(name=f"block{i}_add")([y, x]), source)
    return keras.Model(vector, kit.action(kit.dense(x, config.chunk * 3, "action"), "action_q"), name="head")


def join(encoder: keras.Model, head: keras.Model, config: PolicyConfig) -> keras.Model:
    """The whole policy for training: image, state, text -> actions [chunk * 3]."""
    image = keras.Input((config.image, config.image, 3), name="image")
    state = keras.Input((config.state,), name="state")
    text = keras.Input((config.text,), name="text")
    vector = layers.Concatenate(name="vector")([encoder([image, text]), state, text])
    return keras.Model([image, state, text], head(vector), name="policy")
