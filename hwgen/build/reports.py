"""Reading what a vendor's tool left: a file that is missing, cut off or strange is a ToolError.

Files from outside are data: bounded in size, numbers that are numbers, and XML without a document type, so that no
entity is ever expanded.
"""

from __future__ import annotations

import json
import math
import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

from hwgen.errors import HwgenError, ToolError

LARGEST = 64 << 20  # bytes of a report
LARGEST_NETLIST = 1 << 30


def read_text(file: Path, way_out: str, largest: int = LARGEST) -> str:
    """The text of a report. Raises ToolError, which ends with `way_out`."""
    if not file.is_file():
        raise ToolError(f"{file} is missing: {way_out}")
    size = file.stat().st_size
    if not 0 < size <= largest:
        raise ToolError(f"{file} is {'empty' if size == 0 else f'{size >> 20} MiB long'}: {way_out}")
    return file.read_text(errors="replace")


def read_json(file: Path, way_out: str, largest: int = LARGEST) -> dict:
    """The object in a JSON report. Raises ToolError, which ends with `way_out`."""
    try:
        text = read_text(file, way_out, largest)
        content = json.loads(text, parse_constant=_refuse, parse_float=finite, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{file} is no whole JSON file ({error}): {way_out}") from error
    if not isinstance(content, dict):
        raise ToolError(f"{file} holds no JSON object: {way_out}")
    return content


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _integer(text: str) -> int:
    finite(text)  # what no float holds is no figure, and could not be divided
    return int(text)


def finite(text: str) -> float:
    """The number in a report's field. Raises ValueError for text, NaN and infinity."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def read_xml(file: Path, way_out: str) -> ElementTree.Element:
    """The root of an XML report. Raises ToolError, which ends with `way_out`."""
    text = read_text(file, way_out)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ToolError(f"{file} declares a document type, which no report does: {way_out}")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ToolError(f"{file} is no whole XML file ({error}): {way_out}") from error


def update(folder: Path, changes: dict) -> dict:
    """Merge `changes` into DIR/report.json and return the whole. Raises ToolError when that file is spoilt."""
    file = folder / "report.json"
    report = read_json(file, "generate the design again") | changes
    part = file.with_name(f".report.json.{os.getpid()}")
    part.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(part, file)
    return report


def command_line(read: Callable[[Path], object]) -> int:
    """`python -m MODULE DIR`: read what a tool left in DIR into DIR/report.json; returns the exit code."""
    if len(sys.argv) != 2:
        print(f"usage: python -m {read.__module__} DIR", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    try:
        read(folder)
    except (HwgenError, OSError) as error:
        print(f"hwgen: {error}", file=sys.stderr)
        return 2
    print(f"{folder / 'report.json'} has the figures")
    return 0
