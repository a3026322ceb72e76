"""The wheel: installs with numpy alone, and the robot's side imports nothing else."""

import subprocess
import sys
import zipfile

import pytest

from tests.support import ROOT


def test_the_runtime_imports_only_numpy():
    """Whatever else is installed, importing the runtime pulls in numpy and the standard library, no more."""
    probe = (
        "import sys; before = set(sys.modules); import hwgen.runtime; "
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(r for r in roots if r not in sys.stdlib_module_names and not r.startswith('_'))); "
        "print(sorted(n for n in sys.modules if n.startswith('hwgen.') and not n.startswith('hwgen.runtime')))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    others, parts = done.stdout.splitlines()
    assert set(eval(others)) <= {"hwgen", "numpy"}
    assert parts == "[]"


@pytest.mark.full
def test_wheel_holds_the_resources_and_needs_numpy_alone(tmp_path):
    """Builds the wheel, installs it into an environment of its own and reads a board from there. Needs the registry."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("hwgen-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for kind in ("hls_templates", "boards", "sim"):
        assert any(name.startswith(f"hwgen/_data/{kind}/") for name in names), kind
    assert not any(name.startswith(("tests/", "build/", "boards/")) for name in names)

    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "-q", "--disable-pip-version-check", "install", str(wheel)], check=True)
    told = subprocess.run(
        [python, "-c", "import hwgen.runtime; from hwgen import boards; print(boards.load('zcu104').part)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "xczu7ev-ffvc1156-2-e"
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    installed = {line.partition("==")[0] for line in listed.stdout.split()}
    assert installed == {"hwgen", "numpy", "pip", "setuptools"}
