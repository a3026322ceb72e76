"""Graph -> bitstream, through the vendor's tools where they are; else everything before them, checked."""

from __future__ import annotations

from pathlib import Path

from hwgen import backends, boards
from hwgen.backends.options import Options
from hwgen.build import finn_docker, process, vitis, vivado, vivado_run
from hwgen.errors import ToolError


def bitstream(
    graph_file: Path,
    board_name: str,
    backend: str,
    options: Options,
    out: Path,
    progress: process.Progress = None,
) -> Path:
    """Make the bitstream of a QONNX file for a board; returns the .bit (the .hwh lies beside it).

    backend: `engine`, `hls4ml` (Vitis HLS runs first) or `finn` (all in FINN's docker). Reports go to out/report.json.
    Raises HwgenError; where a tool is missing, ToolError whose message says what was generated and checked, what to
    install, and what to type on the machine that has it.
    """
    board = boards.load(board_name)
    if board.family == "ecp5":
        backends.generate(graph_file, board_name, backend, options, out)
        raise ToolError(
            f"no bitstream was made: this version does not run the open ECP5 flow yet. The SystemVerilog in "
            f"{out / 'rtl'} is complete (top {vivado.TOP}) and can be taken into a project by hand"
        )
    if backend == "finn":
        finn_docker.finn(graph_file, board_name, options, out, progress)
        return finn_docker.bitfile(out)
    vivado.check_board(board)
    backends.generate(graph_file, board_name, backend, options, out)
    vivado.write_vivado(out, board, backend)
    if vivado_run.installed() is None or (backend == "hls4ml" and vitis.installed() is None):
        raise ToolError(_elsewhere(out, backend))
    if backend == "hls4ml":
        vitis.run(out, progress)
    return vivado_run.run(out, progress)


def _elsewhere(out: Path, backend: str) -> str:
    """What is done, and what is left to do on another machine. Runs the check."""
    checked = vivado.check(out)
    state = (
        f"checked: {checked}" if checked else "not checked here, for there is no tclsh (on Debian: apt-get install tcl)"
    )
    tools = {"Vitis HLS": vitis} if backend == "hls4ml" else {}
    tools["Vivado"] = vivado_run
    absent = {name: tool for name, tool in tools.items() if tool.installed() is None}
    return (
        f"no bitstream was made: {' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on PATH. {out} is "
        f"generated and {state}. To build it, {'; '.join(tool.INSTALL for tool in absent.values())}; copy {out} there "
        f"and run {', then '.join(tool.command(out) for tool in tools.values())}. With its files back here, read "
        f"the reports: {' && '.join(f'python -m {tool.__name__} {out}' for tool in tools.values())}"
    )
