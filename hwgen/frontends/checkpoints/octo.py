"""Octo's action heads, from a Flax tree: the diffusion head, and the heads that pool and project (L1, MSE).

Keys and meaning: arXiv:2405.12213; github.com/octo-models/octo, octo/model/components/action_heads.py, diffusion.py and
transformer.py (MAPHead). A tree of the whole policy serves, too: the head is below `heads_action`.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.loops import NoiseLoop
from hwgen.frontends.checkpoints.policy_files import PolicyFiles
from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.steps import cosine_alphas, ddpm
from hwgen.quantize.floats import FloatGraph, FloatNet

DIFFUSION, POOLING, OUTLET = "diffusion_model/", "map_head/", "mean_proj/"
NETWORK, BLOCK = f"{DIFFUSION}reverse_network/", f"{DIFFUSION}reverse_network/MLPResNetBlock"
POOL = f"{POOLING}MultiHeadDotProductAttention_0/"
EPS = 1e-6
"""Of Flax's LayerNorm."""
MOST, STEPS, TOKENS = 5.0, 20, 1
"""Octo's max_action and diffusion_steps; one readout token."""


def is_octo(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys holds a head."""
    return any(f"/{part}" in f"/{key}" for key in keys for part in (DIFFUSION, OUTLET))


def build(files: PolicyFiles) -> FloatGraph:
    """The head that the tree holds. Raises InputError."""
    heads = {f"/{key}".partition(f"/{part}")[0] for key in files.stored for part in (DIFFUSION, OUTLET) if part in key}
    if len(heads) > 1:
        raise InputError(f"{files.file} holds several heads ({', '.join(sorted(heads))}); save the tree of one")
    prefix = heads.pop().removeprefix("/")
    tensors = Tensors(files.file, files.stored, "Octo's head", f"{prefix}/" if prefix else "")
    diffusion = any(key.startswith(DIFFUSION) for key in tensors.stored)
    return _diffusion(files, tensors) if diffusion else _pooled(files, tensors)


class _Layers:
    """Flax's layers: kernels are [in, out]."""

    def __init__(self, arrays: dict[str, np.ndarray], net: FloatNet):
        self.arrays, self.net = arrays, net

    def dense(self, x: str, key: str, name: str) -> str:
        return self.net.linear(x, self.arrays[f"{key}kernel"], self.arrays[f"{key}bias"], name)

    def norm(self, x: str, key: str, name: str) -> str:
        return self.net.layernorm(x, self.arrays[f"{key}scale"], self.arrays[f"{key}bias"], EPS, name)


def _dense(key: str, into: int | None, out: int | None) -> dict[str, Dims]:
    return {f"{key}kernel": (into, out), f"{key}bias": (out,)}


def _norm(key: str, width: int | None) -> dict[str, Dims]:
    return {f"{key}scale": (width,), f"{key}bias": (width,)}


# -- diffusion -----------------------------------------------------------------------------------------------------


def expected_diffusion(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes; widths of time, hidden layer and actions from the tensors."""
    encoder, half = f"{DIFFUSION}cond_encoder/", tensors.size((f"{DIFFUSION}time_preprocess/kernel", 0))
    wide, time = (tensors.size((f"{encoder}Dense_{i}/kernel", 1), (f"{encoder}Dense_{i}/bias", 0)) for i in (0, 1))
    hidden = tensors.size((f"{NETWORK}Dense_0/kernel", 1), (f"{NETWORK}Dense_1/kernel", 0))
    action = tensors.size((f"{NETWORK}Dense_1/kernel", 1), (f"{NETWORK}Dense_1/bias", 0))
    wanted: dict[str, Dims] = {f"{DIFFUSION}time_preprocess/kernel": (half, 1)}
    wanted |= _dense(f"{encoder}Dense_0/", None if half is None else 2 * half, wide)
    wanted |= _dense(f"{encoder}Dense_1/", wide, time)
    wanted |= _dense(f"{NETWORK}Dense_0/", tensors.size((f"{NETWORK}Dense_0/kernel", 0)), hidden)
    wanted |= _dense(f"{NETWORK}Dense_1/", hidden, action)
    normed = any("LayerNorm_0" in key for key in tensors.stored)
    four = None if hidden is None else 4 * hidden
    for k in range(_blocks(tensors)):
        at = f"{BLOCK}_{k}/"
        wanted |= _dense(f"{at}Dense_0/", hidden, four) | _dense(f"{at}Dense_1/", four, hidden)
        wanted |= _norm(f"{at}LayerNorm_0/", hidden) if normed else {}
    return wanted


def _blocks(tensors: Tensors) -> int:
    """How many residual blocks there are."""
    return tensors.count(BLOCK, "_", "/")


def _diffusion(files: PolicyFiles, tensors: Tensors) -> FloatGraph:
    """token, start [actions] and noise [steps, actions] -> actions, all of the chunk in a row. The steps are unrolled:
    what the token adds is computed once, what the time adds is a bias."""
    net = FloatNet("octo-diffusion-head")
    layers = _Layers(tensors.check(expected_diffusion(tensors), ("map_head/*",)), net)
    a, kernel = layers.arrays, layers.arrays[f"{NETWORK}Dense_0/kernel"]
    time, action = a[f"{DIFFUSION}cond_encoder/Dense_1/bias"].size, a[f"{NETWORK}Dense_1/bias"].size
    token = len(kernel) - time - action
    if token < 1:
        raise InputError(f"{files.file}: {tensors.prefix}{NETWORK}Dense_0/kernel takes {len(kernel)} numbers, too few "
                         f"for {time} of the time and {action} actions")  # fmt: skip
    if any(key.startswith(POOLING) for key in tensors.stored):
        raise InputError(
            f"{files.file}: a diffusion head that pools tokens (use_map) is not known; only one readout is"
        )
    weights = kernel[:time], kernel[time : time + token], kernel[time + token :]
    seen = net.linear(net.input("token", (token,)), weights[1], a[f"{NETWORK}Dense_0/bias"], "token.inlet")
    steps = files.shapes.get("noise", (STEPS, action))[0]
    updates = ddpm(cosine_alphas(steps))
    loop = NoiseLoop(net, "start", "noise", (action,), steps, MOST)
    for update in updates:
        at = loop.name
        x = net.linear(loop.x, weights[2], None, f"{at}.inlet")
        x = net.add(x, seen, f"{at}.inlet.sum")
        x = net.affine(x, 1.0, _time(a, update.time) @ weights[0], f"{at}.inlet.time")
        for k in range(_blocks(tensors)):
            key, name = f"{BLOCK}_{k}/", f"{at}.block{k}"
            y = layers.norm(x, f"{key}LayerNorm_0/", f"{name}.norm") if f"{key}LayerNorm_0/scale" in a else x
            y = net.table(layers.dense(y, f"{key}Dense_0/", f"{name}.up"), "silu", f"{name}.silu")
            x = net.add(x, layers.dense(y, f"{key}Dense_1/", f"{name}.down"), f"{name}.sum")
        x = layers.dense(net.table(x, "silu", f"{at}.silu"), f"{NETWORK}Dense_1/", f"{at}.outlet")
        loop.advance(x, update)
    net.output(loop.x, "actions")
    return net.build()


def _time(a: dict[str, np.ndarray], time: float) -> np.ndarray:
    """What the network is told of a step: Fourier features and two layers, float64."""
    f = 2 * np.pi * time * a[f"{DIFFUSION}time_preprocess/kernel"][:, 0].astype(np.float64)
    x, at = np.concatenate([np.cos(f), np.sin(f)]), f"{DIFFUSION}cond_encoder/"
    x = FUNCTIONS["silu"](x @ a[f"{at}Dense_0/kernel"] + a[f"{at}Dense_0/bias"])
    return x @ a[f"{at}Dense_1/kernel"] + a[f"{at}Dense_1/bias"]


# -- pooling and projection ----------------------------------------------------------------------------------------


def expected_pooled(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes; with attention pooling if there are keys of it."""
    width = tensors.size((f"{OUTLET}kernel", 0), (f"{POOLING}probe", 2))
    wanted = _dense(OUTLET, width, tensors.size((f"{OUTLET}kernel", 1), (f"{OUTLET}bias", 0)))
    if not any(key.startswith(POOLING) for key in tensors.stored):
        return wanted
    heads, d = (tensors.size((f"{POOL}{part}/kernel", axis) for part in ("query", "key")) for axis in (1, 2))
    for part in ("query", "key", "value"):
        wanted |= {f"{POOL}{part}/kernel": (width, heads, d), f"{POOL}{part}/bias": (heads, d)}
    wanted |= {f"{POOL}out/kernel": (heads, d, width), f"{POOL}out/bias": (width,), f"{POOLING}probe": (1, 1, width)}
    hidden = tensors.size((f"{POOLING}MlpBlock_0/Dense_0/kernel", 1), (f"{POOLING}MlpBlock_0/Dense_0/bias", 0))
    wanted |= _norm(f"{POOLING}LayerNorm_0/", width) | _dense(f"{POOLING}MlpBlock_0/Dense_0/", width, hidden)
    return wanted | _dense(f"{POOLING}MlpBlock_0/Dense_1/", hidden, width)


def _pooled(files: PolicyFiles, tensors: Tensors) -> FloatGraph:
    """tokens [T, width] -> actions, all of the chunk in a row, within -5 and 5."""
    net = FloatNet("octo-continuous-head")
    layers = _Layers(tensors.check(expected_pooled(tensors)), net)
    a = layers.arrays
    width = len(a[f"{OUTLET}kernel"])
    shape = files.shapes.get("tokens", (TOKENS, width))
    if len(shape) != 2 or shape[1] != width:
        raise InputError(f"{files.file}: tokens have shape {list(shape)} in the calibration data; give [N, T, {width}]")
    x = net.input("tokens", shape)
    if f"{POOLING}probe" in a:
        flat = {part: a[f"{POOL}{part}/kernel"].reshape(width, -1) for part in ("query", "key", "value")}
        bias = {part: a[f"{POOL}{part}/bias"].ravel() for part in flat}
        q = net.constant(a[f"{POOLING}probe"][0] @ flat["query"] + bias["query"], "pool.query")
        k, v = (net.linear(x, flat[part], bias[part], f"pool.{part}") for part in ("key", "value"))
        x = net.attention(q, k, v, a[f"{POOL}query/kernel"].shape[1], "pool.heads")
        x = net.linear(x, a[f"{POOL}out/kernel"].reshape(-1, width), a[f"{POOL}out/bias"], "pool.out")
        y = layers.dense(
            layers.norm(x, f"{POOLING}LayerNorm_0/", "pool.norm"), f"{POOLING}MlpBlock_0/Dense_0/", "pool.fc0"
        )
        y = layers.dense(net.table(y, "gelu_tanh", "pool.gelu"), f"{POOLING}MlpBlock_0/Dense_1/", "pool.fc1")
        x = net.reshape(net.add(x, y, "pool.sum"), (width,), "pool")
    else:
        x = net.avgpool(net.transpose(x, (1, 0), "tokens.t"), "tokens.mean")
        x = net.reshape(x, (width,), "pool")
    x = net.affine(layers.dense(x, OUTLET, "mean_proj"), 1 / MOST, 0.0, "mean_proj.scaled")
    net.output(net.affine(net.table(x, "tanh", "tanh"), MOST, 0.0, "scaled"), "actions")
    return net.build()
