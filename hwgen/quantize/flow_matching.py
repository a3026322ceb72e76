"""Training of a flow-matching policy in JAX: from noise to the expert's chunk along straight lines.

x(t) = (1 - t) * noise + t * chunk, and the head learns x's velocity, chunk - noise (Lipman et al., arXiv:2210.02747).
The picture is encoded once for three instructions, and each of them is told several noises and times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hwgen.policies import vit_flow
from hwgen.policies.batches import Batch, Batches
from hwgen.policies.config import VitFlowConfig
from hwgen.policies.policy import PIXEL
from hwgen.quantize.fitting import FloatWeights, fitting
from hwgen.quantize.jax_network import Parameters, function

GOAL = "auxiliary.goal"
"""A layer that tells the goal's place from what the head is told: it helps training, and is left out of the policy."""


@dataclass(frozen=True)
class Training:
    """steps of `batch` pictures; draws: noises and times of each instruction; rate: Adam's, the largest; goal: weight
    of the goal's error in the loss; decay: of the weights' moving average, which is what comes out."""

    steps: int = 6000
    batch: int = 64
    draws: int = 4
    rate: float = 2e-3
    goal: float = 0.5
    clip: float = 1.0
    decay: float = 0.998


class Trainer:
    """The state of a training: parameters, Adam's moments, the moving average, the step. warm: weights of another
    policy, that layers of the same name and shapes begin with."""

    def __init__(
        self, config: VitFlowConfig, training: Training, seed: int = 0, warm: FloatWeights | None = None
    ) -> None:
        self.config, self.training = config, training
        weights = vit_flow.Weights(seed=seed)
        self.parts = [function(part) for part in vit_flow.training_parts(config, weights)]
        weights.linear(GOAL, config.seen, config.state)
        weights.arrays |= fitting(warm or {}, weights.arrays)
        first = {name: [jnp.asarray(a) for a in arrays] for name, arrays in weights.arrays.items()}
        zero = jax.tree.map(jnp.zeros_like, first)
        self.state = {"now": first, "mean": zero, "square": zero, "average": first}
        self.rng, self.step = np.random.default_rng(seed), 0
        self._advance, self._errors = jax.jit(self._update), jax.jit(self._loss)

    def advance(self, batch: Batch) -> float:
        """One step; returns the loss."""
        self.step += 1
        self.state, loss = self._advance(self.state, self._examples(batch, self.rng), self.step, self._rate())
        return float(loss)

    def error(self, batches: list[Batch]) -> tuple[float, float]:
        """Mean squared error of the averaged weights' velocities and goals."""
        rng = np.random.default_rng(5)
        found = [self._errors(self.state["average"], self._examples(batch, rng))[1] for batch in batches]
        return tuple(float(x) for x in np.mean(found, axis=0))

    def weights(self) -> dict[str, list[np.ndarray]]:
        """The averaged weights, without those that only training needs."""
        return {name: [np.asarray(a) for a in arrays] for name, arrays in self.state["average"].items() if name != GOAL}

    def _rate(self) -> float:
        """Of this step: a warm-up, then half a cosine to 1 %."""
        t, warm = self.training, max(1, min(200, self.training.steps // 10))
        fall = 0.5 * (1 + np.cos(np.pi * max(0.0, self.step - warm) / max(1, t.steps - warm)))
        return t.rate * min(1.0, self.step / warm) * (0.01 + 0.99 * fall)

    def _examples(self, batch: Batch, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """What a step needs, float32. text, chunk and goal of the batch: [B, questions, ...]."""
        c, draws = self.config, self.training.draws
        chunk = np.repeat(batch.chunk.reshape(-1, 1, c.action), draws, 1)
        noise = vit_flow.noise(chunk.shape, rng)
        at = rng.random(chunk.shape[:2])
        x = noise + at[..., None] * (chunk - noise)
        image = np.ascontiguousarray(batch.images[..., batch.permutation].transpose(0, 3, 1, 2))
        made = {"state": batch.state, "text": batch.text, "goal": batch.goal.reshape(-1, c.state), "x": x,
                "time": vit_flow.when(at, c.time), "velocity": chunk - noise}  # fmt: skip
        return {"image": image} | {name: np.asarray(a, np.float32) for name, a in made.items()}

    def _loss(self, weights: Parameters, e: dict[str, Array]) -> tuple[Array, tuple[Array, Array]]:
        encode, pool, flow = self.parts
        tokens = encode(weights, {"image": e["image"].astype(jnp.float32) * PIXEL})["tokens"]
        questions, draws = e["text"].shape[1], e["x"].shape[1]
        told = {"tokens": jnp.repeat(tokens, questions, 0), "state": jnp.repeat(e["state"], questions, 0),
                "text": e["text"].reshape(-1, e["text"].shape[-1])}  # fmt: skip
        seen = pool(weights, told)["seen"]
        rows = {"seen": jnp.repeat(seen, draws, 0), "x": e["x"].reshape(-1, e["x"].shape[-1]),
                "time": e["time"].reshape(-1, e["time"].shape[-1])}  # fmt: skip
        wrong = flow(weights, rows)["velocity"] - e["velocity"].reshape(rows["x"].shape)
        weight, bias = weights[GOAL]
        flow_error, goal_error = jnp.mean(wrong**2), jnp.mean((seen @ weight + bias - e["goal"]) ** 2)
        return flow_error + self.training.goal * goal_error, (flow_error, goal_error)

    def _update(self, state: dict, examples: dict, step: Array, rate: Array) -> tuple[dict, Array]:
        """Adam (Kingma, Ba 2015) with gradients of at most `clip`."""
        t, b1, b2 = self.training, 0.9, 0.99
        (loss, _), gradient = jax.value_and_grad(self._loss, has_aux=True)(state["now"], examples)
        size = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradient)))
        gradient = jax.tree.map(lambda g: g * jnp.minimum(1.0, t.clip / (size + 1e-9)), gradient)
        mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state["mean"], gradient)
        square = jax.tree.map(lambda s, g: b2 * s + (1 - b2) * g * g, state["square"], gradient)
        scale = rate * jnp.sqrt(1 - b2**step) / (1 - b1**step)
        now = jax.tree.map(lambda w, m, s: w - scale * m / (jnp.sqrt(s) + 1e-8), state["now"], mean, square)
        decay = jnp.minimum(t.decay, step / (step + 10.0))
        average = jax.tree.map(lambda a, w: decay * a + (1 - decay) * w, state["average"], now)
        return {"now": now, "mean": mean, "square": square, "average": average}, loss


def fit(
    trainer: Trainer,
    batches: Batches,
    progress: Callable[[int, int, str], None] | None = None,
    watch: Callable[[int, int, float], None] | None = None,
) -> float:
    """Run the training to its end; returns the held-out error of the velocity.

    progress(step, steps, text) and watch(step, steps, held-out error) are called about 40 times.
    """
    steps, start, first, losses, held = trainer.training.steps, time.time(), trainer.step, [], (float("nan"),) * 2
    checks = batches.checks(all_instructions=True)
    while trainer.step < steps:
        losses.append(trainer.advance(batches.next(trainer.training.batch, all_instructions=True)))
        i = trainer.step
        if i == 50 or i == steps or i % max(1, steps // 40) == 0:
            held = trainer.error(checks)
            if progress:
                speed = (i - first) * trainer.training.batch / (time.time() - start)
                progress(i, steps, f"error {np.mean(losses):.4f}, held out {held[0]:.4f}, goal {held[1]:.4f}, "
                                   f"{speed:.0f} frames/s")  # fmt: skip
            if watch:
                watch(i, steps, held[0])
            losses = []
    return held[0]
