"""LeRobot's Diffusion Policy: the float networks equal a forward pass from the source."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import load_float
from hwgen.frontends.checkpoints.sampling import Sampler
from tests.frontends.checkpoints.forward import (
    State,
    batchnorm,
    close,
    conv,
    conv_transpose,
    each,
    groupnorm,
    linear,
    maxpool,
    mish,
    numbers,
    relu,
    softmax,
)  # fmt: skip

WIDTHS, TIME, CONDITION, ACTION, HORIZON, GROUPS, KERNEL = (8, 12, 16), 6, 5, 2, 8, 4, 5
STAGES, POINTS, PICTURE, CELLS = (16, 32, 16, 16), 3, (3, 40, 56), (2, 2)
U, E = "diffusion.unet.", "diffusion.rgb_encoder."


def state_dict(film: bool = True, batch: bool = False) -> State:
    """Keys and shapes of lerobot/policies/diffusion/modeling_diffusion.py; film: scale and bias; batch: BatchNorm."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(key: str, *shape: int) -> None:
        shapes.update({f"{key}.weight": shape, f"{key}.bias": (shape[0],)})

    def block(key: str, into: int, out: int) -> None:
        for i, channels in ((1, into), (2, out)):
            layer(f"{key}.conv{i}.block.0", out, channels, KERNEL)
            layer(f"{key}.conv{i}.block.1", out)
        layer(f"{key}.cond_encoder.1", 2 * out if film else out, TIME + CONDITION)
        if into != out:
            layer(f"{key}.residual_conv", out, into, 1)

    layer(f"{U}diffusion_step_encoder.1", 4 * TIME, TIME)
    layer(f"{U}diffusion_step_encoder.3", TIME, 4 * TIME)
    for i, (into, out) in enumerate(zip((ACTION, *WIDTHS), WIDTHS, strict=False)):
        block(f"{U}down_modules.{i}.0", into, out)
        block(f"{U}down_modules.{i}.1", out, out)
        if i < 2:
            layer(f"{U}down_modules.{i}.2", out, out, 3)
    for i in range(2):
        block(f"{U}mid_modules.{i}", WIDTHS[2], WIDTHS[2])
        block(f"{U}up_modules.{i}.0", 2 * WIDTHS[2 - i], WIDTHS[1 - i])
        block(f"{U}up_modules.{i}.1", WIDTHS[1 - i], WIDTHS[1 - i])
        layer(f"{U}up_modules.{i}.2", WIDTHS[1 - i], WIDTHS[1 - i], 4)
    layer(f"{U}final_conv.0.block.0", WIDTHS[0], WIDTHS[0], KERNEL)
    layer(f"{U}final_conv.0.block.1", WIDTHS[0])
    layer(f"{U}final_conv.1", ACTION, WIDTHS[0], 1)

    def normed(key: str, norm: str, *shape: int) -> None:
        shapes[f"{E}{key}.weight"] = shape
        layer(f"{E}{norm}", shape[0])
        if batch:
            shapes.update({f"{E}{norm}.running_mean": shape[:1], f"{E}{norm}.running_var": shape[:1]})

    normed("backbone.0", "backbone.1", STAGES[0], 3, 7, 7)
    for i, (into, out) in enumerate(zip((STAGES[0], *STAGES), STAGES, strict=False)):
        for k in range(2):
            at = f"backbone.{4 + i}.{k}"
            normed(f"{at}.conv1", f"{at}.bn1", out, out if k else into, 3, 3)
            normed(f"{at}.conv2", f"{at}.bn2", out, out, 3, 3)
            if i and not k:
                normed(f"{at}.downsample.0", f"{at}.downsample.1", out, into, 1, 1)
    layer(f"{E}pool.nets", POINTS, STAGES[3], 1, 1)
    layer(f"{E}out", 2 * POINTS, 2 * POINTS)
    state = numbers(np.random.default_rng(23), shapes)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in CELLS), indexing="ij")
    return state | {f"{E}pool.pos_grid": np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)}


def save(folder: Path, state: State, **settings) -> Path:
    save_file(state, str(folder / "model.safetensors"))
    features = {"observation.image": {"type": "VISUAL", "shape": list(PICTURE)}}
    config = {"type": "diffusion", "horizon": HORIZON, "n_groups": GROUPS, "input_features": features, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def residual_block(x: np.ndarray, told: np.ndarray, s: State, key: str) -> np.ndarray:
    def part(x: np.ndarray, i: int) -> np.ndarray:
        at = f"{key}.conv{i}.block"
        x = conv(x, s[f"{at}.0.weight"], s[f"{at}.0.bias"], pad=KERNEL // 2)
        return mish(groupnorm(x, s, f"{at}.1", GROUPS))

    y, film = part(x, 1), linear(mish(told), s, f"{key}.cond_encoder.1")[:, None]
    y = film[: len(y)] * y + film[len(y) :] if len(film) == 2 * len(y) else y + film
    skip = f"{key}.residual_conv"
    return part(y, 2) + (conv(x, s[f"{skip}.weight"], s[f"{skip}.bias"]) if f"{skip}.weight" in s else x)


def unet(x: np.ndarray, time: int, condition: np.ndarray, s: State) -> np.ndarray:
    """DiffusionConditionalUnet1d of x [horizon, numbers]."""
    half = TIME // 2
    angle = time * np.exp(np.arange(half) * -np.log(10000) / (half - 1))
    when = linear(np.concatenate([np.sin(angle), np.cos(angle)]), s, f"{U}diffusion_step_encoder.1")
    told = np.concatenate([linear(mish(when), s, f"{U}diffusion_step_encoder.3"), condition])
    x, skips = x.T, []
    for i in range(3):
        x = residual_block(residual_block(x, told, s, f"{U}down_modules.{i}.0"), told, s, f"{U}down_modules.{i}.1")
        skips.append(x)
        at = f"{U}down_modules.{i}.2"
        x = conv(x, s[f"{at}.weight"], s[f"{at}.bias"], stride=2, pad=1) if i < 2 else x
    for i in range(2):
        x = residual_block(x, told, s, f"{U}mid_modules.{i}")
    for i in range(2):
        x = residual_block(np.concatenate([x, skips.pop()]), told, s, f"{U}up_modules.{i}.0")
        x = residual_block(x, told, s, f"{U}up_modules.{i}.1")
        x = conv_transpose(x, s[f"{U}up_modules.{i}.2.weight"], s[f"{U}up_modules.{i}.2.bias"], 2, 1)
    x = conv(x, s[f"{U}final_conv.0.block.0.weight"], s[f"{U}final_conv.0.block.0.bias"], pad=KERNEL // 2)
    x = mish(groupnorm(x, s, f"{U}final_conv.0.block.1", GROUPS))
    return conv(x, s[f"{U}final_conv.1.weight"], s[f"{U}final_conv.1.bias"]).T


def levels(times: int) -> np.ndarray:
    """alpha-bar of the cosine schedule (squaredcos_cap_v2)."""
    f = [np.cos((t / times + 0.008) / 1.008 * np.pi / 2) ** 2 for t in range(times + 1)]
    return np.cumprod([1 - min(1 - f[t + 1] / f[t], 0.999) for t in range(times)])


def test_ddim_with_film(tmp_path):
    """Song et al. 2021: the clean sample that the noise implies, clipped, then noise again, less of it."""
    state, rng, a = state_dict(), np.random.default_rng(24), levels(100)
    folder = save(tmp_path, state, noise_scheduler_type="DDIM", num_inference_steps=4)

    def sample(x: np.ndarray, condition: np.ndarray) -> np.ndarray:
        for t in (75, 50, 25, 0):
            ahead, eps = a[t - 25] if t else 1.0, unet(x, t, condition, state)
            clean = np.clip((x - np.sqrt(1 - a[t]) * eps) / np.sqrt(a[t]), -1, 1)
            x = np.sqrt(ahead) * clean + np.sqrt(1 - ahead) * eps
        return x

    graph = load_float(f"{folder}:unet")
    batch = {"start": rng.normal(size=(2, HORIZON, ACTION)), "condition": rng.normal(size=(2, CONDITION))}
    close(graph.run(batch)["actions"], each(sample, *batch.values()))
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["step0.mid.0.conv1.conv"].weight is nodes["step3.mid.0.conv1.conv"].weight
    assert "mid_modules.0.film0" in nodes  # once, not in each step


def test_ddpm_without_scales(tmp_path):
    """Ho et al. 2020: the posterior's mean between the clean sample and x, and noise of the posterior's variance."""
    state, rng, a = state_dict(film=False), np.random.default_rng(25), levels(6)
    folder = save(tmp_path, state, num_train_timesteps=6)

    def sample(x: np.ndarray, condition: np.ndarray, noise: np.ndarray) -> np.ndarray:
        for i, t in enumerate(range(5, -1, -1)):
            ahead = a[t - 1] if t else 1.0
            beta, eps = 1 - a[t] / ahead, unet(x, t, condition, state)
            clean = np.clip((x - np.sqrt(1 - a[t]) * eps) / np.sqrt(a[t]), -1, 1)
            mean = (np.sqrt(ahead) * beta * clean + np.sqrt(1 - beta) * (1 - ahead) * x) / (1 - a[t])
            x = mean + (t > 0) * np.sqrt((1 - ahead) / (1 - a[t]) * beta) * noise[i]
        return x

    batch = {"start": rng.normal(size=(2, HORIZON, ACTION)), "condition": rng.normal(size=(2, CONDITION)),
             "noise": rng.normal(size=(2, 6, HORIZON, ACTION))}  # fmt: skip
    close(load_float(f"{folder}:unet").run(batch)["actions"], each(sample, *batch.values()))


def test_a_sampler_of_samples_on_a_linear_schedule():
    """With the right answer at every step, all samplers end where the answer says."""
    for kind in ("DDPM", "DDIM"):
        x, goal = np.array([3.0, -2.0]), np.array([0.25, -0.5])
        for step in Sampler(kind, 50, 10, "linear", predicts="sample").table():
            clean = np.clip(step.from_x * x + step.from_model * goal, -1, 1)
            x = step.keep * x + step.clean * clean + step.model * goal
        np.testing.assert_allclose(x, goal, atol=1e-9)


@pytest.mark.parametrize("batch", [False, True])
def test_the_encoder(tmp_path, batch):
    s, x = state_dict(batch=batch), np.random.default_rng(26).uniform(0, 1, (2, *PICTURE))
    state = s | ({f"{E}backbone.1.num_batches_tracked": np.array(7)} if batch else {})
    graph = load_float(f"{save(tmp_path, state)}:encoder")

    def norm(x: np.ndarray, key: str) -> np.ndarray:
        return batchnorm(x, s, key) if batch else groupnorm(x, s, key, len(x) // 16)

    def features(x: np.ndarray) -> np.ndarray:
        at = f"{E}backbone."
        x = maxpool(relu(norm(conv(x, s[f"{at}0.weight"], stride=2, pad=3), f"{at}1")), 3, 2, 1)
        for i in range(4):
            for k in range(2):
                key, stride = f"{at}{4 + i}.{k}", 2 if i and not k else 1
                y = relu(norm(conv(x, s[f"{key}.conv1.weight"], stride=stride, pad=1), f"{key}.bn1"))
                y = norm(conv(y, s[f"{key}.conv2.weight"], pad=1), f"{key}.bn2")
                if f"{key}.downsample.0.weight" in s:
                    x = norm(conv(x, s[f"{key}.downsample.0.weight"], stride=stride), f"{key}.downsample.1")
                x = relu(x + y)
        share = softmax(conv(x, s[f"{E}pool.nets.weight"], s[f"{E}pool.nets.bias"]).reshape(POINTS, -1))
        return relu(linear((share @ s[f"{E}pool.pos_grid"]).ravel(), s, f"{E}out"))

    close(graph.run({"observation.image": x})["features"], each(features, x))


def test_defects_are_listed(tmp_path):
    state = state_dict()
    del state[f"{U}mid_modules.0.cond_encoder.1.weight"], state[f"{U}down_modules.1.0.conv1.block.0.weight"]
    state[f"{U}up_modules.1.2.weight"] = np.zeros((8, 8, 3), np.float32)
    state[f"{U}up_modules.7.weight"] = np.zeros(3, np.float32)
    with pytest.raises(InputError) as error:
        load_float(f"{save(tmp_path, state)}:unet")
    text = str(error.value)
    assert f"{U}mid_modules.0.cond_encoder.1.weight" in text.partition("missing:")[2].partition(";")[0]
    assert f"{U}down_modules.1.0.conv1.block.0.weight" in text.partition("missing:")[2].partition(";")[0]
    assert f"1 of another shape: {U}up_modules.1.2.weight [8, 8, 3] (expected [8, 8, 4])" in text
    assert f"1 extra: {U}up_modules.7.weight" in text


@pytest.mark.parametrize(
    "part, settings, says",
    [
        ("", {}, "several networks: ask for one, .*:encoder or .*:unet"),
        (":unet", {"noise_scheduler_type": "DPM++"}, "the sampler is 'DPM..'"),
        (":unet", {"beta_schedule": "sigmoid"}, "beta_schedule is 'sigmoid'"),
        (":unet", {"num_inference_steps": 101}, "101 steps of 100 times"),
        (":unet", {"horizon": 10}, "a horizon of 10 does not halve 2 times"),
        (":unet", {"n_groups": 7}, "do not divide into 7 groups"),
        (":encoder", {"crop_shape": [96, 96]}, r"pictures of .96, 96. end in 3 x 3 cells, but the policy has 4"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, part, settings, says):
    with pytest.raises(InputError, match=says):
        load_float(f"{save(tmp_path, state_dict(), **settings)}{part}")


def test_a_policy_without_an_encoder(tmp_path):
    state = {key: value for key, value in state_dict().items() if not key.startswith(E)}
    assert load_float(f"{save(tmp_path, state, num_inference_steps=2)}:unet").outputs
    with pytest.raises(InputError, match="has no encoder of pictures"):
        load_float(f"{tmp_path}:encoder")
