"""Commands that call the vendors' tools where they are: hls, finn, bitstream."""

import typer

from hwgen.backends.options import Options
from hwgen.cli import common
from hwgen.cli.common import (
    ArrayOption,
    BackendOption,
    BoardOption,
    DeadlineOption,
    GraphArgument,
    IoOption,
    MultipliersOption,
    OutOption,
    RateOption,
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
    graph: GraphArgument = "demo:head",
    backend: BackendOption = "engine",
    array: ArrayOption = None,
    io: IoOption = "parallel",
    multipliers: MultipliersOption = None,
    deadline_us: DeadlineOption = None,
    rate_hz: RateOption = None,
) -> None:
    """Make the bitstream. Without the vendor's tools: everything before it, checked, and the command to run elsewhere.

    Example: `hwgen bitstream demo:head --board zcu104 -o build/head`
    """
    common.load_board(board)
    options = Options(common.parse_array(array), io, multipliers, deadline_us, rate_hz)
    with common.graph_file(graph) as file:
        common.call("hwgen.build.bitstream", "bitstream")(file, board, backend, options, out, _say)
