"""The project's own promises: pins, make targets, and a host check that says what to install."""

import os
import re
import subprocess

import pytest

tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")

from tests.support import ROOT  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / "requirements" / name).read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines), "an exact pin a line"
    return {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower(): line.partition("==")[2] for line in lines}


def test_numpy_alone_is_the_base():
    assert [re.split(r"[<>=]", word)[0] for word in PROJECT["dependencies"]] == ["numpy"]


@pytest.mark.parametrize("extra", ["flow", "dev"])
def test_every_tool_is_pinned_to_the_version_that_was_tried(extra):
    held = pins("flow.txt")
    for word in PROJECT["optional-dependencies"][extra]:
        name, version = word.split("==")
        assert held[name.lower()] == version


@pytest.mark.parametrize("name, version", [("pynq.txt", "4.0.0"), ("pynq3.txt", "3.1.2")])
def test_the_pynq_environments(name, version):
    held = pins(name)
    assert held["pynq"] == version
    assert held["numpy"].startswith("1."), "pynq wants numpy below 2"
    assert held["pycparser"].startswith("2."), "pynq imports what pycparser 3 dropped"
    assert int(held["setuptools"].partition(".")[0]) < 81, "pynq imports pkg_resources"


@pytest.mark.parametrize("extra", ["board", "serial"])
def test_the_robots_extras_are_held_at_versions_they_allow(extra):
    wanted = [re.fullmatch(r"([a-z]+)([<>]=?)([0-9.]+)", word) for word in PROJECT["optional-dependencies"][extra]]
    assert all(wanted), "a name and one bound, so that a board's own versions stay"
    held = pins("flow.txt") if extra == "serial" else pins("pynq3.txt")
    for name, relation, bound in (match.groups() for match in wanted):
        found, limit = ([int(n) for n in version.split(".")] for version in (held[name], bound))
        assert found >= limit if relation == ">=" else found < limit, name


def test_the_boards_images_python_is_found_or_stood_in_for():
    """`make env` puts pynq 3 on Python 3.10 where there is one, and on 3.11 where there is none."""
    here = subprocess.run([ROOT / "scripts" / "find_python310.sh"], capture_output=True, text=True, check=True)
    for python in here.stdout.split():
        assert subprocess.run([python, "-V"], capture_output=True, text=True).stdout.startswith("Python 3.10.")
    nowhere = {"PATH": "/nowhere", "HOME": "/nowhere"}
    script = ["/bin/bash", ROOT / "scripts" / "find_python310.sh"]
    assert subprocess.run(script, env=nowhere, capture_output=True, text=True, check=True).stdout == ""
    dry = ["make", "-Bn", ".venv-pynq3/.hwgen-env", "PYTHON=python3.11"]
    for given, used in (("", "python3.11"), ("PYTHON310=/opt/python3.10", "/opt/python3.10")):
        told = subprocess.run([*dry, given or "PYTHON310="], cwd=ROOT, capture_output=True, text=True, check=True)
        assert f"{used} -m venv --clear .venv-pynq3" in told.stdout


def test_both_pynq_environments_run_the_robots_tests():
    told = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for folder in (".venv-pynq", ".venv-pynq3"):
        assert re.search(rf"^{folder}/bin/python -m pytest .* tests/runtime tests/notebooks$", told, re.MULTILINE)


@pytest.mark.parametrize("target", ["help", "env", "sim", "test", "test-full", "lint", "train", "bitstream", "package"])
def test_make_targets(target):
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  make {target}\s", listed, re.MULTILINE)


def test_ci_runs_the_readmes_test_command():
    assert re.search(r"^    make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_host_check_names_every_missing_package(tmp_path):
    """On a machine with nothing but a shell it says what to install, in one line to copy."""
    (tmp_path / "bash").symlink_to("/bin/bash")
    done = subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "check_host.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("apt-get install python3.11 python3.11-venv g++ make perl")


def test_host_check_refuses_another_python(tmp_path):
    """A stand-in that runs, calls itself 3.9, and fails every question it is asked."""
    fake = tmp_path / "python3.9"
    fake.write_text('#!/bin/sh\n[ "$1" = -V ] && { echo Python 3.9.2; exit 0; }\n[ -z "$2" ]\n')
    fake.chmod(0o755)
    check = ["/bin/bash", ROOT / "scripts" / "check_host.sh", fake]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is Python 3.9.2, and hwgen's tools need Python 3.11" in done.stderr
