"""Keras models with QKeras layers -> integer graph.

Walks a functional model in topological order. A Keras tensor is either Quantized (it is a tensor of the graph) or
Pending (an accumulator with what is to happen before it is rounded); a QActivation turns Pending into Quantized.

Understood: QDense, QConv2D, QActivation (quantized_bits, quantized_relu), ReLU, Add, Multiply, QLayerNorm, Reshape,
Permute, Flatten, Concatenate, Dropout, and models inside models. Quantizer scales are powers of two, so the graph's
integers are the model's integers exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwgen.errors import InputError, UnsupportedError
from hwgen.frontends.qkeras_numbers import fixed_point, integer_weights, keras_pads
from hwgen.graph import Graph, GraphBuilder


@dataclass(frozen=True)
class Quantized:
    """A graph tensor. channels_last: Keras sees [H, W, C] where the graph has [C, H, W]."""

    tensor: str
    channels_last: bool = False


@dataclass(frozen=True)
class Pending:
    """accumulator [relu] [+ residual], not rounded yet."""

    tensor: str
    channels_last: bool = False
    relu: bool = False
    residual: str | None = None


@dataclass(frozen=True)
class Raw:
    """A model input that no quantizer has read yet."""

    name: str
    shape: tuple[int, ...]


Value = Quantized | Pending | Raw


def load_keras(path: Path | str) -> Graph:
    """Read a `.keras` file and convert it. Raises InputError if it cannot be read, UnsupportedError as to_graph."""
    import keras
    import qkeras  # noqa: F401 - registers its layers with Keras

    import hwgen.quantize.layers  # noqa: F401 - likewise

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable .keras model ({reason}); save it with model.save()") from error
    return to_graph(model)


def to_graph(model, name: str | None = None) -> Graph:
    """The integer graph of a functional Keras model. Raises UnsupportedError naming the layer, reason and way out."""
    return _Converter(name or model.name).convert(model)


class _Converter:
    def __init__(self, name: str) -> None:
        self.builder = GraphBuilder(name)
        self.inputs: dict[str, tuple] = {}

    def convert(self, model) -> Graph:
        values: dict[int, Value] = {}
        for tensor in model.inputs:
            values[id(tensor)] = Raw(tensor.name, tuple(tensor.shape[1:]))
        self._walk(model, values)
        for number, tensor in enumerate(model.outputs):
            value = values[id(tensor)]
            if isinstance(value, Pending):  # no last quantizer: 32-bit output
                value = Quantized(self.builder.wide(value.tensor, relu=value.relu, residual=value.residual))
            if isinstance(value, Raw):
                raise UnsupportedError(f"output {number} of {model.name!r} is an input; it needs no accelerator")
            self.builder.output(value.tensor)
        return self.builder.build()

    def _walk(self, model, values: dict[int, Value]) -> None:
        for node in _topological(model):
            layer = node.operation
            if type(layer).__name__ == "InputLayer":
                continue
            made = self._layer(layer, [values[id(t)] for t in node.input_tensors])
            for tensor, value in zip(node.output_tensors, made, strict=True):
                values[id(tensor)] = value

    def _layer(self, layer, args: list[Value]) -> list[Value]:
        kind = type(layer).__name__
        if kind in ("Functional", "Sequential"):
            inner = {id(t): value for t, value in zip(layer.inputs, args, strict=True)}
            self._walk(layer, inner)
            return [inner[id(t)] for t in layer.outputs]
        convert: Callable | None = getattr(self, f"_{kind.lower()}", None)
        if convert is None:
            raise UnsupportedError(
                f"layer {layer.name!r}: {kind} cannot be mapped; use QKeras layers (QDense, QConv2D, QActivation), "
                "ReLU, Add, Multiply, QLayerNorm, Reshape, Permute, Flatten or Concatenate"
            )
        return [convert(layer, *args)]

    def _need(self, value: Value, layer) -> Quantized:
        if not isinstance(value, Quantized):
            raise UnsupportedError(f"layer {layer.name!r}: its input is not quantized; put a QActivation before it")
        return value

    # -- layers, one method each, by lower-case class name ---------------------------------------------------------

    def _qactivation(self, layer, value: Value) -> Value:
        bits, signed, narrow, scale = fixed_point(layer.activation, layer.name)
        if isinstance(value, Raw):
            return self._input(layer, value, bits, signed, narrow, scale)
        options = {} if not isinstance(value, Pending) else {"relu": value.relu, "residual": value.residual}
        if isinstance(value, Quantized) and self._same_type(value.tensor, bits, signed, narrow, scale):
            return value
        made = self.builder.requantize(
            value.tensor, bits=bits, signed=signed, scale=scale, narrow=narrow, name=layer.name, **options
        )
        return Quantized(made, value.channels_last)

    def _input(self, layer, raw: Raw, bits: int, signed: bool, narrow: bool, scale: float) -> Value:
        spatial = len(raw.shape) == 3
        shape = (raw.shape[2], *raw.shape[:2]) if spatial else raw.shape
        form = (bits, signed, narrow, scale)
        if self.inputs.setdefault(raw.name, form) != form:
            raise UnsupportedError(f"layer {layer.name!r}: input {raw.name!r} has two different quantizers; use one")
        if raw.name not in self.builder.graph.inputs:
            self.builder.input(raw.name, shape, bits, signed, scale, narrow)
        return Quantized(raw.name, spatial)

    def _same_type(self, name: str, bits: int, signed: bool, narrow: bool, scale: float) -> bool:
        tensor = self.builder.tensor(name)
        return not narrow and (tensor.dtype.bits, tensor.dtype.signed, tensor.scale) == (bits, signed, scale)

    def _bias(self, layer):
        if not layer.use_bias:
            return None
        quantizer = layer.bias_quantizer_internal
        return np.asarray(layer.bias if quantizer is None else quantizer(layer.bias), np.float64)

    def _fused(self, layer, value: Pending) -> Value:
        """A layer's own activation= argument."""
        activation = getattr(layer, "activation", None)
        if activation is None or getattr(activation, "__name__", "") == "linear":
            return value
        if getattr(activation, "__name__", "") == "relu":
            return replace(value, relu=True)
        raise UnsupportedError(f"layer {layer.name!r}: activation inside the layer; put it behind as QActivation")

    def _qdense(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        weight, scale, bits = integer_weights(layer.kernel_quantizer_internal, layer.kernel, layer.name)
        return self._fused(
            layer,
            Pending(self.builder.linear(x.tensor, weight, scale, self._bias(layer), weight_bits=bits, name=layer.name)),
        )

    def _qconv2d(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        if not x.channels_last or layer.data_format != "channels_last":
            raise UnsupportedError(f"layer {layer.name!r}: only channels_last images can be convolved")
        weight, scale, bits = integer_weights(layer.kernel_quantizer_internal, layer.kernel, layer.name)
        size = self.builder.tensor(x.tensor).shape[1:]
        made = self.builder.conv(
            x.tensor, weight.transpose(3, 2, 0, 1), scale, self._bias(layer), weight_bits=bits,
            stride=tuple(layer.strides), dilation=tuple(layer.dilation_rate), groups=layer.groups,
            pads=keras_pads(layer, size), name=layer.name,
        )  # fmt: skip
        return self._fused(layer, Pending(made, channels_last=True))

    def _relu(self, layer, value: Value) -> Value:
        if layer.negative_slope or layer.threshold or layer.max_value is not None:
            raise UnsupportedError(f"layer {layer.name!r}: ReLU with slope, threshold or maximum; use a plain ReLU")
        if not isinstance(value, Pending) or value.residual:
            raise UnsupportedError(f"layer {layer.name!r}: a plain ReLU must follow QDense or QConv2D; "
                                   "elsewhere use QActivation(quantized_relu)")  # fmt: skip
        return replace(value, relu=True)

    def _add(self, layer, *values: Value) -> Value:
        pending = [v for v in values if isinstance(v, Pending)]
        if len(values) != 2 or len(pending) > 1 or any(isinstance(v, Raw) for v in values):
            raise UnsupportedError(f"layer {layer.name!r}: Add takes two values, at least one of them quantized")
        first = pending[0] if pending else values[0]
        second = values[1] if first is values[0] else values[0]
        if isinstance(first, Pending) and first.residual:
            raise UnsupportedError(f"layer {layer.name!r}: a second Add before rounding; put a QActivation between")
        if not pending and self.builder.tensor(second.tensor).size > self.builder.tensor(first.tensor).size:
            first, second = second, first
        relu = isinstance(first, Pending) and first.relu
        return Pending(first.tensor, first.channels_last, relu, second.tensor)

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
            x = Quantized(self.builder.transpose(x.tensor, (1, 2, 0), name=f"{layer.name}_channels_last"))
        return Quantized(self.builder.flatten(x.tensor, name=layer.name))

    def _concatenate(self, layer, *values: Value) -> Value:
        xs = [self._need(v, layer) for v in values]
        image = xs[0].channels_last
        rank = len(self.builder.tensor(xs[0].tensor).shape)
        axis = layer.axis - 1 if layer.axis > 0 else layer.axis + rank
        if image:  # Keras (H, W, C) -> graph (C, H, W)
            axis = (axis + 1) % 3
        return Quantized(self.builder.concat([x.tensor for x in xs], axis=axis, name=layer.name), image)

    def _dropout(self, layer, value: Value) -> Value:
        return value


def _topological(model) -> list:
    """The model's nodes, each after the nodes whose tensors it reads."""
    return [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]]
