"""The wheel: installs with numpy alone, and the robot's side imports nothing else."""

import re
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


def pip(python, *words):
    command = [python, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The distribution; needs the registry, for hatchling makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--no-deps", "-w", folder, ROOT)
    (path,) = folder.glob("hwgen-*.whl")
    return path


@pytest.mark.full
def test_wheel_holds_the_resources(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for kind in ("hls_templates", "boards", "sim"):
        assert any(name.startswith(f"hwgen/_data/{kind}/") for name in names), kind
    assert "hwgen/notebooks/hwgen_quickstart.ipynb" in names
    assert not any(name.startswith(("tests/", "build/", "boards/", "requirements/")) for name in names)
    assert wheel.name.endswith("-py3-none-any.whl"), "any architecture"


PYTHON310 = subprocess.run([ROOT / "scripts" / "find_python310.sh"], capture_output=True, text=True).stdout.strip()
ROBOTS = [
    pytest.param((sys.executable, "numpy"), id="newest"),
    pytest.param(
        (PYTHON310, "numpy==1.21.6"), id="oldest", marks=pytest.mark.skipif(not PYTHON310, reason="no Python 3.10 here")
    ),
]


@pytest.fixture(scope="module", params=ROBOTS)
def robot(request, wheel, tmp_path_factory):
    """The folder of commands of an environment with the wheel and numpy alone, as on a robot; needs the registry."""
    python, numpy = request.param
    folder = tmp_path_factory.mktemp("robot")
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip(folder / "bin" / "python", "install", wheel, numpy)
    return folder / "bin"


def told_by(command, folder, code=0):
    """What a command prints on either stream, run where the checkout is out of reach."""
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.full
class TestRobot:
    def test_numpy_is_all_it_pulls(self, robot, tmp_path):
        listed = told_by([robot / "python", "-m", "pip", "list", "--format=freeze"], tmp_path)
        assert {line.partition("==")[0] for line in listed.split()} - {"pip", "setuptools"} == {"hwgen", "numpy"}

    def test_every_module_of_the_runtime_imports(self, robot, tmp_path):
        probe = (
            "import importlib, pkgutil, hwgen.runtime as top; "
            "names = [m.name for m in pkgutil.walk_packages(top.__path__, 'hwgen.runtime.')]; "
            "[importlib.import_module(name) for name in names if not name.endswith('sim_device')]; print(len(names))"
        )
        assert int(told_by([robot / "python", "-W", "error", "-c", probe], tmp_path)) > 20

    def test_the_driver_runs(self, robot, tmp_path):
        told = told_by([robot / "python", "-m", "hwgen.runtime.bench", "--count", "50"], tmp_path)
        assert re.search(r"direct +float32 +median", told)

    def test_the_tools_command_says_what_it_lacks(self, robot, tmp_path):
        assert "pip install 'hwgen[flow]'" in told_by([robot / "hwgen"], tmp_path, code=1)

    def test_the_resources_are_found(self, robot, tmp_path):
        probe = "from hwgen import resources; print(sorted(p.name for p in resources.path('boards').iterdir()))"
        assert "zcu104" in told_by([robot / "python", "-c", probe], tmp_path)
