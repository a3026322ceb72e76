"""The samplers of Diffusion Policy as tables of factors: DDPM and DDIM with a clipped estimate of the sample.

Ho et al. 2020, equations 7 and 15; Song et al. 2021, equation 12 with eta = 0; timesteps and clipping as in
github.com/huggingface/diffusers, scheduling_ddpm.py and scheduling_ddim.py (spacing "leading", variance "fixed_small").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.graph.steps import cosine_alphas

MOST_TIMES = 10_000


@dataclass(frozen=True)
class Step:
    """x0 = clip(from_x x + from_model m); x' = keep x + clean x0 + model m + noise z, for the network's answer m."""

    time: int
    from_x: float
    from_model: float
    keep: float
    clean: float
    model: float
    noise: float


@dataclass(frozen=True)
class Sampler:
    """kind: DDPM or DDIM. times: of training. steps: of inference. schedule: of the betas, first to last if linear.
    predicts: epsilon or sample."""

    kind: str = "DDPM"
    times: int = 100
    steps: int = 100
    schedule: str = "squaredcos_cap_v2"
    first: float = 1e-4
    last: float = 0.02
    predicts: str = "epsilon"

    def alphas(self) -> np.ndarray:
        """alpha-bar by time. Raises InputError for a schedule that is not known."""
        if self.schedule == "squaredcos_cap_v2":
            return cosine_alphas(self.times)
        if self.schedule == "linear":
            return np.cumprod(1 - np.linspace(self.first, self.last, self.times))
        raise InputError(f"beta_schedule is {self.schedule!r}; squaredcos_cap_v2 and linear are known")

    def table(self) -> list[Step]:
        """All steps, from noise to sample. Raises InputError for settings that are not known."""
        if self.kind not in ("DDPM", "DDIM") or self.predicts not in ("epsilon", "sample"):
            raise InputError(f"the sampler is {self.kind!r} and predicts {self.predicts!r}; DDPM and DDIM, epsilon and "
                             "sample are known")  # fmt: skip
        if not 1 <= self.steps <= self.times <= MOST_TIMES:
            raise InputError(
                f"{self.steps} steps of {self.times} times; take 1 to {self.times}, of {MOST_TIMES} at most"
            )
        alphas, stride = self.alphas(), self.times // self.steps
        return [self._step(alphas, t, t - stride) for t in range((self.steps - 1) * stride, -1, -stride)]

    def _step(self, alphas: np.ndarray, time: int, before: int) -> Step:
        a, ahead = float(alphas[time]), float(alphas[before]) if before >= 0 else 1.0
        estimate = (a**-0.5, -(((1 - a) / a) ** 0.5)) if self.predicts == "epsilon" else (0.0, 1.0)
        if self.kind == "DDPM":
            beta = 1 - a / ahead
            keep, clean = (a / ahead) ** 0.5 * (1 - ahead) / (1 - a), ahead**0.5 * beta / (1 - a)
            noise = max((1 - ahead) / (1 - a) * beta, 1e-20) ** 0.5 if time else 0.0
            return Step(time, *estimate, keep, clean, 0.0, noise)
        rest = (1 - ahead) ** 0.5  # of the noise, which is the answer, or what the sample leaves
        if self.predicts == "epsilon":
            return Step(time, *estimate, 0.0, ahead**0.5, rest, 0.0)
        return Step(time, *estimate, rest / (1 - a) ** 0.5, ahead**0.5, -rest * (a / (1 - a)) ** 0.5, 0.0)
