"""Commands that call the vendors' tools where they are: hls, finn, bitstream."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from hwgen.backends.options import Options
from hwgen.cli import common
from hwgen.cli.common import (
    ArrayOption,
    BackendOption,
    BoardOption,
    DeadlineOption,
    EnginesOption,
    GraphArgument,
    IoOption,
    MultipliersOption,
    OutOption,
    RateOption,
    StreamPortsOption,
    WeightsOption,
)  # fmt: skip

app = typer.Typer()


def _say(line: str) -> None:
    """Show a line of a tool; results go to stdout, the way there to stderr."""
    typer.echo(line, err=True)


@app.command()
def hls(
    board: BoardOption,
    out: OutOption,
    graph: GraphArgument = "demo:head",
    io: IoOption = "parallel",
    multipliers: MultipliersOption = None,
    deadline_us: DeadlineOption = None,
) -> None:
    """Make the hls4ml project and run Vitis HLS on it: synthesis, co-simulation, export, reports into report.json.

    Without Vitis everything up to it is made, and the last line says what to install and which command to run there.

    Example: `hwgen hls demo:head --board zcu104 -o build/head-hls4ml`
    """
    common.load_board(board)
    with common.graph_file(graph) as file:
        common.call("hwgen.build.vitis", "hls")(file, board, Options(None, io, multipliers, deadline_us), out, _say)


@app.command()
def finn(
    board: BoardOption,
    out: OutOption,
    graph: GraphArgument = "demo-nonorm:head",
    multipliers: MultipliersOption = None,
    deadline_us: DeadlineOption = None,
    rate_hz: RateOption = None,
) -> None:
    """Make the FINN folder and build it in FINN's docker: estimates, stitched IP, bitfile, driver.

    Needs a FINN checkout (`FINN_ROOT`), docker and Vivado (`FINN_XILINX_PATH`); what is missing is named.

    Example: `hwgen finn demo-nonorm:head --board zcu104 -o build/head-finn`
    """
    common.load_board(board)
    options = Options(multipliers=multipliers, deadline_us=deadline_us, rate_hz=rate_hz)
    with common.graph_file(graph) as file:
        common.call("hwgen.build.finn_docker", "finn")(file, board, options, out, _say)


@app.command()
def bitstream(
    board: BoardOption,
    out: OutOption,
    graph: GraphArgument = "demo",
    backend: BackendOption = "engine",
    array: ArrayOption = None,
    io: IoOption = "parallel",
    multipliers: MultipliersOption = None,
    deadline_us: DeadlineOption = None,
    rate_hz: RateOption = None,
    weights: WeightsOption = "auto",
    stream_ports: StreamPortsOption = None,
    engines: EnginesOption = "1",
    synthesis: Annotated[
        bool, typer.Option(help="AMD boards without Vivado: check with yosys that the engine synthesizes and fits.")
    ] = True,
) -> None:
    """Make the bitstream. Without the vendor's tools: everything before it, checked, and the command to run elsewhere.

    Example: `hwgen bitstream demo --board zcu104 -o build/demo`
    """
    common.load_board(board)
    options = Options(
        common.parse_array(array), io, multipliers, deadline_us, rate_hz, None, weights, stream_ports, engines
    )
    with common.graph_file(graph) as file:
        made = common.call("hwgen.build.bitstream", "bitstream")(file, board, backend, options, out, _say, synthesis)
    typer.echo(f"{made}: {_figures(out)}. Next: {_next_command(backend, out)}")


def _figures(out: Path) -> str:
    """What the tools say of the bitstream, from DIR/report.json: the clock, and how much of the part it takes."""
    report = json.loads((out / "report.json").read_text())
    clock = next((report[tool]["clock_mhz"] for tool in ("vivado", "ecp5") if tool in report), None)
    held = ", ".join(f"{report['resources'][kind]:,g} {kind}" for kind in ("lut", "ff", "dsp", "bram36"))
    return (f"{clock:.1f} MHz, " if clock else "") + held


def _next_command(backend: str, out: Path) -> str:
    """What a user does with a new bitstream."""
    if backend == "finn":
        return f"FINN's own driver lies beside it, see {out / 'README.md'}"
    return f"hwgen package {shlex.quote(str(out))} -o policy.hwpkg"
