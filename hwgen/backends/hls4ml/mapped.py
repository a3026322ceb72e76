"""What a mapped graph is: hls4ml layers, and where the graph's tensors are among them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hwgen.backends.hls4ml.layout import Layout, Shape
from hwgen.backends.hls4ml.types import HlsType
from hwgen.graph import Graph, ops


@dataclass
class HlsLayer:
    """One layer of the hls4ml project.

    name: a C identifier. kind: hls4ml's class. shape: of its output, in hls4ml's order. attrs: the entries of hls4ml's
    layer dict beside name, class and inputs. types: hls4ml's precision names (result, weight, accum) and what they are.
    tensor: the graph's, which its output holds. positions: of a layer with weights, how often it multiplies the whole
    matrix. node: the graph's node (None: an input, or a layer that only moves elements).
    """

    name: str
    kind: str
    inputs: list[str]
    shape: Shape
    attrs: dict
    types: dict[str, HlsType]
    tensor: str
    positions: int = 0
    node: ops.Node | None = None

    @property
    def is_ours(self) -> bool:
        """True for the layers of our extension."""
        return self.kind.startswith("Hwgen")

    def as_dict(self) -> dict:
        """The layer as hls4ml's `ModelGraph.from_layer_list` takes it."""
        return {"name": self.name, "class_name": self.kind, "inputs": list(self.inputs), **self.attrs}


@dataclass
class Place:
    """Where a graph tensor is: which layer makes it, in which order of axes."""

    layer: str
    layout: Layout


@dataclass
class Mapped:
    """A graph as hls4ml layers. inputs, outputs: by the graph's names, in its order. types: of the graph's tensors."""

    graph: Graph
    io: str
    types: dict[str, HlsType]
    layers: list[HlsLayer] = field(default_factory=list)
    inputs: dict[str, Place] = field(default_factory=dict)
    outputs: dict[str, Place] = field(default_factory=dict)

    def layer(self, name: str) -> HlsLayer:
        """The layer of a name."""
        return next(layer for layer in self.layers if layer.name == name)
