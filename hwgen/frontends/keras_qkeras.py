"""Keras models with QKeras layers -> integer graph.

Walks a functional model in topological order. A Keras tensor is either Quantized (it is a tensor of the graph) or
Pending (an accumulator with what is to happen before it is rounded); a QActivation turns Pending into Quantized.

Understood: QDense, QConv1D, QConv2D, QDepthwiseConv2D, QActivation (quantized_bits, quantized_relu), ReLU,
BatchNormalization, Activation (softmax and the functions of graph/activations.py), Add, Multiply, QLayerNorm, pooling,
Reshape, Permute, Flatten, Concatenate, Dropout, Sequential, and models inside models. Quantizer scales are powers of
two, so the graph's integers are the model's exactly, but for BatchNormalization, averages and functions, which Keras
rounds in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.frontends.keras_file import functional, load_model, topological
from hwgen.frontends.keras_products import Products
from hwgen.frontends.keras_shapes import Shapes
from hwgen.frontends.keras_values import Function, Pending, Quantized, Raw, Value
from hwgen.frontends.qkeras_numbers import fixed_point
from hwgen.graph import Graph, GraphBuilder
from hwgen.graph.activations import FUNCTIONS


def load_keras(path: Path) -> Graph:
    """Read a `.keras` file and convert it. Raises InputError if it cannot be read, UnsupportedError as to_graph."""
    import qkeras  # noqa: F401 - registers its layers with Keras

    import hwgen.quantize.layers  # noqa: F401 - likewise

    return to_graph(load_model(path))


def to_graph(model, name: str | None = None) -> Graph:
    """The integer graph of a functional Keras model. Raises UnsupportedError naming the layer, reason and way out."""
    return _Converter(name or model.name).convert(model)


class _Converter(Products, Shapes):
    def __init__(self, name: str) -> None:
        self.builder = GraphBuilder(name)
        self.inputs: dict[str, tuple] = {}

    def convert(self, model) -> Graph:
        values: dict[int, Value] = {}
        for tensor in functional(model).inputs:
            values[id(tensor)] = Raw(tensor.name, tuple(tensor.shape[1:]))
        self._walk(model, values)
        for number, tensor in enumerate(model.outputs):
            value = values[id(tensor)]
            if isinstance(value, Pending):  # no last quantizer: 32-bit output
                value = Quantized(self.builder.wide(value.tensor, **self._lane(value)))
            if isinstance(value, Function):
                raise UnsupportedError(f"output {number} of {model.name!r} is a {value.fn} that is not quantized; put "
                                       "a QActivation behind it, or leave it to the host")  # fmt: skip
            if isinstance(value, Raw):
                raise UnsupportedError(f"output {number} of {model.name!r} is an input; it needs no accelerator")
            self.builder.output(value.tensor)
        return self.builder.build()

    def _walk(self, model, values: dict[int, Value]) -> None:
        for node in topological(model):
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
                "BatchNormalization, ReLU, Add, Multiply, pooling, Reshape, Permute, Flatten or Concatenate"
            )
        return [convert(layer, *args)]

    def _need(self, value: Value, layer) -> Quantized:
        if not isinstance(value, Quantized):
            raise UnsupportedError(f"layer {layer.name!r}: its input is not quantized; put a QActivation before it")
        return value

    # -- quantizers and functions ----------------------------------------------------------------------------------

    def _qactivation(self, layer, value: Value) -> Value:
        form = fixed_point(layer.activation, layer.name)
        return self._input(layer, value, *form) if isinstance(value, Raw) else self._rounded(value, form, layer.name)

    def _rounded(self, value: Value, form: tuple[int, bool, bool, float], name: str) -> Quantized:
        """A value under a quantizer (bits, signed, narrow, scale)."""
        bits, signed, narrow, scale = form
        spec = {"bits": bits, "signed": signed, "scale": scale, "narrow": narrow, "name": name}
        if isinstance(value, Quantized) and self._same_type(value.tensor, bits, signed, narrow, scale):
            return value
        if isinstance(value, Function) and value.fn == "softmax":
            return Quantized(self.builder.softmax(value.tensor, **spec))
        if isinstance(value, Function):
            return Quantized(self.builder.activation(value.tensor, value.fn, **spec), value.channels_last)
        return Quantized(self.builder.requantize(value.tensor, **spec, **self._lane(value)), value.channels_last)

    def _lane(self, value: Value) -> dict:
        """What a requantize lane does with a value before it rounds."""
        if not isinstance(value, Pending):
            return {}
        lane = {"relu": value.relu, "residual": value.residual, "gain": value.gain}
        if np.any(value.bias):
            lane["bias_real"] = value.bias
        if value.gain.ndim or value.bias.ndim:
            lane["channel_axis"] = -len(self.builder.tensor(value.tensor).shape) if value.channels_last else -1
        return lane

    def _activation(self, layer, value: Value) -> Value:
        name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        if name == "relu" and isinstance(value, Pending) and not value.residual:
            return replace(value, relu=True)
        if name == "linear":
            return value
        x = self._need(value, layer)
        if name == "softmax" and x.channels_last:
            raise UnsupportedError(f"layer {layer.name!r}: softmax over the channels of an image; flatten it first")
        if name not in ("softmax", *FUNCTIONS):
            raise UnsupportedError(
                f"layer {layer.name!r}: activation {name}; known are softmax, {', '.join(FUNCTIONS)}"
            )
        return Function(x.tensor, name, x.channels_last)

    def _softmax(self, layer, value: Value) -> Value:
        x = self._need(value, layer)
        rank = len(layer.input.shape)
        if x.channels_last or layer.axis not in (-1, rank - 1):
            raise UnsupportedError(f"layer {layer.name!r}: only the last axis of a vector or of tokens is possible")
        return Function(x.tensor, "softmax")

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
