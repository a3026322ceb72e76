"""Vision transformers of the tiny size."""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.graph.net import Net

HEAD = 64
"""Channels of an attention head."""


def build(name: str, bits: int, image: int, patch: int, width: int, blocks: int, classes: int) -> Graph:
    """Patches, learned positions, `blocks` transformer blocks with LN first, 4 x width in the MLPs, heads of 64.

    classes 0: the patches' tokens come out, as a policy reads them, and there is no class token. Otherwise a class
    token goes along, and `classes` numbers are made from it. Shapes: DeiT-Tiny (192 wide, 12 blocks, 3 heads,
    224 x 224, patches of 16, 1000 classes), Touvron et al., arXiv:2012.12877; github.com/facebookresearch/deit,
    models.py. ViT-Tiny is the same on patches of 8 of a 64 x 64 picture.
    """
    heads = max(1, width // HEAD)
    if image % patch or width % heads:
        raise InputError(
            f"zoo:{name}: {patch} must divide the image of {image}, and {heads} heads the width of {width}"
        )
    net = Net(name, bits)
    x = net.patches(net.image("image", 3, image), width, patch, "patches", class_token=classes > 0)
    for i in range(blocks):
        x = net.transformer_block(x, f"block{i}", heads, 4 * width)
    if not classes:
        net.output(net.layernorm(x, "norm"), "tokens")
        return net.build()
    x = net.reshape(net.slice(x, 0, 0, 1, "class.row"), (width,), "class")
    net.output(net.dense(net.layernorm(x, "norm"), classes, "head"), "scores")
    return net.build()
