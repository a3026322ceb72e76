"""Loops of diffusion in float networks, unrolled, their steps sharing weights."""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.graph.steps import Update
from hwgen.quantize.floats import FloatNet

MOST_STEPS = 1000


class NoiseLoop:
    """x' = clip(keep x + model prediction + noise z), step by step.

    start, noise: names of the inputs; the noise has a row for each step. limit: actions are clipped to it after every
    step. Raises InputError for a number of steps that no loop has.
    """

    def __init__(self, net: FloatNet, start: str, noise: str, shape: tuple[int, ...], steps: int, limit: float):
        if not 1 <= steps <= MOST_STEPS:
            raise InputError(f"{net.graph.name}: {steps} steps; take 1 to {MOST_STEPS}")
        self.net, self.shape, self.limit, self.step = net, shape, limit, 0
        self.x = net.input(start, shape)
        self.noise = net.input(noise, (steps, *shape))

    @property
    def name(self) -> str:
        """Of the step that comes now."""
        return f"step{self.step}"

    def advance(self, prediction: str, update: Update) -> None:
        """One step further."""
        net, at, i = self.net, self.name, self.step
        x = net.affine(self.x, update.keep, 0.0, f"{at}.keep")
        x = net.add(x, net.affine(prediction, update.model, 0.0, f"{at}.model"), f"{at}.next")
        if update.noise:
            z = net.reshape(net.slice(self.noise, 0, i, i + 1, f"{at}.noise.row"), self.shape, f"{at}.noise")
            x = net.add(x, net.affine(z, update.noise, 0.0, f"{at}.noise.scaled"), f"{at}.noisy")
        self.x = net.clip(x, -self.limit, self.limit, f"{at}.x")
        self.step += 1
