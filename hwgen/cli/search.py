"""The command that searches for a policy: search."""

from pathlib import Path
from typing import Annotated

import typer

from hwgen.cli import common
from hwgen.cli.common import BoardOption

app = typer.Typer()

_SPACE, _STUDY, _MEASURE = "What may change", "The study and its workers", "How a trial is measured"


@app.command()
def search(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="`demo`, `demo-nonorm`, `vit-flow`, a checkpoint of theirs; or a float network, with --calibration.",
        ),
    ],
    board: BoardOption,
    deadline_us: Annotated[
        float | None,
        typer.Option(metavar="US", help="Take engines that answer within this many microseconds, the cheapest each."),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="For search.json, the pictures and the best choice.")
    ] = Path("build/search"),
    bits: Annotated[
        str,
        typer.Option(
            metavar="LIST", help="Of weights, chosen for each layer: some of 2,3,4,8.", rich_help_panel=_SPACE
        ),
    ] = "4,8",
    width: Annotated[
        str, typer.Option(metavar="LIST", help="Of layers, times the policy's own: 0.5,0.75,1.", rich_help_panel=_SPACE)
    ] = "",
    depth: Annotated[str, typer.Option(metavar="LIST", help="Blocks: 1,2,3.", rich_help_panel=_SPACE)] = "",
    chunk: Annotated[
        str, typer.Option(metavar="LIST", help="Motions of an answer: 4,8,16.", rich_help_panel=_SPACE)
    ] = "",
    quality: Annotated[
        str | None,
        typer.Option(
            help="Of policies: `success` over scenes, or `error`, the distance from the expert's motions, which is "
            "quicker. Float networks have `sqnr`.",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="That success is counted over.", rich_help_panel=_MEASURE)] = 50,
    budget: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Of `hwgen train`'s work, for each training.", rich_help_panel=_MEASURE),
    ] = 0.05,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="DATA.npz", help="Float networks: recorded inputs by name.", rich_help_panel=_MEASURE),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Observations that a calibration uses at most.", rich_help_panel=_MEASURE)
    ] = 64,
    trials: Annotated[
        int, typer.Option(min=1, help="Of the study in all, whoever does them.", rich_help_panel=_STUDY)
    ] = 40,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where the study lies: `sqlite:///FILE`, `journal:FILE` on a shared disk, "
            "`postgresql+psycopg://user@host/name`. Default: DIR/search.db.",
            rich_help_panel=_STUDY,
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: POLICY-BOARD-DEADLINE.", rich_help_panel=_STUDY)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the choices, to repeat a search of one worker.", rich_help_panel=_STUDY)
    ] = None,
) -> None:
    """Search for the policy that fits the board: bits of every layer, width, depth, and motions of an answer.

    Each trial trains or calibrates a policy, compiles it onto the engine that `hwgen generate` would choose, and counts
    its clocks, which are exact. It shows which trials no other beats in quality, latency and share of the board, draws
    them, and writes the best as what `hwgen generate` takes.

    Interrupted, the same command goes on. Started on several machines with the same --storage, it is their worker.

    Examples: `hwgen search demo --board zcu104 --deadline-us 20 --width 0.5,1 --depth 1,2`

    `hwgen search policy.onnx --calibration recorded.npz --board kv260 --deadline-us 100 --bits 3,4,8`
    """
    common.load_board(board)
    common.must_exist(calibration)
    numbers = common.call("hwgen.search.space", "numbers")
    space = common.call("hwgen.search.space", "Space")(
        numbers(bits), numbers(width, float), numbers(depth), numbers(chunk)
    )
    effort = common.call("hwgen.search.trained", "Effort")(budget, scenes, limit)
    request = common.call("hwgen.search.command", "Request")(
        policy, board, deadline_us, out, space, effort, trials, calibration, limit, quality, storage, study, seed
    )
    common.call("hwgen.search.command", "main")(request)
