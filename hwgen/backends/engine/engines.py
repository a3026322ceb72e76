"""QONNX -> DIR with several engines: DIR/stage0, stage1, ... each a design of one engine, and a manifest of the whole.

docs/engines.md tells the format. Nothing of a stage's folder differs from a design of its own: RTL, program and package
are the engine's, for its part of the graph.
"""

from __future__ import annotations

import shutil
from hashlib import sha256
from math import prod
from pathlib import Path

from hwgen.backends.design import write_common
from hwgen.backends.engine import generate as single
from hwgen.backends.engine import serial_fit
from hwgen.backends.options import ENGINES, Options
from hwgen.boards import Board
from hwgen.build import reports
from hwgen.codesign import progress
from hwgen.codesign.engines import DRIVER_MS, Way, handover
from hwgen.codesign.search_engines import Aim, FoundWay, search_engines
from hwgen.graph import Graph
from hwgen.runtime.engines_package import MOST

BACKEND = "engines"


def generate(graph_file: Path, graph: Graph, board: Board, options: Options, out: Path) -> Path:
    """Write DIR for the best way to use so many engines; one engine alone is written as it always is. Raises FitError,
    InputError."""
    with progress.shown() as say:
        found = search_engines(graph, board, aim(board, options), say)
    if found.chosen.engines == 1:
        serial_fit.check(found.chosen.designs[0], board)
        _forget(out)
        single.write(found.chosen.designs[0], board, out, graph_file, found.chosen.found[0])
        reports.update(out, {"search_engines": found.as_dict()})
    else:
        write(graph, board, out, found, graph_file)
    return out


def aim(board: Board, options: Options) -> Aim:
    """What the options ask for, in clocks."""
    limit = options.limit(board.clock_mhz)
    latency, interval = (None, limit) if options.rate_hz is not None else (limit, None)
    return Aim(ENGINES[options.engines], single.wish(board, options, None), latency, interval)


def write(graph: Graph, board: Board, out: Path, found: FoundWay, graph_file: Path | None = None) -> dict:
    """Write DIR for the chosen way; returns the manifest of the whole."""
    way, out = found.chosen, Path(out)
    _forget(out)
    stages = []
    for number, (design, searched) in enumerate(zip(way.designs, way.found, strict=True)):
        name = f"stage{number}"
        file = graph_file if len(way.parts) == 1 else None  # which names the policy that it is of
        made = single.write(design, way.share, out / name, file, searched)
        stages.append({
            "folder": name, "copies": way.copies[number], "design_hash": made["design_hash"],
            "inputs": list(design.graph.inputs), "outputs": list(design.graph.outputs),
        })  # fmt: skip
    code = sha256(" ".join(f"{stage['copies']}x{stage['design_hash']}" for stage in stages).encode()).hexdigest()[:16]
    manifest = {
        "name": graph.name or "policy", "board": board.name, "backend": BACKEND,
        "design_hash": code,
        "clock_mhz_assumed": board.clock_mhz, "inputs": list(graph.inputs), "outputs": list(graph.outputs),
        "stages": stages, "predicted_cycles": way.latency, "interval_cycles": way.interval,
        "handover_cycles": handover(board.clock_mhz, len(stages)),
    }  # fmt: skip
    facts = report(graph, board, way) | {"design_hash": code, "search_engines": found.as_dict()}
    write_common(out, graph, graph_file, manifest, facts)
    return manifest


def _forget(out: Path) -> None:
    """The engines that an earlier design in this folder had are gone."""
    for number in range(MOST):
        if (out / f"stage{number}" / "manifest.json").is_file():
            shutil.rmtree(out / f"stage{number}")


def report(graph: Graph, board: Board, way: Way) -> dict:
    """report.json before simulation: what is measured later is null."""
    multipliers = sum(many * prod((d.config.n, d.config.m)) for many, d in zip(way.copies, way.designs, strict=True))
    mhz, macs, traffic = board.clock_mhz, graph.macs(), way.traffic()
    rate, driver = mhz * 1e6 / way.interval, 1e3 / (DRIVER_MS * len(way.parts))
    note = (f"the driver, one thread, is assumed to take {DRIVER_MS:g} ms for a run: it starts {driver:,.0f} answers a "
            f"second at most, of the {rate:,.0f} that the engines could give")  # fmt: skip
    return {
        "name": graph.name, "board": board.name, "backend": BACKEND, "engines": way.engines,
        "copies": list(way.copies), "arrays": [[d.config.n, d.config.m] for d in way.designs],
        "latency_cycles": None, "predicted_cycles": way.latency, "interval_cycles": way.interval,
        "stage_cycles": [d.timing.latency for d in way.designs],
        "handover_cycles": handover(mhz, len(way.parts)), "latency_us_assumed": way.latency / mhz,
        "answers_a_second": rate, "driver_answers_a_second": driver,
        "compute_cycles": sum(d.timing.compute for d in way.designs), "macs": macs, "multipliers": multipliers,
        "utilization": macs / multipliers / way.latency, "interval_utilization": macs / multipliers / way.interval,
        "bit_exact": None, "vectors": 0, "clock_mhz_assumed": mhz,
        "resources": way.resources() | {"source": "formula"}, "ddr_ports": way.ports(),
        "streamed_bytes": sum(d.streamed_bytes for d in way.designs),
        "ddr_bytes": traffic, "ddr_bytes_a_second": traffic * rate, "notes": [note] if driver < rate else [],
    }  # fmt: skip
