"""Runs yosys (of the Python package pyosys) in a process of its own, with its log and a limit of time."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path

from hwgen.build import process
from hwgen.errors import ToolError

_PROGRAM = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


def version() -> str:
    """The version of yosys. Raises ToolError where it is missing."""
    try:
        return importlib.metadata.version("pyosys")
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolError("the Python package pyosys is missing: run `make env`, or pip install 'hwgen[flow]'") from error


def read_slang(top: str, files: Sequence[str], *options: str) -> str:
    """The command that reads SystemVerilog files, packages first, and elaborates the module `top`.

    Yosys takes no name with a space in it: give names relative to the folder that it runs in.
    """
    ordered = sorted(files, key=lambda file: (not Path(file).stem.endswith("_pkg"), file))
    return " ".join(["read_slang", *options, "--top", top, *ordered])


def run(
    commands: Sequence[str], *, cwd: Path, log: Path, limit_hours: float, progress: process.Progress = None
) -> None:
    """Run yosys commands one after another in the folder `cwd`; each pass that begins is told to `progress`.

    Raises ToolError with yosys' own words when one fails, or when they have not ended after `limit_hours`.
    """
    version()

    def tell(line: str) -> None:
        head, _, rest = line.partition(". Executing ")
        if progress and rest and head.count(".") == 1 and head.replace(".", "").isdigit():
            progress(f"yosys {head}: {rest.partition(' (')[0].removesuffix('.')}")

    words = [sys.executable, "-c", _PROGRAM, *commands]
    code = process.stream(words, cwd=cwd, log=log, limit_hours=limit_hours, progress=tell)
    if code != 0:
        raise ToolError(f"yosys failed (log: {log}): {_complaint(log.read_text(errors='replace'))}")


def _complaint(text: str) -> str:
    """What the reader of SystemVerilog says of a source, else what yosys itself says."""
    told = [line for line in text.splitlines() if ": ERROR: " in line]
    return " | ".join(told[:3]) or process.complaint(text)
