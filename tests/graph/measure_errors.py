"""How far softmax and the norms are from float64 rounded to the same grid: the figures of docs/numerics.md.

python -m tests.graph.measure_errors [values]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from hwgen.graph import GraphBuilder, run

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


def measure(kind: str, wanted: int, seed: int = 0) -> tuple[int, int, int, float]:
    """(values, those that differ from rounded float64, the most steps, the largest error in steps before rounding)."""
    rng, count, off, most, worst = np.random.default_rng(seed), 0, 0, 0, 0.0
    while count < wanted:
        b, shape, real = softmax(rng) if kind == "Softmax" else norm(rng, kind)
        x = rows(rng, shape, max(1, 4096 // int(np.prod(shape))))
        y, t = run(b.build(), {"x": x})["y"], b.tensor("y")
        want = np.clip(real(x) / t.scale, t.dtype.lo, t.dtype.hi)
        steps = np.abs(y - np.round(want))
        count, off, most = count + y.size, off + int((steps > 0).sum()), max(most, int(steps.max()))
        worst = max(worst, float(np.abs(y - want).max()))
    return count, off, most, worst


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
    for kind in ("Softmax", "LayerNorm", "RMSNorm", "GroupNorm"):
        count, off, most, worst = measure(kind, wanted)
        print(
            f"{kind:10} {count:9,} values, {off / count:.4%} differ, by {most} at most; largest error {worst:.3f} steps"
        )
