"""What a Keras tensor can be while a model is converted, and what every layer's converter works with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import GraphBuilder


@dataclass(frozen=True)
class Quantized:
    """A graph tensor. channels_last: Keras sees [*space, C] where the graph has [C, *space]."""

    tensor: str
    channels_last: bool = False


@dataclass(frozen=True, eq=False)
class Pending:
    """tensor * gain + bias [relu] [+ residual], not rounded yet. gain, bias: scalars, or one per channel."""

    tensor: str
    channels_last: bool = False
    relu: bool = False
    residual: str | None = None
    gain: np.ndarray = field(default_factory=lambda: np.ones(()))
    bias: np.ndarray = field(default_factory=lambda: np.zeros(()))

    @property
    def is_sum(self) -> bool:
        """Neither relu nor residual yet."""
        return not self.relu and self.residual is None


@dataclass(frozen=True)
class Function:
    """fn of a graph tensor: an activation function (activations.FUNCTIONS) or "softmax", not rounded yet."""

    tensor: str
    fn: str
    channels_last: bool = False


@dataclass(frozen=True)
class Raw:
    """A model input that no quantizer has read yet."""

    name: str
    shape: tuple[int, ...]


Value = Quantized | Pending | Function | Raw


class Layers:
    """Converters of layers are methods named `_` and the lower-case class name: (layer, values) -> value."""

    builder: GraphBuilder

    def _need(self, value: Value, layer) -> Quantized:
        if not isinstance(value, Quantized):
            raise UnsupportedError(f"layer {layer.name!r}: its input is not quantized; put a QActivation before it")
        return value

    def _channels_first(self, value: Value, layer) -> str:
        """The tensor of an image or sequence as the graph has it; a sequence [T, C] is transposed."""
        x = self._need(value, layer)
        if getattr(layer, "data_format", "channels_last") not in (None, "channels_last"):
            raise UnsupportedError(f"layer {layer.name!r}: data_format {layer.data_format}; use channels_last")
        rank = len(self.builder.tensor(x.tensor).shape)
        if x.channels_last or rank == 1:
            return x.tensor
        if rank != 2:
            raise UnsupportedError(f"layer {layer.name!r}: its input is no channels_last image; leave out Permute")
        return self.builder.transpose(x.tensor, (1, 0), name=f"{layer.name}_channels_first")
