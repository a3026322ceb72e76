"""Vitis HLS on an hls4ml project: C simulation, synthesis, C/RTL co-simulation, export; its reports into report.json.

`python -m hwgen.build.vitis DIR` reads the reports that Vitis HLS left on another machine.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from hwgen import backends, boards
from hwgen.backends.options import Options
from hwgen.build import hls_reports, process, reports, toolchain, vivado
from hwgen.errors import ToolError

HOURS = 6.0
INSTALL = "install AMD Vitis 2022.2 to 2024.2 (Vitis HLS comes with it) and source its settings64.sh"
LOG = "vitis_hls.log"
STEPS = {
    "reset": 1, "csim": 1, "synth": 1, "cosim": 1, "validation": 1, "export": 1, "vsynth": 0, "fifo_opt": 0,
}  # fmt: skip
"""What hls4ml's build_prj.tcl does; validation compares the C simulation with the RTL."""


def hls(graph_file: Path, board_name: str, options: Options, out: Path, progress: process.Progress = None) -> dict:
    """Generate the hls4ml project of a QONNX file into `out`, with the Vivado scripts, and run Vitis HLS on it; returns
    report.json.

    Raises HwgenError: what the backend cannot map, or ToolError of `run`.
    """
    board = boards.load(board_name)
    vivado.check_board(board)
    backends.generate(graph_file, board_name, "hls4ml", options, out)
    vivado.write_vivado(out, board, "hls4ml")
    return run(out, progress)


def installed() -> list[str] | None:
    """The command that runs a Vitis HLS script, or None: `vitis_hls` until 2024.1, `vitis-run` from then on."""
    for name, words in (("vitis_hls", ["-f"]), ("vitis-run", ["--mode", "hls", "--tcl"])):
        if found := shutil.which(name):
            return [found, *words, "build_prj.tcl"]
    return None


def command(folder: Path) -> str:
    """What to type where Vitis is installed."""
    return f"(cd {folder} && vitis_hls -f build_prj.tcl), from 2024.2 on vitis-run --mode hls --tcl build_prj.tcl"


def run(folder: Path, progress: process.Progress = None) -> dict:
    """Run Vitis HLS on the hls4ml project in DIR; returns report.json, which then has `hls`.

    Takes minutes to hours. Raises ToolError: the tool is missing, failed (the message is its own) or did not end in
    time; a report is missing or spoilt; the RTL differs from the golden outputs or does not fit DIR/rtl.
    """
    project = vivado.project_name(folder)
    _choose_steps(folder)
    words = installed()
    if words is None:
        raise ToolError(
            f"the hls4ml project in {folder} is complete, but there is no vitis_hls or vitis-run on PATH to synthesize "
            f"it: {INSTALL}. On that machine: {command(folder)}; then, with its files back here: "
            f"python -m hwgen.build.vitis {folder}"
        )
    shutil.rmtree(folder / f"{project}_prj", ignore_errors=True)  # an old report must not pass for a new one
    log = folder / LOG
    code = process.stream(words, cwd=folder, log=log, limit_hours=process.hours(HOURS), progress=progress)
    if code != 0:
        told = process.complaint(log.read_text(errors="replace"))
        raise ToolError(f"Vitis HLS failed with exit code {code}: {told} (log: {log})")
    return read_back(folder)


def read_back(folder: Path) -> dict:
    """Read the reports of Vitis HLS in DIR's project into DIR/report.json; returns it. Raises ToolError."""
    project = vivado.project_name(folder)
    solution = folder / f"{project}_prj" / "solution1"
    found = hls_reports.read(solution, project, folder / LOG)
    verilog = folder / vivado.hls_verilog(folder)
    if not list(verilog.glob("*.v")):
        raise ToolError(f"{verilog} holds no Verilog: run Vitis HLS again, {command(folder)}")
    _fits(folder, verilog)
    if found["cosim"] is not None:
        if found["cosim"]["status"] != "pass":
            raise ToolError(f"C/RTL co-simulation ended with '{found['cosim']['status']}': look at {folder / LOG}")
        found["cosim"]["vectors"] = _compare(folder / "tb_data")
    return reports.update(folder, {"hls": found})


def _fits(folder: Path, verilog: Path) -> None:
    """Raise ToolError where the ports that Vitis HLS gave the core are not those that DIR/rtl connects: known before
    Vivado has run for an hour."""
    core = folder / "rtl" / "hwgen_core.sv"
    if not core.is_file():
        return
    words = ["verilator", "--lint-only", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wwarn-PINMISSING"]
    words += ["--top-module", core.stem, "-y", core.parent, "-y", verilog, "+libext+.sv+.v", core]
    try:
        told = toolchain.run(words, timeout=600)
    except ToolError as error:
        raise ToolError(f"the core that Vitis HLS made does not fit {core}: {error}") from error
    if open_pin := next((line for line in told.splitlines() if "PINMISSING" in line and core.name in line), None):
        raise ToolError(f"the core that Vitis HLS made does not fit {core}: {open_pin}")


def _choose_steps(folder: Path) -> None:
    rows = "".join(f"    {name:<10} {on}\n" for name, on in STEPS.items())
    (folder / "build_opt.tcl").write_text(f"array set opt {{\n{rows}}}\n")


def _compare(tb_data: Path) -> int | None:
    """How many vectors the simulated RTL and golden agree on, in the digits that the test bench prints; None without
    golden outputs. Raises ToolError at the first value that differs."""
    wanted, measured = tb_data / "tb_output_predictions.dat", tb_data / "rtl_cosim_results.log"
    if not wanted.is_file() or not wanted.stat().st_size:
        return None
    expected, found = _values(wanted), _values(measured)
    if len(expected) != len(found):
        raise ToolError(f"{measured} holds {len(found)} values, {wanted} {len(expected)}: run Vitis HLS again")
    for i, (value, other) in enumerate(zip(expected, found, strict=True)):
        if value != other:
            raise ToolError(
                f"the RTL of Vitis HLS differs from golden in value {i} of {measured} ({other:g}, not {value:g}): that "
                "is a defect of this version; please report it with the folder"
            )
    return sum(bool(line.strip()) for line in wanted.read_text().splitlines())


def _values(file: Path) -> list[float]:
    """The numbers in a file of the test bench, to the six digits that C++ streams print."""
    again = "run Vitis HLS again"
    try:
        return [float(f"{reports.finite(word):g}") for word in reports.read_text(file, again).split()]
    except ValueError as error:
        raise ToolError(f"{file} is no list of numbers ({error}): {again}") from error


if __name__ == "__main__":
    sys.exit(reports.command_line(read_back))
