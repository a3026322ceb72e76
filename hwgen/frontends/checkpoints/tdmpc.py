"""LeRobot's TD-MPC: the encoder of picture and state, and the policy that proposes an action.

Keys and meaning: Feng et al., arXiv:2310.16029; github.com/huggingface/lerobot, lerobot/policies/tdmpc/
modeling_tdmpc.py (TDMPCObservationEncoder, TDMPCTOLD). Dynamics, reward and values serve the planner, which stays on
the host.
"""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.policy_files import IGNORED, PolicyFiles
from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.frontends.checkpoints.weights import Weights, conv_keys, linear_keys, norm_keys
from hwgen.quantize.floats import FloatGraph, FloatNet

ENCODER, POLICY = "model._encoder.", "model._pi."
KERNELS = (7, 5, 3, 3)
PICTURE = f"{ENCODER}image_enc_layers"
VECTORS = {
    f"{ENCODER}env_state_enc_layers": "observation.environment_state",
    f"{ENCODER}state_enc_layers": "observation.state",
}
MODES = {"STATE": "IDENTITY", "ENV": "IDENTITY", "ACTION": "MIN_MAX"}
"""Normalization by kind of feature, where config.json does not tell."""
PLANNING = ("model._dynamics.*", "model._reward.*", "model._Qs.*", "model._V.*", "model_target.*")


def is_tdmpc(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys is one."""
    return any(key.startswith((ENCODER, POLICY)) for key in keys)


def build(files: PolicyFiles) -> FloatGraph:
    """observation.image [3, H, W] of 0 to 1 and the state, normalized -> action [numbers], within -1 and 1. Raises
    InputError."""
    tensors = Tensors(files.file, files.stored, "TD-MPC")
    net = FloatNet("tdmpc")
    weights = Weights(tensors.check(expected(tensors), (*PLANNING, *IGNORED)), net)
    seen = [_picture(files, weights)] if f"{PICTURE}.0.weight" in weights.tensors else []
    for key, name in VECTORS.items():
        if f"{key}.0.weight" in weights.tensors:
            x = weights.linear(net.input(name, (weights[f"{key}.0.weight"].shape[1],)), f"{key}.0", f"{name}.fc0")
            seen.append(_latent(weights, net.table(x, "elu", f"{name}.elu"), key, 2, name))
    x = seen[0]
    for i, other in enumerate(seen[1:]):
        x = net.add(x, other, f"latent.sum{i}")
    x = net.affine(x, 1 / len(seen), 0.0, "latent") if len(seen) > 1 else x
    for i in (0, 3):
        x = weights.layernorm(weights.linear(x, f"{POLICY}{i}", f"pi.{i}"), f"{POLICY}{i + 1}", f"pi.{i + 1}")
        x = net.table(x, "mish", f"pi.{i + 2}")
    net.output(net.table(weights.linear(x, f"{POLICY}6", "pi.6"), "tanh", "pi.tanh"), "action")
    return net.build()


def expected(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes, widths taken from the tensors themselves."""
    hidden = tensors.size((f"{POLICY}0.weight", 0), (f"{POLICY}3.weight", 0))
    latent = tensors.size((f"{POLICY}0.weight", 1), *((f"{key}.2.weight", 0) for key in VECTORS))
    action = tensors.size((f"{POLICY}6.weight", 0), (f"{POLICY}6.bias", 0))
    wanted: dict[str, Dims] = {}
    for i, (out, into) in {0: (hidden, latent), 3: (hidden, hidden), 6: (action, hidden)}.items():
        wanted |= linear_keys(f"{POLICY}{i}", out, into) | (norm_keys(f"{POLICY}{i + 1}", hidden) if i < 6 else {})
    vectors = [key for key in VECTORS if tensors.has(key)]
    for key in vectors:
        width = tensors.size((f"{key}.0.weight", 0), (f"{key}.2.weight", 1))
        wanted |= linear_keys(f"{key}.0", width, tensors.size((f"{key}.0.weight", 1)))
        wanted |= linear_keys(f"{key}.2", latent, width) | norm_keys(f"{key}.3", latent)
    if tensors.has(PICTURE) or not vectors:
        channels = tensors.size((f"{PICTURE}.0.weight", 0), (f"{PICTURE}.2.weight", 0))
        for i, k in enumerate(KERNELS):
            wanted |= conv_keys(f"{PICTURE}.{2 * i}", channels, channels if i else 3, k, k)
        wanted |= linear_keys(f"{PICTURE}.9", latent, tensors.size((f"{PICTURE}.9.weight", 1)))
        wanted |= norm_keys(f"{PICTURE}.10", latent)
    return wanted


def _picture(files: PolicyFiles, weights: Weights) -> str:
    """What the picture adds to the latent vector."""
    net, (name, shape) = weights.net, next(iter(files.images().items()))
    x = files.picture(net, name, shape, "IDENTITY")
    for i in range(len(KERNELS)):
        x = net.table(weights.conv(x, f"{PICTURE}.{2 * i}", f"{name}.conv{i}", stride=2), "relu", f"{name}.relu{i}")
    x, wanted = net.reshape(x, (-1,), f"{name}.flat"), weights[f"{PICTURE}.9.weight"].shape[1]
    if net.shape(x) != (wanted,):
        raise InputError(f"{files.file}: a picture of {list(shape)} gives {net.shape(x)[0]} numbers, but {PICTURE}.9 "
                         f"takes {wanted}; give the size that the policy was trained with")  # fmt: skip
    return _latent(weights, x, PICTURE, 9, name)


def _latent(weights: Weights, x: str, key: str, at: int, name: str) -> str:
    """Linear, LayerNorm, sigmoid: layers `at` and `at + 1` of a list."""
    x = weights.layernorm(weights.linear(x, f"{key}.{at}", f"{name}.fc"), f"{key}.{at + 1}", f"{name}.norm")
    return weights.net.table(x, "sigmoid", f"{name}.sigmoid")
