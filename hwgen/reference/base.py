"""One interface to every implementation of a graph: what a platform must offer, and how it is asked for.

    run = Reference("jax-int").prepare(graph)
    outputs = run({"obs": array})          # {output name: array}

A new platform is one file with a subclass of Platform, and one line in PLATFORMS.
"""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError, ToolError, UnsupportedError
from hwgen.graph.golden import check_inputs, dequantize_outputs, quantize_inputs
from hwgen.graph.graph import Graph
from hwgen.graph.node import Node
from hwgen.graph.types import Tensor

Arrays = dict[str, np.ndarray]


class Platform(ABC):
    """One framework in one precision.

    name: what a user asks for. exact: outputs are integers that must equal golden; otherwise they are real values.
    precision: in words, for tables. ops: the operators it has.
    """

    name: str
    exact: bool
    precision: str
    ops: frozenset[str] = frozenset()

    @abstractmethod
    def version(self) -> str:
        """Framework and version, e.g. ``"jax 0.10.2"``."""

    @abstractmethod
    def find_device(self, device: str | None) -> str:
        """The full name of the device to use; None asks for the default. Raises ToolError when it is absent."""

    @abstractmethod
    def compile(self, graph: Graph, device: str, saturate: bool) -> Callable[[Arrays, bool], Arrays]:
        """A function (inputs, keep) -> arrays by tensor name, batch first: the outputs, or with keep every tensor.

        Inputs are checked: integers of the graph's types if ``exact``, else float64 real values. saturate: (real
        values only) clamp where the integers do.
        """


PLATFORMS: dict[str, tuple[str, str, str]] = {
    "golden": ("numpy", "numpy_int", "GOLDEN"),
    "jax-int": ("jax", "jax_int", "JAX_INT"),
    "jax-float32": ("jax", "jax_float", "JAX_FLOAT32"),
    "jax-float64": ("jax", "jax_float", "JAX_FLOAT64"),
    "tensorflow-int": ("tensorflow", "tensorflow_int", "TENSORFLOW_INT"),
    "tensorflow-float32": ("tensorflow", "tensorflow_float", "TENSORFLOW_FLOAT32"),
    "tensorflow-float64": ("tensorflow", "tensorflow_float", "TENSORFLOW_FLOAT64"),
}
"""Every platform by name: the Python package it needs, its module in hwgen.reference, its name there."""


def present() -> list[str]:
    """The names of the platforms whose package is installed."""
    return [name for name, (package, *_) in PLATFORMS.items() if importlib.util.find_spec(package)]


class Reference:
    """A platform on a device. Raises InputError for an unknown name, ToolError for an absent framework or device."""

    def __init__(self, name: str, device: str | None = None):
        if name not in PLATFORMS:
            raise InputError(f"unknown reference {name!r}: use one of {', '.join(PLATFORMS)}")
        package, module, attribute = PLATFORMS[name]
        if importlib.util.find_spec(package) is None:
            raise ToolError(
                f"reference {name!r} needs the Python package {package}, which is not installed: run `make env` (or "
                "pip install 'hwgen[flow]'), or leave this reference out"
            )
        self.platform: Platform = getattr(importlib.import_module(f"hwgen.reference.{module}"), attribute)
        self.device: str = self.platform.find_device(device)
        self.version: str = self.platform.version()

    @property
    def name(self) -> str:
        """The platform's name."""
        return self.platform.name

    @property
    def precision(self) -> str:
        """What it computes in, in words."""
        return self.platform.precision

    @property
    def exact(self) -> bool:
        """Whether its outputs are integers that must equal golden."""
        return self.platform.exact

    def prepare(self, graph: Graph, saturate: bool = True) -> Prepared:
        """Make the graph ready to run.

        saturate: real values are clamped where the integers are, so that only rounding differs; with False, only
        clamps that the model means (zero of an unsigned type, Clip) stay, and saturation counts as an error too.
        Raises UnsupportedError naming the node when the platform lacks an operator.
        """
        for node in graph.nodes:
            if node.op not in self.platform.ops:
                raise UnsupportedError(
                    f"node {node.name!r} ({node.op}): reference {self.name!r} has no such operator; it has "
                    f"{', '.join(sorted(self.platform.ops))}. Leave the reference out for this graph"
                )
        return Prepared(self, graph, self.platform.compile(graph, self.device, saturate))


@dataclass(frozen=True)
class Prepared:
    """A graph that is ready to run: ``prepared(inputs) -> outputs``."""

    reference: Reference
    graph: Graph
    _run: Callable[[Arrays, bool], Arrays]

    def __call__(self, inputs: Arrays, keep: bool = False) -> Arrays:
        """Run a batch.

        inputs: per graph input an array [batch, *shape], of integers (of the input's type) or of real values (floating
        point; an exact platform quantizes them). Returns per output an array [batch, *shape]: integers of the
        tensor's type if the platform is exact, else real values; with keep=True, one for every tensor.
        Raises InputError for wrong names, shapes, dtypes or values.
        """
        if self.reference.exact:
            return self._run(as_integers(self.graph, inputs), keep)
        return self._run(as_reals(self.graph, inputs), keep)


@dataclass(frozen=True)
class Step:
    """A node with the tensors around it, as an implementation of its operator sees it."""

    node: Node
    ins: tuple[Tensor, ...]
    out: Tensor


def steps(graph: Graph) -> list[Step]:
    """Every node in order, with its tensors."""
    return [Step(n, tuple(graph.tensors[i] for i in n.inputs), graph.tensors[n.output]) for n in graph.nodes]


def walk(graph: Graph, functions: dict[str, Callable], params: dict[str, dict], inputs: dict, keep: bool) -> dict:
    """Run every node by ``functions[op](step, params of the node, *arrays)``; arrays of any framework."""
    values = dict(inputs)
    for step in steps(graph):
        # A constant has no inputs; any tensor tells it the batch.
        arrays = [values[i] for i in step.node.inputs or graph.inputs[:1]]
        values[step.node.output] = functions[step.node.op](step, params.get(step.node.name, {}), *arrays)
    return values if keep else {name: values[name] for name in graph.outputs}


def as_integers(graph: Graph, inputs: Arrays) -> Arrays:
    """Inputs as integers in each tensor's narrowest dtype; real ones are quantized. Raises InputError."""
    real = {name: x for name, x in inputs.items() if is_real(x)}
    checked = check_inputs(graph, {**inputs, **quantize_inputs(graph, real)})
    return {name: x.astype(graph.tensors[name].dtype.numpy) for name, x in checked.items()}


def as_reals(graph: Graph, inputs: Arrays) -> Arrays:
    """Inputs as float64 real values; integers are dequantized. Raises InputError."""
    reals = dequantize_outputs(graph, as_integers(graph, inputs))  # which checks them all
    return {name: np.asarray(x, np.float64) if is_real(x) else reals[name] for name, x in inputs.items()}


def is_real(x: np.ndarray) -> bool:
    """Whether an array holds floating-point numbers."""
    return np.issubdtype(np.asarray(x).dtype, np.floating)


def window_index(size: int, kernel: int, stride: int, dilation: int = 1) -> np.ndarray:
    """int32 [windows, kernel]: where each tap of each window lies on an axis of ``size`` elements, padding included."""
    count = (size - (kernel - 1) * dilation - 1) // stride + 1
    return (np.arange(count)[:, None] * stride + np.arange(kernel) * dilation).astype(np.int32)
