"""Compile a graph with XLA's TPU compiler on a machine without a TPU: libtpu compiles ahead of time for a topology.

    python -m hwgen.reference.tpu policy.onnx [v5e:2x2]

libtpu is not among hwgen's requirements (it is large, and only for Linux on x86-64): pip install the version that
``pip install 'jax[tpu]'`` would.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass

from hwgen.errors import InputError, ToolError
from hwgen.graph.graph import Graph

ENVIRONMENT = {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"}
"""Keeps libtpu from asking the cloud's metadata server which TPU it sits on."""


@dataclass
class Compiled:
    """device: the chip's kind. text: the optimized HLO. types: how many operations make each element type; wide: those
    on 64-bit elements that are more than a parameter. seconds: to compile."""

    device: str
    text: str
    types: Counter
    wide: Counter
    seconds: float


def compile_ahead(graph: Graph, topology: str = "v5e:2x2", precision: str = "int", batch: int = 1) -> Compiled:
    """Compile the graph for one chip of a TPU topology.

    Raises ToolError without libtpu or when it does not compile, InputError for an unknown topology.
    """
    import jax
    from jax.experimental import topologies

    from hwgen.reference.lowering import reference_for

    if importlib.util.find_spec("libtpu") is None:
        raise ToolError("the Python package libtpu is missing: pip install libtpu, in the version that jax[tpu] names")
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    try:
        chip = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]
    except Exception as e:
        raise InputError(f"TPU topology {topology!r} is unknown to libtpu ({_line(e)}): use one such as v5e:2x2") from e
    platform = reference_for(precision).platform
    forward, params = platform.function(graph, True)
    there = jax.sharding.SingleDeviceSharding(chip)

    def on_chip(shape, dtype):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=there)

    inputs = {n: on_chip((batch, *graph.tensors[n].shape), d) for n, d in platform.input_dtypes(graph).items()}
    began = time.perf_counter()
    with jax.enable_x64(True):
        try:
            placed = jax.tree.map(lambda a: on_chip(a.shape, a.dtype), params)
            text = jax.jit(forward, static_argnames="keep").trace(placed, inputs).lower().compile().as_text()
        except Exception as e:
            raise ToolError(f"graph {graph.name!r} does not compile for {chip.device_kind}: {_line(e)}") from e
    made = re.findall(r"= (\w+)\[[^ ]* ([\w-]+)\(", text)
    wide = Counter(op for kind, op in made if kind in ("s64", "u64", "f64") and op != "parameter")
    return Compiled(chip.device_kind, text, Counter(kind for kind, _ in made), wide, time.perf_counter() - began)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def main(arguments: list[str]) -> int:
    """Compile GRAPH [TOPOLOGY] and print what it became."""
    from hwgen.reference.files import load_graph

    if len(arguments) not in (1, 2):
        raise InputError("give a graph and perhaps a topology: python -m hwgen.reference.tpu GRAPH.onnx [v5e:2x2]")
    done = compile_ahead(load_graph(arguments[0]), *arguments[1:])
    print(f"compiled for {done.device} in {done.seconds:.1f} s")
    print("operations by element type: " + ", ".join(f"{kind} {n:,}" for kind, n in done.types.most_common()))
    print("64-bit operations left: " + (", ".join(f"{op} {n}" for op, n in done.wide.items()) or "none"))
    return 0


if __name__ == "__main__":
    from hwgen.errors import HwgenError

    try:
        sys.exit(main(sys.argv[1:]))
    except HwgenError as error:
        print(f"hwgen: {error}", file=sys.stderr)
        sys.exit(2)
