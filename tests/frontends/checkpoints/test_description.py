"""Raw units: the statistics beside a policy become the file that `hwgen package --policy` takes, and on the robot raw
states go in and raw actions come out."""

import numpy as np
import pytest
import tomllib
from safetensors.numpy import save_file
from typer.testing import CliRunner

from hwgen.cli import app
from hwgen.errors import InputError
from hwgen.frontends.checkpoints import description, load_float
from hwgen.graph import golden, qonnx_in
from hwgen.runtime import Accelerator
from hwgen.runtime.package import read_package
from hwgen.runtime.sim_direct import SimDirect
from tests.frontends.checkpoints import act_policy, test_tdmpc
from tests.runtime.model import EngineModel

RNG = np.random.default_rng(12)
STATE = {"mean": RNG.normal(size=act_policy.STATE), "std": RNG.uniform(0.1, 2, act_policy.STATE)}
ACTION = {"mean": RNG.normal(size=act_policy.ACTION), "std": RNG.uniform(0.1, 2, act_policy.ACTION)}
OLD = {"normalize_inputs.buffer_observation_state": STATE, "unnormalize_outputs.buffer_action": ACTION}
"""Statistics under the keys of older versions of LeRobot."""


def flat(statistics: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {
        f"{key}.{part}": np.asarray(v, np.float32) for key, found in statistics.items() for part, v in found.items()
    }


def run(*words) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def robot(made, graph):
    """The driver on a double of the hardware that computes golden."""

    def compute(data):
        out = np.zeros(made.manifest["out_bytes"], np.uint8)
        ints = {t.name: t.view(np.frombuffer(data, np.uint8))[None].astype(np.int64) for t in made.inputs}
        for name, y in golden.run(graph, ints).items():
            next(t for t in made.outputs if t.name == name).view(out)[...] = y[0]
        return out.tobytes()

    bus = EngineModel(compute, made.manifest["in_bytes"], made.manifest["out_bytes"], made.design_hash)
    return Accelerator(made, device=SimDirect(bus))


def test_raw_states_go_in_and_raw_actions_come_out(tmp_path):
    state = act_policy.state_dict()
    act_policy.save(tmp_path / "act", state | flat(OLD), n_action_steps=3)
    np.savez(tmp_path / "seen.npz", **act_policy.observations(16))
    told = run("quantize", tmp_path / "act", "--calibration", tmp_path / "seen.npz", "-o", tmp_path / "act.onnx")
    assert "act.toml" in told
    run("generate", tmp_path / "act.onnx", "--board", "zcu104", "--array", "16x16", "-o", tmp_path / "design")
    asked = ["package", tmp_path / "design", "--policy", tmp_path / "act.toml", "-o", tmp_path / "act.hwpkg"]
    with pytest.raises(InputError, match="rate_hz must be a frequency"):
        run(*asked)
    run(*asked, "--rate-hz", 50)
    made = read_package(tmp_path / "act.hwpkg")
    assert (made.policy.chunk, made.policy.execute, made.policy.rate_hz) == (act_policy.CHUNK, 3, 50)
    rng, seen = np.random.default_rng(5), act_policy.observations(1, seed=6)
    camera = {name: rng.integers(0, 256, (*act_policy.PICTURE[1:], 3), np.uint8) for name in act_policy.CAMERAS}
    normal = seen["observation.state"][0]
    raw = (normal * STATE["std"] + STATE["mean"]).astype(np.float32)
    with robot(made, qonnx_in.load(tmp_path / "act.onnx")) as policy:
        got = policy.infer({**camera, "observation.state": raw})
    pictures = {name: np.moveaxis(x, -1, 0) / 255 for name, x in camera.items()}
    wanted = act_policy.forward(state, {**pictures, "observation.state": normal}) * ACTION["std"] + ACTION["mean"]
    assert got.shape == (act_policy.CHUNK, act_policy.ACTION)
    assert np.abs((got - wanted) / ACTION["std"]).std() < 0.1 * (wanted / ACTION["std"]).std()


def test_statistics_in_a_file_of_their_own_and_modes_of_the_config(tmp_path):
    bounds = {"min": np.full(act_policy.ACTION, -3.0), "max": np.array([5.0, -3.0, 1.0, 3.0])}
    modes = {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}
    state = {"min": np.arange(6.0), "max": np.arange(6.0) + 4}
    act_policy.save(tmp_path, act_policy.state_dict(), normalization_mapping=modes)
    plain = {k: v for k, v in act_policy.state_dict().items() if k.startswith("model.")}
    save_file(plain, str(tmp_path / "model.safetensors"))
    save_file(
        flat({"observation.state": state, "action": bounds}),
        str(tmp_path / "policy_preprocessor_step_3_normalizer_processor.safetensors"),
    )
    found = tomllib.loads(description(tmp_path, load_float(tmp_path)))
    (vector,) = (o for o in found["observation"] if o["kind"] == "vector")
    assert np.allclose(vector["mean"], np.arange(6) + 2) and np.allclose(vector["std"], 2)
    assert np.allclose(found["action"]["mean"], [1, -3, -1, 0])
    assert np.allclose(found["action"]["std"], [4, 0, 2, 3]) and min(found["action"]["std"]) > 0


def test_td_mpc_s_states_are_taken_as_they_are(tmp_path):
    bounds = flat({"unnormalize_outputs.buffer_action": {"min": np.full(3, -2.0), "max": np.full(3, 4.0)}})
    save_file(test_tdmpc.state_dict() | bounds, str(tmp_path / "model.safetensors"))
    graph = load_float(tmp_path / "model.safetensors", {"observation.image": test_tdmpc.PICTURE})
    found = tomllib.loads(description(tmp_path / "model.safetensors", graph))
    assert found["chunk"] == found["execute"] == 1 and found["action"]["mean"] == [1.0] * 3
    assert [set(o) for o in found["observation"]] == [{"name", "kind", "to"}] * 2


def test_statistics_that_are_missing_are_all_named(tmp_path):
    endless = flat(
        {"normalize_inputs.buffer_observation_state": {"mean": np.full(6, np.inf), "std": np.full(6, np.inf)}}
    )
    act_policy.save(tmp_path, act_policy.state_dict() | endless)
    with pytest.raises(InputError) as error:
        description(tmp_path, load_float(tmp_path))
    text = str(error.value)
    assert "mean and std of observation.state" in text and "mean and std of action" in text and "\n" not in text


def test_another_project_s_file_is_told_the_way(tmp_path):
    folder = act_policy.save(tmp_path / "act", act_policy.state_dict())
    for text in (folder / "model.safetensors", folder):
        result = CliRunner().invoke(app, ["generate", str(text), "--board", "zcu104", "-o", str(tmp_path / "d")])
        assert isinstance(result.exception, InputError) and f"`hwgen quantize {text} " in str(result.exception)
