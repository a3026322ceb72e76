"""Commands that fit hardware and policy to each other: explain, foldings, plan."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from hwgen.cli import common
from hwgen.cli.common import BoardOption, GraphArgument

app = typer.Typer()


@app.command()
def explain(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A design that `hwgen generate` wrote.")],
) -> None:
    """Why a design is as fast as it is: what binds, layer by layer, the configurations beside it, what would help.

    Writes `explain.json`, a roofline picture and a chart of the units over the clocks into DIR.

    Example: `hwgen explain build/policy`
    """
    common.must_be_design(directory)
    common.call("hwgen.codesign.explain", "explain")(directory)


@app.command()
def foldings(
    graph: GraphArgument,
    multipliers: Annotated[int, typer.Option(min=1, metavar="N", help="Of all blocks together, and of the engine.")],
    board: BoardOption = "zcu104",
) -> None:
    """What a block per layer would take, the best of all PE and SIMD, beside the engine with as many multipliers.

    Of the blocks only multiplications count; the engine's clocks are whole, input and output in DDR included.

    Example: `hwgen foldings zoo:mlperf-tiny-kws --multipliers 512`
    """
    common.load_board(board)
    with common.graph_file(graph) as file:
        common.call("hwgen.codesign.foldings", "compare")(file, board, multipliers)


@app.command()
def plan(
    policy: Annotated[
        list[str],
        typer.Option(metavar="GRAPH", help=f"{common.GRAPH_HELP} Again for what comes after it: encoder, then head."),
    ],
    camera: Annotated[str, typer.Option(metavar="NxHxW@FPS", help="Cameras, such as 2x224x224@30.")],
    board: BoardOption = "zcu104",
    host_transformer_ms: Annotated[
        float, typer.Option(metavar="T", help="What the processor takes between encoder and head, or before a head.")
    ] = 0.0,
    host_preprocess_ms: Annotated[
        float | None, typer.Option(metavar="T", help="To crop and scale the frames. Default: by their bytes, assumed.")
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, metavar="N", help="Actions of an answer.")] = 1,
    action_hz: Annotated[float | None, typer.Option(metavar="HZ", help="Actions a second of the robot.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """From the camera to the action: what each stage takes, end to end, and the rate that comes out.

    The accelerator's clocks are the compiler's; the host's times are stated, or assumed, and every line says so.

    Example: `hwgen plan --policy demo --camera 1x64x64@30 --board zcu104 --chunk 8 --action-hz 25`
    """
    common.load_board(board)
    for text in policy:
        common.must_be_graph(text)
    module = "hwgen.codesign.plan"
    cameras = common.call(module, "Camera").parse(camera)
    host = common.call(module, "Host")(host_transformer_ms, host_preprocess_ms)
    with ExitStack() as stack:
        files = [stack.enter_context(common.graph_file(text)) for text in policy]
        common.call(module, "plan")(files, cameras, board, host, chunk, action_hz, as_json)
