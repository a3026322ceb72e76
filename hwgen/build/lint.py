"""Lint the SystemVerilog library: every module on its own, with Verilator's warnings all on.

Each module is elaborated as the top with its default parameters, so a module that nothing uses yet is linted too.
Run as `python -m hwgen.build.lint [FILE.sv ...]`; without files it takes the whole library.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hwgen import resources
from hwgen.build import toolchain
from hwgen.errors import HwgenError, InputError, ToolError

LIBRARY = ("engine", "shell", "serial")  # shell and serial line are made of the engine's modules, too


def library() -> list[Path]:
    """Return the module files of engine, shell and serial line, packages left out, sorted."""
    return [file for folder in _folders() for file in sorted(folder.glob("*.sv")) if not _package(file)]


def lint(file: Path) -> str | None:
    """Lint the module in ``file`` (named like it); the files beside it are its library, then hwgen's.

    Returns None when it is clean, else Verilator's complaints.
    """
    beside = [other for other in file.parent.glob("*.sv") if _package(other)]
    packages = sorted(beside) or [other for folder in _folders() for other in folder.glob("*.sv") if _package(other)]
    folders = [word for folder in (file.parent, *_folders()) for word in ("-y", folder)]
    command = ["verilator", "--lint-only", "-Wall", "--top-module", file.stem, *folders, *packages, file]
    try:
        toolchain.run(command, env=toolchain.environment())
    except ToolError as error:
        return str(error)
    return None


def _folders() -> list[Path]:
    return [resources.path("hls_templates", name, "rtl") for name in LIBRARY]


def _package(file: Path) -> bool:
    """Packages are named so: they hold no module to elaborate and must be read first."""
    return file.stem.endswith("_pkg")


def main(arguments: list[str] | None = None) -> int:
    """Lint the files named (or the library), print the complaints, return 1 when there are any."""
    files = [Path(argument) for argument in (sys.argv[1:] if arguments is None else arguments)] or library()
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} does not exist: name SystemVerilog files, or none for the whole library")
    with ThreadPoolExecutor(toolchain.jobs()) as pool:
        complaints = list(pool.map(lint, files))
    for file, complaint in zip(files, complaints, strict=True):
        if complaint:
            print(f"{file}: {complaint}", file=sys.stderr)
    bad = sum(complaint is not None for complaint in complaints)
    print(f"verilator -Wall: {len(files) - bad} of {len(files)} modules clean")
    return int(bad > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HwgenError as error:
        sys.exit(f"hwgen: {error}")
