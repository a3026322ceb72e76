"""The robot's world and the episodes: the same seed gives the same run, and success means what it says."""

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.evaluate.closed_loop import picture, run_episodes, unseen_seeds
from hwgen.evaluate.robot.expert import expert_action, expert_chunk

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("robot")]


def still(images, state, text):
    return np.zeros((len(images), 8, 3), np.float32)


def test_a_world_repeats_itself(seed):
    from hwgen.evaluate.robot.scene import ReachWorld

    runs = []
    world = ReachWorld()
    for _ in range(2):
        world.reset(seed)
        for action in np.random.default_rng(seed).uniform(-1, 1, (6, 3)):
            world.step(action)
        runs.append((world.ee, world.cubes, world.goal_index, world.image()))
        world.reset(seed + 1)  # another episode between must leave no trace
        world.step(np.ones(3))
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, second)
    world.close()


def test_the_expert_succeeds_slowly():
    from hwgen.evaluate.robot.scene import REACH_RADIUS, TOUCH_RADIUS, ReachWorld

    world = ReachWorld()
    for seed in unseen_seeds(6):
        world.reset(seed)
        steps = 0
        while steps < 60:
            steps += 1
            world.step(expert_action(world.ee, world.goal))
            gaps = np.linalg.norm(world.cubes - world.ee, axis=1)
            assert np.delete(gaps, world.goal_index).min() > TOUCH_RADIUS
            if gaps[world.goal_index] < REACH_RADIUS:
                break
        assert 10 <= steps < 60
    world.close()


def test_expert_chunk_starts_with_the_expert_action(rng):
    ee, goal = rng.uniform(-0.1, 0.1, (2, 5, 3))
    chunk = expert_chunk(ee, goal)
    np.testing.assert_allclose(chunk[:, 0], expert_action(ee, goal), atol=1e-6)
    assert np.abs(chunk).max() <= 1.0


def test_a_robot_that_stays_fails_and_episodes_are_in_order():
    seeds = unseen_seeds(3)
    report = run_episodes(still, seeds[::-1], limit=6, lanes=2, workers=1)
    assert [e.seed for e in report.episodes] == seeds
    assert report.success == 0.0
    assert all(e.steps == 6 and e.told == e.goal and len(e.path) == 7 for e in report.episodes)
    assert report.summary()["steps_mean"] is None


def test_lanes_do_not_change_the_result():
    def lean(images, state, text):  # depends on its observation, sample by sample
        push = np.stack([state[:, 0], images.mean((1, 2, 3)) / 255, text[:, 0]], 1)
        return np.repeat(np.clip(push, -1, 1)[:, None], 8, 1).astype(np.float32)

    seeds = unseen_seeds(5)
    one, many = (run_episodes(lean, seeds, limit=12, lanes=n, workers=1) for n in (1, 4))
    for a, b in zip(one.episodes, many.episodes, strict=True):
        np.testing.assert_array_equal(a.path, b.path)
        assert a.instruction == b.instruction


def test_a_whole_policy_is_given_what_a_robot_has():
    """The same observations, as positions in metres and sentences instead of normalized states and vectors."""
    from hwgen.policies.embodiment import normalize_state
    from hwgen.policies.text import TextEncoder

    seen = {True: [], False: []}
    for whole, calls in seen.items():

        def look(images, state, text, calls=calls):
            calls.append((images, state, text))
            return still(images, state, text)

        run_episodes(look, unseen_seeds(2), limit=4, workers=1, whole=whole, words={"red": 1.0})
    encode = TextEncoder({"red": 1.0})
    for (images, metres, sentences), (same, state, text) in zip(seen[True], seen[False], strict=True):
        np.testing.assert_array_equal(images, same)
        np.testing.assert_array_equal(normalize_state(metres), state)
        np.testing.assert_array_equal(np.stack([encode(str(s)) for s in sentences]), text)


def test_controls_change_what_the_policy_sees():
    seen = []

    def look(images, state, text):
        seen.append(images)
        return still(images, state, text)

    report = run_episodes(look, unseen_seeds(8), blank=True, shuffle=True, phrasing="unseen", limit=4, workers=1)
    assert all((images == 128).all() for images in seen)
    assert any(e.told != e.goal for e in report.episodes)


def test_picture_is_written(tmp_path):
    report = run_episodes(still, unseen_seeds(2), limit=4, workers=1, record=1)
    assert report.episodes[0].frames is not None
    assert report.episodes[1].frames is None
    path = picture(report, tmp_path / "sub" / "run.png")
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda i, s, t: np.zeros((len(i), 8)), "answered shape"),
        (lambda i, s, t: np.zeros((len(i), 2, 3)), "answered shape"),
        (lambda i, s, t: np.full((len(i), 8, 3), np.nan), "NaN"),
    ],
)
def test_a_policy_that_answers_nonsense(policy, message):
    with pytest.raises(InputError, match=message):
        run_episodes(policy, unseen_seeds(1), workers=1)


def test_bad_arguments():
    with pytest.raises(InputError, match="phrasing 'odd'"):
        run_episodes(still, [1], phrasing="odd")
    with pytest.raises(InputError, match="distinct"):
        run_episodes(still, [1, 1])
