"""Loops of diffusion and flow matching, unrolled: x' = keep * x + model * prediction [+ noise * z], a number of times.

    updates = ddim(cosine_alphas(100), steps=10)
    x = unroll(net, x, updates, predict, steps=10)

Every step uses the same weights (the same arrays). What depends on the time alone is a bias, computed here and now in
real numbers; what depends on the observation alone is computed once (`Blocks.once`). Noise is an input of the graph, so
that results can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.errors import GraphError, InputError
from hwgen.graph.blocks import Blocks

Predict = Callable[[str, float], str]
"""(tensor, time) -> tensor or accumulator: the network inside the loop."""


@dataclass(frozen=True)
class Update:
    """One step. time: what the network is told. keep, model, noise: factors of x, of the prediction, of the noise."""

    time: float
    keep: float
    model: float
    noise: float = 0.0


def cosine_alphas(times: int, offset: float = 0.008) -> np.ndarray:
    """alpha-bar at times 0 .. times - 1 of the cosine schedule, betas < 0.999 (Nichol, Dhariwal 2021, equation 17).

    Raises InputError for a schedule without times.
    """
    if times < 1:
        raise InputError(f"a cosine schedule of {times} times; take 1 or more")
    at = np.arange(times + 1) / times
    f = np.cos((at + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - f[1:] / f[:-1], 0.999))


def ddpm(alphas: np.ndarray) -> list[Update]:
    """Every time of a schedule, from the last to 0 (Ho et al. 2020, algorithm 2, sigma**2 = beta).

    alphas: alpha-bar by time. The last step adds no noise.
    """
    before = np.concatenate([[1.0], alphas[:-1]])
    alpha = alphas / before  # of one step
    table = []
    for t in reversed(range(len(alphas))):
        keep, noise = alpha[t] ** -0.5, np.sqrt(1 - alpha[t]) if t else 0.0
        model = -keep * (1 - alpha[t]) / np.sqrt(1 - alphas[t])
        table.append(Update(float(t), float(keep), float(model), float(noise)))
    return table


def ddim(alphas: np.ndarray, steps: int) -> list[Update]:
    """`steps` times of a schedule, evenly spaced, without noise (Song et al. 2021, equation 12, eta = 0).

    alphas: alpha-bar by time. Raises InputError when the schedule has fewer times than steps.
    """
    if not 1 <= steps <= len(alphas):
        raise InputError(f"{steps} DDIM steps do not fit a schedule of {len(alphas)} times; take 1 to {len(alphas)}")
    times = np.arange(steps) * (len(alphas) // steps)
    now, after = alphas[times], np.concatenate([[1.0], alphas[times[:-1]]])
    keep = np.sqrt(after / now)
    model = np.sqrt(1 - after) - keep * np.sqrt(1 - now)
    rows = zip(times.tolist(), keep.tolist(), model.tolist(), strict=True)
    return [Update(float(t), k, m) for t, k, m in reversed(list(rows))]


def euler(steps: int) -> list[Update]:
    """Flow matching from time 0 to 1 in equal steps: x' = x + velocity / steps (Lipman et al. 2023)."""
    return [Update(i / steps, 1.0, 1.0 / steps) for i in range(steps)]


def sinusoid(time: float, width: int, longest: float = 10000.0) -> np.ndarray:
    """Sinusoidal embedding of a time (Vaswani et al. 2017, section 3.5): [width], sines, then cosines."""
    angle = time * longest ** (-np.arange(width // 2) / max(width // 2 - 1, 1))
    return np.concatenate([np.sin(angle), np.cos(angle)])


def unroll(net: Blocks, x: str, updates: Sequence[Update], predict: Predict, steps: int, noise: str | None = None,
           key: str = "x") -> str:  # fmt: skip
    """All steps, one after the other; returns the last x.

    steps: how many the policy was trained for, or is to run; noise: a tensor [steps, *shape of x], one row a step.
    Raises InputError when the table has another number of steps or none, when the noise has another shape or is
    missing, and GraphError when the network inside makes another shape than x has.
    """
    if steps < 1:
        raise InputError(f"the loop of {key!r} has {steps} steps; take 1 or more")
    if len(updates) != steps:
        raise InputError(
            f"the table of {key!r} has {len(updates)} steps, but the loop has {steps}; give one row a step"
        )
    shape = net.shape(x)
    if noise and net.shape(noise) != (steps, *shape):
        raise InputError(
            f"noise {noise!r} has shape {net.shape(noise)}; {steps} steps of {key!r} need {(steps, *shape)}"
        )
    if not noise and any(u.noise for u in updates):
        raise InputError(f"the table of {key!r} adds noise; give it as an input of shape {(steps, *shape)}")
    outside = net.step
    for i, u in enumerate(updates):
        net.step = f"{outside}.{key}{i}".lstrip(".")
        y = predict(x, u.time)
        if net.shape(y) != shape:
            raise GraphError(f"node {y!r}: the network in the loop of {key!r} makes {net.shape(y)} from {shape}; both "
                             "must be equal")  # fmt: skip
        x = net.quantize(y, f"{key}.next", gain=u.model, residual=x, residual_gain=u.keep)
        if u.noise:
            z = net.reshape(net.slice(noise, 0, i, i + 1, f"{key}.noise.row"), shape, f"{key}.noise")
            x = net.quantize(x, f"{key}.noisy", residual=z, residual_gain=u.noise)
    net.step = outside
    return x
