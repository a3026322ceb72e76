"""Layers in float64 NumPy, written from their definitions, and state dicts with random numbers: what hwgen's float
networks are compared with. Shapes leave out the batch."""

from __future__ import annotations

from math import erf

import numpy as np

State = dict[str, np.ndarray]


def numbers(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]]) -> State:
    """A state dict: matrices keep the size of what they multiply, norms are near 1, variances positive."""
    state = {}
    for key, shape in shapes.items():
        fan = np.prod(shape[1:]) if len(shape) > 1 else 10
        value = rng.normal(0, fan**-0.5, shape)
        if key.endswith("running_var"):
            value = rng.uniform(0.5, 2, shape)
        elif len(shape) == 1 and key.endswith("weight"):
            value = 1 + value
        state[key] = value.astype(np.float32)
    return state


def linear(x: np.ndarray, state: State, key: str) -> np.ndarray:
    """x[..., in] through weight[out, in]."""
    return x @ state[f"{key}.weight"].astype(np.float64).T + state[f"{key}.bias"]


def conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | float = 0.0, stride: int = 1, pad: int = 0
) -> np.ndarray:
    """x[C, *space] with weight[out, C, *kernel]: one output position after the other."""
    n = weight.ndim - 2
    x = np.pad(x, [(0, 0)] + [(pad, pad)] * n)
    size = [(x.shape[1 + i] - weight.shape[2 + i]) // stride + 1 for i in range(n)]
    y = np.zeros((len(weight), *size))
    for at in np.ndindex(*size):
        window = x[
            (slice(None), *(slice(p * stride, p * stride + k) for p, k in zip(at, weight.shape[2:], strict=True)))
        ]
        y[(slice(None), *at)] = (weight * window).reshape(len(weight), -1).sum(1)
    return y + np.reshape(bias, (-1, *(1,) * n))


def conv_transpose(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """x[C, T] with weight[C, out, k]: every input adds its kernel to the output."""
    k = weight.shape[2]
    y = np.zeros((weight.shape[1], (x.shape[1] - 1) * stride + k))
    for t in range(x.shape[1]):
        y[:, t * stride : t * stride + k] += np.einsum("c,cok->ok", x[:, t], weight)
    return y[:, pad : y.shape[1] - pad] + bias[:, None]


def normalized(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Mean 0, variance 1 over some axes, with PyTorch's eps."""
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


def layernorm(x: np.ndarray, state: State, key: str) -> np.ndarray:
    """Over the last axis."""
    return normalized(x, (-1,)) * state[f"{key}.weight"] + state[f"{key}.bias"]


def groupnorm(x: np.ndarray, state: State, key: str, groups: int) -> np.ndarray:
    """Of x[C, *space]."""
    z = normalized(x.reshape(groups, -1), (1,)).reshape(len(x), -1)
    return (z * state[f"{key}.weight"][:, None] + state[f"{key}.bias"][:, None]).reshape(x.shape)


def batchnorm(x: np.ndarray, state: State, key: str) -> np.ndarray:
    """Of x[C, H, W], with the statistics of training."""
    mean, var, gamma, beta = (
        state[f"{key}.{part}"].astype(np.float64)[:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, state: State, key: str, heads: int) -> np.ndarray:
    """nn.MultiheadAttention, head by head: q[T, D], k and v[S, D] -> [T, D]."""
    width = q.shape[1]
    weight, bias = state[f"{key}.in_proj_weight"].astype(np.float64), state[f"{key}.in_proj_bias"]
    rows = [slice(i * width, (i + 1) * width) for i in range(3)]
    q, k, v = (x @ weight[r].T + bias[r] for x, r in zip((q, k, v), rows, strict=True))
    d, mixed = width // heads, []
    for h in range(heads):
        at = slice(h * d, (h + 1) * d)
        mixed.append(softmax(q[:, at] @ k[:, at].T / np.sqrt(d)) @ v[:, at])
    return linear(np.concatenate(mixed, 1), state, f"{key}.out_proj")


def maxpool(x: np.ndarray, kernel: int, stride: int, pad: int) -> np.ndarray:
    """The largest value of each window of x[C, H, W]."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
    height, width = ((n - kernel) // stride + 1 for n in x.shape[1:])
    rows = [[x[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel].max((1, 2)) for j in range(width)]
            for i in range(height)]  # fmt: skip
    return np.array(rows).transpose(2, 0, 1)


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0)"""
    return np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))"""
    return 1 / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution of x"""
    return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def silu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(x)"""
    return x * sigmoid(x)


def mish(x: np.ndarray) -> np.ndarray:
    """x * tanh(log(1 + exp(x)))"""
    return x * np.tanh(np.log1p(np.exp(x)))


def each(run, *batches: np.ndarray) -> np.ndarray:
    """A function of one observation for a batch of them."""
    return np.stack([run(*one) for one in zip(*batches, strict=True)])


def close(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for float32: within 1e-4 of the largest value, and not by being nothing."""
    assert got.shape == expected.shape
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
