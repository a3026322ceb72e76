"""How close the integers of each tensor are to the float network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXACT = 999.0
"""dB where nothing differs."""


@dataclass(frozen=True)
class Layer:
    """name: of the float tensor. op, bits: of the node that computed it (0: no weights). sqnr: dB, all values together.

    worst: the channel with the lowest ratio, and worst_sqnr its dB.
    """

    name: str
    op: str
    bits: int
    sqnr: float
    worst: int
    worst_sqnr: float


def measure(name: str, op: str, bits: int, real: np.ndarray, found: np.ndarray, axis: int) -> Layer:
    """Compare integers' real values with the float network's, [N, *shape] each; axis: of the channels."""
    real = np.broadcast_to(real, found.shape)
    axis = axis % found.ndim or found.ndim - 1
    others = tuple(i for i in range(found.ndim) if i != axis)
    power = np.mean(np.square(real, dtype=np.float64), axis=others)
    noise = np.mean(np.square(found - real, dtype=np.float64), axis=others)
    channels = [decibels(p, n) for p, n in zip(power, noise, strict=True)]
    worst = int(np.argmin(channels))
    return Layer(name, op, bits, decibels(power.sum(), noise.sum()), worst, channels[worst])


def decibels(power: float, noise: float) -> float:
    """10 log10(power / noise), within +-EXACT; a channel that is zero counts as exact."""
    if noise <= 0 or power <= 0:
        return EXACT
    return float(np.clip(10 * np.log10(power / noise), -EXACT, EXACT))
