"""The transformer decoder of ACT, from the encoder's tokens to a chunk of actions."""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.graph.net import Net

ACTION = 14
HEADS = 8


def build(name: str, bits: int, width: int, hidden: int, tokens: int, chunk: int) -> Graph:
    """One decoder layer with the norms behind (LN after each sum), LN, and a linear layer for each action.

    Only the cross-attention and the MLP remain of the layer: ACT starts it with zeros, so what its self-attention and
    first LN give is the same for every picture, and so are the queries; here these are constants. tokens: of the
    encoder, two (latent, joints) and 15 x 20 of one camera at 480 x 640. chunk: actions of 14 numbers.
    d512, MLP 3200: Zhao et al., arXiv:2304.13705; github.com/tonyzhaozh/act, imitate_episodes.py;
    github.com/huggingface/lerobot, lerobot/common/policies/act/modeling_act.py (ACTDecoderLayer, n_decoder_layers 1).
    d256, MLP 2048: the defaults of github.com/tonyzhaozh/act, detr/main.py.
    """
    if width % HEADS:
        raise InputError(f"zoo:{name}: {HEADS} heads do not divide a width of {width}; take a multiple of {HEADS}")
    net = Net(name, bits)
    memory = net.input("memory", (tokens, width))
    keys = net.dense(net.positional(memory, "position"), width, "key")
    values = net.dense(memory, width, "value")
    queries = net.constant(net.table("queries", (chunk, width), 1.0), "queries")
    x = net.linear(net.dot_product(queries, keys, values, "cross", HEADS), width, "out")
    # What the layer starts with is one row for all actions, so it is a bias.
    x = net.layernorm(net.quantize(x, "out.q", bias=net.table("start", (width,), 0.5)), "norm2")
    x = net.layernorm(net.mlp(x, hidden, "mlp", "relu", residual=x), "norm3")
    net.output(net.dense(net.layernorm(x, "norm"), ACTION, "action_head"), "actions")
    return net.build()
