"""LeRobot's ACT: the float network equals a forward pass from the source; every defect of a file is listed."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import load_float
from tests.frontends.checkpoints import act_policy
from tests.frontends.checkpoints.forward import close


def expected(state: dict, batch: dict, **how) -> np.ndarray:
    n = len(batch["observation.state"])
    return np.stack([act_policy.forward(state, {k: v[i] for k, v in batch.items()}, **how) for i in range(n)])


@pytest.mark.parametrize(
    "before, decoders, fn", [(False, 1, "relu"), (True, 1, "gelu"), (False, 2, "relu"), (True, 2, "relu")]
)
def test_the_network_is_the_policys(tmp_path, before, decoders, fn):
    state = act_policy.state_dict(before=before, decoders=decoders)
    graph = load_float(act_policy.save(tmp_path, state, feedforward_activation=fn))
    batch = act_policy.observations(2)
    close(graph.run(batch)["action"], expected(state, batch, before=before, fn=act_policy.FUNCTIONS[fn]))


def test_a_policy_without_pictures(tmp_path):
    state = act_policy.state_dict(pictures=False)
    graph = load_float(act_policy.save(tmp_path, state))
    rng = np.random.default_rng(3)
    batch = {
        "observation.state": rng.normal(size=(3, act_policy.STATE)),
        "observation.environment_state": rng.normal(size=(3, 7)),
    }
    close(graph.run(batch)["action"], expected(state, batch))


def test_two_cameras_share_the_backbones_weights(tmp_path):
    graph = load_float(act_policy.save(tmp_path, act_policy.state_dict()))
    nodes = {node.name: node for node in graph.nodes}
    top, side = (nodes[f"{camera}.backbone.layer2.0.conv1"] for camera in act_policy.CAMERAS)
    assert top.weight is side.weight and top.bias is side.bias
    assert set(graph.pixels) == set(act_policy.CAMERAS)


def test_normalization_in_a_file_of_its_own_as_newer_versions_keep_it(tmp_path):
    state = act_policy.state_dict()
    batch = act_policy.observations(1)
    wanted = expected(state, batch)
    plain = {k: v for k, v in state.items() if k.startswith("model.")}
    act_policy.save(tmp_path, plain)
    assert np.abs(load_float(tmp_path).run(batch)["action"] - wanted).max() > 1e-2
    statistics = {
        f"{camera}.{part}": value[:, None, None].astype(np.float32)
        for camera in act_policy.CAMERAS
        for part, value in (("mean", act_policy.MEAN), ("std", act_policy.STD))
    }
    save_file(statistics, str(tmp_path / "policy_preprocessor_step_3_normalizer_processor.safetensors"))
    close(load_float(tmp_path).run(batch)["action"], wanted)


def test_sizes_of_pictures_come_from_the_calibration_data_without_a_config(tmp_path):
    state = act_policy.state_dict()
    folder = act_policy.save(tmp_path, state)
    (folder / "config.json").write_text(json.dumps({"n_heads": act_policy.HEADS}))
    batch = act_policy.observations(1)
    with pytest.raises(InputError, match=r"model\.safetensors: how large its pictures are .* config\.json"):
        load_float(folder)
    shapes = {name: array.shape[1:] for name, array in batch.items()}
    close(load_float(folder / "model.safetensors", shapes).run(batch)["action"], expected(state, batch))


def test_every_defect_is_listed_in_one_error(tmp_path):
    state = act_policy.state_dict()
    del state["model.encoder.layers.1.self_attn.out_proj.bias"], state["model.backbone.layer3.1.bn2.running_mean"]
    state["model.action_head.bias"] = np.zeros(9, np.float32)
    state["model.encoder.layers.0.linear1.weight"][3, 5] = np.nan
    state["model.decoder.norm.weight"][0] = np.inf
    state["model.new_module.weight"] = np.zeros(3, np.float32)
    state["model.encoder.layers.0.norm1.bias"] = np.zeros(act_policy.WIDTH, np.int32)
    folder = act_policy.save(tmp_path, state)
    with pytest.raises(InputError) as error:
        load_float(folder)
    text = str(error.value)
    assert "\n" not in text and "model.safetensors does not fit ACT" in text
    assert "2 missing: " in text and "encoder.layers.1.self_attn.out_proj.bias" in text
    assert "model.backbone.layer3.1.bn2.running_mean" in text
    assert "1 of another shape: model.action_head.bias [9] (expected [4])" in text
    assert "2 NaN or infinite: " in text and "model.decoder.norm.weight" in text
    assert "1 extra: model.new_module.weight" in text
    assert "1 no floats: model.encoder.layers.0.norm1.bias I32" in text


def test_a_key_that_gives_a_width_may_be_the_one_that_is_missing(tmp_path):
    state = act_policy.state_dict()
    for key in ("model.action_head.weight", "model.encoder.layers.0.linear1.weight", "model.backbone.conv1.weight"):
        del state[key]
    with pytest.raises(InputError, match="3 missing: model.action_head.weight, .*linear1.weight, .*conv1.weight; give"):
        load_float(act_policy.save(tmp_path, state))


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"n_heads": 3}, "3 heads, and 4, must divide the width of 16"),
        ({"n_heads": "8"}, "config.json: n_heads is '8'"),
        ({"feedforward_activation": "glu"}, "function 'glu' is unknown"),
        (
            {"input_features": {"observation.images.top": {"type": "VISUAL", "shape": [3, -1, 8]}}},
            r"shape \[3, -1, 8\]",
        ),
        (
            {"input_features": {"observation.images.top": {"type": "VISUAL", "shape": [1, 8, 8]}}},
            "give .3, height, width.",
        ),
        (
            {"input_features": {"observation.images.top": {"type": "VISUAL", "shape": [3, 8]}}},
            "give .3, height, width.",
        ),
        ({"normalization_mapping": {"VISUAL": "QUANTILES"}}, "normalized by QUANTILES"),
        ({"normalization_mapping": {"VISUAL": "MIN_MAX"}}, "min and max of observation.images.top are missing"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, settings, says):
    with pytest.raises(InputError, match=says):
        load_float(act_policy.save(tmp_path, act_policy.state_dict(), **settings))


def test_statistics_that_were_never_computed(tmp_path):
    state = act_policy.state_dict()
    state["normalize_inputs.buffer_observation_images_top.std"][:] = np.inf
    with pytest.raises(InputError, match="std of observation.images.top are missing or infinite"):
        load_float(act_policy.save(tmp_path, state))


@pytest.mark.parametrize("text", ["[1, 2", "[]", '"act"', "[" * 100_000])
def test_a_config_that_is_no_object(tmp_path, text):
    act_policy.save(tmp_path, act_policy.state_dict())
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="config.json cannot be read"):
        load_float(tmp_path)
