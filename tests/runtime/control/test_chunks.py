"""Chunks become actions: the first k of each, or ACT's temporal ensemble, computed here by its formula."""

import numpy as np
import pytest

from hwgen.runtime import InputFault, UsageError
from hwgen.runtime.control import ExecuteChunk, TemporalEnsemble
from tests.support import cases


def chunk(rng, size=6, dof=2):
    return rng.normal(0, 1, (size, dof)).astype(np.float32)


def test_the_first_k_of_each_chunk(rng):
    chunks = ExecuteChunk(4)
    for _ in range(3):
        given = chunk(rng)
        assert chunks.wants()
        chunks.put(given)
        kept = given.copy()
        given[:] = 0  # the caller may use it again
        for k in range(4):
            assert not chunks.wants() and (chunks.next() == kept[k]).all()


def test_a_new_instruction_drops_the_rest(rng):
    for chunks in (ExecuteChunk(4), TemporalEnsemble(6)):
        old, new = chunk(rng), chunk(rng)
        chunks.put(old)
        chunks.next()
        chunks.reset()
        assert chunks.wants()
        with pytest.raises(UsageError, match=r"no action for this tick; put\(\) a chunk first"):
            chunks.next()
        chunks.put(new)
        assert (chunks.next() == new[0]).all()


@pytest.mark.parametrize("m", [0.0, 0.01, 0.5, 100.0])
def test_the_ensemble_is_acts(rng, m):
    """Weights exp(-m i), i = 0 the oldest, over all chunks that say something about this tick; some ticks have none."""
    ensemble, given = TemporalEnsemble(6, m), {}
    for tick in range(cases(40, 400)):
        assert ensemble.wants()
        if tick == 0 or rng.random() < 0.7 or max(given) <= tick - 6:
            given[tick] = chunk(rng)
            ensemble.put(given[tick])
        said = [made[tick - at].astype(np.float64) for at, made in sorted(given.items()) if 0 <= tick - at < 6]
        weights = [np.exp(-m * i) for i in range(len(said))]
        want = sum(w * s for w, s in zip(weights, said, strict=True)) / sum(weights)
        np.testing.assert_allclose(ensemble.next(), want, rtol=1e-6)


def test_chunks_that_agree_are_left_as_they_are(rng):
    path, ensemble = rng.normal(0, 1, (40, 2)).astype(np.float32), TemporalEnsemble(6)
    for tick in range(30):
        ensemble.put(path[tick : tick + 6])
        np.testing.assert_allclose(ensemble.next(), path[tick], rtol=1e-6)


def test_memory_is_bounded(rng):
    ensemble = TemporalEnsemble(6)
    for _ in range(100):
        ensemble.put(chunk(rng))
        ensemble.next()
    assert ensemble._ring.shape == (6, 6, 2) and len(ensemble._made) == 6


@pytest.mark.parametrize(
    "call,reason",
    [
        (lambda: ExecuteChunk(0), "execute is 0"),
        (lambda: TemporalEnsemble(0), "chunk is 0"),
        (lambda: TemporalEnsemble(4, float("nan")), "m is nan"),
        (lambda: TemporalEnsemble(4, -1), "m is -1"),
        (lambda: ExecuteChunk(4).put(np.zeros((3, 2), "f4")), "the chunk has 3 actions, 4 are"),
        (lambda: ExecuteChunk(4).put(np.zeros(4, "f4")), r"a chunk is float32 \(4,\); give floats \[actions, dof\]"),
        (lambda: ExecuteChunk(4).put(np.zeros((4, 2), int)), "a chunk is int64"),
        (lambda: TemporalEnsemble(4).put(np.zeros((5, 2), "f4")), "takes 4 actions a chunk"),
    ],
)
def test_what_does_not_fit_is_named(call, reason):
    with pytest.raises(UsageError, match=reason):
        call()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_no_robot_can_do_is_no_chunk(rng, number):
    bad = chunk(rng)
    bad[3, 1] = number
    for chunks in (ExecuteChunk(4), TemporalEnsemble(6)):
        with pytest.raises(InputFault, match=f"number 1 of action 3 of a chunk is {number}"):
            chunks.put(bad)
        assert chunks.wants()


def test_another_number_of_joints_meanwhile():
    ensemble = TemporalEnsemble(4)
    ensemble.put(np.zeros((4, 2), "f4"))
    ensemble.next()
    with pytest.raises(UsageError, match=r"the shape \(4, 3\)"):
        ensemble.put(np.zeros((4, 3), "f4"))
