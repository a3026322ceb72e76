"""Arithmetic of clocks that the cycle model is made of."""

from __future__ import annotations

import numpy as np


def in_order(ready: np.ndarray, start: int, each: int = 1) -> np.ndarray:
    """Clocks of steps that go in order, none before `start` or before it is ready; a step takes `each` clocks."""
    index = each * np.arange(len(ready))
    return np.maximum.accumulate(np.maximum(ready, start) - index) + index
