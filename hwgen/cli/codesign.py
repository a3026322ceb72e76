"""Commands that fit hardware and policy to each other: explain."""

from pathlib import Path
from typing import Annotated

import typer

from hwgen.cli import common

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
