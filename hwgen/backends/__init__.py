"""Graph -> a folder for one of the ways to hardware: `engine` (own SystemVerilog), `hls4ml`, `finn`."""

from __future__ import annotations

from pathlib import Path

from hwgen.errors import InputError, UnsupportedError

BACKENDS = ("engine", "hls4ml", "finn")


def generate(graph: Path, board: str, backend: str, array: tuple[int, int] | None, out: Path) -> Path:
    """Write the design of a QONNX file for a board below `out`; returns `out`.

    backend: one of `BACKENDS`. array: (N, M), or None for the fastest that fits the board. Raises HwgenError naming
    node, board or array.
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown backend {backend!r}: known are {', '.join(BACKENDS)}")
    if backend != "engine":
        raise UnsupportedError(f"backend {backend!r} is not in this version; `--backend engine` takes the same graph")
    from hwgen.backends.engine.generate import generate as generate_engine

    return generate_engine(graph, board, array, out)
