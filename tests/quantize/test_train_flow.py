"""Training of `vit-flow` on tiny recipes: it learns, repeats, and ends in a checkpoint that loads."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("jax")

from hwgen.policies.batches import Batches  # noqa: E402
from hwgen.policies.config import VitFlowConfig  # noqa: E402
from hwgen.policies.demonstrations import Demonstrations  # noqa: E402
from hwgen.policies.shipped import SHAPES  # noqa: E402
from hwgen.policies.vit_flow import NOISE, Weights, training_parts, when  # noqa: E402
from hwgen.quantize.flow_matching import GOAL, Trainer, Training, fit  # noqa: E402
from hwgen.quantize.jax_network import parameters  # noqa: E402
from hwgen.runtime.text import TextEncoder  # noqa: E402

TINY = VitFlowConfig(patch=16, width=16, blocks=1, seen=16, hidden=32, time=8)


@pytest.fixture
def batches(rng):
    n = 60
    cubes = rng.uniform(-0.1, 0.1, (n, 3, 3)).astype(np.float32)
    images = rng.integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    demos = Demonstrations(images, np.zeros((n, 3), np.float32), cubes, 10 * np.arange(n, dtype=np.int32) % 60)
    return lambda: Batches(demos, TextEncoder({"red": 1.0, "green": 1.0, "blue": 1.0}), 0)


def test_all_instructions_of_a_frame_have_their_own_goal(batches):
    made = batches().next(4, all_instructions=True)
    assert made.text.shape == (4, 3, 32) and made.chunk.shape == (4, 3, 24)
    assert all(len(np.unique(goals, axis=0)) == 3 for goals in made.goal)


def test_it_learns_and_repeats(batches):
    told, training = [], Training(steps=30, batch=8, draws=2)
    first = Trainer(TINY, training)
    begin = first.state
    checks = batches().checks(all_instructions=True)
    before = first.error(checks)
    fit(first, batches(), lambda *call: told.append(call))
    assert first.error(checks)[0] < 0.8 * before[0] and told[-1][:2] == (30, 30)
    once = first.weights()
    first.state, first.rng, first.step = begin, np.random.default_rng(0), 0
    fit(first, batches())
    for name, arrays in first.weights().items():
        for a, b in zip(arrays, once[name], strict=True):
            np.testing.assert_array_equal(a, b)
    wanted = {name for part in training_parts(TINY, Weights()) for name in parameters(part)}
    assert set(first.weights()) == wanted and GOAL not in wanted


def test_examples_lie_on_the_way_from_noise_to_chunk(batches, rng):
    trainer = Trainer(TINY, Training(batch=4, draws=3))
    made = trainer._examples(batches().next(4, all_instructions=True), rng)
    assert made["x"].shape == made["velocity"].shape == (12, 3, 24)
    at = np.linspace(0, 1, 1001)
    known = when(at, TINY.time).astype(np.float32)
    times = at[np.abs(made["time"][..., None, :] - known).sum(-1).argmin(-1)]
    chunk = made["x"] + (1 - times[..., None]) * made["velocity"]
    assert np.abs(chunk - chunk[:, :1]).max() < 0.02  # the draws of an instruction meet at time 1
    noise = chunk - made["velocity"]
    assert np.abs(noise).max() < NOISE + 0.02


@pytest.mark.full
@pytest.mark.policy
@pytest.mark.xdist_group("train")
def test_tiny_training_ends_in_a_checkpoint(tmp_path):
    from hwgen.policies.loading import load_policy
    from hwgen.quantize.train_flow import QUICK, train

    stages, out = set(), tmp_path / "tiny.safetensors"
    report = train(out, dataclasses.replace(QUICK, evaluate=2), tmp_path / "work", lambda stage, *_: stages.add(stage))
    assert {"collect", "float", "quantize", "evaluate float", "evaluate integer"} <= stages
    assert report["action_db"] > 20 and report["bytes"] < 4_000_000
    assert load_policy(out).config.steps == SHAPES["vit-flow"].steps
