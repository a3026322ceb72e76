"""The entry points: BLAS threads of hwgen-board, and readers of either command's output that leave early."""

import os
import subprocess
import sys

import pytest

from hwgen.__main__ import BLAS_THREADS
from tests.support import ROOT

COMMANDS = {"hwgen": "main", "hwgen-board": "board"}


def probe(name, *words, after=""):
    """A process that calls an entry point as its script in bin/ does; `after`: what is executed then."""
    code = f"import sys; sys.argv[1:] = {list(words)}; from hwgen.__main__ import {COMMANDS[name]} as entry\n"
    return [sys.executable, "-c", f"{code}try:\n  entry()\nfinally:\n  {after or 'pass'}"]


@pytest.mark.parametrize("given, threads", [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_hwgen_board_takes_one_blas_thread_unless_told(given, threads):
    pytest.importorskip("threadpoolctl", reason="needs the flow environment")
    environment = {name: value for name, value in os.environ.items() if name not in BLAS_THREADS} | given
    shown = "import threadpoolctl as t; print('threads', {p['num_threads'] for p in t.threadpool_info()})"
    told = subprocess.run(probe("hwgen-board", "info", after=shown), env=environment, capture_output=True, text=True)
    assert told.returncode == 0 and told.stdout.endswith(f"threads {{{min(threads, os.cpu_count())}}}\n"), told


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("name, words", [("hwgen-board", ["info"]), ("hwgen", ["boards"]), ("hwgen", ["--help"])])
def test_a_reader_that_leaves_is_no_error_to_tell(name, words, buffered):
    if name == "hwgen":
        pytest.importorskip("typer", reason="the command needs the flow environment")
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        command = probe(name, *words)
        done = subprocess.run(command, env=environment, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True)
    assert not done.stderr and done.returncode in (1, 141)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_output_at_all_is_none_either(name):
    """A daemon closes its standard output."""
    if name == "hwgen":
        pytest.importorskip("typer", reason="the command needs the flow environment")
    words = {"hwgen": "boards", "hwgen-board": "info"}[name]
    command = ["bash", "-c", 'exec "$@" >&-', "-", *probe(name, words)]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and not done.stderr


@pytest.mark.parametrize("name, words", [("hwgen", ["generate", "none.onnx", "--board", "zcu104", "-o", "none"]),
                                         ("hwgen-board", ["info", "none.hwpkg"])])  # fmt: skip
def test_the_commands_code_is_the_processs(name, words):
    if name == "hwgen":
        pytest.importorskip("typer", reason="the command needs the flow environment")
    done = subprocess.run(probe(name, *words), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(f"{name}: none.")
