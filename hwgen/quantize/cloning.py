"""Behaviour cloning: fit a policy to the expert's chunks, float or quantization-aware, with the same loop."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from hwgen.policies.batches import Batches


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
    watch: Callable[[int, int, float], None] | None = None,
) -> float:
    """Minimize the mean absolute error of the chunk with Adam and a cosine schedule; returns the held-out error.

    progress(step, steps, text) and watch(step, steps, held-out error) are called about 40 times.
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
        losses.append(float(step(*batches.next(batch)[:5])))
        if i == 50 or i == steps or i % max(1, steps // 40) == 0:
            held = float(np.mean([float(error(*check[:5])) for check in checks]))
            speed = i * batch / (time.time() - start)
            if progress:
                progress(i, steps, f"error {np.mean(losses):.4f}, held out {held:.4f}, {speed:.0f} frames/s")
            if watch:
                watch(i, steps, held)
            losses = []
    return held
