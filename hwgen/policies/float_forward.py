"""The float policy in NumPy: the Keras float model's arithmetic (BatchNorm folded), so that no TensorFlow is needed."""

from __future__ import annotations

import numpy as np

from hwgen.policies.config import PolicyConfig

RANGE, FILM_RANGE = 8.0, 4.0
"""Activations stay within +-RANGE, FiLM's factors and offsets within +-FILM_RANGE: a quantized twin has bounds too."""


class FloatPolicy:
    """weights: by layer name, [kernel, bias] (convolutions [kh, kw, in, out]) or [gamma, beta] of the norms."""

    def __init__(self, config: PolicyConfig, weights: dict[str, list[np.ndarray]]) -> None:
        self.config, self.weights = config, weights

    def __call__(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> np.ndarray:
        """images uint8 [B, H, W, 3], state float32 [B, S], text float32 [B, E] -> actions float32 [B, T, 3]."""
        features = self.encode(images, text)
        vector = np.concatenate([features, state, text], axis=1)
        return self.head(vector).reshape(len(images), self.config.chunk, 3)

    def encode(self, images: np.ndarray, text: np.ndarray) -> np.ndarray:
        """float32 [B, features], channels first."""
        x = images.astype(np.float32) / 256.0
        last = len(self.config.widths) - 1
        for i in range(last + 1):
            x = self._conv(x, f"conv{i}")
            if i > last - self.config.film:
                scale = np.clip(self._dense(text, f"film{i}_scale"), -FILM_RANGE, FILM_RANGE)
                shift = np.clip(self._dense(text, f"film{i}_shift"), -FILM_RANGE, FILM_RANGE)
                x = np.clip(x, -RANGE, RANGE) * scale[:, None, None] + shift[:, None, None]
            x = np.clip(x, 0.0, 2.0**self.config.vector_integer if i == last else RANGE)
        return x.transpose(0, 3, 1, 2).reshape(len(images), -1)

    def head(self, vector: np.ndarray) -> np.ndarray:
        """float32 [B, vector] -> [B, chunk * 3]."""
        x = np.clip(self._dense(vector, "inlet"), 0.0, RANGE)
        for i in range(self.config.blocks):
            if self.config.norm:
                y = np.maximum(self._dense(self._norm(x, f"block{i}_ln"), f"block{i}"), 0.0)
            else:
                y = self._dense(x, f"block{i}")
            x = np.clip(x + y, 0.0, RANGE)
        return self._dense(x, "action")

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        kernel, bias = self.weights[name]
        return x @ kernel + bias

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta = self.weights[name]
        centred = x - x.mean(-1, keepdims=True)
        variance = np.mean(centred**2, -1, keepdims=True)
        return centred / np.sqrt(variance + self.config.norm_eps) * gamma + beta

    def _conv(self, x: np.ndarray, name: str) -> np.ndarray:
        """3x3, stride 2, padding 'same' for even sizes: one row and column of zeros at the far end."""
        kernel, bias = self.weights[name]
        x = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        view = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]  # [B, OH, OW, C, 3, 3]
        columns = view.transpose(0, 1, 2, 4, 5, 3).reshape(*view.shape[:3], -1)
        return columns @ kernel.reshape(-1, kernel.shape[-1]) + bias
