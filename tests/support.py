"""What the tests share. Needs the standard library only, for it is also imported in the pynq environment."""

import os
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent

FULL = os.environ.get("HWGEN_FULL", "") not in ("", "0")
"""True under ``make test-full``: every count is run, not a sample of it."""


Cases = TypeVar("Cases")


def cases(sample: Cases, full: Cases) -> Cases:
    """Return how many random cases (or which) a test runs: ``sample`` in make test, ``full`` in make test-full."""
    return full if FULL else sample


def flow_python() -> Path:
    """Return the flow environment's interpreter: for a test in the pynq environment that needs a simulator."""
    return ROOT / ".venv" / "bin" / "python"


def pynq_python() -> Path:
    """Return the pynq environment's interpreter: for a test in the flow environment that drives through pynq."""
    return ROOT / ".venv-pynq" / "bin" / "python"
