"""A LeRobot ACT with its real keys and small widths, and its forward pass from the paper and LeRobot's source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.frontends.checkpoints.forward import (
    State,
    attention,
    batchnorm,
    conv,
    gelu,
    layernorm,
    linear,
    maxpool,
    numbers,
    relu,
)  # fmt: skip

WIDTH, HIDDEN, CHUNK, HEADS, LATENT, STATE, ACTION = 16, 24, 5, 4, 8, 6, 4
WIDTHS = (4, 6, 8, 12)
CAMERAS = ("observation.images.top", "observation.images.side")
PICTURE = (3, 40, 56)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def resnet_shapes(prefix: str, widths: tuple[int, ...] = WIDTHS) -> dict[str, tuple[int, ...]]:
    """torchvision's resnet18 up to layer4, with other widths."""

    def norm(key: str, n: int) -> dict:
        return {f"{prefix}{key}.{part}": (n,) for part in ("weight", "bias", "running_mean", "running_var")}

    shapes = {f"{prefix}conv1.weight": (widths[0], 3, 7, 7)} | norm("bn1", widths[0])
    into = widths[0]
    for i, out in enumerate(widths):
        for block in range(2):
            at = f"layer{i + 1}.{block}"
            shapes |= {f"{prefix}{at}.conv1.weight": (out, into, 3, 3)} | norm(f"{at}.bn1", out)
            shapes |= {f"{prefix}{at}.conv2.weight": (out, out, 3, 3)} | norm(f"{at}.bn2", out)
            if i and not block:
                shapes |= {f"{prefix}{at}.downsample.0.weight": (out, into, 1, 1)} | norm(f"{at}.downsample.1", out)
            into = out
    return shapes


def shapes(before: bool = False, decoders: int = 1, pictures: bool = True) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of lerobot/policies/act/modeling_act.py, under `model.`; before: pre_norm."""

    def dense(key: str, out: int, into: int) -> dict:
        return {f"{key}.weight": (out, into), f"{key}.bias": (out,)}

    def layer(key: str, attentions: tuple[str, ...]) -> dict:
        made = dense(f"{key}.linear1", HIDDEN, WIDTH) | dense(f"{key}.linear2", WIDTH, HIDDEN)
        for i in range(len(attentions) + 1):
            made |= {f"{key}.norm{i + 1}.weight": (WIDTH,), f"{key}.norm{i + 1}.bias": (WIDTH,)}
        for name in attentions:
            made |= {f"{key}.{name}.in_proj_weight": (3 * WIDTH, WIDTH), f"{key}.{name}.in_proj_bias": (3 * WIDTH,)}
            made |= dense(f"{key}.{name}.out_proj", WIDTH, WIDTH)
        return made

    made = {"vae_encoder_cls_embed.weight": (1, WIDTH), "vae_encoder_pos_enc": (1, CHUNK + 2, WIDTH)}
    made |= dense("vae_encoder_robot_state_input_proj", WIDTH, STATE)
    made |= layer("vae_encoder.layers.0", ("self_attn",))
    made |= resnet_shapes("backbone.") if pictures else {}
    made |= {
        "encoder_img_feat_input_proj.weight": (WIDTH, WIDTHS[-1], 1, 1),
        "encoder_img_feat_input_proj.bias": (WIDTH,),
    }
    if not pictures:
        made = {k: v for k, v in made.items() if "img_feat" not in k} | dense("encoder_env_state_input_proj", WIDTH, 7)
    for i in range(2):
        made |= layer(f"encoder.layers.{i}", ("self_attn",))
    for i in range(decoders):
        made |= layer(f"decoder.layers.{i}", ("self_attn", "multihead_attn"))
    for norm in ("decoder.norm", *(("encoder.norm",) if before else ())):
        made |= {f"{norm}.weight": (WIDTH,), f"{norm}.bias": (WIDTH,)}
    made |= dense("encoder_robot_state_input_proj", WIDTH, STATE) | dense("encoder_latent_input_proj", WIDTH, LATENT)
    made |= {
        "encoder_1d_feature_pos_embed.weight": (2 + (not pictures), WIDTH),
        "decoder_pos_embed.weight": (CHUNK, WIDTH),
    }
    return {f"model.{key}": shape for key, shape in (made | dense("action_head", ACTION, WIDTH)).items()}


def state_dict(seed: int = 0, **how: bool | int) -> State:
    """Random weights, and the normalization as older versions of LeRobot keep it."""
    state = numbers(np.random.default_rng(seed), shapes(**how))
    for camera in CAMERAS:
        key = f"normalize_inputs.buffer_{camera.replace('.', '_')}"
        state |= {
            f"{key}.mean": MEAN[:, None, None].astype(np.float32),
            f"{key}.std": STD[:, None, None].astype(np.float32),
        }
    return state


def save(folder: Path, state: State, **settings: str | int) -> Path:
    """LeRobot's folder: model.safetensors and config.json. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, str(folder / "model.safetensors"))
    features = {name: {"type": "VISUAL", "shape": list(PICTURE)} for name in CAMERAS}
    features |= {"observation.state": {"type": "STATE", "shape": [STATE]}}
    config = {"type": "act", "n_heads": HEADS, "input_features": features, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def observations(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    """A batch: pictures of 0 to 1, normalized state."""
    rng = np.random.default_rng(seed)
    batch = {name: rng.uniform(0, 1, (n, *PICTURE)).astype(np.float32) for name in CAMERAS}
    return batch | {"observation.state": rng.normal(0, 1, (n, STATE)).astype(np.float32)}


def resnet(x: np.ndarray, s: State, key: str = "model.backbone.") -> np.ndarray:
    """ResNet-18 with BatchNorm -> feature map."""
    x = relu(batchnorm(conv(x, s[f"{key}conv1.weight"], stride=2, pad=3), s, f"{key}bn1"))
    x = maxpool(x, 3, 2, 1)
    for i in range(4):
        for block in range(2):
            at, stride = f"{key}layer{i + 1}.{block}", 2 if i and not block else 1
            y = relu(batchnorm(conv(x, s[f"{at}.conv1.weight"], stride=stride, pad=1), s, f"{at}.bn1"))
            y = batchnorm(conv(y, s[f"{at}.conv2.weight"], pad=1), s, f"{at}.bn2")
            if f"{at}.downsample.0.weight" in s:
                x = batchnorm(conv(x, s[f"{at}.downsample.0.weight"], stride=stride), s, f"{at}.downsample.1")
            x = relu(x + y)
    return x


def positions(height: int, width: int, channels: int) -> np.ndarray:
    """ACTSinusoidalPositionEmbedding2d, number by number: [height * width, channels]."""
    half, table = channels // 2, np.zeros((height, width, channels))
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                place, n = (y, height) if c < half else (x, width)
                i = c % half
                angle = (place + 1) / (n + 1e-6) * 2 * np.pi / 10000 ** (2 * (i // 2) / half)
                table[y, x, c] = np.sin(angle) if i % 2 == 0 else np.cos(angle)
    return table.reshape(-1, channels)


def forward(s: State, batch: dict[str, np.ndarray], before: bool = False, fn=relu) -> np.ndarray:
    """actions [chunk, numbers] of one observation. The decoder really starts from zeros here."""
    m = "model."
    tokens = [
        s[f"{m}encoder_latent_input_proj.bias"],
        linear(batch["observation.state"], s, f"{m}encoder_robot_state_input_proj"),
    ]
    if "observation.environment_state" in batch:
        tokens.append(linear(batch["observation.environment_state"], s, f"{m}encoder_env_state_input_proj"))
    places = list(s[f"{m}encoder_1d_feature_pos_embed.weight"].astype(np.float64))
    for name in CAMERAS if f"{m}backbone.conv1.weight" in s else ():
        picture = (batch[name] - MEAN[:, None, None]) / (STD[:, None, None] + 1e-8)
        cells = conv(
            resnet(picture, s), s[f"{m}encoder_img_feat_input_proj.weight"], s[f"{m}encoder_img_feat_input_proj.bias"]
        )
        tokens += list(cells.reshape(len(cells), -1).T)
        places += list(positions(*cells.shape[1:], len(cells)))
    x, places = np.stack(tokens).astype(np.float64), np.stack(places)

    def sub(x: np.ndarray, run, norm: str) -> np.ndarray:
        return x + run(layernorm(x, s, norm)) if before else layernorm(x + run(x), s, norm)

    def mlp(key: str):
        return lambda h: linear(fn(linear(h, s, f"{key}.linear1")), s, f"{key}.linear2")

    for i in range(2):
        at = f"{m}encoder.layers.{i}"
        x = sub(x, lambda h, at=at: attention(h + places, h + places, h, s, f"{at}.self_attn", HEADS), f"{at}.norm1")
        x = sub(x, mlp(at), f"{at}.norm2")
    memory = layernorm(x, s, f"{m}encoder.norm") if before else x
    queries = s[f"{m}decoder_pos_embed.weight"]
    x = np.zeros((CHUNK, WIDTH))
    for i in range(sum(k.endswith("multihead_attn.in_proj_bias") for k in s)):
        at = f"{m}decoder.layers.{i}"
        x = sub(x, lambda h, at=at: attention(h + queries, h + queries, h, s, f"{at}.self_attn", HEADS), f"{at}.norm1")
        x = sub(x, lambda h, at=at: attention(h + queries, memory + places, memory, s, f"{at}.multihead_attn", HEADS),
                f"{at}.norm2")  # fmt: skip
        x = sub(x, mlp(at), f"{at}.norm3")
    return linear(layernorm(x, s, f"{m}decoder.norm"), s, f"{m}action_head")


FUNCTIONS = {"relu": relu, "gelu": gelu}
