"""ResNet-18 without its classifier: the image encoder of ACT and of Diffusion Policy."""

from __future__ import annotations

from hwgen.graph import Graph
from hwgen.graph.net import Net

STAGES = 4
BLOCKS = 2
GROUP = 16


def build(name: str, bits: int, image: int, width: int, norm: str) -> Graph:
    """7x7 convolution of stride 2, max pooling, four stages of two blocks of 3x3 convolutions; a feature map comes out.

    width: channels of the first stage (64). norm "frozen": BatchNorm that no longer changes, folded into the
    convolutions (ACT). "group": GroupNorm with 16 channels in a group (Diffusion Policy). 84 x 84 is Diffusion Policy's
    crop. Shapes: He et al., arXiv:1512.03385, torchvision's resnet18; Zhao et al., arXiv:2304.13705,
    github.com/huggingface/lerobot, lerobot/common/policies/act/modeling_act.py; Chi et al., arXiv:2303.04137,
    lerobot/common/policies/diffusion/configuration_diffusion.py (crop_shape, use_group_norm).
    """
    net = Net(name, bits)
    x = net.image("image", 3, image)

    def groups(channels: int) -> int | None:
        return None if norm == "frozen" else max(1, channels // GROUP)

    x = net.normed(net.conv(x, width, 7, "conv1", 2, 3), "norm1", groups(width), relu=True)
    x = net.maxpool(x, 3, 2, 1, "pool")
    for stage in range(STAGES):
        for block in range(BLOCKS):
            stride, channels = 2 if stage and not block else 1, width << stage
            x = net.basic_block(x, channels, f"layer{stage + 1}.{block}", stride, groups(channels))
    net.output(x, "features")
    return net.build()
