"""What every operator of a float network has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph.node import Shape

F32 = np.float32


@dataclass(eq=False, kw_only=True)
class Float:
    """A node. name: also that of the tensor it makes. inputs: tensor names."""

    name: str
    inputs: tuple[str, ...] = ()

    @property
    def op(self) -> str:
        """Operator name."""
        return type(self).__name__

    def out_shape(self, shapes: list[Shape]) -> Shape:
        """Shape of the output. Raises ValueError when the inputs do not fit."""
        return shapes[0]

    def compute(self, *args: np.ndarray) -> np.ndarray:
        """The output for these inputs, batch first."""
        raise NotImplementedError


def check_channels(channels: int, **parameters: np.ndarray) -> None:
    """Raise ValueError unless each parameter has one number, or one per channel."""
    for name, values in parameters.items():
        if np.shape(values) not in ((), (1,), (channels,)):
            raise ValueError(f"its {name} has shape {np.shape(values)}, but there are {channels} channels")
