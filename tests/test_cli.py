"""The command line: help, one-line errors, and what reaches the functions behind the commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from hwgen import __version__
from tests.support import ROOT

typer_testing = pytest.importorskip("typer.testing", reason="the command needs the flow environment")

from hwgen import cli  # noqa: E402  (typer is known to be there)
from hwgen.errors import InputError, UnsupportedError  # noqa: E402


def command(*words: str, **extra: str) -> subprocess.CompletedProcess:
    """Run hwgen as a process, the way a user does."""
    import os

    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **extra}
    return subprocess.run([sys.executable, "-m", "hwgen", *words], capture_output=True, text=True, cwd=ROOT, env=env)


def invoke(*words: str):
    return typer_testing.CliRunner().invoke(cli.app, list(words), catch_exceptions=False)


def test_help_names_every_command_and_imports_nothing_heavy():
    probe = (
        "import sys; from hwgen.cli import app; "
        "from typer.testing import CliRunner; r = CliRunner().invoke(app, ['--help']); print(r.output); "
        "heavy = {'numpy', 'tensorflow', 'onnx', 'jax', 'qonnx', 'matplotlib'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else r.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    for name in ("quantize", "generate", "simulate", "sim", "train", "boards", "bitstream"):
        assert name in done.stdout


@pytest.mark.parametrize("name", ["quantize", "generate", "simulate", "sim", "train", "boards", "bitstream"])
def test_every_command_shows_an_example(name):
    assert f"hwgen {name}" in invoke(name, "--help").output


def test_version():
    assert invoke("--version").output == f"hwgen {__version__}\n"


def test_boards_lists_each_board_once():
    lines = invoke("boards").output.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["kr260", "kv260", "pynq-z2", "ultra96v2", "ulx3s", "zcu104"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("generate", "missing.onnx", "--board", "zcu104", "-o", "out"), "missing.onnx does not exist"),
        (("generate", "LICENSE", "--board", "zcu104", "-o", "out", "--backend", "vhdl"), "unknown backend 'vhdl'"),
        (("generate", "LICENSE", "--board", "zcu104", "-o", "out", "--backend", "finn"), "finn is not available"),
        (("generate", "LICENSE", "--board", "zcu104", "-o", "out", "--array", "16by32"), "array '16by32' is not NxM"),
        (("quantize", "LICENSE", "-o", "out.onnx"), "LICENSE is neither .keras"),
        (("simulate", "no/such/design"), "no/such/design does not exist"),
        (("sim", "--board", "zcu105"), "did you mean zcu104?"),
    ],
)
def test_an_error_is_one_line_and_exit_2(words, told):
    done = command(*words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("hwgen: ")
    assert told in done.stderr
    assert not done.stdout


def test_traceback_on_demand():
    done = command("sim", "--board", "nowhere", HWGEN_TRACEBACK="1")
    assert "Traceback" in done.stderr and "InputError" in done.stderr


def test_the_robots_side_alone_explains_itself():
    """Without typer the command says what to install; simulated by hiding the module."""
    hide = "import sys; sys.modules['typer'] = None; from hwgen.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "pip install 'hwgen[flow]'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("text", "array"), [(None, None), ("16x32", (16, 32)), (" 8X8 ", (8, 8))])
def test_array(text, array):
    assert cli.parse_array(text) == array


@pytest.mark.parametrize("text", ["", "x", "16", "16x", "0x8", "8x0", "-8x8", "8x8x8", "1.5x2", "99999x1"])
def test_array_refused(text):
    with pytest.raises(InputError, match="is not NxM"):
        cli.parse_array(text)


def test_backends_of_a_later_version():
    cli.check_backend("engine")
    with pytest.raises(UnsupportedError, match="hls4ml is not available"):
        cli.check_backend("hls4ml")


def test_generate_passes_what_was_asked(monkeypatch, tmp_path: Path):
    seen = []
    monkeypatch.setattr(cli, "_call", lambda module, name: lambda *given: seen.append((module, name, *given)))
    graph = tmp_path / "g.onnx"
    graph.touch()
    words = ["generate", str(graph), "--board", "kv260", "--array", "8x16", "-o", str(tmp_path / "d")]
    assert invoke(*words).exit_code == 0
    assert seen == [("hwgen.backends", "generate", graph, "kv260", "engine", (8, 16), tmp_path / "d")]


def test_simulate_passes_what_was_asked(monkeypatch, tmp_path: Path):
    seen = []
    monkeypatch.setattr(cli, "_call", lambda module, name: lambda *given: seen.append((module, name, *given)))
    assert invoke("simulate", str(tmp_path), "--outputs", "o.npz", "--waves").exit_code == 0
    assert seen == [("hwgen.evaluate.simulate", "simulate", tmp_path, None, Path("o.npz"), True)]
