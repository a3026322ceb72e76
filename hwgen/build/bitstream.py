"""Graph -> bitstream, through the vendor's tools where they are; else everything before them, checked."""

from __future__ import annotations

import shutil
from pathlib import Path

from hwgen import backends, boards
from hwgen.backends.options import Options
from hwgen.build import (
    ecp5,
    finn_docker,
    package_engines,
    process,
    reports,
    synth_xilinx,
    vitis,
    vivado,
    vivado_engines,
    vivado_run,
)
from hwgen.errors import InputError, ToolError


def bitstream(
    graph_file: Path,
    board_name: str,
    backend: str,
    options: Options,
    out: Path,
    progress: process.Progress = None,
    synthesis: bool = True,
) -> Path:
    """Make the bitstream of a QONNX file for a board; returns the .bit (the .hwh lies beside it).

    backend: `engine`, `hls4ml` (Vitis HLS runs first) or `finn` (all in FINN's docker). synthesis: where there is no
    Vivado, check with yosys that the engine synthesizes and fits (one engine, not several). Reports go to
    out/report.json. Raises HwgenError; where a tool is missing, ToolError whose message says what was generated and
    checked, what to install, and what to type on the machine that has it.
    """
    board = boards.load(board_name)
    if board.family == "ecp5":
        if backend != "engine":
            raise InputError(f"backend {backend} makes no bitstream for {board_name}: give --backend engine")
        backends.generate(graph_file, board_name, backend, options, out)
        return ecp5.run(out, progress)
    if backend == "finn":
        finn_docker.finn(graph_file, board_name, options, out, progress)
        return finn_docker.bitfile(out)
    vivado.check_board(board)
    backends.generate(graph_file, board_name, backend, options, out)
    several = options.engines != "1" and package_engines.is_one(out)
    if several:
        vivado_engines.write_vivado(out, board)
    else:
        vivado.write_vivado(out, board, backend)
    if vivado_run.installed() is None or (backend == "hls4ml" and vitis.installed() is None):
        raise ToolError(_elsewhere(out, board, backend, progress, synthesis and not several))
    if backend == "hls4ml":
        vitis.run(out, progress)
    return vivado_run.run(out, progress)


def _elsewhere(out: Path, board: boards.Board, backend: str, progress: process.Progress, synthesis: bool) -> str:
    """What is done, and what is left to do on another machine. Runs the checks; report.json then has `checked`."""
    checked = [vivado.check(out)] if shutil.which("tclsh") else []
    if synthesis and backend == "engine":
        checked.append(synth_xilinx.told(synth_xilinx.run(out, board, progress), board))
    reports.update(out, {"checked": checked})
    state = f"checked ({'; '.join(checked)})" if checked else "not checked"
    if shutil.which("tclsh") is None:
        state += "; its scripts are not, for there is no tclsh here (on Debian: apt-get install tcl)"
    tools = {"Vitis HLS": vitis} if backend == "hls4ml" else {}
    tools["Vivado"] = vivado_run
    absent = {name: tool for name, tool in tools.items() if tool.installed() is None}
    return (
        f"no bitstream was made: {' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on PATH. {out} is "
        f"generated and {state}. To build it, {'; '.join(tool.INSTALL for tool in absent.values())}; copy {out} there "
        f"and run {', then '.join(tool.command(out) for tool in tools.values())}. With its files back here, read "
        f"the reports: {' && '.join(f'python -m {tool.__name__} {out}' for tool in tools.values())}"
    )
