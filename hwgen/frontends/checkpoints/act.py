"""LeRobot's ACT: ResNet, transformer encoder and decoder, from pictures and state to a chunk of actions.

Keys and meaning: Zhao et al., arXiv:2304.13705; github.com/huggingface/lerobot, lerobot/policies/act/modeling_act.py.
The variational encoder is used in training only. The latent is zero, and the decoder starts from zeros, so what its
first self-attention gives is one row for all actions: both are constants here, and so are the queries behind them.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.policy_files import IGNORED, PolicyFiles
from hwgen.frontends.checkpoints.resnet import ResNet
from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.frontends.checkpoints.weights import EPS, Weights, attention_keys, conv_keys, linear_keys, norm_keys
from hwgen.quantize.floats import FloatGraph, FloatNet

M, B = "model.", "model.backbone."
BACKBONE = ResNet((f"{B}conv1", f"{B}bn1"), tuple(f"{B}layer{i}" for i in range(1, 5)), batch=True)
INPUTS = {
    "encoder_robot_state_input_proj": "observation.state",
    "encoder_env_state_input_proj": "observation.environment_state",
}
PICTURES = "encoder_img_feat_input_proj"
HEADS = 8
MODES = {"STATE": "MEAN_STD", "ENV": "MEAN_STD", "ACTION": "MEAN_STD"}
"""Normalization by kind of feature, where config.json does not tell."""


def is_act(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys is one."""
    return "model.action_head.weight" in keys or "model.decoder_pos_embed.weight" in keys


def build(files: PolicyFiles) -> FloatGraph:
    """The network: cameras [3, H, W] of 0 to 1, normalized state -> actions [chunk, numbers], normalized. Raises
    InputError."""
    tensors = Tensors(files.file, files.stored, "ACT")
    wanted = expected(tensors)
    net = FloatNet("act")
    weights = Weights(tensors.check(wanted, ("model.vae_encoder*", *IGNORED)), net)
    width = weights["model.action_head.weight"].shape[1]
    heads = files.setting("n_heads", HEADS)
    if heads < 1 or width % heads or width % 4:
        raise InputError(f"{files.file}: {heads} heads, and 4, must divide the width of {width}; give n_heads in its "
                         "config.json")  # fmt: skip
    act = _Act(weights, heads, files.setting("feedforward_activation", "relu"), "model.encoder.norm.weight" in wanted)
    tokens, places = act.tokens(files)
    memory = act.encode(tokens, places)
    net.output(weights.linear(act.decode(memory, places), "model.action_head", "action_head"), "action")
    return net.build()


def expected(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes, widths taken from the tensors themselves."""

    def size(*places: tuple[str, int]) -> int | None:
        return tensors.size(*((f"{M}{key}", axis) for key, axis in places))

    width = size(("action_head.weight", 1), ("decoder_pos_embed.weight", 1), ("decoder.norm.weight", 0))
    hidden = size(("encoder.layers.0.linear1.weight", 0), ("encoder.layers.0.linear1.bias", 0))
    vectors = [key for key in INPUTS if tensors.has(M + key)]
    wanted = {
        "decoder_pos_embed.weight": (size(("decoder_pos_embed.weight", 0)), width),
        "encoder_1d_feature_pos_embed.weight": (1 + len(vectors), width),
        **linear_keys("action_head", size(("action_head.weight", 0), ("action_head.bias", 0)), width),
        **norm_keys("decoder.norm", width),
    }
    for key in ("encoder_latent_input_proj", *vectors):
        wanted |= linear_keys(key, width, size((f"{key}.weight", 1)))
    for side, parts in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "multihead_attn"))):
        for i in range(tensors.count(f"{M}{side}.layers")):
            at = f"{side}.layers.{i}"
            wanted |= linear_keys(f"{at}.linear1", hidden, width) | linear_keys(f"{at}.linear2", width, hidden)
            for part in parts:
                wanted |= attention_keys(f"{at}.{part}", width)
            for k in range(len(parts) + 1):
                wanted |= norm_keys(f"{at}.norm{k + 1}", width)
    wanted |= norm_keys("encoder.norm", width) if tensors.has(f"{M}encoder.norm") else {}
    pictures = tensors.has(f"{M}backbone") or tensors.has(M + PICTURES)
    wanted |= conv_keys(PICTURES, width, size(("backbone.layer4.0.conv1.weight", 0)), 1, 1) if pictures else {}
    wanted = {f"{M}{key}": shape for key, shape in wanted.items()}
    return wanted | BACKBONE.wanted(tensors) if pictures else wanted


class _Act:
    """The network while it is built. heads: of all attentions. fn: of the MLPs. before: norms before the sublayers."""

    def __init__(self, weights: Weights, heads: int, fn: str, before: bool):
        self.w, self.net, self.heads, self.fn, self.before = weights, weights.net, heads, fn, before

    def tokens(self, files: PolicyFiles) -> tuple[str, str]:
        """(tokens, their positions), both [T, D]: latent, state, environment, then the pictures' cells."""
        w, net = self.w, self.net
        rows = [net.constant(w[f"{M}encoder_latent_input_proj.bias"][None], "latent")]
        places = [w[f"{M}encoder_1d_feature_pos_embed.weight"]]
        for key, name in INPUTS.items():
            if f"{M}{key}.weight" in w.tensors:
                x = w.linear(net.input(name, (w[f"{M}{key}.weight"].shape[1],)), M + key, key)
                rows.append(net.reshape(x, (1, -1), f"{key}.row"))
        if f"{M}{PICTURES}.weight" in w.tensors:
            for name, shape in files.images().items():
                x = BACKBONE.run(w, files.picture(net, name, shape), f"{name}.backbone")
                x = w.conv(x, M + PICTURES, f"{name}.{PICTURES}")
                width, *space = net.shape(x)
                rows.append(net.transpose(net.reshape(x, (width, -1), f"{name}.cells"), (1, 0), f"{name}.tokens"))
                places.append(picture_positions(*space, width))
        return net.concat(rows, 0, "tokens"), net.constant(np.concatenate(places), "positions")

    def encode(self, x: str, places: str) -> str:
        """The transformer encoder over tokens [T, D]."""
        for i in range(self.layers("encoder")):
            key = f"encoder.layers.{i}"
            x = self.attended(x, places, f"{key}.self_attn", f"{key}.norm1")
            x = self.mlp(x, key, f"{key}.norm2")
        return self.norm(x, "encoder.norm") if self.before else x

    def decode(self, memory: str, places: str) -> str:
        """The transformer decoder over the encoder's tokens -> [chunk, D]."""
        keys = self.net.add(memory, places, "memory.placed")
        x = self.first(keys, memory)
        for i in range(self.layers("decoder")):
            key = f"decoder.layers.{i}"
            if i:
                queries = self.net.constant(self.w[f"{M}decoder_pos_embed.weight"], f"{key}.positions")
                x = self.attended(x, queries, f"{key}.self_attn", f"{key}.norm1")
                x = self.attended(x, queries, f"{key}.multihead_attn", f"{key}.norm2", keys, memory)
            x = self.mlp(x, key, f"{key}.norm3")
        return self.norm(x, "decoder.norm")

    def layers(self, side: str) -> int:
        """How many layers the encoder or the decoder has."""
        return sum(key.startswith(f"{M}{side}.layers.") and key.endswith(".linear1.weight") for key in self.w.tensors)

    # -- sublayers, each with its sum and its norm -----------------------------------------------------------------

    def attended(self, x: str, places: str, key: str, norm: str, keys: str = "", memory: str = "") -> str:
        """Attention of x over itself or over memory; positions go into queries and keys, not into values."""
        h = self.norm(x, norm) if self.before else x
        q = self.net.add(h, places, f"{key}.placed")
        y = self.w.attention(q, keys or q, memory or h, M + key, self.heads, key)
        y = self.net.add(x, y, f"{key}.sum")
        return y if self.before else self.norm(y, norm)

    def mlp(self, x: str, key: str, norm: str) -> str:
        """Two linear layers with a function between."""
        h = self.norm(x, norm) if self.before else x
        h = self.net.table(self.w.linear(h, f"{M}{key}.linear1", f"{key}.linear1"), self.fn, f"{key}.{self.fn}")
        y = self.net.add(x, self.w.linear(h, f"{M}{key}.linear2", f"{key}.linear2"), f"{key}.sum")
        return y if self.before else self.norm(y, norm)

    def norm(self, x: str, key: str) -> str:
        """A LayerNorm."""
        return self.w.layernorm(x, M + key, key)

    def first(self, keys: str, memory: str) -> str:
        """The first decoder layer up to its MLP. All rows begin equal, so self-attention gives its values, whatever the
        shares: one row, known now, and with it the queries of cross-attention."""
        w, at = self.w, "decoder.layers.0"
        row = np.zeros_like(w[f"{M}{at}.norm1.bias"])
        row = self.row_norm(row, f"{at}.norm1") if self.before else row
        for weight, bias in (w.projection(f"{M}{at}.self_attn", 2), w.matrix(f"{M}{at}.self_attn.out_proj")):
            row = row @ weight + bias
        row = row if self.before else self.row_norm(row, f"{at}.norm1")
        ahead = self.row_norm(row, f"{at}.norm2") if self.before else row
        cross, name = f"{M}{at}.multihead_attn", f"{at}.multihead_attn"
        weight, bias = w.projection(cross, 0)
        q = self.net.constant((ahead + w[f"{M}decoder_pos_embed.weight"]) @ weight + bias, f"{name}.queries")
        k, v = (w.projected(x, cross, part, name) for part, x in ((1, keys), (2, memory)))
        weight, bias = w.matrix(f"{cross}.out_proj")
        mixed = self.net.attention(q, k, v, self.heads, f"{name}.heads")
        y = self.net.linear(mixed, weight, bias + row, f"{name}.out_proj")
        return y if self.before else self.norm(y, f"{at}.norm2")

    def row_norm(self, row: np.ndarray, key: str) -> np.ndarray:
        """LayerNorm of a row that is known now."""
        z = (row - row.mean()) / np.sqrt(row.var() + EPS)
        return z * self.w[f"{M}{key}.weight"] + self.w[f"{M}{key}.bias"]


def picture_positions(height: int, width: int, channels: int) -> np.ndarray:
    """Sinusoidal positions of a picture's cells, float64 [height * width, channels]: half of the channels for y, half
    for x, sines and cosines in turn; the places count from 1 and end at 2 pi."""

    def along(n: int) -> np.ndarray:
        place = np.arange(1, n + 1) / (n + 1e-6) * 2 * np.pi
        half = channels // 2
        angle = place[:, None] / 10000 ** (2 * (np.arange(half) // 2) / half)
        return np.where(np.arange(half) % 2, np.cos(angle), np.sin(angle))

    y, x = along(height)[:, None], along(width)[None]
    grid = [np.broadcast_to(part, (height, width, channels // 2)) for part in (y, x)]
    return np.concatenate(grid, axis=-1).reshape(height * width, channels)
