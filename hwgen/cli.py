"""The `hwgen` command. Each command imports what it needs when it runs, so that help is quick.

An error that a user can act on is one line on stderr and exit code 2; HWGEN_TRACEBACK=1 shows where it was raised.
"""

import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hwgen import __version__
from hwgen.backends import BACKENDS
from hwgen.errors import HwgenError, InputError, ToolError

app = typer.Typer(
    name="hwgen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""From a trained robot policy to a running FPGA accelerator.

A model becomes a **graph** of integers (`quantize`), the graph becomes **SystemVerilog** for a board (`generate`), and
the SystemVerilog is run in Verilator and compared bit for bit (`simulate`). On the robot, Python drives the same design
through `hwgen.runtime`, which needs none of these commands.

Start here: `hwgen sim --board zcu104` does all of it with a Franka arm and the policy that comes along.
""",
)

BoardOption = Annotated[str, typer.Option("--board", "-b", help="A board's name (`hwgen boards`), or its folder.")]
BackendOption = Annotated[str, typer.Option(help=f"How to build: {', '.join(BACKENDS)}.")]
ArrayOption = Annotated[
    str | None,
    typer.Option(metavar="NxM", help="N inputs times M outputs multiplied in each clock. Default: hwgen chooses."),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hwgen {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """The options before a command (the help text is the app's)."""


@app.command()
def boards() -> None:
    """List the boards with what they hold.

    Example: `hwgen boards`
    """
    from hwgen import boards as table

    typer.echo(
        f"{'board':<10} {'part':<21} {'MHz':>4} {'LUT':>7} {'FF':>7} {'DSP':>5} {'BRAM36':>6} {'URAM':>4}  memory"
    )
    for name in table.names():
        board = table.load(name)
        held, memory = board.resources, board.memory
        ports = f"{len(memory.ports)} ports of {memory.port_bits} bits" if memory.ports else "serial host"
        typer.echo(
            f"{name:<10} {board.part:<21} {board.clock_mhz:>4.0f} {held.lut:>7} {held.ff:>7} {held.dsp:>5} "
            f"{held.bram36:>6} {held.uram:>4}  {memory.bytes >> 20} MiB {memory.kind}, {ports}"
        )


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A `.keras` file with QKeras layers, or QONNX.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write the QONNX graph.")],
    calibration: Annotated[
        Path | None, typer.Option(help="An npz of inputs by name, batch first, that shows the ranges.")
    ] = None,
) -> None:
    """Turn a trained model into an integer graph, written as QONNX.

    A model trained with quantizers (QKeras, Brevitas' QONNX export) keeps its own scales: it is checked, simplified and
    written again, and every node that cannot be mapped is named.

    Example: `hwgen quantize policy.keras -o policy.onnx`
    """
    _must_exist(model)
    if calibration is not None:
        _must_exist(calibration)
    graph = _load_quantized(model)
    _call("hwgen.graph.qonnx_out", "save")(graph, out)
    typer.echo(f"{out}: {len(graph.nodes)} nodes, {graph.macs():,} multiplications")


@app.command()
def generate(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="A QONNX graph, from hwgen or from anyone.")],
    board: BoardOption,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write the design.")],
    backend: BackendOption = "engine",
    array: ArrayOption = None,
) -> None:
    """Make the hardware of a graph: SystemVerilog, program, weights and a report.

    DIR then holds `rtl/`, `graph.onnx`, `golden.npz`, `manifest.json` and `report.json`, where `predicted_cycles` is
    the exact latency that the simulation must show.

    Example: `hwgen generate policy.onnx --board zcu104 --array 16x32 -o build/policy`
    """
    _must_exist(graph)
    _load_board(board)
    shape = parse_array(array)
    _call("hwgen.backends", "generate")(graph, board, backend, shape, out)
    typer.echo(_summary(out))


@app.command()
def simulate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A design that `hwgen generate` wrote.")],
    inputs: Annotated[
        Path | None, typer.Option(metavar="IN.npz", help="Inputs by name, batch first, in real units.")
    ] = None,
    outputs: Annotated[Path | None, typer.Option(metavar="OUT.npz", help="Where to write the outputs.")] = None,
    waves: Annotated[bool, typer.Option("--waves", help="Record a waveform (slower).")] = False,
) -> None:
    """Run a design in Verilator and compare every bit with the golden model.

    Without inputs it runs the vectors in `DIR/golden.npz`.

    Example: `hwgen simulate build/policy --inputs frames.npz --outputs actions.npz`
    """
    _must_exist(directory)
    if inputs is not None:
        _must_exist(inputs)
    _call("hwgen.evaluate.simulate", "simulate")(directory, inputs, outputs, waves)


@app.command()
def verify(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="A QONNX graph.")],
    references: Annotated[str, typer.Option(help="Which, with commas; `all` takes every one installed.")] = "all",
    vectors: Annotated[
        str, typer.Option(metavar="N|IN.npz", help="How many random inputs, or a file of them.")
    ] = "100",
    seed: Annotated[int, typer.Option(help="For random inputs.")] = 0,
    tensors: Annotated[bool, typer.Option("--tensors", help="Show the quantization error of every tensor.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the table as JSON.")] = None,
) -> None:
    """Compare the golden model with JAX and TensorFlow: integers must be equal, floats show the quantization error.

    Exits with 1 when an integer differs.

    Example: `hwgen verify policy.onnx --vectors 1000`
    """
    _must_exist(graph)
    given = int(vectors) if vectors.isdecimal() else Path(vectors)
    if isinstance(given, Path):
        _must_exist(given)
    check = _call("hwgen.reference.files", "verify_file")
    raise typer.Exit(check(graph, references, given, seed, tensors, json_file))


@app.command()
def sim(
    board: BoardOption = "zcu104",
    policy: Annotated[Path | None, typer.Option(help="A checkpoint. Default: the one that comes along.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of the robot under each condition.")] = 300,
    frames: Annotated[int, typer.Option(min=1, help="Frames compared bit for bit first.")] = 1000,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default: build/sim-BOARD.", show_default=False)
    ] = None,
) -> None:
    """The whole way with a robot: quantize, generate, verify, then move a simulated Franka arm with the RTL.

    Example: `hwgen sim --board zcu104`
    """
    _load_board(board)
    if policy is not None:
        _must_exist(policy)
    _call("hwgen.evaluate.main_job", "run")(board, policy, episodes, frames, out)


@app.command()
def train(
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The checkpoint to write. Default: the one that comes along."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A trial of a minute or two; its policy is no good.")] = False,
) -> None:
    """Collect demonstrations and train the policy that comes along, quantization-aware; takes under an hour on 2 cores.

    Example: `hwgen train`
    """
    _call("hwgen.quantize.train", "main")(out, quick)


@app.command()
def bitstream(
    board: BoardOption,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write the design.")],
    graph: Annotated[
        Path | None,
        typer.Argument(
            metavar="[GRAPH.onnx]", help="A QONNX graph. Default: the demo policy's head.", show_default=False
        ),
    ] = None,
    backend: BackendOption = "engine",
    array: ArrayOption = None,
) -> None:
    """Make what a bitstream is built from. This version ends before the vendor's tools, and exits with 2 to say so.

    Example: `hwgen bitstream policy.onnx --board zcu104 -o build/policy`
    """
    family = _load_board(board).family
    if graph is None:
        out.mkdir(parents=True, exist_ok=True)
        graph = out / "graph.onnx"
        _call("hwgen.graph.qonnx_out", "save")(_call("hwgen.policies.demo", "load_demo")().head, graph)
    generate(graph, board, out, backend, array)
    flow = "the open ECP5 flow" if family == "ecp5" else "Vivado"
    raise ToolError(
        f"no bitstream was made: this version does not run {flow} yet. The SystemVerilog in {out / 'rtl'} is complete "
        "(top hwgen_top) and can be taken into a project by hand"
    )


def parse_array(text: str | None) -> tuple[int, int] | None:
    """Return (N, M) of ``"NxM"``, None of None. Raises `InputError` for another form."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,4})[xX](\d{1,4})", text.strip())
    if not match or "0" in (match[1].lstrip("0") or "0", match[2].lstrip("0") or "0"):
        raise InputError(f"array {text!r} is not NxM: give inputs x outputs per clock, such as --array 16x32")
    return int(match[1]), int(match[2])


def _summary(out: Path) -> str:
    """Return the line that says what was generated, from DIR/report.json."""
    report = json.loads((out / "report.json").read_text())
    rows, columns = report["array"]
    cycles, clock = report["predicted_cycles"], report["clock_mhz_assumed"]
    return (
        f"{out}: {rows}x{columns} array on {report['board']}, {cycles:,} cycles an inference "
        f"({cycles / clock:.2f} us at the assumed {clock:g} MHz), {report['utilization']:.0%} of the array used. "
        f"Next: hwgen simulate {out}"
    )


def _load_board(name: str):
    from hwgen import boards as table

    return table.load(name)


def _load_quantized(model: Path):
    """Return the integer graph of a model that carries its own quantizers."""
    if model.suffix == ".keras":
        with _quiet_stderr():
            return _call("hwgen.frontends.keras_qkeras", "load_keras")(model)
    if model.suffix == ".onnx":
        return _call("hwgen.graph.qonnx_in", "load")(model)
    raise InputError(
        f"{model} is neither .keras nor .onnx: this version quantizes Keras files with QKeras layers and QONNX"
    )


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what C++ writes to stderr: TensorFlow greets with ten lines that no setting silences."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")


def _call(module: str, name: str) -> Callable:
    """Import ``module`` and return its function ``name``; a package missing from this Python becomes a `ToolError`."""
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "hwgen":
            raise
        raise ToolError(
            f"the Python package {error.name} is missing: run `make env`, or pip install 'hwgen[flow]'"
        ) from error


def main() -> None:
    """Run the command line."""
    from hwgen.runtime.errors import RuntimeFault

    try:
        app(prog_name="hwgen")
    except (HwgenError, RuntimeFault, OSError) as error:
        if os.environ.get("HWGEN_TRACEBACK", "") not in ("", "0"):
            raise
        print(f"hwgen: {' '.join(_tell(error).split())}", file=sys.stderr)
        sys.exit(2)


def _tell(error: Exception) -> str:
    """Return what to print: an OSError that names a file is the user's path, the disk or a permission."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path, its permissions and the disk"
    return str(error)
