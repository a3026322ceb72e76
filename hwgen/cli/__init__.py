"""The `hwgen` command. Each command imports what it needs when it runs, so that help is quick.

An error that a user can act on is one line on stderr and exit code 2; HWGEN_TRACEBACK=1 shows where it was raised.
"""

import os
import sys
from typing import Annotated

import typer

from hwgen import __version__
from hwgen.cli import codesign, flows, hardware, models, packages, search
from hwgen.errors import HwgenError

app = typer.Typer(
    name="hwgen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""From a trained robot policy to a running FPGA accelerator.

A model becomes a **graph** of integers (`quantize`), the graph becomes **hardware** for a board (`generate`):
SystemVerilog of its own engine, or a project for hls4ml or FINN. It is run and compared bit for bit (`simulate`). On
the robot, Python drives the same design through `hwgen.runtime`, which needs none of these commands.

Start here: `hwgen sim --board zcu104` does all of it with a Franka arm and the policy that comes along.
""",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hwgen {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """The options before a command (the help text is the app's)."""


for commands in (models, hardware, codesign, search, flows, packages):
    app.registered_commands += commands.app.registered_commands


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
