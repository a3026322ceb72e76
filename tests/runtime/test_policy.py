"""A whole policy from observation to actions on a register-level engine: the numbers, the errors, two in flight."""

import copy
import gc
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from hwgen.runtime import InputFault, SelftestError, UsageError, read_package, write_package
from tests.runtime import policy_samples, samples
from tests.runtime.conftest import open_way
from tests.support import cases

GOOD = policy_samples.TEXTS[0]


def observation(rng):
    words = ["reach", "red", "cube", "please", "Öl", "the"]
    return {
        "camera": rng.integers(0, 256, (3, 2)).astype(np.uint8),
        "state": rng.normal(0, 20, policy_samples.STATE).astype(np.float32),
        "instruction": " ".join(rng.choice(words, rng.integers(0, 6))),
    }


def golden(o):
    return policy_samples.act(o["camera"], o["state"], o["instruction"])


@pytest.fixture
def package(tmp_path):
    return policy_samples.write(tmp_path / "policy.hwpkg")


def test_actions_equal_golden(accelerator, rng):
    assert accelerator.policy.name == "sample"
    for _ in range(cases(50, 2000)):
        o = observation(rng)
        actions = accelerator.infer(o)
        assert actions.dtype == np.float32 and (actions == golden(o)).all()


def test_other_float_types_and_lists_are_taken_as_float32(accelerator, rng):
    o = observation(rng)
    for state in (o["state"].astype(np.float64), o["state"].astype(">f4"), o["state"].tolist()):
        assert (accelerator.infer({**o, "state": state}) == golden(o)).all()
    half = o["state"].astype(np.float16)
    assert (accelerator.infer({**o, "state": half}) == golden({**o, "state": half.astype(np.float32)})).all()
    assert (accelerator.infer({**o, "camera": np.asfortranarray(o["camera"])}) == golden(o)).all()


def test_huge_states_saturate(accelerator, rng):
    o = {**observation(rng), "state": np.full(policy_samples.STATE, 3e37, np.float32)}
    assert (accelerator.infer(o) == golden(o)).all()


def test_out_is_filled(accelerator, rng):
    o, out = observation(rng), np.zeros((4, 3), np.float32)
    assert accelerator.infer(o, out=out) is out and (out == golden(o)).all()
    for bad in (np.zeros((3, 4), np.float32), np.zeros((4, 3)), {"moves": out}, [1]):
        with pytest.raises(InputFault, match=r"out is .*; give a writeable float32 array of shape \(4, 3\)"):
            accelerator.infer(o, out=bad)


def test_raw_speaks_the_accelerators_integers(accelerator, rng):
    vectors = samples.vectors(rng, 1)
    got = accelerator.infer({"x": vectors["x"][0], "k": vectors["k"][0]}, raw=True)
    assert (got["y"] == vectors["y"][0]).all() and (got["z"] == vectors["z"][0]).all()


def test_two_in_flight_while_the_callers_arrays_change(accelerator, rng):
    frame, want = observation(rng), []
    for _ in range(cases(40, 1000)):
        if len(want) == 2:
            assert (accelerator.result() == want.pop(0)).all()
        fresh = observation(rng)
        frame["camera"][...], frame["state"][...] = fresh["camera"], fresh["state"]
        frame["instruction"] = fresh["instruction"]
        accelerator.submit(frame)
        want.append(golden(fresh))
    assert all((accelerator.result() == w).all() for w in want)


def test_a_batch_comes_back_in_order(accelerator, rng):
    observations = [observation(rng) for _ in range(7)]
    for got, o in zip(accelerator.infer_batch(iter(observations)), observations, strict=True):
        assert (got == golden(o)).all()
    assert accelerator.infer_batch([]) == []
    for no_list in (None, 3, observations[0]):
        with pytest.raises(InputFault, match="infer_batch is given .*; give a list with an observation each"):
            accelerator.infer_batch(no_list)


def test_a_bad_observation_ends_a_batch_and_leaves_nothing_in_flight(accelerator, rng):
    observations = [observation(rng) for _ in range(5)]
    with pytest.raises(InputFault, match="'instruction'|instruction is"):
        accelerator.infer_batch([*observations[:3], {**observations[3], "instruction": 5}, observations[4]])
    assert (accelerator.infer(observations[4]) == golden(observations[4])).all()


BAD = [
    ({"camera": None}, r"observation 'camera' has shape \(\); this accelerator takes \(3, 2\)"),
    ({"camera": np.zeros((2, 3), np.uint8)}, r"observation 'camera' has shape \(2, 3\)"),
    ({"camera": np.zeros((1, 3, 2), np.uint8)}, "drop the batch axis"),
    ({"camera": np.zeros((3, 2))}, "observation 'camera' has dtype float64; give uint8"),
    ({"camera": [[1, 2], [3]]}, "observation 'camera' (is no array|has)"),
    ({"state": np.zeros(12, int)}, "observation 'state' has dtype int64; give float32 in rad"),
    ({"state": np.zeros(11)}, r"observation 'state' has shape \(11,\)"),
    ({"state": np.full(12, np.nan)}, r"observation 'state' is nan at \(0,\); real inputs must be finite"),
    ({"state": np.full(12, np.inf)}, r"observation 'state' is inf at \(0,\)"),
    ({"state": np.full(12, 1e300)}, r"observation 'state' is inf at \(0,\)"),
    ({"instruction": b"reach"}, "the instruction is bytes; give a string"),
    ({"instruction": None}, "the instruction is NoneType"),
    ({"instruction": "x" * 100_000}, "the instruction has 100000 characters; at most"),
    ({"extra": 1}, "the observation is camera, state, instruction, extra; this policy takes camera, "),
]  # fmt: skip


@pytest.mark.parametrize("change,reason", BAD, ids=[str(i) for i in range(len(BAD))])
def test_a_bad_observation_is_named_and_survived(accelerator, model, rng, change, reason):
    o = observation(rng)
    for call in (accelerator.infer, accelerator.submit):
        with pytest.raises(InputFault, match=reason):
            call({**o, **change})
    assert model.runs == 0 and (accelerator.infer(o) == golden(o)).all()


@pytest.mark.parametrize("given", [{}, {"camera": 1}, [1, 2], None, "text", {"x": 1, "k": 2, 5: 3}])
def test_names_that_are_not_the_policys(accelerator, given):
    with pytest.raises(InputFault, match="the observation is .*(this policy takes|give a dict of arrays)"):
        accelerator.infer(given)


def test_infer_or_has_the_packages_safe_action(accelerator, model, rng):
    o = observation(rng)
    assert (accelerator.infer_or(o) == golden(o)).all() and accelerator.last_error is None
    model.fail = "AXI_READ"
    assert (accelerator.infer_or(o) == np.zeros((4, 3))).all() and "AXI_READ" in str(accelerator.last_error)
    own = np.ones((4, 3), np.float32)
    assert accelerator.infer_or({}, own) is own


def test_no_safe_action(way, tmp_path, model, rng):
    policy = {**policy_samples.policy(), "safe_action": None}
    with open_way(way, policy_samples.write(tmp_path / "p.hwpkg", policy=policy), model) as accelerator:
        with pytest.raises(UsageError, match="has no safe action; give safe="):
            accelerator.infer_or(observation(rng))


def test_selftest_covers_the_policy(accelerator):
    report = accelerator.selftest()
    assert (report["vectors"], report["policy_vectors"]) == (3, len(policy_samples.TEXTS))


def test_selftest_tells_the_hosts_part_from_the_accelerators(way, package, model):
    with open_way(way, package, model) as accelerator:
        wrong = copy.copy(accelerator.package.policy_selftest["action"])
        wrong[1, 2, 0] += 0.5
        accelerator.package.policy_selftest["action"] = wrong
        with pytest.raises(SelftestError, match=r"observation 1 of 3, the action at \(2, 0\) is .*host's part"):
            accelerator.selftest()


def test_instructions_are_embedded_once(accelerator, rng):
    o = {**observation(rng), "instruction": "reach the red cube"}
    for _ in range(5):
        accelerator.infer(o)
    (encoder,) = accelerator._residency.current[1].policy.encoders.values()
    assert (encoder.cache_info().misses, encoder.cache_info().hits) == (1, 4)


def test_the_image_goes_straight_to_an_accelerator_without_a_program_before_it(way, tmp_path, model, rng):
    """before: null; the observations are the inputs themselves, and `after` reads an observation too."""
    policy = policy_samples.policy()
    policy["before"] = None
    policy["observation"] = [
        {"name": "camera", "kind": "image", "shape": [3, 2], "dtype": "uint8", "unit": "", "to": "k", "axes": [1, 0]},
        {"name": "state", "kind": "vector", "shape": [20], "dtype": "float32", "unit": "m", "to": "x",
         "mean": [0.0] * 20, "std": [1.0] * 20},
    ]  # fmt: skip
    policy["after"]["inputs"].append({"name": "x", "shape": [20], "lo": -128, "hi": 127})
    policy["after"]["nodes"] = [
        {"op": "Concat", "inputs": ["y", "x"], "output": "both", "axis": 0},
        {"op": "Slice", "inputs": ["both"], "output": "part", "axis": 0, "start": 14, "stop": 26, "step": 1},
        {"op": "Lookup", "inputs": ["part"], "output": "moves", "offset": 128, "table": "half"},
    ]
    policy["tensors"] = {
        "k": {"lo": 0, "hi": 255, "scale": 0.3, "shape": [2, 3]},
        "x": {"lo": -128, "hi": 127, "scale": 0.125, "shape": [20]},
        "moves": policy["tensors"]["moves"],
    }
    manifest = {**samples.manifest(), "policy": policy}
    manifest["inputs"][1].update(lo=0, hi=255)
    camera, state = np.zeros((1, 3, 2), np.uint8), np.zeros((1, 20), np.float32)
    path = write_package(
        tmp_path / "p.hwpkg", manifest, samples.image(), samples.vectors(rng),
        policy_arrays={"after/half": policy_samples.arrays()["after/half"]},
        policy_selftest={"camera": camera, "state": state, "action": np.zeros((1, 4, 3), np.float32)},
    )  # fmt: skip
    with open_way(way, path, model) as accelerator:
        for _ in range(cases(20, 500)):
            o = {"camera": rng.integers(0, 256, (3, 2)).astype(np.uint8), "state": rng.normal(0, 5, 20).astype("f4")}
            x = np.clip(np.round(o["state"] / np.float32(0.125)), -128, 127).astype(np.int8)
            y, _ = samples.golden(x, o["camera"].T.reshape(6))
            moves = (np.concatenate([y, x])[14:26].astype(np.int64) >> 1).astype(np.float32).reshape(4, 3) / 64
            want = np.clip(moves * np.float32([1, 1, 2]) + np.float32([0, 0.25, 0]), -1, 1)
            assert (accelerator.infer(o) == want).all()


def test_what_has_a_default_may_be_left_out(way, tmp_path, model, rng):
    policy, usual = policy_samples.policy(), rng.normal(0, 5, policy_samples.STATE).astype(np.float32)
    policy["observation"][1]["default"] = usual.tolist()
    with open_way(way, policy_samples.write(tmp_path / "p.hwpkg", policy=policy), model) as accelerator:
        for _ in range(3):
            o = observation(rng)
            assert (accelerator.infer(o) == golden(o)).all()
            rest = {name: o[name] for name in ("camera", "instruction")}
            assert (accelerator.infer(rest) == golden({**rest, "state": usual})).all()
            (batched,) = accelerator.infer_batch([rest])
            assert (batched == golden({**rest, "state": usual})).all()
        for wrong in ({"camera": o["camera"]}, {**rest, "stat": usual}, {**o, "extra": 1}):
            with pytest.raises(InputFault, match=r"this policy takes camera, state \(optional\), instruction"):
                accelerator.infer(wrong)
        with pytest.raises(InputFault, match="observation 'state' is nan"):
            accelerator.infer({**rest, "state": np.full(policy_samples.STATE, np.nan, np.float32)})


def test_memory_does_not_grow(accelerator, model, rng):
    o, out = observation(rng), np.zeros((4, 3), np.float32)

    def work(count):
        for i in range(count):
            model.fail = "AXI_READ" if i % 7 == 0 else None
            accelerator.infer_or(o, out, out=out)
        model.log.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        marks = [work(cases(200, 5000)) for _ in range(4)]
        # What leaks, leaks in every part; in one of them Python may fill its own caches (frames of functions).
        assert min(after - before for before, after in pairwise(marks)) < 4000
    finally:
        tracemalloc.stop()


def test_the_package_is_as_it_was_written(package):
    policy_samples.check(read_package(package).policy)
