"""How a graph's inputs and outputs lie in FINN's streams: channels last, a leading 1 per frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Port:
    """stream: shape in model.onnx. shape: in the graph, without batch. split: shape with a flattened image's axes
    apart. axes: split's axes in the stream's order."""

    name: str
    stream: tuple[int, ...]
    shape: tuple[int, ...]
    split: tuple[int, ...]
    axes: tuple[int, ...]

    @classmethod
    def of(
        cls, name: str, shape: tuple[int, ...], stream: tuple[int, ...], channel_axis: int, flat: tuple[int, ...]
    ) -> Port:
        """shape: of the tensor. stream: [1, ..., C]. channel_axis: of the tensor, negative. flat: as in a Value."""
        if flat:
            split = tuple(stream[1 + i] for i in flat)
            return cls(name, stream, shape, split, tuple(flat.index(i) for i in range(len(flat))))
        split, channels = shape, channel_axis % len(shape)
        axes = (*(i for i in range(len(split)) if i != channels), channels)
        return cls(name, stream, shape, split, axes)

    @classmethod
    def from_dict(cls, entry: dict) -> Port:
        """Of as_dict. Raises KeyError, TypeError, ValueError, OverflowError when it describes no port."""
        port = cls(str(entry["name"]), *(tuple(map(int, entry[k])) for k in ("stream", "shape", "split", "axes")))
        if len({prod(port.stream), prod(port.shape), prod(port.split)}) > 1 or min(port.stream, default=0) < 1:
            raise ValueError(f"port {port.name}: sizes differ")
        if sorted(port.axes) != list(range(len(port.split))):
            raise ValueError(f"port {port.name}: axes {port.axes} are no order")
        return port

    def as_dict(self) -> dict:
        """For the manifest."""
        return asdict(self)

    def to_stream(self, x: np.ndarray) -> np.ndarray:
        """[B, *shape] -> float32 [B, *stream[1:]]."""
        axes = (0, *(a + 1 for a in self.axes))
        x = x.reshape(len(x), *self.split).transpose(axes)
        return np.ascontiguousarray(x.reshape(len(x), *self.stream[1:]), np.float32)

    def from_stream(self, y: np.ndarray) -> np.ndarray:
        """[B, *stream[1:]] -> int64 [B, *shape]."""
        y = np.asarray(y).reshape(len(y), *(self.split[a] for a in self.axes))
        back = (0, *(1 + int(i) for i in np.argsort(self.axes)))
        return y.transpose(back).reshape(len(y), *self.shape).astype(np.int64)

    @property
    def order(self) -> str:
        """In words, for the README."""
        if prod(self.stream) == self.stream[-1]:
            return "as in the graph"
        return "channels last"
