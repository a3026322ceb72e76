"""Keras layers whose forward pass is the engine's integers and whose gradient is the float operation's."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from qkeras import quantized_bits

AFFINE_BITS = 10  # gamma and beta lie on the grid 2**-AFFINE_BITS
_ROM = np.array([round(2**16 / np.sqrt((i + 0.5) / 256)) if i >= 256 else 0 for i in range(1024)], np.int64)


def integer_normalize(x: tf.Tensor, eps_int: int) -> tf.Tensor:
    """Q20 of (x - mean) / sqrt(var + eps) over the last axis of int64 x: docs/numerics.md, LayerNorm, step by step."""
    one, d = tf.constant(1, tf.int64), x.shape[-1]
    s1 = tf.reduce_sum(x, -1, keepdims=True)
    v = d * tf.reduce_sum(x * x, -1, keepdims=True) - s1 * s1 + eps_int
    e = _floor_log2(v) // 2
    m = tf.bitwise.right_shift(tf.bitwise.left_shift(v, tf.maximum(24 - 2 * e, 0)), tf.maximum(2 * e - 24, 0))
    r0 = tf.gather(tf.constant(_ROM), tf.bitwise.right_shift(m, 16 * one))
    u = tf.bitwise.right_shift(m * tf.bitwise.right_shift(r0 * r0, 14 * one), 18 * one)
    r = tf.bitwise.right_shift(r0 * (3 * 2**24 - u), 17 * one)
    shift = 4 + e
    half = tf.bitwise.left_shift(tf.ones_like(shift), shift - 1)
    return tf.bitwise.right_shift((x * d - s1) * r + half, shift)


def _floor_log2(v: tf.Tensor) -> tf.Tensor:
    """Index of the highest set bit of 1 <= v < 2**53: the exponent field of the float64, which is exact there."""
    bits = tf.bitcast(tf.cast(v, tf.float64), tf.int64)
    return tf.bitwise.right_shift(bits, tf.constant(52, tf.int64)) - 1023


def round_shift(v: tf.Tensor, shift: int) -> tf.Tensor:
    """int64 v / 2**shift, rounded half to even; shift >= 1."""
    at = tf.constant(shift, tf.int64)
    odd = tf.bitwise.bitwise_and(tf.bitwise.right_shift(v, at), tf.constant(1, tf.int64))
    return tf.bitwise.right_shift(v + (2 ** (shift - 1) - 1) + odd, at)


@keras.saving.register_keras_serializable(package="hwgen")
class Clip(keras.layers.Layer):
    """min(max(x, -limit), limit): keeps a float model within the range its quantized twin will have."""

    def __init__(self, limit: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.limit = float(limit)

    def call(self, x):
        return tf.clip_by_value(x, -self.limit, self.limit)

    def get_config(self) -> dict:
        return {**super().get_config(), "limit": self.limit}


@keras.saving.register_keras_serializable(package="hwgen")
class clipped_bits(quantized_bits):  # noqa: N801 - QKeras' style
    """quantized_bits for activations whose gradient ends where the range ends.

    quantized_bits passes the gradient of a saturated value on. A target beyond the range then pushes the weights
    outwards for ever, without any effect but on the other outputs. Same values as quantized_bits with alpha=1.
    """

    def __init__(self, bits: int = 8, integer: int = 0, **kwargs) -> None:
        super().__init__(bits, integer, **{"symmetric": 0, "keep_negative": True, "alpha": 1.0, **kwargs})

    def __call__(self, x):
        limit = 2.0 ** int(self.integer)
        return super().__call__(tf.clip_by_value(x, -limit, limit - 2.0 ** (int(self.integer) + 1 - self.bits)))


@keras.saving.register_keras_serializable(package="hwgen")
class QLayerNorm(keras.layers.Layer):
    """LayerNorm over the last axis, from quantized x to int8 on the grid 2**(integer + 1 - bits).

    in_scale: real value of one step of x (a power of two); integer: integer bits of the output. gamma and beta are
    rounded to the grid 2**-AFFINE_BITS. Forward: exactly the integer graph's LayerNorm node. Backward: float LayerNorm.
    """

    def __init__(self, in_scale: float, integer: int, bits: int = 8, epsilon: float = 1e-3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.in_scale, self.integer, self.bits, self.epsilon = float(in_scale), int(integer), int(bits), float(epsilon)

    @property
    def out_scale(self) -> float:
        return 2.0 ** (self.integer + 1 - self.bits)

    def eps_int(self, width: int) -> int:
        """epsilon in units of the integer variance: E of docs/numerics.md."""
        return int(np.clip(round(self.epsilon * width**2 / self.in_scale**2), 1, 2**40 - 1))

    @property
    def shift(self) -> int:
        """v = z * gamma_int + beta_int << 20 has the grid 2**-(20 + AFFINE_BITS); this brings it to the output's."""
        return 20 + AFFINE_BITS + self.integer + 1 - self.bits

    def grid_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """gamma and beta on their grid, float64: what the forward pass uses."""
        grid, limit = 2.0**AFFINE_BITS, 2**17 - 1
        gamma, beta = (np.clip(np.round(np.asarray(w, np.float64) * grid), -limit, limit) for w in self.get_weights())
        return gamma / grid, beta / grid

    def build(self, shape) -> None:
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        smooth = (x - mean) * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta
        hard = tf.stop_gradient(self._integer_forward(x))
        # (smooth - smooth) is exactly zero, so the value is the integers' and the gradient the float norm's.
        return hard + (smooth - tf.stop_gradient(smooth))

    def _integer_forward(self, x: tf.Tensor) -> tf.Tensor:
        grid = 2.0**AFFINE_BITS
        z = integer_normalize(tf.cast(tf.round(x / self.in_scale), tf.int64), self.eps_int(x.shape[-1]))
        gamma, beta = (
            tf.cast(tf.clip_by_value(tf.round(w * grid), -(2.0**17) + 1, 2.0**17 - 1), tf.int64)
            for w in (self.gamma, self.beta)
        )
        y = round_shift(z * gamma + beta * 2**20, self.shift)
        limit = 2 ** (self.bits - 1)
        return tf.cast(tf.clip_by_value(y, -limit, limit - 1), tf.float32) * self.out_scale

    def get_config(self) -> dict:
        mine = {"in_scale": self.in_scale, "integer": self.integer, "bits": self.bits, "epsilon": self.epsilon}
        return {**super().get_config(), **mine}
