"""Commands on models: zoo, quantize, verify, train."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from hwgen.cli import common
from hwgen.cli.common import GraphArgument
from hwgen.policies.shipped import SHAPES

app = typer.Typer()


@app.command()
def zoo(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One of them, with parameters or without: build and show it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List networks that robots use, with their real shapes: `zoo:NAME` wherever a graph goes.

    Example: `hwgen zoo oft-l1-head,width=1024`
    """
    common.call("hwgen.policies.zoo.show", "show")(name, as_json)


@app.command()
def quantize(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A float `.onnx` or `.keras`, a checkpoint (LeRobot, OpenVLA-OFT, Octo), QONNX, a `.keras` file with "
            "QKeras layers, `demo:head` or `zoo:NAME`.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write the QONNX graph.")],
    calibration: Annotated[
        Path | None,
        typer.Option(help="An npz of float inputs by name, batch first: recorded observations, a few dozen."),
    ] = None,
    bits: Annotated[
        str, typer.Option(help="Of weights: 2, 3, 4, 8; `auto`: 4, and 8 for the layers where that hurts.")
    ] = "8",
    method: Annotated[str, typer.Option(help="How scales are found: mse, percentile or minmax.")] = "mse",
    percentile: Annotated[float, typer.Option(help="Of the magnitudes, for that method.")] = 99.99,
    correct: Annotated[bool, typer.Option(help="Take the mean error of every layer out of its bias.")] = True,
    compensate: Annotated[
        bool, typer.Option(help="Round weights so that a layer's sums stay, not each weight for itself.")
    ] = True,
    target: Annotated[
        float, typer.Option(metavar="DB", help="`--bits auto`: signal to noise that 4-bit weights may leave.")
    ] = 20.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many observations at most.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the table as JSON.")] = None,
) -> None:
    """Turn a trained model into an integer graph, written as QONNX.

    A float model is quantized after training: scales are set by recorded inputs, and a table says how close every
    tensor stays. A model trained with quantizers (QKeras, Brevitas' QONNX export) keeps its own scales: it is checked,
    simplified and written again. Every node that cannot be mapped is named.

    Example: `hwgen quantize policy.onnx --calibration recorded.npz -o policy.q.onnx`
    """
    common.must_exist(calibration)
    run, options = common.call("hwgen.quantize.command", "main"), common.call("hwgen.quantize.post", "Options")
    chosen = options(int(bits) if bits.isdecimal() else bits, method, percentile, correct, compensate, target)
    checkpoint = common.call("hwgen.frontends.checkpoints", "is_checkpoint")(model)
    with nullcontext(Path(model)) if checkpoint else common.graph_file(model) as file:
        run(file, out, calibration, chosen, limit, json_file)


@app.command()
def verify(
    graph: GraphArgument,
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
    given = int(vectors) if vectors.isdecimal() else Path(vectors)
    common.must_exist(given if isinstance(given, Path) else None)
    with common.graph_file(graph) as file:
        check = common.call("hwgen.reference.files", "verify_file")
        raise typer.Exit(check(file, references, given, seed, tensors, json_file))


@app.command()
def train(
    policy: Annotated[str, typer.Argument(help=f"Which one: {', '.join(SHAPES)}.")] = "demo",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The checkpoint to write. Default: the one that comes along."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A trial of a minute or two; its policy is no good.")] = False,
) -> None:
    """Collect demonstrations, train a policy that comes along and quantize it; takes under an hour on 2 cores.

    Example: `hwgen train vit-flow`
    """
    common.call("hwgen.quantize.train", "main")(policy, out, quick)
