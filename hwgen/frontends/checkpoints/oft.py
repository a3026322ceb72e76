"""OpenVLA-OFT: the action head that is trained with the L1 loss (MLP-ResNet), and the projector of the state.

Kim, Finn, Liang, arXiv:2502.19645; github.com/moojink/openvla-oft, prismatic/models/action_heads.py
(L1RegressionActionHead, MLPResNet) and projectors.py (ProprioProjector). Training saves them one by one, from several
GPUs, so keys begin with "module.".
"""

from __future__ import annotations

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.policy_files import PolicyFiles
from hwgen.frontends.checkpoints.tensors import Dims, Tensors
from hwgen.frontends.checkpoints.weights import Weights, linear_keys, norm_keys
from hwgen.quantize.floats import FloatGraph, FloatNet

PARALLEL = "module."
CHUNK = 8
"""Actions at a time (NUM_ACTIONS_CHUNK of LIBERO); the head computes each by itself, so the weights do not tell."""


def is_head(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys is an action head."""
    return any(k.removeprefix(PARALLEL).startswith("model.mlp_resnet_blocks.") for k in keys)


def is_projector(keys: set[str]) -> bool:
    """Whether a checkpoint with these keys is a projector."""
    return {k.removeprefix(PARALLEL) for k in keys} & {"fc1.weight", "fc2.weight"} != set()


def build_head(files: PolicyFiles) -> FloatGraph:
    """states [chunk, width of the head's input] of the language model, a row an action -> actions [chunk, numbers],
    normalized. Raises InputError."""
    tensors = _tensors(files, "OpenVLA-OFT's action head")
    net = FloatNet("oft-l1-head")
    weights = Weights(tensors.check(expected_head(tensors)), net)
    width = len(weights["model.layer_norm1.weight"])
    given = files.shapes.get("states", (CHUNK, width))
    if len(given) != 2 or given[1] != width:
        raise InputError(
            f"{files.file}: states have shape {list(given)} in the calibration data; give [N, chunk, {width}]"
        )
    x = weights.layernorm(net.input("states", (given[0], width)), "model.layer_norm1", "layer_norm1")
    x = net.table(weights.linear(x, "model.fc1", "fc1"), "relu", "relu")
    for i in range(tensors.count("model.mlp_resnet_blocks")):
        key, name = f"model.mlp_resnet_blocks.{i}.ffn", f"block{i}"
        y = weights.linear(weights.layernorm(x, f"{key}.0", f"{name}.norm"), f"{key}.1", f"{name}.fc")
        x = net.add(net.table(y, "relu", f"{name}.relu"), x, f"{name}.sum")
    x = weights.layernorm(x, "model.layer_norm2", "layer_norm2")
    net.output(weights.linear(x, "model.fc2", "fc2"), "actions")
    return net.build()


def expected_head(tensors: Tensors) -> dict[str, Dims]:
    """Keys and shapes; the widths are those of the first and the last layer."""
    width = tensors.size(("model.fc1.weight", 0), ("model.fc2.weight", 1))
    states = tensors.size(("model.fc1.weight", 1), ("model.layer_norm1.weight", 0))
    wanted = norm_keys("model.layer_norm1", states) | linear_keys("model.fc1", width, states)
    for i in range(tensors.count("model.mlp_resnet_blocks")):
        key = f"model.mlp_resnet_blocks.{i}.ffn"
        wanted |= norm_keys(f"{key}.0", width) | linear_keys(f"{key}.1", width, width)
    wanted |= norm_keys("model.layer_norm2", width)
    return wanted | linear_keys("model.fc2", tensors.size(("model.fc2.weight", 0), ("model.fc2.bias", 0)), width)


def build_projector(files: PolicyFiles) -> FloatGraph:
    """state, normalized -> token [width of the language model]. Raises InputError."""
    tensors = _tensors(files, "OpenVLA-OFT's projector of the state")
    width = tensors.size(("fc1.weight", 0), ("fc2.weight", 1))
    net = FloatNet("oft-proprio-projector")
    wanted = linear_keys("fc1", width, tensors.size(("fc1.weight", 1)))
    wanted |= linear_keys("fc2", tensors.size(("fc2.weight", 0), ("fc2.bias", 0)), width)
    weights = Weights(tensors.check(wanted), net)
    x = weights.linear(net.input("state", (weights["fc1.weight"].shape[1],)), "fc1")
    net.output(weights.linear(net.table(x, "gelu", "gelu"), "fc2"), "token")
    return net.build()


def _tensors(files: PolicyFiles, what: str) -> Tensors:
    prefix = PARALLEL if all(k.startswith(PARALLEL) for k in files.stored) else ""
    return Tensors(files.file, files.stored, what, prefix)
