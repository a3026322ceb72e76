"""The shipped policy: its graphs, its float twin, its recorded vectors, and how well it moves the robot."""

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.evaluate.closed_loop import random_observations, run_episodes, unseen_seeds
from hwgen.graph import run
from hwgen.policies.demo import load_demo
from hwgen.policies.loading import load_policy
from hwgen.policies.shipped import SHAPES
from tests.support import cases


def test_weights_have_four_bits():
    demo = load_demo()
    for graph in (demo.encoder, demo.head):
        layers = [n for n in graph.nodes if n.op in ("Linear", "Conv2D")]
        assert layers
        assert all(n.weight_bits == 4 and np.abs(n.weight).max() <= 7 for n in layers)


def test_head_vectors_are_repeatable_and_distinct():
    demo = load_demo()
    vectors = demo.frames("head", 40, 5)["vector"]
    assert vectors.dtype == np.int8
    assert vectors.shape == (40, demo.config.vector)
    np.testing.assert_array_equal(vectors, demo.frames("head", 40, 5)["vector"])
    assert len(np.unique(vectors, axis=0)) == 40
    assert demo.frames("head", 0, 1)["vector"].shape == (0, demo.config.vector)


def test_a_head_runner_replaces_golden(rng):
    demo = load_demo()
    images, state, text = random_observations(5, int(rng.integers(2**31)))
    seen = []

    def runner(inputs):
        seen.append({name: x.dtype for name, x in inputs.items()})
        return run(demo.head, inputs)

    actions = demo.integer_policy(runner)(images, state, text)
    np.testing.assert_array_equal(actions, demo.integer_policy()(images, state, text))
    assert actions.shape == (5, demo.config.chunk, 3)
    assert seen == [{demo.head.inputs[0]: np.dtype(np.int8)}]


def test_integer_and_float_agree_on_recorded_frames():
    demo = load_demo()
    images, state = demo.recorded["images"], demo.recorded["state"]
    text = np.stack([demo.text_encoder("reach the red cube")] * len(images))
    gap = np.abs(demo.float_policy(images, state, text) - demo.integer_policy()(images, state, text))
    assert np.median(gap) < 0.1


def test_not_a_number_is_refused():
    demo = load_demo()
    images, state, text = random_observations(1, 0)
    state[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        demo.integer_policy()(images, state, text)


@pytest.mark.policy
@pytest.mark.xdist_group("robot")
@pytest.mark.parametrize("name", SHAPES)
def test_success_sample(name):
    """A sample in make test, 300 seeds in make test-full: integers within two points of float, at least 97 %."""
    demo, seeds = load_policy(name), unseen_seeds(cases(12 if name == "demo" else 4, 300))
    options = {"execute": demo.config.execute, "words": demo.config.words, "workers": cases(1, 2)}
    real = run_episodes(demo.float_policy, seeds, **options)
    integer = run_episodes(demo.integer_policy(), seeds, **options)
    assert real.success >= cases(0.8, 0.97)
    assert integer.success >= real.success - cases(0.2, 0.02)
    assert min(real.steps.min(), integer.steps.min()) >= 10


@pytest.mark.policy
@pytest.mark.full
@pytest.mark.parametrize(
    ("options", "low", "high"),
    [({"phrasing": "unseen"}, 0.9, 1.0), ({"shuffle": True}, 0.2, 0.5), ({"blank": True}, 0.0, 0.03)],
    ids=["unseen", "shuffled", "blank"],
)
def test_controls(options, low, high):
    """Unseen phrasings work; a shuffled instruction is chance; without a picture nothing is reached."""
    demo = load_demo()
    report = run_episodes(demo.integer_policy(), unseen_seeds(300), words=demo.config.words, **options)
    assert low <= report.success <= high
