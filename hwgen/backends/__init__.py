"""Graph -> a folder for one of the ways to hardware: `engine` (own SystemVerilog), `hls4ml`, `finn`."""

from __future__ import annotations

import importlib
from pathlib import Path

from hwgen.backends.options import Options
from hwgen.errors import InputError

BACKENDS = ("engine", "hls4ml", "finn")


def generate(graph: Path, board: str, backend: str, options: Options, out: Path) -> Path:
    """Write the design of a QONNX file for a board below `out`; returns `out`.

    backend: one of `BACKENDS`. Raises HwgenError naming node, board or option.
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown backend {backend!r}: known are {', '.join(BACKENDS)}")
    options.check(backend)
    return importlib.import_module(f"hwgen.backends.{backend}.generate").generate(graph, board, options, out)
