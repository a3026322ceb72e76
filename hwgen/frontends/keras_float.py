"""A float `.keras` model (functional, Sequential, models inside models) as a float network, to be quantized.

graph = load(Path("policy.keras"))   # hwgen.quantize.floats.FloatGraph
graph.run({"image": batch})          # images [N, C, H, W]: their channels lie first

All that cannot be mapped is reported at once.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import DAMAGE, HwgenError, UnsupportedError
from hwgen.frontends import keras_float_layers as layers
from hwgen.frontends import keras_float_moves as moves
from hwgen.frontends.keras_file import functional, load_model, topological
from hwgen.frontends.keras_tensors import Broken, Reader, Seen
from hwgen.quantize.floats import FloatGraph, FloatNet
from hwgen.quantize.problems import complain
from hwgen.quantize.simplify import simplify

IMAGE = 3
"""Axes of an input whose last one, its channels, comes first in the network."""


@dataclass
class Call:
    """One use of a layer. tensors: what it reads, in order. given: its arguments by name, tensors as Seen. shapes: of
    its outputs, without batch."""

    layer: object
    tensors: list[Seen]
    given: dict[str, object]
    shapes: list[tuple[int, ...]]


def load(path: Path) -> FloatGraph:
    """Read a float model, simplified. Raises InputError, and UnsupportedError that lists all layers that cannot be
    mapped."""
    return to_network(load_model(path))


def to_network(model) -> FloatGraph:
    """The float network of a Keras model. Raises UnsupportedError."""
    walk = _Walk(Reader(FloatNet(model.name)), _no_numbers(model))
    values = {id(tensor): walk.input(tensor) for tensor in functional(model).inputs}
    names = _output_names(model)
    walk.reader.names.update(names)
    walk.through(model, values)
    complain(walk.problems, f"model {model.name!r}")
    for name, tensor in zip(names, model.outputs, strict=True):
        value = values[id(tensor)]
        if value.name in walk.reader.net.graph.inputs:
            raise UnsupportedError(f"output {name!r} of model {model.name!r} is an input; remove it")
        walk.reader.net.output(value.name, name)
    return simplify(walk.reader.net.build())


class _Walk:
    """Layer by layer; problems collects what cannot be mapped."""

    def __init__(self, reader: Reader, problems: list[str]) -> None:
        self.reader, self.problems = reader, problems

    def input(self, tensor) -> Seen | Broken:
        """A model's input: bytes are pixels in steps of one."""
        name, shape, dtype = tensor._keras_history.operation.name, tuple(tensor.shape[1:]), str(tensor.dtype)
        self.reader.names.add(name)
        open_axes = [i for i, n in enumerate(shape, 1) if n is None]
        if open_axes or not shape:
            which = f"dynamic axes {open_axes}" if open_axes else "no axis but the batch"
            self.problems.append(f"input {name!r} has {which}; give keras.Input a shape of numbers")
            return Broken()
        if dtype != "uint8" and "float" not in dtype:
            self.problems.append(f"input {name!r} is {dtype}; float networks take float inputs, or uint8 pictures")
            return Broken()
        first = len(shape) == IMAGE
        ours = (shape[-1], *shape[:-1]) if first else shape
        return Seen(self.reader.net.input(name, ours, pixels=1.0 if dtype == "uint8" else False), shape, first)

    def through(self, model, values: dict[int, Seen | Broken]) -> None:
        """The model's layers, each once for each use; values by id of Keras' tensor."""
        for node in topological(model):
            layer = node.operation
            if type(layer).__name__ == "InputLayer":
                continue
            args = [values[id(t)] for t in node.input_tensors]
            made = self.layer(layer, node, args, values)
            values.update(zip(map(id, node.output_tensors), made, strict=True))

    def layer(self, layer, node, args: list, values: dict) -> list:
        """What a layer gives."""
        nothing = [Broken()] * len(node.output_tensors)
        if any(isinstance(a, Broken) for a in args):
            return nothing
        try:
            kind = type(layer).__name__
            if kind in ("Functional", "Sequential"):
                inner = {id(t): a for t, a in zip(layer.inputs, args, strict=True)}
                self.through(layer, inner)
                return [inner[id(t)] for t in layer.outputs]
            handler = HANDLERS.get(kind)
            if handler is None:
                raise UnsupportedError("this layer cannot be mapped; leave that part to the host, or write it with "
                                       "others")  # fmt: skip
            shapes = [tuple(t.shape[1:]) for t in node.output_tensors]
            return [handler(self.reader, Call(layer, args, _arguments(layer, node, values), shapes))]
        except HwgenError as error:
            self.problems.append(f"layer {layer.name!r} ({type(layer).__name__}): {error}")
        except DAMAGE as error:
            reason = " ".join(f"{type(error).__name__} {error}".split())
            self.problems.append(f"layer {layer.name!r} ({type(layer).__name__}): its settings, inputs and weights do "
                                 f"not fit together ({reason}); save the model again")  # fmt: skip
        return nothing


def _arguments(layer, node, values: dict) -> dict[str, object]:
    """The arguments of a call by name, Keras' tensors replaced."""
    bound = inspect.signature(layer.call).bind(*node.arguments.args, **node.arguments.kwargs).arguments
    return {name: values.get(id(value), value) for name, value in bound.items()}


def _no_numbers(model) -> list[str]:
    """What is wrong with the weights."""
    return [f"weight {v.path!r} holds NaN or infinity; train the model again"
            for v in model.weights if "float" in v.dtype and not np.isfinite(np.asarray(v)).all()]  # fmt: skip


def _output_names(model) -> list[str]:
    names: list[str] = []
    for name in functional(model).output_names:
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names


HANDLERS = {**layers.HANDLERS, **moves.HANDLERS}
"""Reader of each class of layer or operation: function(reader, call) -> Seen."""
