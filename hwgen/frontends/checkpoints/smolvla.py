"""LeRobot's SmolVLA: the projections around its transformers, which stay on the host or a GPU.

Keys and meaning: Shukor et al., arXiv:2506.01844; github.com/huggingface/lerobot, lerobot/policies/smolvla/
modeling_smolvla.py (VLAFlowMatching). Three networks: what makes a token of the state, tokens of noisy actions, and
velocities of the expert's tokens.
"""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.policy_files import IGNORED, PolicyFiles
from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.frontends.checkpoints.weights import Weights, linear_keys
from hwgen.quantize.floats import FloatGraph, FloatNet

M = "model."
LAYERS = ("state_proj", "action_in_proj", "action_time_mlp_in", "action_time_mlp_out", "action_out_proj")
CHUNK = 50
"""Actions at a time (chunk_size); the projections take each by itself, so the weights do not tell."""


def is_smolvla(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys is one."""
    return any(key.startswith(f"{M}action_time_mlp_in.") for key in keys)


def build(files: PolicyFiles) -> FloatGraph:
    """One part. state: state, normalized and filled up with zeros -> token. action-in: actions [chunk, numbers] and
    the time's sines and cosines -> tokens [chunk, width]. action-out: tokens -> velocities. Raises InputError."""
    tensors = Tensors(files.file, files.stored, "SmolVLA")
    net = FloatNet(f"smolvla-{files.part}")
    weights = Weights(tensors.check(expected(tensors), (f"{M}vlm_with_expert.*", *IGNORED)), net)
    chunk, width = files.setting("chunk_size", CHUNK), weights[f"{M}action_time_mlp_out.weight"].shape[0]
    if not 1 <= chunk <= 4096:
        raise InputError(f"{files.file}: chunk_size is {chunk}; correct config.json")
    if files.part == "state":
        x = net.input("state", (weights[f"{M}state_proj.weight"].shape[1],))
        net.output(weights.linear(x, f"{M}state_proj", "state_proj"), "token")
    elif files.part == "action-out":
        x = net.input("tokens", (chunk, width))
        net.output(weights.linear(x, f"{M}action_out_proj", "action_out_proj"), "velocity")
    else:
        x = net.input("actions", (chunk, weights[f"{M}action_in_proj.weight"].shape[1]))
        x = weights.linear(x, f"{M}action_in_proj", "action_in_proj")
        weight, bias = weights.matrix(f"{M}action_time_mlp_in")  # of actions and time side by side
        x = net.linear(x, weight[:width], None, "action_time_mlp_in.action")
        when = net.linear(net.input("time", (1, width)), weight[width:], bias, "action_time_mlp_in.time")
        x = net.table(net.add(x, when, "action_time_mlp_in"), "silu", "silu")
        net.output(weights.linear(x, f"{M}action_time_mlp_out", "action_time_mlp_out"), "tokens")
    return net.build()


def expected(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes; widths are those of the language model, the expert and the padded actions."""
    out = {key: tensors.size((f"{M}{key}.weight", 0), (f"{M}{key}.bias", 0)) for key in LAYERS}
    width, action = out["action_time_mlp_out"], out["action_out_proj"]
    into = {"state_proj": tensors.size((f"{M}state_proj.weight", 1)), "action_in_proj": action}
    into["action_time_mlp_in"] = None if width is None else 2 * width
    out |= {"action_in_proj": width, "action_time_mlp_in": width}
    wanted: dict[str, Dims] = {}
    for key in LAYERS:
        wanted |= linear_keys(M + key, out[key], into.get(key, width))
    return wanted
