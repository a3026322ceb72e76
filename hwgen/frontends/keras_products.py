"""Keras and QKeras layers that multiply and add: dense, convolutions, normalization, Add, Multiply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.frontends.keras_values import Layers, Pending, Quantized, Value
from hwgen.frontends.qkeras_numbers import fixed_point, integer_weights, keras_pads


class Products(Layers):
    """See Layers."""

    def _bias(self, layer):
        if not layer.use_bias:
            return None
        quantizer = layer.bias_quantizer_internal
        return np.asarray(layer.bias if quantizer is None else quantizer(layer.bias), np.float64)

    def _fused(self, layer, value: Pending) -> Value:
        """A layer's own activation= argument: a relu, or a quantizer."""
        activation = getattr(layer, "activation", None)
        name = getattr(activation, "__name__", type(activation).__name__)
        if activation is None or name == "linear":
            return value
        if name == "relu":
            return replace(value, relu=True)
        if name.startswith("quantized_"):
            return self._rounded(value, fixed_point(activation, layer.name), f"{layer.name}_{name}")
        raise UnsupportedError(f"layer {layer.name!r}: activation {name} inside the layer; put it behind, with a "
                               "QActivation between")  # fmt: skip

    _rounded: Callable[..., Value]

    def _qdense(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        weight, scale, bits = integer_weights(layer.kernel_quantizer_internal, layer.kernel, layer.name)
        acc = self.builder.linear(x.tensor, weight, scale, self._bias(layer), weight_bits=bits, name=layer.name)
        return self._fused(layer, Pending(acc))

    def _qconv2d(self, layer, value: Value) -> Value:
        weight, scale, bits = integer_weights(layer.kernel_quantizer_internal, layer.kernel, layer.name)
        return self._convolution(layer, value, np.moveaxis(weight, (-1, -2), (0, 1)), scale, bits, layer.groups)

    _qconv1d = _qconv2d

    def _qdepthwiseconv2d(self, layer, value: Value) -> Value:
        """A kernel [kh, kw, C, multiplier]: output channel c * multiplier + m reads channel c"""
        quantizer, kernel = layer.depthwise_quantizer_internal, layer.depthwise_kernel
        weight, scale, bits = integer_weights(quantizer, kernel, layer.name)
        *window, channels, multiplier = weight.shape
        weight = weight.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, *window)
        return self._convolution(layer, value, weight, np.tile(scale, channels), bits, channels)

    def _convolution(self, layer, value: Value, weight, scale, bits: int, groups: int) -> Value:
        """weight: [out, in / groups, *window]"""
        x = self._channels_first(value, layer)
        size = self.builder.tensor(x).shape[1:]
        acc = self.builder.conv(
            x, weight, scale, self._bias(layer), weight_bits=bits, stride=tuple(layer.strides),
            dilation=tuple(layer.dilation_rate), groups=groups, pads=keras_pads(layer, size), name=layer.name,
        )  # fmt: skip
        return self._fused(layer, Pending(acc, channels_last=True))

    def _batchnormalization(self, layer, value: Value) -> Value:
        """A factor and an offset per channel"""
        if isinstance(value, Quantized):
            value = Pending(value.tensor, value.channels_last)
        rank = len(layer.input.shape)
        if not isinstance(value, Pending) or not value.is_sum or layer.axis not in (-1, rank - 1):
            raise UnsupportedError(f"layer {layer.name!r}: BatchNormalization must follow QDense, QConv2D or a "
                                   "QActivation, over the last axis")  # fmt: skip
        mean, var = (np.asarray(v, np.float64) for v in (layer.moving_mean, layer.moving_variance))
        gamma = np.asarray(layer.gamma, np.float64) if layer.scale else np.ones(())
        beta = np.asarray(layer.beta, np.float64) if layer.center else np.zeros(())
        gain = gamma / np.sqrt(var + layer.epsilon)
        return replace(value, gain=value.gain * gain, bias=value.bias * gain + beta - mean * gain)

    def _relu(self, layer, value: Value) -> Value:
        if layer.negative_slope or layer.threshold or layer.max_value is not None:
            raise UnsupportedError(f"layer {layer.name!r}: ReLU with slope, threshold or maximum; use a plain ReLU")
        if not isinstance(value, Pending) or value.residual:
            raise UnsupportedError(f"layer {layer.name!r}: a plain ReLU must follow QDense or QConv2D; "
                                   "elsewhere use QActivation(quantized_relu)")  # fmt: skip
        return replace(value, relu=True)

    def _add(self, layer, *values: Value) -> Value:
        pending = [v for v in values if isinstance(v, Pending)]
        if len(values) != 2 or len(pending) > 1 or not all(isinstance(v, (Pending, Quantized)) for v in values):
            raise UnsupportedError(f"layer {layer.name!r}: Add takes two values, at least one of them quantized")
        first = pending[0] if pending else values[0]
        second = values[1] if first is values[0] else values[0]
        if isinstance(first, Pending) and first.residual:
            raise UnsupportedError(f"layer {layer.name!r}: a second Add before rounding; put a QActivation between")
        if not pending:
            if self.builder.tensor(second.tensor).size > self.builder.tensor(first.tensor).size:
                first, second = second, first
            first = Pending(first.tensor, first.channels_last)
        return replace(first, residual=second.tensor)

    def _multiply(self, layer, *values: Value) -> Value:
        if len(values) != 2:
            raise UnsupportedError(f"layer {layer.name!r}: Multiply takes two values")
        a, b = (self._need(v, layer) for v in values)
        return Pending(self.builder.product(a.tensor, b.tensor, name=layer.name), a.channels_last)

    def _qlayernorm(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        have = self.builder.tensor(x.tensor).scale
        if have != layer.in_scale:
            raise UnsupportedError(f"layer {layer.name!r}: in_scale {layer.in_scale} but its input has {have}; "
                                   "give it the scale of the quantizer before it")  # fmt: skip
        gamma, beta = layer.grid_weights()
        made = self.builder.layernorm(
            x.tensor, gamma, beta, eps=layer.epsilon, bits=layer.bits, scale=layer.out_scale, name=layer.name
        )
        return Quantized(made)
