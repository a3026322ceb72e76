"""A graph lowered for machines that are not here: StableHLO for CPU, CUDA and TPU, written by jax.export.

Lowering shows that every operator has a translation for the platform. Compiling the StableHLO is that platform's
compiler's work, and happens on a machine that has it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hwgen.errors import InputError, ToolError
from hwgen.graph.graph import Graph
from hwgen.reference.base import PLATFORMS, Reference

LOWERINGS = ("cpu", "cuda", "rocm", "tpu")
"""What jax.export lowers for."""


@dataclass
class Lowered:
    """A graph for one platform.

    text: the StableHLO module. blob: the same serialized, for jax.export.deserialize(blob).call(inputs). operations:
    how often each StableHLO operation occurs; wide_operations: those that compute in 64-bit integers or floats.
    files: what was written.
    """

    platform: str
    precision: str
    text: str
    blob: bytes
    operations: Counter = field(default_factory=Counter)
    wide_operations: Counter = field(default_factory=Counter)
    files: list[Path] = field(default_factory=list)


def export(
    graph: Graph,
    platforms: tuple[str, ...] = ("cpu", "cuda", "tpu"),
    precision: str = "int",
    batch: int | None = 1,
    out: Path | str | None = None,
) -> list[Lowered]:
    """Lower the graph for each platform.

    precision: "int", "float32" or "float64". batch: observations at once; None leaves it open (any number). out: a
    folder that receives NAME-PRECISION-PLATFORM.mlir (StableHLO text) and .jax (serialized, with the weights).
    Raises InputError for an unknown platform, precision or batch, ToolError when the lowering fails.
    """
    reference = reference_for(precision)
    if unknown := [p for p in platforms if p not in LOWERINGS]:
        raise InputError(f"cannot lower for {', '.join(unknown)}: use {', '.join(LOWERINGS)}")
    if batch is not None and batch < 1:
        raise InputError(f"batch {batch} is not possible: give 1 or more, or None for any number")
    lowered = [_lower(graph, reference, platform, precision, batch) for platform in platforms]
    for result in lowered if out is not None else []:
        name = re.sub(r"[^\w.-]+", "_", graph.name)
        stem = Path(out) / f"{name}-{precision}-{result.platform}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        result.files = [Path(f"{stem}.mlir"), Path(f"{stem}.jax")]
        result.files[0].write_text(result.text)
        result.files[1].write_bytes(result.blob)
    return lowered


def reference_for(precision: str) -> Reference:
    """The JAX reference of a precision: "int", "float32" or "float64". Raises InputError for another."""
    known = [name.removeprefix("jax-") for name in PLATFORMS if name.startswith("jax-")]
    if precision not in known:
        raise InputError(f"unknown precision {precision!r}: use one of {', '.join(known)}")
    return Reference(f"jax-{precision}")


def _lower(graph: Graph, reference: Reference, platform: str, precision: str, batch: int | None) -> Lowered:
    import jax

    forward, params = reference.platform.function(graph, True)
    dtypes = reference.platform.input_dtypes(graph)
    with jax.enable_x64(True):
        rows = jax.export.symbolic_shape("batch")[0] if batch is None else batch
        specs = {n: jax.ShapeDtypeStruct((rows, *graph.tensors[n].shape), dtypes[n]) for n in graph.inputs}
        try:
            # The parameters become constants, so that the file is complete.
            exported = jax.export.export(jax.jit(lambda inputs: forward(params, inputs)), platforms=[platform])(specs)
        except Exception as e:  # whatever JAX raises, the user needs the platform's name and the first line
            raise ToolError(
                f"graph {graph.name!r} does not lower for {platform}: {type(e).__name__}: {str(e).splitlines()[0]}. "
                "Leave this platform out"
            ) from e
    text = exported.mlir_module()
    return Lowered(platform, precision, text, bytes(exported.serialize()), *count_operations(text))


def count_operations(text: str) -> tuple[Counter, Counter]:
    """(all, 64-bit ones): how often each StableHLO operation occurs in a module; constants are left out."""
    every, wide = Counter(), Counter()
    for line in text.splitlines():
        found = re.search(r'"?stablehlo\.(\w+)"?', line)
        if not found or found[1] in ("constant", "return"):
            continue
        every[found[1]] += 1
        wide[found[1]] += bool(re.search(r"(x|<)(i64|ui64|f64)>", line))
    return every, +wide
