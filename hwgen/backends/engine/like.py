"""An engine that exists: its configuration, out of the package or the folder of an earlier design."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from hwgen.backends.engine import rtl
from hwgen.boards import Board
from hwgen.errors import InputError
from hwgen.runtime.engines_package import MOST
from hwgen.runtime.layout import is_int
from hwgen.runtime.package import read_package
from hwgen.schedule.config import SIZES, EngineConfig

PACKAGE = "policy.hwpkg"
_MOST = 1 << 24  # of any depth


def engine_of(where: Path, board: Board) -> EngineConfig:
    """The configuration behind a package, or behind the package in a folder that `hwgen generate` wrote, when this
    hwgen makes the same engine of it for this board.

    Raises InputError: no engine, another board, another version of the RTL; PackageError for a spoilt package.
    """
    if any((where / f"stage{number}" / PACKAGE).is_file() for number in range(MOST)):
        raise InputError(
            f"{where} is a design of several engines: --like takes one of them, such as {where / 'stage0'}"
        )
    file = where / PACKAGE if where.is_dir() else where
    package = read_package(file)
    manifest = package.manifest
    if manifest["backend"] != "engine":
        raise InputError(
            f"{file} is of the backend {manifest['backend']}, whose bitstream holds the weights too: --like takes a "
            "package of the backend engine"
        )
    if manifest["board"] != board.name:
        name = manifest["board"]
        raise InputError(f"{file} is for the board {name}, not for {board.name}: give --board {name}")
    config = config_of(manifest.get("engine"), file)
    code = rtl.design_hash(config, board)
    if code != package.design_hash:
        raise InputError(
            f"{file} was made with another version of hwgen's SystemVerilog: design {package.design_hash:016x}, this "
            f"hwgen makes {code:016x} of the same configuration; take that version, or make a new bitstream without "
            "--like"
        )
    return config


def config_of(entry: object, file: Path) -> EngineConfig:
    """The manifest's `engine`, checked. Raises InputError."""
    known = {f.name: type(f.default) if f.name not in ("n", "m") else int for f in fields(EngineConfig)}
    good = isinstance(entry, dict) and set(entry) == set(known)
    good = good and all(
        isinstance(entry[name], bool) if kind is bool else is_int(entry[name]) and 0 <= entry[name] <= _MOST
        for name, kind in known.items()
    )
    if not good or entry["n"] not in SIZES or entry["m"] not in SIZES:
        raise InputError(f"{file}: manifest.json: engine describes no engine that this hwgen makes; generate it again")
    return EngineConfig(**entry)
