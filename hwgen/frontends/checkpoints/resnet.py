"""torchvision's ResNet of basic blocks (18 or 34 layers) without pooling and classifier: the image encoder of ACT, with
BatchNorm that no longer changes, and of Diffusion Policy, with GroupNorm.

Keys: github.com/pytorch/vision, torchvision/models/resnet.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.frontends.checkpoints.weights import Weights, conv_keys, norm_keys

GROUP = 16
"""Channels in a group of the GroupNorm that Diffusion Policy puts in BatchNorm's place."""


@dataclass(frozen=True)
class ResNet:
    """How a checkpoint calls it. stem: keys of the first convolution and its norm. stages: of the four stages. batch:
    BatchNorm, else GroupNorm."""

    stem: tuple[str, str]
    stages: tuple[str, ...]
    batch: bool

    def wanted(self, tensors: Tensors) -> dict[str, Dims]:
        """Keys and shapes; widths are those of each stage's first convolution."""
        into = tensors.size((f"{self.stem[0]}.weight", 0), (f"{self.stem[1]}.weight", 0))
        wanted = conv_keys(self.stem[0], into, 3, 7, 7, bias=False) | norm_keys(self.stem[1], into, self.batch)
        for i, stage in enumerate(self.stages):
            out = tensors.size(*((f"{stage}.0.{layer}.weight", 0) for layer in ("conv1", "conv2", "bn1", "bn2")))
            for block in range(tensors.count(stage)):
                at, first = f"{stage}.{block}", out if block else into
                layers = [(f"{at}.conv1", f"{at}.bn1", first, 3), (f"{at}.conv2", f"{at}.bn2", out, 3)]
                if not block and (i or tensors.has(f"{at}.downsample")):
                    layers.append((f"{at}.downsample.0", f"{at}.downsample.1", first, 1))
                for conv, norm, channels, k in layers:
                    wanted |= conv_keys(conv, out, channels, k, k, bias=False) | norm_keys(norm, out, self.batch)
            into = out
        return wanted

    def run(self, weights: Weights, x: str, name: str) -> str:
        """The feature map [C, H / 32, W / 32] of an image; name: before the names of its layers."""
        x = self._conv(weights, x, *self.stem, f"{name}.conv1", 2, 3)
        x = weights.net.table(x, "relu", f"{name}.relu")
        x = weights.net.maxpool(x, 3, f"{name}.maxpool", 2, 1)
        for i, stage in enumerate(self.stages):
            block = 0
            while f"{stage}.{block}.conv1.weight" in weights.tensors:
                stride = 2 if i and not block else 1
                x = self._block(weights, x, f"{stage}.{block}", f"{name}.layer{i + 1}.{block}", stride)
                block += 1
        return x

    def _block(self, weights: Weights, x: str, key: str, name: str, stride: int) -> str:
        net = weights.net
        y = net.table(self._conv(weights, x, f"{key}.conv1", f"{key}.bn1", f"{name}.conv1", stride, 1), "relu",
                      f"{name}.relu1")  # fmt: skip
        y = self._conv(weights, y, f"{key}.conv2", f"{key}.bn2", f"{name}.conv2", 1, 1)
        if f"{key}.downsample.0.weight" in weights.tensors:
            x = self._conv(weights, x, f"{key}.downsample.0", f"{key}.downsample.1", f"{name}.downsample", stride, 0)
        return net.table(net.add(y, x, f"{name}.sum"), "relu", f"{name}.relu2")

    def _conv(self, weights: Weights, x: str, key: str, norm: str, name: str, stride: int, pads: int) -> str:
        if self.batch:
            return weights.conv(x, key, name, stride, pads, norm)
        y = weights.conv(x, key, name, stride, pads)
        return weights.groupnorm(y, norm, weights.net.shape(y)[0] // GROUP, f"{name}.norm")
