"""Keras layers that pool or move: pooling, Reshape, Permute, Flatten, Concatenate."""

from __future__ import annotations

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.frontends.keras_values import Layers, Pending, Quantized, Value
from hwgen.frontends.qkeras_numbers import keras_pads


class Shapes(Layers):
    """See Layers."""

    def _maxpooling2d(self, layer, value: Value) -> Value:
        x = self._channels_first(value, layer)
        pads = keras_pads(layer, self.builder.tensor(x).shape[1:], layer.pool_size)
        return Quantized(self.builder.maxpool(x, layer.pool_size, layer.strides, pads, name=layer.name), True)

    _maxpooling1d = _maxpooling2d

    def _averagepooling2d(self, layer, value: Value) -> Value:
        x = self._channels_first(value, layer)
        pads = keras_pads(layer, self.builder.tensor(x).shape[1:], layer.pool_size)
        if any(pads):
            raise UnsupportedError(f"layer {layer.name!r}: an average that leaves out padding; use padding 'valid'")
        acc = self.builder.sumpool(x, layer.pool_size, layer.strides, name=layer.name)
        return Pending(acc, True, gain=np.float64(1 / np.prod(layer.pool_size)))

    _averagepooling1d = _averagepooling2d

    def _globalaveragepooling2d(self, layer, value: Value) -> Value:
        x = self._channels_first(value, layer)
        acc = self.builder.sumpool(x, name=f"{layer.name}_sum")
        gain = np.float64(1 / np.prod(self.builder.tensor(x).shape[1:]))
        return Pending(*self._kept(layer, acc), gain=gain)

    _globalaveragepooling1d = _globalaveragepooling2d

    def _globalmaxpooling2d(self, layer, value: Value) -> Value:
        x = self._channels_first(value, layer)
        return Quantized(*self._kept(layer, self.builder.maxpool(x, self.builder.tensor(x).shape[1:])))

    _globalmaxpooling1d = _globalmaxpooling2d

    def _kept(self, layer, x: str) -> tuple[str, bool]:
        """A global pool's result [C, 1, 1] as Keras has it: with its axes, or as a vector"""
        return (x, True) if layer.keepdims else (self.builder.flatten(x, name=layer.name), False)

    def _reshape(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        target = tuple(layer.output.shape[1:])
        if len(target) == 3 and target[:2] == (1, 1):  # channels for a broadcast over an image
            return Quantized(self.builder.reshape(x.tensor, (target[2], 1, 1), name=layer.name), True)
        if x.channels_last:
            raise UnsupportedError(f"layer {layer.name!r}: Reshape of an image; use Flatten, or Permute to (3, 1, 2)")
        return Quantized(self.builder.reshape(x.tensor, target, name=layer.name))

    def _permute(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        if x.channels_last and tuple(layer.dims) == (3, 1, 2):
            return Quantized(x.tensor)  # the graph is channels-first already
        if x.channels_last:
            raise UnsupportedError(f"layer {layer.name!r}: Permute {layer.dims} of an image; only (3, 1, 2)")
        return Quantized(self.builder.transpose(x.tensor, tuple(d - 1 for d in layer.dims), name=layer.name))

    def _flatten(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        if x.channels_last:
            axes = range(1, len(self.builder.tensor(x.tensor).shape))
            x = Quantized(self.builder.transpose(x.tensor, (*axes, 0), name=f"{layer.name}_channels_last"))
        return Quantized(self.builder.flatten(x.tensor, name=layer.name))

    def _concatenate(self, layer, *values: Value) -> Value:
        xs = [self._need(v, layer) for v in values]
        image, rank = xs[0].channels_last, len(self.builder.tensor(xs[0].tensor).shape)
        axis = layer.axis - 1 if layer.axis > 0 else layer.axis + rank
        if image:  # Keras [*space, C] -> graph [C, *space]
            axis = (axis + 1) % rank
        return Quantized(self.builder.concat([x.tensor for x in xs], axis=axis, name=layer.name), image)

    def _dropout(self, layer, value: Value) -> Value:
        return value
