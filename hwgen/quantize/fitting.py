"""A warm start: what another policy's weights are good for."""

from __future__ import annotations

import numpy as np

FloatWeights = dict[str, list[np.ndarray]]


def fitting(warm: FloatWeights, mine: FloatWeights) -> FloatWeights:
    """Of another policy's weights by layer name, those of layers that exist here with the same shapes."""
    shapes = {name: [a.shape for a in arrays] for name, arrays in mine.items()}
    return {name: arrays for name, arrays in warm.items() if [a.shape for a in arrays] == shapes.get(name)}
