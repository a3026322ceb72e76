"""`vit-flow`: its parts, its float network and its integers, the noise, and checkpoints that contradict themselves."""

import dataclasses

import numpy as np
import pytest

from hwgen.errors import GraphError, InputError
from hwgen.evaluate.closed_loop import random_observations
from hwgen.graph import run
from hwgen.graph.steps import euler
from hwgen.policies import checkpoint, compose, vit_flow
from hwgen.policies.config import VitFlowConfig
from hwgen.policies.loading import load_policy
from hwgen.policies.shipped import checkpoint_file

FILE = checkpoint_file("vit-flow")


@pytest.fixture(scope="module")
def policy():
    return load_policy("vit-flow")


def test_the_checkpoint_is_small():
    assert FILE.stat().st_size <= 4_000_000


def test_integers_and_float_agree_on_recorded_frames(policy):
    for frames in policy.realistic(48, seed=3):
        gap = np.abs(policy.float_policy(*frames) - policy.integer_policy()(*frames))
        assert np.median(gap) < 0.02 and gap.mean() < 0.04


def test_the_parts_make_the_whole(policy, rng):
    inputs = policy.frames("whole", 3, seed=int(rng.integers(2**31)))
    seen = run(policy.encoder, policy.part_inputs("encoder", inputs))
    found = run(policy.head, seen | {"noise": inputs["noise"]})
    np.testing.assert_array_equal(found["action"], run(policy.whole(), inputs)["action"])
    np.testing.assert_array_equal(policy.part_inputs("head", inputs)["seen"], seen["seen"])


def test_splitting_the_whole_gives_the_parts_back(policy):
    encoder, head = compose.split(policy.whole(), "seen")
    assert (len(encoder.nodes), len(head.nodes)) == (len(policy.encoder.nodes), len(policy.head.nodes))
    assert set(head.inputs) & set(policy.whole().inputs) == {"noise"}
    with pytest.raises(GraphError, match="placed"):
        compose.split(policy.whole(), "encoder.vit0.ln0")  # behind it, placed is read again


def test_noise_changes_the_answer_and_none_is_zeros(policy, rng):
    frames = random_observations(4, int(rng.integers(2**31)))
    answer = policy.integer_policy()
    zeros = np.zeros((4, policy.config.action))
    np.testing.assert_array_equal(answer(*frames), answer(*frames, zeros))
    assert (answer(*frames) != answer(*frames, *policy.drawn(4, rng))).any()


def test_the_loop_is_eulers(policy, rng):
    """The whole float network against its parts as training has them, the loop written out."""
    frames = next(policy.realistic(2, seed=int(rng.integers(2**31))))
    reals, w = policy.reals(*frames), vit_flow.Weights(policy.weights)
    encode, pool, flow = vit_flow.training_parts(policy.config, w)
    tokens = encode.run({"image": reals["image"]})["tokens"]
    seen = pool.run({"tokens": tokens, "state": reals["state"], "text": reals["text"]})["seen"]
    x = reals["noise"]
    for update in euler(policy.config.steps):
        time = np.broadcast_to(vit_flow.when(update.time, policy.config.time), (2, policy.config.time))
        x = x + flow.run({"x": x, "seen": seen, "time": time})["velocity"] / policy.config.steps
    found = policy.network().run(reals)["action"]
    assert np.abs(found - np.clip(x, -1, 1)).max() < 1e-4


@pytest.mark.parametrize("what", ["state", "text", "noise"])
def test_not_a_number_is_refused(policy, what):
    images, state, text = random_observations(1, 0)
    given = {"state": state, "text": text, "noise": np.zeros((1, policy.config.action), np.float32)}
    given[what][0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        policy.integer_policy()(images, *given.values())


def _saved(tmp_path, change):
    """The shipped checkpoint with its parts changed."""
    parts = list(checkpoint.load(FILE))
    change(parts)
    path = tmp_path / "other.safetensors"
    checkpoint.save(path, *parts)
    return path


CHANGES = {
    "is of the kind 'vit'": lambda parts: parts[0].update(kind="vit"),
    "expected the entries": lambda parts: parts[0].update(depth=2),
    "width must be int": lambda parts: parts[0].update(width="64"),
    "steps must be positive": lambda parts: parts[0].update(steps=0),
    "patch must divide image": lambda parts: parts[0].update(patch=7),
    "weights of block1 have the shapes": lambda parts: parts[2].pop("block1"),
    "weights of patches have the shapes": lambda parts: parts[0].update(width=32),
    "not an encoder and a head": lambda parts: parts[1].pop("head"),
    "recorded images missing": lambda parts: parts[3].pop("images"),
    "its graphs read": lambda parts: parts[1].update(encoder=_renamed(parts[1]["encoder"])),
}


def _renamed(encoder):
    return compose.renamed(encoder, {"state": "position", "seen": "seen"}, "x", "encoder")


@pytest.mark.parametrize("reason", CHANGES)
def test_a_checkpoint_that_contradicts_itself(tmp_path, reason):
    with pytest.raises(InputError, match=reason):
        load_policy(_saved(tmp_path, CHANGES[reason]))


def test_an_unknown_policy_is_told_which_there_are():
    with pytest.raises(InputError, match="no policy 'vitflow' comes along; there are demo, demo-nonorm, vit-flow"):
        load_policy("vitflow")


def test_new_weights_have_the_shapes_that_are_asked_for():
    small = dataclasses.replace(VitFlowConfig(), width=16, blocks=1, hidden=32, seen=8, steps=2)
    network = vit_flow.network(small, vit_flow.Weights(seed=1))
    assert network.shapes["action.range"] == (24,)
    assert [n.name for n in network.nodes if n.name.endswith("velocity")] == ["step0.velocity", "step1.velocity"]
    assert network.nodes[-1].lo == -1.0
