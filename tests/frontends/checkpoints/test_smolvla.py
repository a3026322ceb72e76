"""SmolVLA's projections: the float networks equal a forward pass from the source."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import load_float
from tests.frontends.checkpoints.forward import State, close, linear, numbers, silu

VLM, EXPERT, STATE, ACTION, CHUNK = 14, 10, 6, 7, 5


def state_dict() -> State:
    """Keys and shapes of lerobot/policies/smolvla/modeling_smolvla.py, and one key of the transformers between."""
    shapes = {"model.vlm_with_expert.lm_expert.layers.0.mlp.up_proj.weight": (4, 4)}
    for key, out, into in (
        ("state_proj", VLM, STATE), ("action_in_proj", EXPERT, ACTION), ("action_out_proj", ACTION, EXPERT),
        ("action_time_mlp_in", EXPERT, 2 * EXPERT), ("action_time_mlp_out", EXPERT, EXPERT),
    ):  # fmt: skip
        shapes |= {f"model.{key}.weight": (out, into), f"model.{key}.bias": (out,)}
    return numbers(np.random.default_rng(13), shapes)


@pytest.fixture
def folder(tmp_path) -> Path:
    save_file(state_dict(), str(tmp_path / "model.safetensors"))
    (tmp_path / "config.json").write_text(json.dumps({"type": "smolvla", "chunk_size": CHUNK}))
    return tmp_path


def test_all_three_networks(folder):
    s, rng = state_dict(), np.random.default_rng(14)
    x = rng.normal(size=(3, STATE))
    close(load_float(f"{folder}:state").run({"state": x})["token"], linear(x, s, "model.state_proj"))

    x, time = rng.normal(size=(3, CHUNK, ACTION)), rng.uniform(-1, 1, (3, 1, EXPERT))
    both = np.concatenate([linear(x, s, "model.action_in_proj"), np.broadcast_to(time, (3, CHUNK, EXPERT))], -1)
    tokens = linear(silu(linear(both, s, "model.action_time_mlp_in")), s, "model.action_time_mlp_out")
    close(load_float(f"{folder}:action-in").run({"actions": x, "time": time})["tokens"], tokens)

    x = rng.normal(size=(3, CHUNK, EXPERT))
    graph = load_float(f"{folder}/model.safetensors:action-out")
    close(graph.run({"tokens": x})["velocity"], linear(x, s, "model.action_out_proj"))


@pytest.mark.parametrize("part", ["", ":expert"])
def test_a_part_has_to_be_chosen(folder, part):
    with pytest.raises(
        InputError, match="is a LeRobot SmolVLA, several networks: ask for one, .*:state or .*:action-in"
    ):
        load_float(f"{folder}{part}")


def test_defects_are_listed(folder):
    state = state_dict()
    del state["model.action_out_proj.bias"]
    state["model.action_time_mlp_in.weight"] = np.zeros((EXPERT, EXPERT), np.float32)
    save_file(state, str(folder / "model.safetensors"))
    with pytest.raises(
        InputError, match=r"1 of another shape: .*mlp_in.weight \[10, 10\] .expected \[10, 20\].; 1 missing"
    ):
        load_float(f"{folder}:state")
