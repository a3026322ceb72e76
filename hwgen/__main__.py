"""The entry points of the commands: `hwgen` (also `python -m hwgen`) and `hwgen-board`."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_READER_LEFT = 141  # exit code, as of a program that SIGPIPE ended


def main() -> NoReturn:
    """Run `hwgen`; without the flow extra, say how to get it."""
    try:
        from hwgen.cli import main as command
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit(
            "hwgen: this installation holds the robot's side alone (import hwgen.runtime). "
            "The command needs Python 3.11 and: pip install 'hwgen[flow]'"
        )
    _run(command)


def board() -> NoReturn:
    """Run `hwgen-board` with one BLAS thread, unless the environment says how many: several wait for each other, tens
    of milliseconds now and then (docs/performance.md)."""
    if not any(name in os.environ for name in BLAS_THREADS):
        os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
    from hwgen.runtime.board_cli import main as command  # numpy, which reads this when it is imported

    _run(command)


def _run(command: Callable[[], int | None]) -> NoReturn:
    """Exit as the command does. A reader of its output that leaves early, as `| head` does, is no error to tell."""
    try:
        try:
            code = command()
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        code = _READER_LEFT
    sys.exit(code)


if __name__ == "__main__":
    main()
