"""OpenVLA-OFT's action head and projector: the float networks equal a forward pass from the source."""

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import load_float
from tests.frontends.checkpoints import torch_writer
from tests.frontends.checkpoints.forward import State, close, gelu, layernorm, linear, numbers, relu

WIDTH, STATES, ACTION = 12, 7 * 10, 7


def head(blocks: int = 2) -> State:
    """prismatic/models/action_heads.py: L1RegressionActionHead, with other widths."""
    shapes = {"model.layer_norm1.weight": (STATES,), "model.layer_norm1.bias": (STATES,)}
    shapes |= {"model.fc1.weight": (WIDTH, STATES), "model.fc1.bias": (WIDTH,)}
    for i in range(blocks):
        at = f"model.mlp_resnet_blocks.{i}.ffn"
        shapes |= {f"{at}.0.weight": (WIDTH,), f"{at}.0.bias": (WIDTH,)}
        shapes |= {f"{at}.1.weight": (WIDTH, WIDTH), f"{at}.1.bias": (WIDTH,)}
    shapes |= {"model.layer_norm2.weight": (WIDTH,), "model.layer_norm2.bias": (WIDTH,)}
    return numbers(
        np.random.default_rng(5), shapes | {"model.fc2.weight": (ACTION, WIDTH), "model.fc2.bias": (ACTION,)}
    )


def forward(x: np.ndarray, s: State) -> np.ndarray:
    """MLPResNet over the last axis."""
    x = relu(linear(layernorm(x, s, "model.layer_norm1"), s, "model.fc1"))
    for i in range(sum(key.endswith("ffn.1.bias") for key in s)):
        at = f"model.mlp_resnet_blocks.{i}.ffn"
        x = relu(linear(layernorm(x, s, f"{at}.0"), s, f"{at}.1")) + x
    return linear(layernorm(x, s, "model.layer_norm2"), s, "model.fc2")


@pytest.mark.parametrize("blocks, prefix, chunk", [(2, "module.", 8), (2, "", 5), (3, "module.", 8)])
def test_the_action_head(tmp_path, blocks, prefix, chunk):
    state = head(blocks)
    graph = load_float(torch_writer.save(tmp_path / "action_head.pt", state, prefix), {"states": (chunk, STATES)})
    x = np.random.default_rng(6).normal(0, 2, (3, chunk, STATES))
    close(graph.run({"states": x})["actions"], forward(x, state))


def test_a_chunk_of_eight_unless_the_data_say_otherwise(tmp_path):
    file = torch_writer.save(tmp_path / "head.pt", head())
    assert load_float(file).inputs == {"states": (8, STATES)}
    with pytest.raises(InputError, match=r"head.pt: states have shape \[8, 3\] in the calibration data"):
        load_float(file, {"states": (8, 3)})


def test_the_projector_of_the_state(tmp_path):
    shapes = {"fc1.weight": (WIDTH, 8), "fc1.bias": (WIDTH,), "fc2.weight": (WIDTH, WIDTH), "fc2.bias": (WIDTH,)}
    state = numbers(np.random.default_rng(7), shapes)
    graph = load_float(torch_writer.save(tmp_path / "proprio_projector.pt", state, "module."))
    x = np.random.default_rng(8).normal(size=(4, 8))
    close(graph.run({"state": x})["token"], linear(gelu(linear(x, state, "fc1")), state, "fc2"))


def test_defects_are_listed_under_the_files_own_keys(tmp_path):
    state = head()
    del state["model.fc2.weight"]
    state["model.mlp_resnet_blocks.1.ffn.1.weight"] = np.zeros((WIDTH, 3), np.float32)
    state["model.layer_norm1.bias"][2] = np.nan
    with pytest.raises(InputError) as error:
        load_float(torch_writer.save(tmp_path / "head.pt", state, "module."))
    text = str(error.value)
    assert "head.pt does not fit OpenVLA-OFT's action head" in text
    assert "1 missing: module.model.fc2.weight" in text
    assert "1 of another shape: module.model.mlp_resnet_blocks.1.ffn.1.weight [12, 3] (expected [12, 12])" in text
    assert "1 NaN or infinite: module.model.layer_norm1.bias" in text
