"""The boards: one folder each under ``boards/``, described by its ``board.toml``.

A new board is a new folder and no code; `load` checks every field and names the one that is wrong.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

import tomllib

from hwgen import resources
from hwgen.errors import InputError

FAMILIES = ("zynqmp", "zynq7", "ecp5")


@dataclass(frozen=True)
class Resources:
    """What the part holds. ``dsp``: multipliers (DSP48, or ECP5 18x18); ``bram36``: blocks of 36 kbit."""

    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int


@dataclass(frozen=True)
class Memory:
    """The memory outside the fabric: ``bytes`` of it, behind ``ports`` of ``port_bits`` each (none: a serial host)."""

    kind: str
    bytes: int
    port_bits: int
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """One board. ``clock_mhz`` is assumed until a bitstream has been timed; ``folder`` holds its constraints."""

    name: str
    title: str
    vendor: str
    family: str
    part: str
    board_part: str | None
    clock_mhz: float
    resources: Resources
    memory: Memory
    folder: Path


def names() -> list[str]:
    """Return the names of all boards, sorted."""
    return sorted(folder.parent.name for folder in resources.path("boards").glob("*/board.toml"))


def load(name: str) -> Board:
    """Return the board called ``name``, or the one described in the folder of that path (it must hold a slash).

    Raises `InputError` when there is none, or when its board.toml lacks a field or holds a wrong one.
    """
    if "/" in name:
        folder = Path(name)
        if not (folder / "board.toml").is_file():
            raise InputError(f"{folder} holds no board.toml: give a board's name ({', '.join(names())}) or its folder")
        return read(folder)
    if name not in names():
        near = difflib.get_close_matches(name.lower(), names(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(
            f"unknown board {name!r}{hint}: known are {', '.join(names())}; a new one is a folder with a board.toml"
        )
    return read(resources.path("boards", name))


def read(folder: Path) -> Board:
    """Read and check ``folder/board.toml``. Raises `InputError` that names the field."""
    file = folder / "board.toml"
    try:
        data = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not TOML: {error}") from error
    take = _Fields(file, data)
    board = Board(
        name=folder.resolve().name,
        title=take.text("title"),
        vendor=take.text("vendor"),
        family=take.text("family", FAMILIES),
        part=take.text("part"),
        board_part=take.text("board_part") if "board_part" in data else None,
        clock_mhz=take.number("clock.assumed_mhz", low=1),
        resources=Resources(
            lut=take.whole("resources.lut", low=1),
            ff=take.whole("resources.ff", low=1),
            dsp=take.whole("resources.dsp"),
            bram36=take.whole("resources.bram36"),
            uram=take.whole("resources.uram"),
        ),
        memory=Memory(
            kind=take.text("memory.kind"),
            bytes=take.whole("memory.bytes", low=1),
            port_bits=take.whole("memory.port_bits", low=8),
            ports=take.texts("memory.ports"),
        ),
        folder=folder,
    )
    take.nothing_left()
    return board


class _Fields:
    """Takes fields by dotted name, each at most once, so that a misspelt one is left over and can be named."""

    def __init__(self, file: Path, data: dict) -> None:
        self.file = file
        self.left = dict(_flatten(data))

    def _take(self, name: str, kind: type | tuple[type, ...], wanted: str) -> object:
        if name not in self.left:
            raise InputError(f"{self.file}: field {name} is missing; it should be {wanted}")
        value = self.left.pop(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"{self.file}: field {name} is {value!r}; it should be {wanted}")
        return value

    def text(self, name: str, choices: tuple[str, ...] = ()) -> str:
        wanted = "one of " + ", ".join(choices) if choices else "a text"
        value = self._take(name, str, wanted)
        if not value or (choices and value not in choices):
            raise InputError(f"{self.file}: field {name} is {value!r}; it should be {wanted}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._take(name, list, "a list of texts")
        if not all(isinstance(item, str) and item for item in value) or len(set(value)) != len(value):
            raise InputError(f"{self.file}: field {name} is {value!r}; it should be a list of different texts")
        return tuple(value)

    def number(self, name: str, low: float = 0) -> float:
        value = self._take(name, (int, float), f"a number, at least {low:g}")
        if not low <= value < float("inf"):
            raise InputError(f"{self.file}: field {name} is {value!r}; it should be a number, at least {low:g}")
        return float(value)

    def whole(self, name: str, low: int = 0) -> int:
        value = self._take(name, int, f"a whole number, at least {low}")
        if value < low:
            raise InputError(f"{self.file}: field {name} is {value!r}; it should be a whole number, at least {low}")
        return value

    def nothing_left(self) -> None:
        if self.left:
            raise InputError(
                f"{self.file}: unknown field {', '.join(sorted(self.left))}; remove it or correct its name"
            )


def _flatten(data: dict, prefix: str = ""):
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
