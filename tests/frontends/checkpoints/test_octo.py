"""Octo's heads: the float networks equal a forward pass from the source."""

from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import load_float
from tests.frontends.checkpoints import flax_writer
from tests.frontends.checkpoints.forward import close, each, silu, softmax

TOKEN, HIDDEN, TIME, ACTION, HEADS = 12, 8, 6, 4, 3


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(0, max(1, np.prod(shape[:-1])) ** -0.5, shape).astype(np.float32)


def dense(rng: np.random.Generator, into: int, out: int) -> dict:
    return {"kernel": normal(rng, into, out), "bias": normal(rng, 9, out)[0]}


def norm(rng: np.random.Generator, width: int) -> dict:
    return {"scale": 1 + normal(rng, 9, width)[0], "bias": normal(rng, 9, width)[0]}


def diffusion_head(blocks: int = 3, normed: bool = True) -> dict:
    """The tree of DiffusionActionHead: octo/model/components/diffusion.py, ScoreActor."""
    rng = np.random.default_rng(15)
    network = {"Dense_0": dense(rng, TIME + TOKEN + ACTION, HIDDEN), "Dense_1": dense(rng, HIDDEN, ACTION)}
    for k in range(blocks):
        block = {"Dense_0": dense(rng, HIDDEN, 4 * HIDDEN), "Dense_1": dense(rng, 4 * HIDDEN, HIDDEN)}
        network[f"MLPResNetBlock_{k}"] = block | ({"LayerNorm_0": norm(rng, HIDDEN)} if normed else {})
    return {"diffusion_model": {
        "time_preprocess": {"kernel": normal(rng, 5, 1)},
        "cond_encoder": {"Dense_0": dense(rng, 10, 2 * TIME), "Dense_1": dense(rng, 2 * TIME, TIME)},
        "reverse_network": network,
    }}  # fmt: skip


def save(file: Path, head: dict) -> Path:
    """As a tree of the whole policy, whose other parts are not read."""
    other = {"encoder_norm": norm(np.random.default_rng(1), 4)}
    file.write_bytes(flax_writer.pack({"params": {"heads_action": head, "octo_transformer": other}}))
    return file


def through(x: np.ndarray, layer: dict) -> np.ndarray:
    return x @ layer["kernel"].astype(np.float64) + layer["bias"]


def normalized(x: np.ndarray, layer: dict) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * layer["scale"] + layer["bias"]


def score(tree: dict, token: np.ndarray, actions: np.ndarray, time: int) -> np.ndarray:
    """ScoreActor: Fourier features of the time, an MLP, then the MLP-ResNet over all three side by side."""
    f = 2 * np.pi * time * tree["time_preprocess"]["kernel"][:, 0]
    when = silu(through(np.concatenate([np.cos(f), np.sin(f)]), tree["cond_encoder"]["Dense_0"]))
    when = through(when, tree["cond_encoder"]["Dense_1"])
    network = tree["reverse_network"]
    x = through(np.concatenate([when, token, actions]), network["Dense_0"])
    for key in (k for k in network if k.startswith("MLPResNetBlock_")):
        y = normalized(x, network[key]["LayerNorm_0"]) if "LayerNorm_0" in network[key] else x
        x = x + through(silu(through(y, network[key]["Dense_0"])), network[key]["Dense_1"])
    return through(silu(x), network["Dense_1"])


def sample(head: dict, token: np.ndarray, x: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """DiffusionActionHead.predict_action: DDPM with a cosine schedule, clipped at 5 after every step."""
    steps = len(noise)
    t = np.linspace(0, steps, steps + 1) / steps
    level = np.cos((t + 0.008) / 1.008 * np.pi * 0.5) ** 2
    betas = np.clip(1 - level[1:] / level[:-1], 0, 0.999)
    levels = np.cumprod(1 - betas)
    for i, time in enumerate(range(steps - 1, -1, -1)):
        eps = score(head["diffusion_model"], token, x, time)
        x = (x - betas[time] / np.sqrt(1 - levels[time]) * eps) / np.sqrt(1 - betas[time])
        x = np.clip(x + (time > 0) * np.sqrt(betas[time]) * noise[i], -5, 5)
    return x


@pytest.mark.parametrize("blocks, normed, steps", [(3, True, 20), (2, False, 5)])
def test_the_diffusion_head(tmp_path, blocks, normed, steps):
    head, rng = diffusion_head(blocks, normed), np.random.default_rng(16)
    shapes = {} if steps == 20 else {"noise": (steps, ACTION)}
    graph = load_float(save(tmp_path / "octo.msgpack", head), shapes)
    batch = {"token": rng.normal(size=(2, TOKEN)), "start": rng.normal(size=(2, ACTION)),
             "noise": rng.normal(size=(2, steps, ACTION))}  # fmt: skip
    close(graph.run(batch)["actions"], each(lambda t, x, z: sample(head, t, x, z), *batch.values()))
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["step0.block1.up"].weight is nodes[f"step{steps - 1}.block1.up"].weight


def pooling_head(pooled: bool = True) -> dict:
    """The tree of L1ActionHead: MAPHead, then a linear layer."""
    rng, d = np.random.default_rng(17), TOKEN // HEADS
    head = {"mean_proj": dense(rng, TOKEN, ACTION)}
    if not pooled:
        return head
    qkv = {
        part: {"kernel": normal(rng, TOKEN, HEADS, d), "bias": normal(rng, 1, HEADS, d)[0]}
        for part in ("query", "key", "value")
    }
    out = {"kernel": normal(rng, HEADS, d, TOKEN), "bias": normal(rng, 9, TOKEN)[0]}
    mlp = {"Dense_0": dense(rng, TOKEN, 4 * TOKEN), "Dense_1": dense(rng, 4 * TOKEN, TOKEN)}
    return head | {"map_head": {"probe": normal(rng, 1, 1, TOKEN), "MultiHeadDotProductAttention_0": qkv | {"out": out},
                                "LayerNorm_0": norm(rng, TOKEN), "MlpBlock_0": mlp}}  # fmt: skip


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def pooled(head: dict, tokens: np.ndarray) -> np.ndarray:
    """ContinuousActionHead of one observation."""
    x = tokens.mean(0)
    if "map_head" in head:
        tree = head["map_head"]
        part = tree["MultiHeadDotProductAttention_0"]
        q = np.einsum("d,dhe->he", tree["probe"][0, 0], part["query"]["kernel"]) + part["query"]["bias"]
        k, v = (
            np.einsum("td,dhe->the", tokens, part[name]["kernel"]) + part[name]["bias"] for name in ("key", "value")
        )
        share = softmax(np.einsum("he,the->ht", q, k) / np.sqrt(TOKEN // HEADS))
        x = np.einsum("ht,the,hed->d", share, v, part["out"]["kernel"]) + part["out"]["bias"]
        y = normalized(x, tree["LayerNorm_0"])
        x = x + through(gelu_tanh(through(y, tree["MlpBlock_0"]["Dense_0"])), tree["MlpBlock_0"]["Dense_1"])
    return np.tanh(through(x, head["mean_proj"]) / 5) * 5


@pytest.mark.parametrize("with_map, tokens", [(True, 7), (True, 1), (False, 4)])
def test_the_heads_that_pool(tmp_path, with_map, tokens):
    head, x = pooling_head(with_map), np.random.default_rng(18).normal(size=(3, tokens, TOKEN))
    graph = load_float(save(tmp_path / "octo.msgpack", head), {"tokens": x.shape[1:]})
    close(graph.run({"tokens": x})["actions"], each(lambda t: pooled(head, t), x))


def test_defects_are_listed_under_the_files_own_keys(tmp_path):
    head = diffusion_head()
    del head["diffusion_model"]["reverse_network"]["MLPResNetBlock_1"]["Dense_1"]["bias"]
    head["diffusion_model"]["cond_encoder"]["Dense_0"]["kernel"] = np.zeros((3, 12), np.float32)
    head["diffusion_model"]["reverse_network"]["Dense_1"]["bias"][1] = np.nan
    head["diffusion_model"]["other"] = np.zeros(2, np.float32)
    with pytest.raises(InputError) as error:
        load_float(save(tmp_path / "octo.msgpack", head))
    text, at = str(error.value), "params/heads_action/diffusion_model"
    assert f"1 missing: {at}/reverse_network/MLPResNetBlock_1/Dense_1/bias;" in text
    assert f"1 of another shape: {at}/cond_encoder/Dense_0/kernel [3, 12] (expected [10, 12])" in text
    assert f"1 NaN or infinite: {at}/reverse_network/Dense_1/bias" in text
    assert f"1 extra: {at}/other" in text


def test_trees_that_are_no_head_of_one_token(tmp_path):
    with pytest.raises(InputError, match="use_map"):
        load_float(save(tmp_path / "octo.msgpack", diffusion_head() | {"map_head": pooling_head()["map_head"]}))
    with pytest.raises(InputError, match=r"tokens have shape \[4, 3\]"):
        load_float(save(tmp_path / "octo.msgpack", pooling_head()), {"tokens": (4, 3)})
    with pytest.raises(InputError, match="octo-diffusion-head: 5000 steps"):
        load_float(save(tmp_path / "octo.msgpack", diffusion_head()), {"noise": (5000, ACTION)})
