"""The action heads of Octo-small."""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.graph.net import Net
from hwgen.graph.steps import cosine_alphas, ddpm, unroll
from hwgen.policies.zoo.time_embedding import time_bias, time_embedding

ACTION = 4 * 7
"""Four actions of seven numbers."""
BLOCKS = 3
HEADS = 8
TIME = 32


def build(name: str, bits: int, head: str, **sizes: int) -> Graph:
    """The heads that make four actions of seven numbers from tokens of 384.

    "diffusion" (DiffusionActionHead): an MLP-ResNet of three blocks (LN, 4 x `hidden`, SiLU) predicts the noise in the
    actions from the readout token, the actions and the step, `steps` times (DDPM, cosine schedule). What the token adds
    to the first layer is computed once, what the step adds is a bias. The noise is an input, a row for each step. The
    last layer is fitted to recognize the noise, or the loop would run away.

    "l1" (L1ActionHead): attention pools `tokens` tokens, those of the main camera, into one (MAPHead: 8 heads, MLP),
    then a linear layer and tanh. The actions are in units of its max_action.

    Shapes: Octo, arXiv:2405.12213; github.com/octo-models/octo, octo/model/components/action_heads.py, diffusion.py
    and transformer.py.
    """
    return diffusion(Net(name, bits), **sizes) if head == "diffusion" else l1(Net(name, bits, samples=16), **sizes)


def diffusion(net: Net, token: int, hidden: int, steps: int) -> Graph:
    """The diffusion head."""
    seen = net.dense(net.input("token", (token,)), hidden, "inlet.token", gain=0.25)
    start = net.input("start", (ACTION,))
    noise = net.input("noise", (steps, ACTION))

    def predict(actions: str, time: float) -> str:
        bias = time_bias(net, time_embedding(net, time, TIME, 2 * TIME, "silu"), (hidden,), "inlet")
        x = net.quantize(net.linear(actions, hidden, "inlet"), "inlet.q", residual=seen, bias=bias)
        for k in range(BLOCKS):
            y = net.dense(net.layernorm(x, f"block{k}.ln"), 4 * hidden, f"block{k}.up", "silu")
            x = net.dense(y, hidden, f"block{k}.down", residual=x, gain=0.125)
        return net.predict(net.activation(x, "silu", "silu"), actions, "outlet")

    # Octo clips the actions at 5 after every step; these saturate at 4.
    net.formats |= dict.fromkeys(("step.next", "step.noisy"), {"signed": True, "scale": 2.0**-5})
    net.output(unroll(net, start, ddpm(cosine_alphas(steps)), predict, steps, noise, "step"), "actions")
    return net.build()


def l1(net: Net, token: int, tokens: int) -> Graph:
    """The head that is trained with the L1 loss."""
    if token % HEADS:
        raise InputError(
            f"octo-small-l1-head: {HEADS} heads do not divide a token of {token}; take a multiple of {HEADS}"
        )
    x = net.map_pool(net.input("tokens", (tokens, token)), "map", HEADS, hidden=4 * token)
    net.output(net.dense(net.flatten(x, "pooled"), ACTION, "mean", "tanh", gain=0.5), "actions")
    return net.build()
