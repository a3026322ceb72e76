"""Running a vendor's tool: hours long, talkative, in a process group of its own that ends when its time is up."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hwgen.build import toolchain
from hwgen.errors import InputError, ToolError

Progress = Callable[[str], object] | None
GRACE = 10.0  # seconds between the request to end and the kill
LINE = 4096  # longest line kept


def hours(default: float) -> float:
    """The time limit in hours: HWGEN_TOOL_HOURS, else `default`. Raises InputError for what is no positive number."""
    text = os.environ.get("HWGEN_TOOL_HOURS", "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise InputError(f"HWGEN_TOOL_HOURS={text}: give a number of hours, such as 6")
    return value


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    """A request to end, or a terminal that is closed, unwinds this process, so that the tool ends with it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers belong to the main thread
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@_signals_as_exit()
def stream(
    words: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    limit_hours: float,
    env: Mapping[str, str] | None = None,
    progress: Progress = None,
    terminal: bool = False,
) -> int:
    """Run a command, write what it prints to `log` and line by line to `progress`; returns its exit code.

    env: default this process's, less what an outer make left in it. terminal: give it a pseudo-terminal (docker -it
    refuses to start without one). Raises ToolError when it cannot be started, or has not ended after `limit_hours`;
    then its whole process group has been killed.
    """
    name = Path(words[0]).name
    log.parent.mkdir(parents=True, exist_ok=True)
    parent, child = pty.openpty() if terminal else os.pipe()
    try:
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env=toolchain.without_make() if env is None else dict(env),
            stdin=child if terminal else subprocess.DEVNULL,
            stdout=child,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        os.close(parent)
        raise ToolError(
            f"{name} cannot be started ({error.strerror}): check that {words[0]} is there and executable"
        ) from error
    finally:
        os.close(child)
    deadline = time.monotonic() + limit_hours * 3600
    try:
        with open(log, "wb") as file:
            _copy(process, parent, deadline, file, progress)
            return process.wait(max(1.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise ToolError(
            f"{name} had not ended after {limit_hours:g} hours and was stopped; its output is in {log}. Set "
            "HWGEN_TOOL_HOURS to allow more"
        ) from error
    finally:
        _end(process)
        os.close(parent)


def complaint(text: str, limit: int = 3) -> str:
    """What a vendor's tool says went wrong: our scripts' own line, else its ERROR lines, else its last lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ours = [line.partition("hwgen-error:")[2].strip() for line in lines if line.startswith("hwgen-error:")]
    theirs = [line for line in lines if line.startswith(("ERROR", "CRITICAL ERROR", "FATAL"))]
    return " | ".join(ours[-1:] or theirs[:limit] or lines[-limit:]) or "it printed nothing"


def _copy(process: subprocess.Popen, source: int, deadline: float, file, progress: Progress) -> None:
    """Output to the log and to `progress` until it ends. Raises TimeoutError at the deadline."""
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        ready, _, _ = select.select([source], [], [], min(left, 1.0))
        if not ready:
            # A child left behind may hold the pipe open: the end of the tool itself counts.
            if process.poll() is not None:
                break
            continue
        try:
            data = os.read(source, 65536)
        except OSError:  # a terminal whose other end is closed
            data = b""
        if not data:
            break
        file.write(data)
        file.flush()
        *lines, rest = (rest + data).split(b"\n")
        rest = rest[-LINE:]
        for line in lines if progress else ():
            progress(line[:LINE].decode(errors="replace").rstrip())


def _end(process: subprocess.Popen) -> None:
    """End the process group, whatever is left of it."""
    running = process.poll() is None
    for sign, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.killpg(process.pid, sign)
        except (ProcessLookupError, PermissionError):
            return
        if not running:
            return
        try:
            process.wait(wait)
            running = False
        except subprocess.TimeoutExpired:
            continue
