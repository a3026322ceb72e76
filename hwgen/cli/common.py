"""What the commands share: options that several take, and how they reach the functions behind them."""

import importlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hwgen.backends import BACKENDS
from hwgen.backends.options import IO_TYPES, WEIGHTS
from hwgen.errors import FitError, InputError, ToolError
from hwgen.policies import shipped, zoo

GRAPH_HELP = (
    "A QONNX graph, from hwgen or from anyone; a policy that comes along, whole or a part, such as `demo` or "
    "`demo:head`; or a network of the zoo, such as `zoo:tdmpc` (`hwgen zoo`)."
)
GraphArgument = Annotated[str, typer.Argument(metavar="GRAPH", help=GRAPH_HELP)]
BoardOption = Annotated[str, typer.Option("--board", "-b", help="A board's name (`hwgen boards`), or its folder.")]
BackendOption = Annotated[str, typer.Option(help=f"How to build: {', '.join(BACKENDS)}.")]
OutOption = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write the design.")]
ArrayOption = Annotated[
    str | None,
    typer.Option(
        metavar="NxM", help="engine: N inputs times M outputs multiplied in each clock. Default: hwgen chooses."
    ),
]
IoOption = Annotated[str, typer.Option("--io", help=f"hls4ml: io type, {' or '.join(IO_TYPES)}.")]
MultipliersOption = Annotated[
    int | None, typer.Option(metavar="N", help="At most this many multipliers. Default: the board's.")
]
DeadlineOption = Annotated[
    float | None,
    typer.Option(metavar="US", help="The cheapest design that answers within this many microseconds."),
]
RateOption = Annotated[
    float | None,
    typer.Option(metavar="HZ", help="engine, finn: the cheapest design that takes this many frames a second."),
]

LikeOption = Annotated[
    Path | None,
    typer.Option(metavar="OLD", help="engine: fit the engine of this package or folder, so that its bitstream serves."),
]

WeightsOption = Annotated[
    str, typer.Option("--weights", help=f"engine: where they lie, {', '.join(WEIGHTS[:-1])} or {WEIGHTS[-1]}.")
]
StreamPortsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="engine: memory ports that bring weights from DDR. Default: all but the first."),
]
EnginesOption = Annotated[
    str,
    typer.Option("--engines", metavar="N|auto", help="engine: how many, 1 to 4, as replicas or stages of a pipeline."),
]


def parse_array(text: str | None) -> tuple[int, int] | None:
    """Return (N, M) of ``"NxM"``, None of None. Raises `InputError` for another form."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,4})[xX](\d{1,4})", text.strip())
    if not match or "0" in (match[1].lstrip("0") or "0", match[2].lstrip("0") or "0"):
        raise InputError(f"array {text!r} is not NxM: give inputs x outputs per clock, such as --array 16x32")
    return int(match[1]), int(match[2])


@contextmanager
def graph_file(text: str) -> Iterator[Path]:
    """The file of a GRAPH argument; a part of a shipped policy or of the zoo lies in a temporary folder meanwhile."""
    if zoo.is_name(text) or shipped.is_part(text):
        save = call("hwgen.policies.zoo", "save") if zoo.is_name(text) else call("hwgen.policies.shipped", "save_part")
        with tempfile.TemporaryDirectory(prefix="hwgen-") as folder, _smaller_part(text):
            yield save(text, Path(folder))
    else:
        must_exist(Path(text))
        yield Path(text)


def must_be_graph(text: str) -> None:
    """Raise `InputError` for a GRAPH argument that `graph_file` cannot open, before anything slow begins."""
    if zoo.is_name(text):
        zoo.find(text)
    elif not shipped.is_part(text):
        must_exist(Path(text))


@contextmanager
def _smaller_part(text: str) -> Iterator[None]:
    """Tell what may fit where a whole policy does not."""
    try:
        yield
    except FitError as error:
        if shipped.is_whole(text):
            head = f"{text.partition(':')[0]}:head"
            raise FitError(f"{error}; or give it {head}, the encoder then runs on the robot's processor") from None
        raise


def load_board(name: str):
    """The board, or `InputError` before anything slow begins."""
    from hwgen import boards

    return boards.load(name)


def must_be_design(folder: Path) -> None:
    """Raise `InputError` when there is nothing, or what was given is a graph's name."""
    if not folder.exists() and (zoo.is_name(str(folder)) or shipped.is_part(str(folder))):
        raise InputError(
            f"{folder} is a graph, and this command takes a design: make one with `hwgen generate {folder} --board "
            "zcu104 -o DIR`"
        )
    must_exist(folder)


def must_exist(path: Path | None) -> None:
    """Raise `InputError` when a path was given and nothing is there."""
    if path is not None and not path.exists():
        raise InputError(f"{path} does not exist: check the path")


def call(module: str, name: str) -> Callable:
    """Import ``module`` and return its function ``name``; a package missing from this Python becomes a `ToolError`."""
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "hwgen":
            raise
        raise ToolError(
            f"the Python package {error.name} is missing: run `make env`, or pip install 'hwgen[flow]'"
        ) from error
