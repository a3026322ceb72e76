"""Activation functions and their tables over 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable
from math import erf

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph.types import IntType

_erf = np.vectorize(erf, otypes=[np.float64])


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2.0))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * sigmoid(x),
    "erf": _erf,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softplus": softplus,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    "identity": lambda x: x,
}
"""float64 -> float64, by name."""


def activation_table(
    fn: str | Callable[[np.ndarray], np.ndarray], x_type: IntType, x_scale: float, y_scale: float, lo: int, hi: int
) -> np.ndarray:
    """256 integers: fn(x * x_scale) / y_scale rounded half to even and clamped, for every x.

    Entry x + 128 belongs to x for signed x, entry x for unsigned x. Entries that x_type cannot reach hold the value of
    the nearest x that it can. fn maps float64 arrays; a name is looked up in FUNCTIONS. Raises UnsupportedError for an
    unknown name and for a function that gives NaN.
    """
    if isinstance(fn, str):
        if fn not in FUNCTIONS:
            raise UnsupportedError(f"activation {fn!r} is unknown; known are {', '.join(sorted(FUNCTIONS))}")
        fn = FUNCTIONS[fn]
    x = np.clip(np.arange(256) - (128 if x_type.signed else 0), x_type.lo, x_type.hi)
    # The function's value is rounded to float32 as on an ONNX edge, so that e.g. tanh(20) is 1 before it is quantized.
    with np.errstate(all="ignore"):  # NaN is reported below, and overflow saturates
        y = np.asarray(fn(x * float(x_scale)), np.float64).astype(np.float32).astype(np.float64) / y_scale
    if np.isnan(y).any():
        raise UnsupportedError(f"an activation gives NaN for the input {x[np.isnan(y)][0] * x_scale:.6g}")
    return np.round(np.clip(y, lo, hi)).astype(np.int64)
