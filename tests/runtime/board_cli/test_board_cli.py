"""hwgen-board: what it prints, its exit codes, one line for every error."""

import json
import re
import sys

import numpy as np
import pytest

from hwgen.runtime import npz
from hwgen.runtime.board_cli import devices, main
from hwgen.runtime.board_cli.info import machine
from hwgen.runtime.package_vectors import pack_texts
from hwgen.runtime.sim_direct import SimDirect
from tests.runtime import policy_samples, samples

ROBOT = """
acted = []
def observe():
    import numpy as np
    return {"camera": np.zeros((3, 2), np.uint8), "state": np.zeros(12, np.float32), "instruction": "reach"}
def act(action):
    acted.append(action)
def broken():
    raise ValueError("no camera")
"""


@pytest.fixture
def policy(tmp_path):
    return str(policy_samples.write(tmp_path / "policy.hwpkg"))


@pytest.fixture
def alone(tmp_path):
    return str(samples.package(tmp_path / "alone.hwpkg"))


@pytest.fixture(autouse=True)
def instant_is_the_model(monkeypatch):
    """`--device instant` computes in these tests."""
    monkeypatch.setattr("hwgen.runtime.instant.InstantBus", lambda package: samples.model())


def call(capsys, *words):
    code = main([str(w) for w in words])
    out, err = capsys.readouterr()
    assert (code == 0 or not err or err.count("\n") == 1) and "Traceback" not in err
    return code, out, err


def test_info(capsys, policy):
    code, out, _ = call(capsys, "info")
    assert code == 0 and "python" in out and "numpy" in out and "board" in out
    code, out, _ = call(capsys, "info", policy, "--json", "--device", "instant")
    facts = json.loads(out)
    assert facts["package"]["design_hash"] == f"{samples.HASH:016x}" and facts["health"]["loads"] == 1
    assert "policy sample" in call(capsys, "info", policy)[1]


def test_info_of_a_board(tmp_path):
    for name, text in {
        "proc/device-tree/model": "ZynqMP ZCU104 RevC\0",
        "proc/meminfo": "MemTotal:  2048000 kB\nCmaTotal: 524288 kB\nCmaFree: x kB\nbad",
        "sys/class/hwmon/hwmon0/temp1_input": "45500",
        "sys/class/hwmon/hwmon0/name": "ams",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    facts = machine(tmp_path)
    assert facts["board"] == "ZynqMP ZCU104 RevC" and facts["memory"] == "2000 MiB" and facts["DMA memory"] == "512 MiB"
    assert facts["DMA memory free"] == "not told" and facts["temperature"] == "ams 1 45.5 C"


def test_selftest(capsys, policy):
    code, out, _ = call(capsys, "selftest", policy, "--device", "instant")
    assert code == 0 and "3 vectors of the accelerator and 3 of the policy bit for bit, 77 clocks (77 predicted)" in out


def test_selftest_of_hardware_that_computes_wrong(capsys, policy, monkeypatch):
    wrong = samples.model(compute=lambda data: bytes(144))
    monkeypatch.setattr("hwgen.runtime.instant.InstantBus", lambda package: wrong)
    code, _, err = call(capsys, "selftest", policy, "--device", "instant")
    assert code == 1 and "golden says" in err


@pytest.mark.parametrize("which", ["policy", "alone"])
def test_bench(capsys, request, which):
    package = request.getfixturevalue(which)
    code, out, _ = call(capsys, "bench", package, "--device", "instant", "--count", 20, "--json")
    facts = json.loads(out)
    assert code == 0 and set(facts["parts_us"]) == {"packing", "host", "device", "unpacking"}
    assert facts["latency_us"]["p50"] > 0 and facts["cycles"] == 77
    assert "unpacking" in call(capsys, "bench", package, "--device", "instant", "--count", 5)[1]


@pytest.mark.parametrize("command", ["selftest", "bench", "run"])
def test_the_only_package_here_needs_no_name(capsys, policy, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    more = {"selftest": [], "bench": ["--count", 2], "run": ["--ticks", 2, "--rate", 5000]}[command]
    words = [command, "--device", "instant", *more]
    code, out, _ = call(capsys, *words)
    assert code == 0 and "policy.hwpkg" in out and ("sample (policy.hwpkg)" in out or command != "bench")
    (tmp_path / "other.hwpkg").write_bytes(b"")
    code, _, err = call(capsys, *words)
    assert code == 2 and "holds 2 packages; name one of other.hwpkg, policy.hwpkg" in err
    monkeypatch.chdir("/proc/self")
    code, _, err = call(capsys, *words)
    assert code == 2 and "holds no .hwpkg file; name one" in err


def test_run_with_golden_observations(capsys, policy):
    words = ["run", policy, "--device", "instant", "--rate", 5000, "--ticks", 20, "--watchdog", 10, "--json"]
    code, out, _ = call(capsys, *words)
    facts = json.loads(out)
    assert code == 0 and facts["ticks"] == 20 and facts["chunks"] == 10 and facts["faults"] == 0
    assert facts["watchdog"] == {"accelerator": 0, "caller": 0} and facts["health"]["infers"] == 10
    code, out, _ = call(capsys, *words[:-1], "--ensemble", 0.01, "--execute", 1)
    assert code == 0 and "20 ticks" in out and "watchdog" in out


def test_run_an_accelerator_alone(capsys, alone):
    code, out, _ = call(capsys, "run", alone, "--device", "instant", "--rate", 5000, "--seconds", 0.002)
    assert code == 0 and "10 ticks" in out
    code, _, err = call(capsys, "run", alone, "--device", "instant")
    assert code == 2 and "rate" in err


def test_recorded_observations_may_lack_what_has_a_default(capsys, tmp_path):
    policy = policy_samples.policy()
    policy["observation"][1]["default"] = [0.25] * 12
    made = policy_samples.write(tmp_path / "p.hwpkg", policy=policy)
    file = tmp_path / "recorded.npz"
    words = ["run", str(made), "--device", "instant", "--rate", 5000, "--ticks", 4, "--observations", file]
    some = {"camera": np.zeros((2, 3, 2), np.uint8), "instruction": pack_texts(["reach", "the red cube"])}
    file.write_bytes(npz.save(some))
    assert call(capsys, *words)[0] == 0
    for arrays in ({"camera": some["camera"]}, {**some, "extra": some["camera"]}):
        file.write_bytes(npz.save(arrays))
        assert "must hold camera, state, instruction" in call(capsys, *words)[2]


def test_run_with_recorded_observations(capsys, policy, tmp_path):
    good = {"camera": np.zeros((2, 3, 2), np.uint8), "state": np.zeros((2, 12), np.float32),
            "instruction": pack_texts(["reach", "the red cube"])}  # fmt: skip
    file = tmp_path / "recorded.npz"
    words = ["run", policy, "--device", "instant", "--rate", 5000, "--ticks", 4, "--observations", file]
    file.write_bytes(npz.save(good))
    assert call(capsys, *words)[0] == 0
    for save in (np.savez, np.savez_compressed):
        save(file, **{**good, "instruction": np.array(["reach", "öffne the red cube"])})
        assert call(capsys, *words)[0] == 0
    np.savez(file, **{**good, "instruction": np.array([None, "x"], object)})
    assert "not an .npz file of numbers and texts" in call(capsys, *words)[2]
    bad = [({k: v for k, v in good.items() if k != "state"}, "must hold camera, state, instruction"),
           ({**good, "state": good["state"][:1]}, "the same number of observations"),
           ({**good, "instruction": np.full((2, 3), 255, np.uint8)}, "is no texts")]  # fmt: skip
    for arrays, reason in bad:
        file.write_bytes(npz.save(arrays))
        code, _, err = call(capsys, *words)
        assert code == 2 and reason in err
    file.write_bytes(b"rubbish")
    assert "not an .npz file" in call(capsys, *words)[2]
    assert "no such file" in call(capsys, *words[:-1], tmp_path / "none.npz")[2]


def test_run_a_robot_of_ones_own(capsys, policy, tmp_path, monkeypatch):
    (tmp_path / "my_robot.py").write_text(ROBOT)
    monkeypatch.chdir(tmp_path)
    words = ["run", policy, "--device", "instant", "--rate", 5000, "--ticks", 6]
    code, out, _ = call(capsys, *words, "--observe", "my_robot:observe", "--act", "my_robot:act")
    assert code == 0 and len(sys.modules.pop("my_robot").acted) == 7  # the safe action comes last
    bad = {"my_robot": "write MODULE:FUNCTION", "my_robot:nothing": "has no function nothing",
           "no_such_module:f": "cannot be imported", "my_robot:broken": "raised ValueError: no camera"}  # fmt: skip
    for text, reason in bad.items():
        code, _, err = call(capsys, *words, "--observe", text)
        assert code == 2 and reason in err


def test_too_many_misses(capsys, policy):
    words = ["run", policy, "--device", "instant", "--rate", 1e6, "--ticks", 3, "--max-misses"]
    assert call(capsys, *words, 0)[0] == 1 and call(capsys, *words, 3)[0] == 0
    code, _, err = call(capsys, *words, -1)
    assert code == 2 and "--max-misses is -1; give 0 or more" in err


@pytest.mark.parametrize(
    "words,reason",
    [
        (["--device", "hugo"], "--device hugo is unknown; give auto"),
        (["--device", "sim:"], "is unknown"),
        (["--device", "sim:nowhere"], "no such simulator"),
        (["--device", "serial:/dev/none"], "/dev/none|pyserial"),
        (["--device", "instant", "--timeout", "nan"], "timeout is nan"),
        (["--device", "auto"], "which hardware"),
    ],
)
def test_devices_that_are_none(capsys, policy, words, reason):
    for command in ("selftest", "bench", "run"):
        code, out, err = call(capsys, command, policy, *words)
        assert code in ((1, 2) if "serial" in words[1] else (2,)) and re.search(reason, err) and not out


def test_packages_that_are_none(capsys, tmp_path):
    (tmp_path / "bad.hwpkg").write_bytes(b"PK" * 50)
    for name in ("bad.hwpkg", "none.hwpkg"):
        code, _, err = call(capsys, "selftest", tmp_path / name)
        assert code == 2 and name in err


def test_interrupted(capsys, policy, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("hwgen.runtime.board_cli.run.ControlLoop.run", interrupt)
    assert call(capsys, "run", policy, "--device", "instant")[0] == 130


def test_the_model_is_given_back(policy):
    from hwgen.runtime import read_package

    with devices.open_accelerator(read_package(policy), "instant", None) as accelerator:
        port = accelerator.port
    assert isinstance(port, SimDirect) and not port.pool.live
