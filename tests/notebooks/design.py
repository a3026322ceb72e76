"""Makes what the notebooks need, in the flow environment: python -m tests.notebooks.design DIR.

The demo policy on a small array, its whole package, and the simulator library of its RTL.
"""

from __future__ import annotations

import sys
from pathlib import Path

from typer.testing import CliRunner

from hwgen.build.verilate import build
from hwgen.cli import app


def make(folder: Path) -> None:
    """DIR/policy.hwpkg, DIR/rtl, DIR/sim."""
    for words in (
        ["generate", "demo:head", "--board", "zcu104", "--array", "8x8", "-o", str(folder)],
        ["package", str(folder), "-o", str(folder / "policy.hwpkg")],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (done.output, done.exception)
    build(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
