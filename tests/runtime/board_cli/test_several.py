"""hwgen-board on packages of several engines: the same commands, and what is said of each engine."""

import json
import re

import pytest

from hwgen.runtime.board_cli import main
from hwgen.runtime.sim_direct import SimDirect
from tests.runtime import policy_samples, several


@pytest.fixture(params=["alone", "policy"])
def package(request, tmp_path):
    """Two replicas of an accelerator alone, or of a whole policy."""
    stage = policy_samples.write(tmp_path / "policy.zip") if request.param == "policy" else None
    return several.replicas(tmp_path / "two.hwpkg", stage=stage)


@pytest.fixture
def models(monkeypatch):
    """`--device instant` computes in these tests."""
    made = several.models()

    def devices(package):
        first = SimDirect(made[0])
        return [first, *(SimDirect(model, first) for model in made[1:])]

    monkeypatch.setattr("hwgen.runtime.sim_engines.instant", devices)
    return made


def call(capsys, *words):
    code = main([str(w) for w in words])
    out, err = capsys.readouterr()
    assert (code == 0 or not err or err.count("\n") == 1) and "Traceback" not in err
    return code, out, err


def test_info(capsys, package, models):
    code, out, _ = call(capsys, "info", package.path, "--device", "instant")
    assert code == 0 and "two for zcu104, 2 engines, design 0123456789abcdef" in out
    assert len(re.findall(r"^engine +0 cycles|^engine +77 cycles", out, re.M)) == 2
    facts = json.loads(call(capsys, "info", package.path, "--json")[1])["package"]
    assert facts["copies"] == [2] and facts["stages"][0]["array"] == [8, 8] and facts["answers_a_second"] > 6e6


def test_selftest(capsys, package, models):
    code, out, _ = call(capsys, "selftest", package.path, "--device", "instant")
    assert code == 0 and "7 vectors of the accelerator" in out and "bit for bit, 77 clocks (77 predicted)" in out
    assert ("and 3 of the policy" in out) == (package.policy is not None)
    models[1].compute = lambda data: bytes(144)
    code, _, err = call(capsys, "selftest", package.path, "--device", "instant")
    assert code == 1 and "golden says" in err


def test_bench(capsys, package, models):
    words = ["bench", package.path, "--device", "instant", "--count", 20]
    code, out, _ = call(capsys, *words)
    assert code == 0 and "with all engines at work: " in out and "77 clocks (77 predicted), 77 clocks" in out
    facts = json.loads(call(capsys, *words, "--json")[1])
    assert facts["cycles"] == facts["predicted_cycles"] == [77, 77] and facts["answers_a_second"] > 0


def test_run(capsys, package, models):
    words = ["run", package.path, "--device", "instant", "--rate", 5000, "--ticks", 20, "--json"]
    code, out, _ = call(capsys, *words)
    facts = json.loads(out)
    assert code == 0 and facts["ticks"] == 20 and facts["faults"] == 0 and facts["health"]["infers"] == facts["chunks"]
    assert facts["chunks"] == (10 if package.policy else 20)
    assert facts["health"]["engines"][0]["deadlines"]["ticks"] == 20
    assert call(capsys, *words[:-1])[1].count("deadline misses") == 2


@pytest.mark.parametrize(
    "device, told",
    [
        ("hugo", "--device hugo is unknown; give auto"),
        ("sim:", "is unknown"),
        ("sim:nowhere", "no such simulator"),
        ("serial:/dev/none", "reaches one engine, two.hwpkg is for 2; give auto"),
        ("auto", "which hardware"),
    ],
)
def test_devices_that_are_none(capsys, package, device, told):
    for command in ("selftest", "bench", "run"):
        code, out, err = call(capsys, command, package.path, "--device", device)
        assert code == 2 and told in err and not out


@pytest.mark.parametrize("keep", [1, 500, -30])
def test_a_truncated_package_is_named(capsys, tmp_path, package, keep):
    file = tmp_path / "cut.hwpkg"
    file.write_bytes(package.path.read_bytes()[:keep])
    code, _, err = call(capsys, "info", file)
    assert code == 2 and "cut.hwpkg" in err
