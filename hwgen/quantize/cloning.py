"""Behaviour cloning: fit a policy to the expert's chunks, float or quantization-aware, with the same loop."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from hwgen.policies.demonstrations import Demonstrations
from hwgen.policies.embodiment import COLOURS, normalize_state
from hwgen.policies.instructions import TRAIN_TEMPLATES
from hwgen.policies.text import drop_words
from hwgen.runtime.text import TextEncoder

_PERMUTATIONS = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
_TEXT_VARIANTS = 400  # noisy phrasings kept per colour


class Batches:
    """Random labelled batches of demonstrations. Same seed, same batches."""

    def __init__(self, demos: Demonstrations, encoder: TextEncoder, seed: int) -> None:
        self.demos, self.rng = demos, np.random.default_rng(seed)
        self.state = normalize_state(demos.ee)
        self.chunks = demos.chunks().reshape(len(demos.ee), 3, -1)
        held = demos.episode % 50 == 0  # whole episodes are held out
        self.train, self.held = np.flatnonzero(~held), np.flatnonzero(held)
        self.texts = np.stack([self._texts(encoder, colour) for colour in COLOURS])
        self._order = np.empty(0, int)

    def _texts(self, encoder: TextEncoder, colour: str) -> np.ndarray:
        picks = self.rng.integers(len(TRAIN_TEMPLATES), size=_TEXT_VARIANTS)
        plain = [TRAIN_TEMPLATES[i].replace("{}", colour) for i in picks]
        noisy = [drop_words(encoder, text, self.rng) if n % 2 else text for n, text in enumerate(plain)]
        return np.stack([encoder(text) for text in noisy])

    def label(self, rows: np.ndarray, rng: np.random.Generator):
        """(image uint8 with permuted channels, state, text), chunk: a random instruction for each frame.

        All but the cubes is grey, so permuting the colour channels permutes the cubes' colours exactly.
        """
        n = len(rows)
        colour = rng.integers(0, 3, n)
        permutation = _PERMUTATIONS[rng.integers(6)]
        shown = np.argsort(permutation)[colour]
        text = self.texts[shown, rng.integers(0, self.texts.shape[1], n)]
        return self.demos.images[rows], permutation, self.state[rows], text, self.chunks[rows, colour]

    def next(self, size: int):
        if len(self._order) < size:
            self._order = self.rng.permutation(self.train)
        rows, self._order = self._order[:size], self._order[size:]
        return self.label(rows, self.rng)

    def checks(self, count: int = 2048, pieces: int = 8) -> list:
        """The same held-out batches at every call."""
        rng = np.random.default_rng(7)
        return [self.label(rows, rng) for rows in np.array_split(self.held[:count], pieces)]


def as_inputs(image, permutation, state, text) -> list:
    """What the Keras policy takes: image float [0, 1) with permuted channels, state, text."""
    return [tf.cast(tf.gather(image, permutation, axis=-1), tf.float32) / 256.0, state, text]


def fit(
    model: keras.Model,
    batches: Batches,
    steps: int,
    batch: int,
    rate: float,
    progress: Callable[[int, int, str], None] | None = None,
) -> float:
    """Minimize the mean absolute error of the chunk with Adam and a cosine schedule; returns the held-out error.

    progress(step, steps, text) is called about 40 times.
    """
    warm = min(200, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 50, steps - warm, alpha=0.01, warmup_target=rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(image, permutation, state, text, chunk):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(model(as_inputs(image, permutation, state, text), training=True) - chunk))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function
    def error(image, permutation, state, text, chunk):
        return tf.reduce_mean(tf.abs(model(as_inputs(image, permutation, state, text), training=False) - chunk))

    checks, losses, start, held = batches.checks(), [], time.time(), float("nan")
    for i in range(1, steps + 1):
        losses.append(float(step(*batches.next(batch))))
        if i == 50 or i == steps or i % max(1, steps // 40) == 0:
            held = float(np.mean([float(error(*check)) for check in checks]))
            speed = i * batch / (time.time() - start)
            if progress:
                progress(i, steps, f"error {np.mean(losses):.4f}, held out {held:.4f}, {speed:.0f} frames/s")
            losses = []
    return held
