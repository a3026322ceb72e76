"""The action head of OpenVLA-OFT."""

from __future__ import annotations

from hwgen.graph import Graph
from hwgen.graph.net import Net

ACTION = 7
BLOCKS = 2


def build(name: str, bits: int, width: int, chunk: int) -> Graph:
    """LN, linear, ReLU, two residual blocks of LN, linear, ReLU, then LN and 7 numbers, for each action of the chunk.

    width: of the language model's states (Llama 2: 4096); a row is the states of an action's 7 tokens, 28,672 numbers.
    chunk: actions, so rows (8). Shapes: Kim, Finn, Liang, "Fine-Tuning Vision-Language-Action Models: Optimizing Speed
    and Success", arXiv:2502.19645; github.com/moojink/openvla-oft, prismatic/models/action_heads.py
    (L1RegressionActionHead, MLPResNet).
    """
    net = Net(name, bits)
    x = net.input("states", (chunk, ACTION * width), 2.0**-5)
    x = net.dense(net.layernorm(x, "ln0"), width, "fc0", "relu")
    for i in range(BLOCKS):
        x = net.dense(net.layernorm(x, f"block{i}.ln"), width, f"block{i}.fc", "relu", residual=x)
    net.output(net.dense(net.layernorm(x, "ln1"), ACTION, "fc1"), "actions")
    return net.build()
