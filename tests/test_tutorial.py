"""The tutorial stays true: what it says runs here is run here, and every command it names exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import FULL, ROOT

TEXT = (ROOT / "docs" / "tutorial.md").read_text()
MARKS = ("here", "here, minutes", "here, half an hour", "needs Vivado", "needs the board")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_HERE = ("git clone", "make env", "make wheel")  # the environment that runs this test, and tests/test_wheel.py


def blocks():
    """(mark, language, code) of every fenced block; the mark is the last one above it."""
    found = []
    for match in FENCE.finditer(TEXT):
        marks = re.findall(r"^\*\*\[([^]]+)\]\*\*", TEXT[: match.start()], re.MULTILINE)
        found.append((marks[-1] if marks else None, match[1], match[2]))
    return found


def lines(*languages):
    return [line for _, language, code in blocks() if language in languages for line in code.splitlines()]


def test_every_block_says_where_it_runs():
    between = re.split(FENCE.pattern, TEXT, flags=re.MULTILINE | re.DOTALL)[::3]
    for text in between[:-1]:
        assert re.search(rf"^\*\*\[({'|'.join(MARKS)})\]\*\*", text, re.MULTILINE), f"no mark before a block: {text!r}"
    assert {mark for mark, _, _ in blocks()} == set(MARKS)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with a build folder of its own, and the environment as it is: nothing is installed."""
    folder = tmp_path_factory.mktemp("tutorial")
    for path in ROOT.iterdir():
        if path.name not in ("build", "dist") and not path.name.startswith(".venv"):
            (folder / path.name).symlink_to(path)
    for name in (".venv", ".venv-pynq", ".venv-pynq3"):
        (folder / name).mkdir()
        (folder / name / "bin").symlink_to(ROOT / name / "bin")
        (folder / name / ".hwgen-env").touch()
    return folder


def run(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.xdist_group("tutorial")
def test_what_runs_here_runs_here(checkout):
    """In the order of the page, as a reader would; HWGEN_FULL=1 runs what takes minutes, too."""
    wanted = ("here", "here, minutes") if FULL else ("here",)
    ran = 0
    for mark, language, code in blocks():
        if mark not in wanted:
            continue
        if language == "python":
            run([sys.executable, "-c", code], checkout)
        else:
            kept = [line for line in code.splitlines() if not line.startswith(NOT_HERE)]
            run(["bash", "-ec", "\n".join(kept)], checkout)
        ran += 1
    assert ran >= 7


def test_make_targets_exist():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {match[1] for line in lines("sh") for match in re.finditer(r"\bmake ([a-z]+)", line)}
    assert {"env", "bitstream", "package", "wheel"} <= targets
    for target in targets:
        assert re.search(rf"^  make {target}\s", listed, re.MULTILINE), target


def test_commands_and_options_exist():
    """Also those that need a board: their subcommands and options are known."""
    commands = {}
    for line in lines("sh"):
        for part in re.split(r"&&|\|\|", line):
            words = shlex.split(part)
            if words and words[0].split("/")[-1] in ("hwgen", "hwgen-board"):
                options = commands.setdefault((words[0].split("/")[-1], words[1]), set())
                options |= {word for word in words if word.startswith("-")}
    assert {("hwgen-board", "selftest"), ("hwgen-board", "bench"), ("hwgen", "generate")} <= set(commands)
    for (name, sub), options in commands.items():
        told = run([Path(sys.executable).with_name(name), sub, "--help"], ROOT)
        for option in options:
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", told), f"{name} {sub} has no {option}"
