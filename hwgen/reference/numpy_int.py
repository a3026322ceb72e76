"""The golden model as a platform, so that it can stand in a table beside the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.errors import ToolError
from hwgen.graph import golden
from hwgen.graph.graph import Graph
from hwgen.reference.base import Arrays, Platform


class _Golden(Platform):
    name, exact, precision = "golden", True, "int64"
    ops = frozenset(golden.EVAL)

    def version(self) -> str:
        return f"numpy {np.__version__}"

    def find_device(self, device: str | None) -> str:
        if device not in (None, "cpu", "cpu:0"):
            raise ToolError(f"device {device!r} is absent: golden is NumPy and runs on the cpu only")
        return "cpu:0"

    def compile(self, graph: Graph, device: str, saturate: bool) -> Callable[[Arrays, bool], Arrays]:
        def run(inputs: Arrays, keep: bool) -> Arrays:
            values = golden.run(graph, inputs, keep)
            return {name: y.astype(graph.tensors[name].dtype.numpy) for name, y in values.items()}

        return run


GOLDEN = _Golden()
