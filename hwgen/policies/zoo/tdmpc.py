"""TD-MPC: the encoder and the policy that proposes actions."""

from __future__ import annotations

from hwgen.graph import Graph
from hwgen.graph.net import Net

KERNELS = (7, 5, 3, 3)
STATE, ACTION, STATE_HIDDEN = 4, 4, 256


def build(name: str, bits: int, image: int, channels: int, hidden: int, latent: int) -> Graph:
    """Picture and state to a latent vector each, their mean, then the policy network.

    Four unpadded convolutions of stride 2 with ReLU, a linear layer, LN, sigmoid; the state through 256 ELU; the policy
    is two layers of `hidden` with LN and Mish, then tanh. Shapes (xArm lift): github.com/huggingface/lerobot,
    lerobot/common/policies/tdmpc/modeling_tdmpc.py and configuration_tdmpc.py; Feng et al., "Finetuning Offline World
    Models in the Real World", arXiv:2310.16029.
    """
    net = Net(name, bits)
    x = net.image("image", 3, image)
    for i, kernel in enumerate(KERNELS):
        x = net.activated(net.conv(x, channels, kernel, f"conv{i}", stride=2), f"conv{i}", "relu")
    seen = encoded(net, net.flatten(x, "flat"), latent, "image_fc")
    x = net.dense(net.input("state", (STATE,)), STATE_HIDDEN, "state_fc0", "elu")
    felt = encoded(net, x, latent, "state_fc1")
    x = net.quantize(seen, "latent", residual=felt, gain=0.5, residual_gain=0.5)  # the mean of both
    for i in range(2):
        x = net.layernorm(net.dense(x, hidden, f"pi{i}"), f"pi{i}.ln")
        x = net.activation(x, "mish", f"pi{i}.mish")
    net.output(net.dense(x, ACTION, "pi2", "tanh"), "action")
    return net.build()


def encoded(net: Net, x: str, latent: int, key: str) -> str:
    """Linear, LN, sigmoid."""
    return net.activation(net.layernorm(net.dense(x, latent, key), f"{key}.ln"), "sigmoid", f"{key}.sigmoid")
