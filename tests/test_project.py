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


def test_the_pynq_environment_keeps_numpy_below_2():
    assert pins("pynq.txt")["numpy"].startswith("1.")


@pytest.mark.parametrize("target", ["help", "env", "sim", "test", "test-full", "lint", "train", "bitstream"])
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
