"""LeRobot's TD-MPC: the float network equals a forward pass from the source."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import load_float
from tests.frontends.checkpoints.forward import (
    State,
    close,
    conv,
    each,
    layernorm,
    linear,
    mish,
    numbers,
    relu,
    sigmoid,
)  # fmt: skip

LATENT, HIDDEN, WIDE, CHANNELS, STATE, ACTION = 10, 12, 9, 4, 6, 3
PICTURE = (3, 45, 61)
FLAT = CHANNELS * 1 * 2  # 45 x 61 through kernels of 7, 5, 3, 3 and strides of 2
ENCODER = "model._encoder."
IMAGE, VECTOR, ENVIRONMENT = (
    f"{ENCODER}image_enc_layers",
    f"{ENCODER}state_enc_layers",
    f"{ENCODER}env_state_enc_layers",
)


def state_dict(pictures: bool = True, environment: bool = False) -> State:
    """Keys and shapes of lerobot/policies/tdmpc/modeling_tdmpc.py, with what only training and planning use."""
    shapes: dict[str, tuple[int, ...]] = {}

    def dense(key: str, out: int, into: int, norm: str = "") -> None:
        shapes.update({f"{key}.weight": (out, into), f"{key}.bias": (out,)})
        if norm:
            shapes.update({f"{norm}.weight": (out,), f"{norm}.bias": (out,)})

    if pictures:
        for i, k in enumerate((7, 5, 3, 3)):
            shapes[f"{IMAGE}.{2 * i}.weight"] = (CHANNELS, CHANNELS if i else 3, k, k)
            shapes[f"{IMAGE}.{2 * i}.bias"] = (CHANNELS,)
        dense(f"{IMAGE}.9", LATENT, FLAT, f"{IMAGE}.10")
    for key, size in ((VECTOR, STATE), *(((ENVIRONMENT, 5),) if environment else ())):
        dense(f"{key}.0", WIDE, size)
        dense(f"{key}.2", LATENT, WIDE, f"{key}.3")
    for name, into, out in (("_pi", LATENT, ACTION), ("_reward", LATENT + ACTION, 1)):
        dense(f"model.{name}.0", HIDDEN, into, f"model.{name}.1")
        dense(f"model.{name}.3", HIDDEN, HIDDEN, f"model.{name}.4")
        dense(f"model.{name}.6", out, HIDDEN)
    shapes |= {key.replace("model.", "model_target.", 1): shape for key, shape in shapes.items()}
    return numbers(np.random.default_rng(11), shapes)


def save(folder: Path, state: State) -> Path:
    save_file(state, str(folder / "model.safetensors"))
    features = {"observation.image": {"type": "VISUAL", "shape": list(PICTURE)}}
    (folder / "config.json").write_text(json.dumps({"type": "tdmpc", "input_features": features}))
    return folder


def forward(s: State, batch: dict[str, np.ndarray]) -> np.ndarray:
    """The policy's action for one observation: the mean of what the encoders give, then `pi`."""
    seen = []
    if "observation.image" in batch:
        x = batch["observation.image"]
        for i in range(4):
            x = relu(conv(x, s[f"{IMAGE}.{2 * i}.weight"], s[f"{IMAGE}.{2 * i}.bias"], stride=2))
        seen.append(sigmoid(layernorm(linear(x.ravel(), s, f"{IMAGE}.9"), s, f"{IMAGE}.10")))
    for key, name in ((ENVIRONMENT, "observation.environment_state"), (VECTOR, "observation.state")):
        if name in batch:
            x = linear(batch[name], s, f"{key}.0")
            x = linear(np.where(x > 0, x, np.exp(x) - 1), s, f"{key}.2")
            seen.append(sigmoid(layernorm(x, s, f"{key}.3")))
    x = np.mean(seen, 0)
    for i in (0, 3):
        x = mish(layernorm(linear(x, s, f"model._pi.{i}"), s, f"model._pi.{i + 1}"))
    return np.tanh(linear(x, s, "model._pi.6"))


@pytest.mark.parametrize("pictures, environment", [(True, False), (False, False), (True, True)])
def test_the_network_is_the_policys(tmp_path, pictures, environment):
    state, rng = state_dict(pictures, environment), np.random.default_rng(12)
    batch = {"observation.state": rng.normal(0, 2, (3, STATE))}
    batch |= {"observation.image": rng.uniform(0, 1, (3, *PICTURE))} if pictures else {}
    batch |= {"observation.environment_state": rng.normal(0, 2, (3, 5))} if environment else {}
    graph = load_float(save(tmp_path, state))
    assert set(graph.inputs) == set(batch)
    close(
        graph.run(batch)["action"], each(lambda *x: forward(state, dict(zip(batch, x, strict=True))), *batch.values())
    )


def test_defects_are_listed(tmp_path):
    state = state_dict()
    del state[f"{IMAGE}.0.weight"], state["model._pi.0.weight"]
    state[f"{VECTOR}.3.bias"] = np.zeros(4, np.float32)
    state["model._extra.weight"] = np.zeros(4, np.float32)
    with pytest.raises(InputError) as error:
        load_float(save(tmp_path, state))
    text = str(error.value)
    assert f"2 missing: model._pi.0.weight, {IMAGE}.0.weight;" in text
    assert f"1 of another shape: {VECTOR}.3.bias [4] (expected [10]); 1 extra: model._extra.weight;" in text


def test_a_picture_of_another_size(tmp_path):
    state = state_dict()
    save(tmp_path, state)
    config = {"input_features": {"observation.image": {"type": "VISUAL", "shape": [3, 84, 84]}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        InputError, match=r"a picture of \[3, 84, 84\] gives 36 numbers, but .*image_enc_layers.9 takes 8"
    ):
        load_float(tmp_path)
    config = {"input_features": {"observation.image": {"type": "VISUAL", "shape": [3, 8, 8]}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="does not make a network of LeRobot TD-MPC: node 'observation.image.conv1'"):
        load_float(tmp_path)
