"""Octo's image tokenizer."""

from __future__ import annotations

from hwgen.graph import Graph
from hwgen.graph.net import Net

FEATURES = (32, 96, 192, 384)
TOKEN = 512
CHANNELS = 6


def build(name: str, bits: int, image: int, width: int) -> Graph:
    """Four 3x3 convolutions of stride 2 with GroupNorm and ReLU, then a linear layer for each patch of 16 x 16 pixels.

    image: 256 for the main camera, 128 for the one at the wrist. Six channels: the picture and that of the goal.
    width: channels of the first convolution (32), which are also the groups of every GroupNorm. The standardization of
    the weights is folded. Shapes: Octo, arXiv:2405.12213; github.com/octo-models/octo,
    octo/model/components/vit_encoders.py (SmallStem16); Xiao et al., arXiv:2106.14881.
    """
    net = Net(name, bits)
    x = net.image("image", CHANNELS, image)
    for i, features in enumerate(FEATURES):
        acc = net.conv(x, features * width // FEATURES[0], 3, f"conv{i}", stride=2, pad=1)
        x = net.groupnorm(net.quantize(acc, f"conv{i}.q"), width, f"conv{i}.gn", relu=True)
    acc = net.conv(x, TOKEN * width // FEATURES[0], 1, "embedding")
    net.output(net.quantize(acc, "tokens.q"), "tokens")
    return net.build()
