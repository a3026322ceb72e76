"""Commands that make and run hardware in simulation: boards, generate, simulate, bench, compare-backends, sim."""

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
    LikeOption,
    MultipliersOption,
    OutOption,
    RateOption,
    StreamPortsOption,
    WeightsOption,
)  # fmt: skip

app = typer.Typer()


@app.command()
def boards(
    name: Annotated[
        str | None, typer.Argument(metavar="[BOARD]", help="A board's name or folder: show it in full.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all fields, and what fits.")] = False,
) -> None:
    """List the boards: what they hold, and which engine fits them for the policies that come along.

    Example: `hwgen boards zcu104`
    """
    common.call("hwgen.evaluate.board_table", "show")(name, as_json)


@app.command()
def generate(
    graph: GraphArgument,
    board: BoardOption,
    out: OutOption,
    backend: BackendOption = "engine",
    array: ArrayOption = None,
    io: IoOption = "parallel",
    multipliers: MultipliersOption = None,
    deadline_us: DeadlineOption = None,
    rate_hz: RateOption = None,
    like: LikeOption = None,
    weights: WeightsOption = "auto",
    stream_ports: StreamPortsOption = None,
    engines: EnginesOption = "1",
) -> None:
    """Make the hardware of a graph: SystemVerilog of the engine, an hls4ml project, or a FINN build folder.

    DIR then holds `graph.onnx`, `golden.npz`, `manifest.json` and `report.json`. With the engine, `predicted_cycles` is
    the exact latency that the simulation must show; with the others it is a formula, and the report says so.

    Without `--array`, the engine is searched for that answers soonest within the board, or the cheapest that meets
    `--deadline-us` or `--rate-hz`; `hwgen explain DIR` says why it is that one. Weights that the chip cannot hold are
    read from DDR during each run; `--weights ddr` asks for it.

    With `--engines`, several of them share the board: replicas that take observations in turn, or stages of a pipeline,
    whichever answers soonest, or is the cheapest within `--deadline-us` or at `--rate-hz`; `auto` chooses the number.

    With `--like`, the graph is compiled onto the engine of an earlier design: the old bitstream runs the new policy.

    Example: `hwgen generate policy.onnx --board zcu104 --array 16x32 -o build/policy`
    """
    common.load_board(board)
    common.must_exist(like)
    options = Options(
        common.parse_array(array), io, multipliers, deadline_us, rate_hz, like, weights, stream_ports, engines
    )
    with common.graph_file(graph) as file:
        common.call("hwgen.backends", "generate")(file, board, backend, options, out)
    for note in json.loads((out / "report.json").read_text()).get("notes", ()):
        typer.echo(f"note: {note}", err=True)
    typer.echo(summary(out))


@app.command()
def simulate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A design that `hwgen generate` wrote.")],
    inputs: Annotated[
        Path | None, typer.Option(metavar="IN.npz", help="Inputs by name, batch first, in real units.")
    ] = None,
    outputs: Annotated[Path | None, typer.Option(metavar="OUT.npz", help="Where to write the outputs.")] = None,
    waves: Annotated[bool, typer.Option("--waves", help="engine: record a waveform (slower).")] = False,
    rtl: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="hls4ml: run the Verilog that Vitis HLS exported, file or folder."),
    ] = None,
) -> None:
    """Run a design and compare every bit with the golden model.

    The engine's RTL runs in Verilator, an hls4ml project is compiled by g++ (its C simulation), a FINN model is
    executed node by node. Without inputs it takes the vectors in `DIR/golden.npz`, and random ones where that is cheap.

    Example: `hwgen simulate build/policy --inputs frames.npz --outputs actions.npz`
    """
    common.must_be_design(directory)
    for path in (inputs, rtl):
        common.must_exist(path)
    common.call("hwgen.evaluate.simulate", "simulate")(directory, inputs, outputs, waves, rtl)


@app.command()
def bench(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GRAPH]...", help=f"{common.GRAPH_HELP} Default: those of docs/zoo.md."),
    ] = None,
    board: BoardOption = "zcu104",
    array: ArrayOption = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Keep the designs here, and bench.json.")
    ] = None,
) -> None:
    """Simulate networks in RTL, bit for bit, and tell how much of the array they use: one table.

    A network is measured on the array that the table of docs/zoo.md names, another one on 32x64, all on `--array` where
    that is given: also if the board does not hold it, and then the table says what is too much. A first run takes
    minutes a network, for its simulator is compiled.

    Example: `hwgen bench zoo:vit-tiny zoo:tdmpc --array 32x32`
    """
    common.load_board(board)
    for network in networks or ():
        common.must_be_graph(network)
    run = common.call("hwgen.evaluate.bench", "bench")
    done = run(networks or None, board, common.parse_array(array), out, common.graph_file)
    raise typer.Exit(0 if done else 1)


@app.command("compare-backends")
def compare_backends(
    graph: GraphArgument,
    board: BoardOption,
    array: ArrayOption = None,
    multipliers: MultipliersOption = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Keep the three designs and comparison.json here."),
    ] = None,
) -> None:
    """One table of the three backends: latency, rate, multipliers, resources, and which one to take and why.

    The engine's latency is simulated; the others' are their formulas, or a synthesis report where DIR has one. With
    `--multipliers`, no backend takes more than so many.

    Example: `hwgen compare-backends demo:head --board zcu104 --multipliers 512`
    """
    common.load_board(board)
    options = Options(array=common.parse_array(array), multipliers=multipliers)
    with common.graph_file(graph) as file:
        common.call("hwgen.evaluate.compare_backends", "compare")(file, board, options, out)


@app.command()
def sim(
    board: BoardOption = "zcu104",
    policy: Annotated[
        str | None, typer.Option(help="A checkpoint, or a policy that comes along. Default: demo.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of the robot under each condition.")] = 300,
    frames: Annotated[int, typer.Option(min=1, help="Frames compared bit for bit first.")] = 1000,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default: build/sim-BOARD.", show_default=False)
    ] = None,
) -> None:
    """The whole way with a robot: quantize, generate, verify, then move a simulated Franka arm with the RTL.

    Example: `hwgen sim --board zcu104`
    """
    common.load_board(board)
    common.call("hwgen.evaluate.main_job", "run")(board, policy, episodes, frames, out)


def summary(out: Path) -> str:
    """Return the line that says what was generated, from DIR/report.json."""
    report = json.loads((out / "report.json").read_text())
    cycles, clock = report["predicted_cycles"], report["clock_mhz_assumed"]
    if report["backend"] == "engines":
        return (
            f"{out}: {report['engines']} engines on {report['board']}, an answer in {cycles:,} cycles, one every "
            f"{report['interval_cycles']:,} ({report['answers_a_second']:,.0f} a second at the assumed {clock:g} MHz). "
            f"Next: hwgen simulate {shlex.quote(str(out))}"
        )
    told = f"{cycles:,} cycles an inference ({cycles / clock:.2f} us at the assumed {clock:g} MHz)"
    if report["backend"] == "engine":
        rows, columns = report["array"]
        what, how = f"{rows}x{columns} array", f"{told}, {report['utilization']:.0%} of the array used"
    else:
        what = f"{report['backend']} design with {report['multipliers']:,} multipliers"
        how = f"{told} by {report['predicted_source']}"
    return f"{out}: {what} on {report['board']}, {how}. Next: hwgen simulate {shlex.quote(str(out))}"
