"""Where the grids of integers lie: scales of activations and of weights, from what calibration shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

METHODS = ("mse", "percentile", "minmax")
"""How a scale is found: least mean squared error, the given percentile of the magnitudes, or the largest."""
SAMPLE = 1 << 20
"""So many numbers of a tensor at most are looked at, evenly spread, where not its largest is wanted."""
BINS = 2048
STEPS = np.linspace(1.0, 0.15, 60)
"""Shares of the largest magnitude that are tried as the end of the grid."""
WEIGHT_STEPS = np.linspace(1.0, 0.4, 25)
SMALLEST = 1e-12
"""Tensors of zeros get this range."""


@dataclass(frozen=True)
class Grid:
    """8-bit integers of an activation: real = integer * scale."""

    signed: bool
    scale: float

    def form(self) -> dict:
        """As arguments of the graph builder."""
        return {"signed": self.signed, "scale": self.scale}


def activation_grid(real: np.ndarray, signed: bool, method: str, percentile: float = 99.99) -> Grid:
    """The grid for these values; signed: negative ones may come, whether or not there are any."""
    levels = 127 if signed else 255
    top = float(max(real.max(), -real.min() if signed else 0, 0))
    if method != "minmax" and top > SMALLEST:
        sample = np.abs(real.ravel()[:: max(1, real.size // SAMPLE)])
        if method == "percentile":
            top = float(np.percentile(sample, percentile)) or top
        else:
            top *= _least_error(sample / np.float32(top), levels)
    return Grid(signed, max(top, SMALLEST) / levels)


def _least_error(share: np.ndarray, levels: int) -> float:
    """The share of the range at which a grid of so many levels has the least squared error for magnitudes 0 to 1."""
    counts, edges = np.histogram(share, BINS, (0.0, 1.0))
    middle = (edges[1:] + edges[:-1]) / 2
    beyond = np.maximum(middle[None] - STEPS[:, None], 0) ** 2
    rounding = (STEPS / levels) ** 2 / 12
    return float(STEPS[np.argmin(beyond @ counts + rounding * counts.sum())])


def channel_scales(rows: np.ndarray, top: int, method: str, power: np.ndarray | None = None) -> np.ndarray:
    """Scale per output channel for weights [out, in] as integers up to `top`.

    power: mean square of each input, which weighs the errors. method: minmax, else least squared error.
    """
    full = np.maximum(np.abs(rows).max(1, keepdims=True), SMALLEST)
    best = full / top
    if method != "minmax":
        power = np.ones(rows.shape[1], np.float32) if power is None else power.astype(np.float32)
        least = np.full(len(rows), np.inf)
        for step in WEIGHT_STEPS:
            scale = full * np.float32(step) / top
            error = ((np.clip(np.round(rows / scale), -top, top) * scale - rows) ** 2) @ power
            better = error < least
            least, best = np.where(better, error, least), np.where(better[:, None], scale, best)
    return best[:, 0].astype(np.float64)
