"""How far each operator is from float64 rounded to the same grid: the figures of docs/numerics.md.

python -m tests.graph.measure_errors [values]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from hwgen.graph import GraphBuilder, run
from hwgen.graph.activations import FUNCTIONS

Real = Callable[[np.ndarray], np.ndarray]


def rows(rng: np.random.Generator, shape: tuple[int, ...], batch: int) -> np.ndarray:
    """int8: uniform, normal of any width, nearly constant, or two values."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(-128, 128, (batch, *shape))
    if kind == 1:
        return np.clip(
            np.round(rng.normal(rng.uniform(-50, 50), rng.uniform(1, 60), (batch, *shape))), -128, 127
        ).astype(int)
    base = rng.integers(-128, 127, (batch, *(1,) * len(shape)))
    return base + rng.integers(0, 2, (batch, *shape)) if kind == 2 else rng.choice([-128, 127], (batch, *shape))


def softmax(rng: np.random.Generator) -> tuple[GraphBuilder, tuple[int, ...], Real]:
    d, scale = int(2 ** rng.uniform(0, 12)), 2.0 ** rng.integers(-6, 1)
    b = GraphBuilder()
    b.output(b.softmax(b.input("x", (d,), scale=scale)), "y")

    def real(x: np.ndarray) -> np.ndarray:
        e = np.exp((x - x.max(-1, keepdims=True)) * scale)
        return e / e.sum(-1, keepdims=True)

    return b, (d,), real


def norm(rng: np.random.Generator, kind: str) -> tuple[GraphBuilder, tuple[int, ...], Real]:
    channels, space = int(2 ** rng.uniform(0, 7)), int(2 ** rng.uniform(0, 5))
    groups = (
        int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0])) if kind == "GroupNorm" else channels
    )
    axis = (channels, 1) if kind == "GroupNorm" else (space,)
    gamma, beta = rng.normal(1, 0.3, axis).astype(np.float32), rng.normal(0, 0.3, axis).astype(np.float32)
    d, scale = channels * space // groups, 2.0 ** rng.integers(-7, -1)
    eps = float(np.float32(scale**2))  # one step squared, so that its rounding says nothing
    b, form = GraphBuilder(), {"scale": 2.0 ** rng.integers(-5, -3), "eps": eps}
    x = b.input("x", (channels, space), scale=scale)
    if kind == "GroupNorm":
        b.output(b.groupnorm(x, groups, gamma.ravel(), beta.ravel(), **form), "y")
    else:
        b.output(b.layernorm(x, gamma, beta, rms=kind == "RMSNorm", **form), "y")

    def real(x: np.ndarray) -> np.ndarray:
        r = (x * scale).reshape(len(x), groups, d) if kind == "GroupNorm" else x * scale
        r = r if kind == "RMSNorm" else r - r.mean(-1, keepdims=True)
        z = r / np.sqrt((r * r).mean(-1, keepdims=True) + eps)
        return z.reshape(x.shape) * gamma + beta

    return b, (channels, space), real


def any_scale(rng: np.random.Generator, power_of_two: bool, low: int, high: int) -> float:
    """A power of two, or any number that float32 holds."""
    scale = 2.0 ** rng.integers(low, high)
    return float(np.float32(scale if power_of_two else scale * rng.uniform(0.6, 1.6)))


def sums(rng: np.random.Generator, power_of_two: bool) -> tuple[GraphBuilder, tuple[int, ...], Real]:
    """A linear layer with a bias, rounded; sums of convolutions and products of matrices are rounded alike."""
    ins, outs = (int(2 ** rng.uniform(0, 7)) for _ in range(2))
    weight, step = rng.integers(-128, 128, (ins, outs)), any_scale(rng, power_of_two, -8, -4)
    weight_scale = np.array([any_scale(rng, power_of_two, -9, -5) for _ in range(outs)])
    bias = np.float32(np.round(rng.normal(0, 50, outs)) * weight_scale * step).astype(float)
    b = GraphBuilder()
    acc = b.linear(b.input("x", (ins,), scale=step), weight, weight_scale, bias)
    b.output(b.requantize(acc, scale=any_scale(rng, power_of_two, -3, 1)), "y")
    return b, (ins,), lambda x: (x * step) @ (weight * weight_scale) + bias


def product(rng: np.random.Generator, power_of_two: bool) -> tuple[GraphBuilder, tuple[int, ...], Real]:
    """The first half of the rows times the second."""
    d, step = int(2 ** rng.uniform(0, 8)), any_scale(rng, power_of_two, -7, -4)
    b = GraphBuilder()
    x = b.input("x", (2, d), scale=step)
    y = b.mul(b.slice(x, 0, 0, 1), b.slice(x, 0, 1, 2), scale=any_scale(rng, power_of_two, -6, -2))
    b.output(y, "y")
    return b, (2, d), lambda x: x[:, :1] * step * (x[:, 1:] * step)


def table(rng: np.random.Generator) -> tuple[GraphBuilder, tuple[int, ...], Real]:
    """Any activation function over any scales."""
    name, step = str(rng.choice(sorted(FUNCTIONS))), any_scale(rng, bool(rng.integers(2)), -6, -3)
    b = GraphBuilder()
    b.output(b.activation(b.input("x", (256,), scale=step), name, scale=any_scale(rng, True, -7, -4)), "y")
    return b, (256,), lambda x: FUNCTIONS[name](x * step)


def average(rng: np.random.Generator) -> tuple[GraphBuilder, tuple[int, ...], Real]:
    """Means over all positions, of any number."""
    c, t, step = int(2 ** rng.uniform(0, 5)), int(2 ** rng.uniform(0, 7)), any_scale(rng, True, -7, -4)
    b = GraphBuilder()
    b.output(b.avgpool(b.input("x", (c, t), scale=step), scale=any_scale(rng, True, -7, -4)), "y")
    return b, (c, t), lambda x: x.mean(-1, keepdims=True) * step


MAKERS = {
    "Sums, powers of two": lambda rng: sums(rng, True),
    "Sums, any scales": lambda rng: sums(rng, False),
    "Mul, powers of two": lambda rng: product(rng, True),
    "Mul, any scales": lambda rng: product(rng, False),
    "Average": average,
    "Lookup": table,
    "Softmax": softmax,
    **{kind: lambda rng, kind=kind: norm(rng, kind) for kind in ("LayerNorm", "RMSNorm", "GroupNorm")},
}
"""What makes a graph of one operator: (builder, shape of x, function of x in float64)."""


def measure(kind: str, wanted: int, seed: int = 0) -> tuple[int, int, int, float]:
    """(values, those that differ from rounded float64, the most steps, the largest error in steps before rounding)."""
    rng, count, off, most, worst = np.random.default_rng(seed), 0, 0, 0, 0.0
    while count < wanted:
        b, shape, real = MAKERS[kind](rng)
        x = rows(rng, shape, max(1, 4096 // int(np.prod(shape))))
        y, t = run(b.build(), {"x": x})["y"], b.tensor("y")
        want = np.clip(real(x) / t.scale, t.dtype.lo, t.dtype.hi)
        steps = np.abs(y - np.round(want))
        count, off, most = count + y.size, off + int((steps > 0).sum()), max(most, int(steps.max()))
        worst = max(worst, float(np.abs(y - want).max()))
    return count, off, most, worst


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
    for kind in MAKERS:
        count, off, most, worst = measure(kind, wanted)
        print(
            f"{kind:20} {count:9,} values, {off / count:.4%} differ, by {most} at most; largest error {worst:.3f} steps"
        )
