"""Packages of a whole policy and with a bitstream: every part is there exactly when the manifest says so, and all of it
fits together."""

import copy

import numpy as np
import pytest

from hwgen.runtime import npz, package_info
from hwgen.runtime.archive import zip_members
from hwgen.runtime.errors import PackageError
from hwgen.runtime.package import (
    BITSTREAM,
    HOST,
    HWH,
    IMAGE,
    LIMITS,
    MANIFEST,
    POLICY_SELFTEST,
    SELFTEST,
    read_package,
    write_package,
)
from hwgen.runtime.package_vectors import pack_texts, unpack_texts
from tests.runtime import policy_samples, samples
from tests.runtime.test_package import members, refit


@pytest.fixture
def whole(tmp_path):
    return policy_samples.write(tmp_path / "whole.hwpkg", bitstream=True)


@pytest.fixture
def refused(whole, tmp_path):
    """refused(change) of the manifest -> the reader's message; `change` gets a copy of the policy to spoil."""

    def refused(change=lambda policy: None, parts=None, **entries):
        policy = policy_samples.policy()
        changed = change(policy)
        policy = policy if changed is None else changed
        with pytest.raises(PackageError) as told:
            read_package(refit({**members(whole), **(parts or {})}, tmp_path / "p.hwpkg", policy=policy, **entries))
        assert "\n" not in str(told.value)
        return str(told.value)

    return refused


def test_round_trip(whole):
    package = read_package(whole)
    policy = package.policy
    policy_samples.check(policy)
    camera, state, text = policy.observation
    assert (camera.axes, camera.shape, camera.tensor.shape, camera.tensor.hi) == ((1, 0), (3, 2), (2, 3), 255)
    assert state.mean.dtype == np.float32 and (state.mean == 0.5).all() and (state.std == 2).all()
    assert text.words.weights == policy_samples.WORDS and float(text.tensor.scale.item()) == policy_samples.SCALE
    assert set(policy.before.outputs) == {"x", "k"} and set(policy.after.inputs) == {"y"}
    assert policy.action.unit == ("m", "m", "") and (policy.action.high == 1).all()
    assert package.bitstream == b"bits" * 64 and package.hwh.startswith(b"<?xml")
    for name, array in policy_samples.vectors().items():
        np.testing.assert_array_equal(package.policy_selftest[name], array)
    assert unpack_texts(package.policy_selftest["instruction"]) == list(policy_samples.TEXTS)
    assert list(package.sizes) == list(LIMITS)


def test_equal_arguments_give_equal_bytes(whole, tmp_path):
    again = policy_samples.write(tmp_path / "again.hwpkg", bitstream=True)
    assert again.read_bytes() == whole.read_bytes()


def test_the_host_programs_compute_the_samples_inputs(whole):
    """The golden vectors pass through before, the model of the accelerator and after, without the driver."""
    package = read_package(whole)
    rows, policy = package.policy_selftest, package.policy
    for i, text in enumerate(policy_samples.TEXTS):
        state = (rows["state"][i] - policy.observation[1].mean) / policy.observation[1].std
        words = policy_samples.TextEncoder(policy_samples.WORDS, policy_samples.SIZE, 0.1)(text)
        ints = [np.clip(np.round(v / np.float32(policy_samples.SCALE)), -128, 127).astype(int) for v in (state, words)]
        made = policy.before.run({"pixels": rows["camera"][i].T, "state": ints[0], "words": ints[1]})
        y, _ = samples.golden(made["x"], made["k"].reshape(6))
        moves = policy.after.run({"y": y})["moves"].reshape(policy.action.shape) * 0.015625
        np.testing.assert_array_equal(np.clip(moves * policy.action.std + policy.action.mean, -1, 1), rows["action"][i])


@pytest.mark.parametrize("name", list(LIMITS))
def test_each_part_must_be_there(whole, tmp_path, name):
    parts = members(whole)
    if name == MANIFEST:
        pytest.skip("nothing says what is missing")
    del parts[name]
    with pytest.raises(PackageError, match=f"{name} is missing"):
        read_package(refit(parts, tmp_path / "p.hwpkg"))


@pytest.mark.parametrize("name", [HOST, POLICY_SELFTEST, BITSTREAM, HWH])
def test_no_part_may_be_there_unasked(whole, tmp_path, name):
    plain = members(samples.package(tmp_path / "plain.hwpkg"))
    with pytest.raises(PackageError, match=f"{name} is there, the manifest has not"):
        read_package(refit({**plain, name: members(whole)[name]}, tmp_path / "p.hwpkg"))


@pytest.mark.parametrize("name", [IMAGE, SELFTEST, HOST, POLICY_SELFTEST, BITSTREAM, HWH])
def test_an_altered_part_is_named(whole, name):
    from hwgen.runtime.archive import zip_bytes

    parts = members(whole)
    parts[name] = parts[name][:-1] + bytes([parts[name][-1] ^ 1])
    whole.write_bytes(zip_bytes(parts))
    with pytest.raises(PackageError, match=f"{name} was altered"):
        read_package(whole)


def test_a_policy_without_host_programs(tmp_path):
    """The observations' tensors are the accelerator's inputs, its output is the action."""
    policy = policy_samples.policy()
    policy["observation"] = [
        {"name": "frame", "kind": "vector", "shape": [20], "dtype": "float32", "unit": "", "to": "x",
         "mean": [0.0] * 20, "std": [1.0] * 20},
        {"name": "k", "kind": "vector", "shape": [2, 3], "dtype": "float32", "unit": "", "to": "k",
         "mean": [0.0] * 3, "std": [1.0] * 3},
    ]  # fmt: skip
    policy |= {"before": None, "after": None, "chunk": 5, "execute": 5, "safe_action": None}
    policy["action"] |= {"from": "y", "shape": [5, 4], "unit": ["m"] * 4, "mean": [0.0] * 4, "std": [1.0] * 4,
                         "low": None, "high": None}  # fmt: skip
    policy["tensors"] = {
        "x": {"lo": -128, "hi": 127, "scale": 0.125, "shape": [20]},
        "k": {"lo": 0, "hi": 15, "scale": 0.3, "shape": [2, 3]},
        "y": {"lo": -128, "hi": 127, "scale": 0.25, "shape": [20]},
    }
    vectors = samples.vectors(np.random.default_rng(1))
    arrays = {"frame": vectors["x"] * np.float32(0.125), "k": vectors["k"].astype(np.float32)}
    arrays["action"] = np.zeros((3, 5, 4), np.float32)
    made = write_package(tmp_path / "p.hwpkg", {**samples.manifest(), "policy": policy}, samples.image(), vectors,
                         policy_selftest=arrays)  # fmt: skip
    package = read_package(made)
    assert package.policy.before is None and package.policy.after is None and HOST not in package.sizes
    wrong = copy.deepcopy(policy)
    wrong["tensors"]["k"]["scale"] = 0.25
    with pytest.raises(PackageError, match="inputs takes tensor 'k' at another scale than it is made with"):
        write_package(tmp_path / "q.hwpkg", {**samples.manifest(), "policy": wrong}, samples.image(), vectors,
                      policy_selftest=arrays)  # fmt: skip


def put(*path, value):
    """A change of one entry of the policy."""

    def change(policy):
        for key in path[:-1]:
            policy = policy[key]
        policy[path[-1]] = value

    return change


def drop(*path):
    def change(policy):
        for key in path[:-1]:
            policy = policy[key]
        del policy[path[-1]]

    return change


HUGE = 10**400
BAD = [
    (("name",), ["", 3, None, "a\nb"]),
    (("observation",), [[], {}, None, [1], [{}] * 65]),
    (("observation", 0, "kind"), ["video", None, ["image"]]),
    (("observation", 0, "name"), ["action", "", None, "state"]),
    (("observation", 0, "to"), ["nothing", None, [], "state"]),
    (("observation", 0, "shape"), [[3, 3], [2, 3], [0], 6, [True], [1 << 30, 1 << 30], None]),
    (("observation", 0, "dtype"), ["float32", None]),
    (("observation", 0, "axes"), [[0], [0, 0], [0, 1], [1.0, 0], None, {}]),
    (("observation", 1, "mean"), [[0.5] * 11, 0.5, [None] * 12, [HUGE] * 12, None]),
    (("observation", 1, "std"), [[0.0] * 12, [-1.0] * 12, [1e-50] * 12, [True] * 12, None]),
    (("observation", 1, "unit"), [None, 3, "\x00", "x" * 300]),
    (("observation", 1, "default"), [[0.5] * 11, 0.5, [None] * 12, [HUGE] * 12]),
    (("observation", 0, "default"), [[0.5] * 12]),
    (("observation", 2, "encoder"), [None, [], {}]),
    (("observation", 2, "encoder", "kind"), ["bert", None]),
    (("observation", 2, "encoder", "size"), [0, 7, -1, 8.0, True, HUGE, None]),
    (("observation", 2, "encoder", "floor"), ["0", None, HUGE, True]),
    (("observation", 2, "encoder", "weights"), [[], None, {"a": "b"}, {"a": HUGE}, {"a" * 300: 1.0}]),
    (("before",), [{}, [], 3, "x"]),
    (("after",), [{}, [], 3, "x"]),
    (("action",), [None, [], {}]),
    (("action", "from"), ["y", "x", None, [], "state"]),
    (("action", "shape"), [[12], [3, 4], [4, 4], [4, 3, 1], None, "4x3"]),
    (("action", "unit"), [["m"], "mmm", [1, 2, 3], None]),
    (("action", "mean"), [[0.0] * 4, None]),
    (("action", "std"), [[0.0] * 3, None]),
    (("action", "low"), [[2.0] * 3, [0.0], "low"]),
    (("chunk",), [0, 3, 5, 4.0, True, None]),
    (("execute",), [0, 5, 1.0, None]),
    (("rate_hz",), [0, -1.0, "10", True, HUGE, None]),
    (("safe_action",), [[0.0] * 2, [2.0] * 3, 0.0, [None] * 3]),
    (("tensors",), [{}, None, []]),
    (("tensors", "pixels", "shape"), [[3, 2], [6], None]),
    (("tensors", "pixels", "hi"), [254, -1, 1 << 31, 255.0, None]),
    (("tensors", "pixels", "lo"), [1, 256, -(1 << 32), None]),
    (("tensors", "state", "scale"), [0, -1.0, [0.125] * 12, None, 1e-50, HUGE]),
    (("tensors", "state", "lo"), [-129]),
    (("tensors", "moves", "hi"), [62]),
    (("tensors", "extra"), [{"lo": 0, "hi": 1, "scale": 1.0, "shape": []}]),
]


@pytest.mark.parametrize("path,value", [(path, value) for path, values in BAD for value in values])
def test_a_bad_entry_is_refused_by_name(refused, path, value):
    message = refused(put(*path, value=value))
    assert "p.hwpkg: " in message and message.endswith("make the package again")
    assert "policy" in message or "host.npz" in message


@pytest.mark.parametrize(
    "path",
    [(key,) for key in policy_samples.policy() if key != "safe_action"]  # whose absence says that there is none
    + [("observation", 1, key) for key in policy_samples.policy()["observation"][1]]
    + [("action", key) for key in ("from", "shape", "unit", "mean", "std")],
)
def test_a_missing_entry_is_refused_by_name(refused, path):
    assert str(path[-1]) in refused(drop(*path)) or path[-1] in ("before", "after")


@pytest.mark.parametrize(
    "path", [(), ("observation", 0), ("observation", 2, "encoder"), ("action",), ("tensors", "state")]
)
def test_an_unknown_key_is_refused(refused, path):
    assert "has an unknown key 'more'" in refused(put(*path, "more", value=1))


def renamed(part, key, names):
    return put(part, key, value=names)


FLOW = [
    (lambda p: p["before"].update(outputs=["x"]), "inputs reads tensor 'k', which nothing makes"),
    (lambda p: p["before"].update(outputs=["k", "x", "pixels"]), "makes tensor 'pixels', which is made already"),
    (
        lambda p: (p["before"]["nodes"].append({"op": "Flatten", "inputs": ["k"], "output": "spare"}),
                   p["before"].update(outputs=["k", "x", "spare"]), None)[-1],
        "makes tensor 'spare', which is no input of the accelerator",
    ),
    (lambda p: p["before"]["nodes"][1].update(inputs=["words", "state", "words"]), r"takes tensor 'x' as \[20\]"),
    (lambda p: p["before"]["inputs"][1].update(lo=-100), "takes tensor 'state' in -100..127, it has -128..127"),
    (lambda p: p["after"].update(outputs=["part"]), "which is not the last part's result"),
    (
        lambda p: (p["observation"].append({**p["observation"][1], "name": "idle", "to": "idle"}),
                   p["tensors"].update(idle=p["tensors"]["state"]), None)[-1],
        "'idle' is read by nothing",
    ),
    (
        lambda p: (p["observation"][2].update(to="state"), p["tensors"].pop("words"), None)[-1],
        "a tensor of the encoder's shape",
    ),
]  # fmt: skip


@pytest.mark.parametrize("change,reason", FLOW, ids=[reason[:40] for _, reason in FLOW])
def test_what_does_not_fit_together_is_refused(refused, change, reason):
    import re

    assert re.search(reason, refused(change))


def test_arrays_that_no_program_reads_are_refused(refused):
    arrays = policy_samples.arrays()
    for stray, reason in [("other/a", "no host program for the array 'other/a'"), ("before/a", "'a'"), ("a", "'a'")]:
        data = npz.save({**arrays, stray: np.zeros(3, np.int8)})
        assert reason in refused(parts={HOST: data})
    assert "host.npz: not an npz file of integers" in refused(parts={HOST: npz.save({"before/x": np.zeros(3)})})


@pytest.mark.parametrize(
    "change,reason",
    [
        ({"camera": np.zeros((3, 3, 2), np.float32)}, "'camera' is float32, must be uint8"),
        ({"camera": np.zeros((3, 2, 3), np.uint8)}, "'camera' has vectors of shape"),
        ({"state": np.zeros((3, 12))}, "'state' is float64"),
        ({"state": np.full((3, 12), np.nan, np.float32)}, "'state' holds NaN or infinity"),
        ({"instruction": np.full((3, 4), 255, np.uint8)}, "not zero-padded UTF-8"),
        ({"instruction": np.array([[65, 0, 66]] * 3, np.uint8)}, "not zero-padded UTF-8 .a zero inside"),
        ({"instruction": np.zeros((3, 5000), np.uint8)}, "texts are"),
        ({"instruction": np.zeros(3, np.uint8)}, "texts are"),
        ({"action": np.zeros((3, 12), np.float32)}, "'action' has vectors of shape"),
        ({"action": None}, "must hold camera, state, instruction, action"),
        ({"action": np.zeros((2, 4, 3), np.float32)}, "same number of vectors"),
    ],
)
def test_bad_vectors_of_the_policy_are_refused(refused, change, reason):
    import re

    arrays = {k: v for k, v in {**policy_samples.vectors(), **change}.items() if v is not None}
    message = refused(parts={POLICY_SELFTEST: npz.save(arrays)})
    assert "policy_selftest.npz: " in message and re.search(reason, message)


@pytest.mark.parametrize(
    "entry",
    [None, {}, "pynq", {"kind": "bin"}, {"tool": ""}, {"tool": 3}, {"clock_mhz": 0}, {"clock_mhz": "200"}, {"more": 1}],
    ids=str,
)
def test_a_bad_bitstream_entry_is_refused(refused, entry):
    entry = {**policy_samples.BITSTREAM, **entry} if isinstance(entry, dict) and entry else entry
    assert "bitstream" in refused(bitstream=entry) or "hwh" in refused(bitstream=entry)


def test_the_kind_says_whether_there_is_a_hwh(refused):
    assert "design.hwh is there, the manifest has not" in refused(
        bitstream={**policy_samples.BITSTREAM, "kind": "ecp5"}
    )


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\xff\xfe<\x00", b"<a/>\x00", b"<!DOCTYPE x><a/>", b'<a/><!ENTITY x "y">']
)
def test_a_hardware_description_that_is_no_plain_xml_is_refused(refused, data):
    assert "design.hwh: " in refused(parts={HWH: data})


def test_an_empty_bitstream_is_refused(refused):
    assert "design.bit: it is empty" in refused(parts={BITSTREAM: b""})


def test_texts():
    texts = ["", "reach", "öffne die Tür", "x" * 4096]
    assert unpack_texts(pack_texts(texts)) == texts
    for bad in ("a\0b", "x" * 4097):
        with pytest.raises(ValueError, match="at most 4096 bytes, none of them zero"):
            pack_texts([bad])


def test_describe_is_json_and_tells_it_all(whole):
    import json

    facts = package_info.describe(read_package(whole))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["clock_mhz"] == 199.998 and facts["latency_us"] == pytest.approx(77 / 199.998)
    assert [t["name"] for t in facts["inputs"]] == ["x", "k"] and facts["selftest"] == {"accelerator": 3, "policy": 3}
    assert facts["policy"]["action"]["std"] == [1.0, 1.0, 2.0] and facts["policy"]["observation"][1]["mean"] == 0.5
    for member in facts["members"]:
        assert member["bytes"] == len(zip_members(whole.read_bytes(), LIMITS)[member["name"]])


def test_differences(whole, tmp_path):
    one = read_package(whole)
    assert package_info.differences(one, read_package(samples.package(tmp_path / "p.hwpkg"))) == []
    other = {
        "design_hash": "0123456789abcdee",
        "engine": {**samples.STREAMS["engine"], "n": 8, "slots": 2},
        "board": "kv260",
    }
    changed = refit({**members(whole), IMAGE: samples.image(0x0123456789ABCDEE)}, tmp_path / "q.hwpkg", **other)
    told = package_info.differences(one, read_package(changed))
    assert told == ["board is 'zcu104' there, 'kv260' here", "n is None there, 8 here", "slots is None there, 2 here"]
