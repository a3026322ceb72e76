"""Rounding weights so that a layer's sums stay: the error of one weight goes into those that are not rounded yet.

Frantar et al., GPTQ, arXiv:2210.17323: with H the products of a layer's inputs with each other, the best that the other
weights can do about the error of weight i is given by row i of the Cholesky factor of H's inverse.
"""

from __future__ import annotations

import numpy as np

from hwgen.quantize.float_ops import Weighted
from hwgen.quantize.grids import channel_scales

WIDEST = 4096
"""Layers with more inputs to an output are rounded weight by weight."""
WORK = 4e9
"""Multiplications for the products of the inputs with each other; sets how many rows of inputs are used."""
DAMPING = 0.02
"""Of the mean square of the inputs, added to each, where calibration shows little."""


def round_weight(
    layer: Weighted, weight: np.ndarray, bits: int, method: str, inputs: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(int8 of the weight's shape, scale per output channel) with `bits` bits, symmetric.

    inputs: [N, *shape] that calibration gives the layer; None: each weight is rounded for itself.
    """
    rows, top = np.asarray(layer.by_channel(weight), np.float32), 2 ** (bits - 1) - 1
    columns = None if inputs is None or rows.shape[1] > WIDEST else layer.columns(spread(layer, inputs))
    if columns is None:
        scale = channel_scales(rows, top, method)
        return layer.from_channels(nearest(rows, scale[:, None], top)), scale
    scales, ints = [], []
    for part, x in zip(np.split(rows, len(columns)), columns, strict=True):
        moments = x.T @ x / len(x)
        scale = channel_scales(part, top, method, np.diag(moments))
        ints.append(compensated(part, scale, top, moments))
        scales.append(scale)
    return layer.from_channels(np.concatenate(ints)), np.concatenate(scales)


def spread(layer: Weighted, inputs: np.ndarray) -> np.ndarray:
    """As many observations as WORK allows, evenly chosen."""
    each = int(np.prod(layer.out_shape([inputs.shape[1:]]))) // layer.channels
    rows = WORK / layer.by_channel(layer.weight).shape[1] ** 2
    count = int(np.clip(rows / each, 1, len(inputs)))
    return inputs[np.linspace(0, len(inputs) - 1, count).astype(int)]


def nearest(rows: np.ndarray, scale: np.ndarray, top: int) -> np.ndarray:
    """Each weight rounded for itself."""
    return np.clip(np.round(rows / scale), -top, top).astype(np.int8)


def compensated(rows: np.ndarray, scale: np.ndarray, top: int, moments: np.ndarray) -> np.ndarray:
    """int8 [out, in] for weights [out, in] and the inputs' mean products [in, in]; largest inputs first."""
    order = np.argsort(-np.diag(moments), kind="stable")
    h = moments[np.ix_(order, order)].astype(np.float64)
    h[np.diag_indices_from(h)] += DAMPING * max(float(np.trace(h)) / len(h), 1e-12)
    # The lower factor of H with its order reversed gives the upper factor of H's inverse.
    lower = np.linalg.cholesky(h[::-1, ::-1])
    upper = np.linalg.inv(lower)[::-1, ::-1].astype(np.float32)
    left, ints = rows[:, order].copy(), np.empty(rows.shape, np.int8)
    scale = scale.astype(np.float32)
    for i in range(len(order)):
        ints[:, order[i]] = nearest(left[:, i], scale, top)
        error = (left[:, i] - ints[:, order[i]] * scale) / upper[i, i]
        left[:, i + 1 :] -= error[:, None] * upper[i, i + 1 :]
    return ints
