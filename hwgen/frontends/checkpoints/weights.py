"""A checkpoint's tensors as the layers of a float network take them. Each array is made once, so that a layer that is
used twice (two cameras, the steps of a loop) shares its weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwgen.frontends.checkpoints.tensors import Dims
from hwgen.quantize.floats import FloatNet

EPS = 1e-5
"""Of PyTorch's norms, and of torchvision's FrozenBatchNorm2d."""
Pair = tuple[np.ndarray, np.ndarray | None]


class Weights:
    """Layers by the key of their module, in PyTorch's layout: Linear [out, in], convolutions [out, in, *kernel]."""

    def __init__(self, tensors: Mapping[str, np.ndarray], net: FloatNet):
        self.tensors, self.net = tensors, net
        self.made: dict[tuple, Pair] = {}

    def __getitem__(self, key: str) -> np.ndarray:
        return self.tensors[key]

    def matrix(self, key: str) -> Pair:
        """(weight [in, out], bias) of a Linear."""
        return self._once(("linear", key), lambda: (self[f"{key}.weight"].T, self.tensors.get(f"{key}.bias")))

    def linear(self, x: str, key: str, name: str = "") -> str:
        """A Linear layer."""
        return self.net.linear(x, *self.matrix(key), name or key)

    def layernorm(self, x: str, key: str, name: str = "") -> str:
        """A LayerNorm."""
        return self.net.layernorm(x, self[f"{key}.weight"], self[f"{key}.bias"], EPS, name or key)

    def groupnorm(self, x: str, key: str, groups: int, name: str = "") -> str:
        """A GroupNorm."""
        return self.net.groupnorm(x, groups, self[f"{key}.weight"], self[f"{key}.bias"], EPS, name or key)

    def conv(self, x: str, key: str, name: str = "", stride: int = 1, pads: int = 0, norm: str = "") -> str:
        """A convolution; norm: the key of the BatchNorm behind it, which is folded into it."""
        weight, bias = self.folded(key, norm) if norm else (self[f"{key}.weight"], self.tensors.get(f"{key}.bias"))
        return self.net.conv(x, weight, bias, name or key, stride=stride, pads=pads)

    def folded(self, key: str, norm: str) -> Pair:
        """(weight, bias) of a convolution without bias and the BatchNorm behind it, which no longer changes."""

        def make() -> Pair:
            gain = self[f"{norm}.weight"] / np.sqrt(self[f"{norm}.running_var"] + np.float32(EPS))
            bias = self[f"{norm}.bias"] - self[f"{norm}.running_mean"] * gain
            return self[f"{key}.weight"] * gain[:, None, None, None], bias

        return self._once(("folded", key), make)

    def attention(self, q: str, k: str, v: str, key: str, heads: int, name: str = "") -> str:
        """nn.MultiheadAttention of q[T, D] over k and v[S, D]: in_proj holds queries, keys and values one below the
        other."""
        name = name or key
        q, k, v = (self.projected(x, key, part, name) for part, x in enumerate((q, k, v)))
        return self.linear(self.net.attention(q, k, v, heads, f"{name}.heads"), f"{key}.out_proj", f"{name}.out_proj")

    def projected(self, x: str, key: str, part: int, name: str) -> str:
        """x through one third of in_proj: 0 queries, 1 keys, 2 values."""
        return self.net.linear(x, *self.projection(key, part), f"{name}.{'qkv'[part]}_proj")

    def projection(self, key: str, part: int) -> Pair:
        """(weight [in, out], bias) of that third."""

        def make() -> Pair:
            width = self[f"{key}.in_proj_weight"].shape[1]
            rows = slice(part * width, (part + 1) * width)
            return self[f"{key}.in_proj_weight"][rows].T, self[f"{key}.in_proj_bias"][rows]

        return self._once(("projection", key, part), make)

    def _once(self, key: tuple, make) -> Pair:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]


def linear_keys(key: str, out: int | None, into: int | None, bias: bool = True) -> dict[str, Dims]:
    """Keys and shapes of a Linear."""
    return {f"{key}.weight": (out, into)} | ({f"{key}.bias": (out,)} if bias else {})


def conv_keys(key: str, out: int | None, into: int | None, *kernel: int | None, bias: bool = True) -> dict[str, Dims]:
    """Keys and shapes of a convolution."""
    return {f"{key}.weight": (out, into, *kernel)} | ({f"{key}.bias": (out,)} if bias else {})


def norm_keys(key: str, channels: int | None, batch: bool = False) -> dict[str, Dims]:
    """Keys and shapes of a LayerNorm or GroupNorm; batch: of a BatchNorm with its statistics."""
    parts = ("weight", "bias", "running_mean", "running_var") if batch else ("weight", "bias")
    return {f"{key}.{part}": (channels,) for part in parts}


def attention_keys(key: str, width: int | None) -> dict[str, Dims]:
    """Keys and shapes of an nn.MultiheadAttention."""
    three = None if width is None else 3 * width
    both = {f"{key}.in_proj_weight": (three, width), f"{key}.in_proj_bias": (three,)}
    return both | linear_keys(f"{key}.out_proj", width, width)
