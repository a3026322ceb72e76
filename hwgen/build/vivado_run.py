"""Runs Vivado on DIR/vivado and reads its reports into DIR/report.json.

`python -m hwgen.build.vivado_run DIR` reads the results that Vivado left on another machine.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from hwgen.build import process, reports, vivado, vivado_reports
from hwgen.errors import ToolError

HOURS = 12.0
INSTALL = (
    "install AMD Vivado 2022.2 to 2024.2 (ML Standard is free and covers these boards) and source its settings64.sh"
)


def installed() -> Path | None:
    """The `vivado` on PATH, or None."""
    found = shutil.which("vivado")
    return Path(found) if found else None


def command(folder: Path) -> str:
    """What to type where Vivado is installed."""
    return f"(cd {folder / 'vivado'} && vivado -mode batch -source build.tcl)"


def run(folder: Path, progress: process.Progress = None) -> Path:
    """Make the bitstream of a folder that `vivado.write_vivado` prepared; returns the .bit, report.json is updated.

    Takes minutes to hours. Raises ToolError: Vivado is missing, failed (the message is its own), missed the timing (the
    message names the cells of the worst path), or did not end in time.
    """
    tool = installed()
    if tool is None:
        raise ToolError(f"vivado is not on PATH: {INSTALL}, then run: {command(folder)}")
    work, log = folder / "vivado", folder / "vivado" / "vivado.log"
    jobs = str(len(os.sched_getaffinity(0)))
    words = [tool, "-mode", "batch", "-nojournal", "-nolog", "-source", "build.tcl", "-tclargs", jobs]
    code = process.stream(words, cwd=work, log=log, limit_hours=process.hours(HOURS), progress=progress)
    if code != 0:
        raise ToolError(
            f"Vivado failed with exit code {code}: {process.complaint(log.read_text(errors='replace'))} (log: {log})"
        )
    return read_back(folder)


def read_back(folder: Path) -> Path:
    """Read DIR/vivado/result into report.json; returns the .bit. Raises ToolError naming the file that is wrong."""
    result = folder / "vivado" / "result"
    manifest = vivado.read_manifest(folder)
    found = vivado_reports.read(result)
    if found["vivado"]["design_hash"] != manifest["design_hash"]:
        raise ToolError(f"{result} is of another design than {folder}/rtl: run Vivado again, {command(folder)}")
    timing = found["vivado"]
    if not timing["timing_met"] or timing["wpws_ns"] < 0:
        raise ToolError(
            f"timing is not met at {timing['clock_mhz']:g} MHz: slack {timing['wns_ns']:g} ns, hold slack "
            f"{timing['whs_ns']:g} ns, pulse width slack {timing['wpws_ns']:g} ns; worst path {timing['worst_path']}. "
            "Lower clock.assumed_mhz of the board, or choose a smaller design"
        )
    name = vivado.design_name(manifest)
    for suffix in (".bit", ".hwh"):
        file = result / f"{name}{suffix}"
        if not file.is_file() or not file.stat().st_size:
            raise ToolError(f"{file} is missing or empty though Vivado ended well: run it again, {command(folder)}")
    reports.update(folder, found)
    return result / f"{name}.bit"


if __name__ == "__main__":
    sys.exit(reports.command_line(read_back))
