"""The check that a design's RTL synthesizes for its board's family and fits: yosys `synth_xilinx`, no Vivado.

Equal modules are synthesized once (rtlil.py). Nothing is optimized across the border of a module that is kept, so the
counts are a little above those of the flat design; and yosys' LUTs are rougher than Vivado's. It is a check of budgets,
not of timing. `python -m hwgen.build.synth_xilinx DIR` runs it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hwgen import boards
from hwgen.build import process, reports, rtlil, yosys
from hwgen.errors import FitError, InputError

FAMILIES = {"zynqmp": "xcup", "zynq7": "xc7"}
TOP = "hwgen_top"
HOURS = 2.0  # the whole demo on a 32x32 array takes two minutes of an idle core
KINDS = ("lut", "ff", "dsp", "bram36", "uram", "lutram")

# LUTs that a cell of distributed memory takes (AMD UG953 and UG974), shift registers among them.
LUTRAM = {
    "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4, "RAM256X1S": 4,
    "RAM256X1D": 8, "RAM512X1S": 8, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM64X8SW": 8,
    "RAM32X16DR8": 8, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
}  # fmt: skip
LOGIC = {"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "LUT5": 1, "LUT6": 1, "LUT6_2": 1, "INV": 1}
OTHERS = {
    "ff": {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1, "LDCE": 1, "LDPE": 1},
    "dsp": {"DSP48E1": 1, "DSP48E2": 1},
    "bram36": {"RAMB36E1": 1, "RAMB36E2": 1, "RAMB18E1": 0.5, "RAMB18E2": 0.5},
    "uram": {"URAM288": 1},
}


def run(folder: Path, board: boards.Board, progress: process.Progress = None) -> dict:
    """Synthesize DIR/rtl for the family of `board`; report.json then has `yosys`: {lut, ff, dsp, bram36, uram, lutram,
    family, version, seconds}, which is returned.

    Takes a minute or two of an idle core. Raises FitError naming what exceeds the board's
    budget; ToolError when the RTL does not synthesize, or not within the limit (HWGEN_TOOL_HOURS); InputError for a
    board of another vendor.
    """
    if board.family not in FAMILIES:
        raise InputError(f"{board.name} is {board.family}: synth_xilinx is for {' and '.join(FAMILIES)} boards")
    start, limit = time.monotonic(), process.hours(HOURS)
    cells = _synthesize(folder, FAMILIES[board.family], board.resources.uram > 0, limit, progress)
    found: dict[str, object] = count(cells)
    found |= {"family": FAMILIES[board.family], "version": yosys.version(), "seconds": round(time.monotonic() - start)}
    reports.update(folder, {"yosys": found})
    over = [f"{found[kind]:,g} {kind} of {getattr(board.resources, kind):,}" for kind in KINDS
            if found[kind] > getattr(board.resources, kind)]  # fmt: skip
    if over:
        raise FitError(
            f"yosys counts {', '.join(over)} on {board.name}: take a smaller --array, fewer weight bits, or a larger "
            "board"
        )
    return found


def told(found: dict, board: boards.Board) -> str:
    """The figures of `run` beside the budget, in a line."""
    parts = [f"{found[kind]:,g} of {getattr(board.resources, kind):,} {kind}" for kind in KINDS
             if getattr(board.resources, kind)]  # fmt: skip
    return f"yosys {found['version']} synthesizes it for {found['family']}: {', '.join(parts)}"


def count(cells: dict[str, int]) -> dict[str, float]:
    """What cells of a netlist take, by name of the budget."""

    def total(weights: dict[str, float]) -> float:
        return sum(weights[kind] * number for kind, number in cells.items() if kind in weights)

    return {
        "lut": total(LOGIC | LUTRAM),
        **{name: total(weights) for name, weights in OTHERS.items()},
        "lutram": total(LUTRAM),
    }


def _synthesize(folder: Path, family: str, uram: bool, hours: float, progress: process.Progress) -> dict[str, int]:
    """The cells of the netlist: type -> how many."""
    log = folder / "yosys.log"
    options = "-flatten -noiopad -noclkbuf" + (" -uram" if uram and family == "xcup" else "")
    with tempfile.TemporaryDirectory(prefix="hwgen-yosys-") as name:
        work = Path(name)
        files = [*(folder / "rtl").glob("*.sv"), *(folder / "rtl").glob("*.v")]
        for file in files:
            shutil.copyfile(file, work / file.name)
        read = yosys.read_slang(TOP, [file.name for file in files], "--keep-hierarchy")
        yosys.run([read, "write_rtlil whole.il"], cwd=work, log=log, limit_hours=hours)
        (work / "merged.il").write_text(rtlil.merge((work / "whole.il").read_text(), TOP))
        synthesize = f"synth_xilinx -family {family} {options} -top {TOP}"
        commands = ["read_rtlil merged.il", synthesize, "tee -o stat.txt stat -json"]
        yosys.run(commands, cwd=work, log=log, limit_hours=hours, progress=progress)
        text = reports.read_text(work / "stat.txt", f"look at {log}")
    return json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]


def _main(folder: Path) -> None:
    report = reports.read_json(folder / "report.json", "generate the design again")
    board = boards.load(str(report.get("board")))
    print(told(run(folder, board, print), board))


if __name__ == "__main__":
    sys.exit(reports.command_line(_main))
