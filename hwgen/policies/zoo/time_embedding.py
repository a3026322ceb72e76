"""What a network of a diffusion model is told of the step: real numbers, folded into biases when a graph is built."""

from __future__ import annotations

import numpy as np

from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.net import Net
from hwgen.graph.steps import sinusoid


def time_embedding(net: Net, time: float, width: int, hidden: int, fn: str) -> np.ndarray:
    """Sines and cosines of the time, then a layer of `hidden` with `fn` and one of `width`: float64 [width]."""
    up = FUNCTIONS[fn](sinusoid(time, width) @ net.table("time.up", (width, hidden), (2 / width) ** 0.5))
    return up @ net.table("time.down", (hidden, width), (2 / hidden) ** 0.5)


def time_bias(net: Net, embedding: np.ndarray, shape: tuple[int, ...], key: str) -> np.ndarray:
    """What a layer that also reads the embedding gets of it: float64 of this shape, on a grid that float32 holds."""
    weight = net.table(f"{key}.time", (len(embedding), *shape), 0.5 * len(embedding) ** -0.5)
    return np.round(np.tensordot(embedding, weight, 1) * 2.0**12) / 2.0**12
