"""Long tools: their output arrives line by line, their time is bounded, and nothing of them is left behind."""

import os
import select
import signal
import subprocess
import sys

import pytest

from hwgen.build import process
from hwgen.errors import InputError, ToolError
from tests.build.support import tool
from tests.support import ROOT

SECOND = 1 / 3600


def _ends(pid: int) -> bool:
    """Whether the process has ended or does so within 10 s."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


@pytest.mark.parametrize("terminal", [False, True])
def test_output_goes_to_the_log_and_line_by_line_to_progress(tmp_path, terminal):
    file = tool(tmp_path, "talk", "echo one; echo two >&2; printf three; exit 7")
    lines = []
    log = tmp_path / "log" / "talk.log"
    code = process.stream([file], cwd=tmp_path, log=log, limit_hours=1, progress=lines.append, terminal=terminal)
    assert code == 7 and lines == ["one", "two"]
    assert log.read_text().split() == ["one", "two", "three"]


def test_an_outer_make_does_not_reach_the_tools_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-j --jobserver-auth=3,4 -- BOARD=zcu104")
    monkeypatch.setenv("LICENSE", "kept")
    file = tool(tmp_path, "ask", 'test -z "$MAKEFLAGS" && test "$LICENSE" = kept')
    assert process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=1) == 0


def test_a_terminal_is_one(tmp_path):
    file = tool(tmp_path, "ask", "test -t 0 && test -t 1")
    assert process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=1, terminal=True) == 0
    assert process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=1) == 1


def test_a_tool_that_hangs_is_stopped_with_all_its_children(tmp_path):
    file = tool(tmp_path, "hang", "sleep 600 & echo $! > child; echo begun; wait")
    with pytest.raises(ToolError, match="hang had not ended after .* HWGEN_TOOL_HOURS"):
        process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=SECOND)
    assert (tmp_path / "log").read_text() == "begun\n"
    assert _ends(int((tmp_path / "child").read_text()))


def test_a_tool_that_ignores_the_request_to_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "GRACE", 0.5)
    file = tool(tmp_path, "stubborn", "trap '' TERM; echo $$ > self; while :; do sleep 1; done")
    with pytest.raises(ToolError, match="had not ended"):
        process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=SECOND)
    assert _ends(int((tmp_path / "self").read_text()))


def test_a_child_left_behind_does_not_hold_the_flow(tmp_path):
    file = tool(tmp_path, "leave", "sleep 600 & echo $! > child; exit 0")
    assert process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=1) == 0
    assert _ends(int((tmp_path / "child").read_text()))


def test_a_tool_that_cannot_be_started_is_named(tmp_path):
    with pytest.raises(ToolError, match="absent cannot be started"):
        process.stream([tmp_path / "absent"], cwd=tmp_path, log=tmp_path / "log", limit_hours=1)
    file = tool(tmp_path, "locked", "exit 0")
    file.chmod(0o644)
    with pytest.raises(ToolError, match="locked cannot be started"):
        process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=1)


def test_endless_output_without_a_line_end_stays_small(tmp_path):
    file = tool(tmp_path, "flood", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end")
    lines = []
    assert process.stream([file], cwd=tmp_path, log=tmp_path / "log", limit_hours=1, progress=lines.append) == 0
    assert lines[-1] == "end" and max(map(len, lines)) <= process.LINE


@pytest.mark.parametrize("text", ["never", "-1", "0", "inf", "nan"])
def test_a_wrong_time_limit_is_named(monkeypatch, text):
    monkeypatch.setenv("HWGEN_TOOL_HOURS", text)
    with pytest.raises(InputError, match=f"HWGEN_TOOL_HOURS={text}"):
        process.hours(6)


def test_the_time_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("HWGEN_TOOL_HOURS", raising=False)
    assert process.hours(6) == 6
    monkeypatch.setenv("HWGEN_TOOL_HOURS", "0.5")
    assert process.hours(6) == 0.5


@pytest.mark.parametrize(
    "text, told",
    [
        ("INFO: fine\nhwgen-error: timing is not met\nERROR: [Common 17] x\n", "timing is not met"),
        (
            "WARNING: y\nERROR: [Synth 8-439] module 'a' not found\nINFO: z\n",
            "ERROR: [Synth 8-439] module 'a' not found",
        ),
        ("one\ntwo\n\n", "one | two"),
        ("", "it printed nothing"),
    ],
)
def test_the_complaint_is_the_line_that_says_why(text, told):
    assert process.complaint(text) == told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_tool_ends_with_the_process_that_was_asked_to_end(tmp_path, number):
    tool = f"import os, time; open('tool', 'w').write(str(os.getpid())); os.kill({{}}, {int(number)}); time.sleep(600)"
    program = f"""
import os, sys
from pathlib import Path
from hwgen.build import process
words = [sys.executable, "-c", {tool!r}.format(os.getpid())]
process.stream(words, cwd=Path("."), log=Path("log"), limit_hours=1)
"""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=env, timeout=120)
    assert done.returncode == 128 + number
    assert _ends(int((tmp_path / "tool").read_text()))
