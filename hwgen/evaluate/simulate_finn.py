"""model.onnx of a FINN folder, executed: every integer compared with golden; completes the report.

What FINN makes of it is FINN's own business: its steps are run on a folder by scripts/finn_check (docs/finn.md).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hwgen.backends.finn.execute import Program, qonnx_run
from hwgen.backends.finn.ports import Port
from hwgen.errors import HwgenError, InputError
from hwgen.evaluate.design_files import read_object
from hwgen.evaluate.vectors import Arrays, frames, load_graph, write_real
from hwgen.graph import Graph, golden
from hwgen.graph.random_graphs import random_inputs

VECTORS = 1000
"""Compared at least, when no inputs are given and a frame is small; PATIENCE ends it earlier."""
PATIENCE = 60.0
"""Seconds after which no more random frames are drawn."""
BATCH = 8
STANDARD = 2
"""Frames that qonnx's executor runs too; it takes one at a time."""


def simulate(folder: Path, inputs: Path | None = None, outputs: Path | None = None) -> dict:
    """Run DIR's model.onnx on `inputs` (npz, real units), or on golden.npz and random vectors; returns and writes the
    report.

    outputs: npz to write, by output name, real units. Raises InputError, and HwgenError when an integer differs.
    """
    console = Console(stderr=True)
    graph = load_graph(folder)
    report, ports = read_object(folder / "report.json", numbers=("predicted_cycles",)), _ports(folder, graph)
    program = Program(folder / "model.onnx")
    given, want = frames(folder, graph, inputs)
    seed = None if inputs is not None else int(np.random.SeedSequence().entropy % 2**32)
    if seed is not None:
        console.print(f"golden vectors, and random ones with seed {seed}")
    got, wrong, count = _run_all(graph, program, ports, given, want, seed, console)
    differing = _standard(graph, program, ports, given, want)
    if outputs is not None:
        write_real(outputs, graph, got)
    report |= {"bit_exact": not wrong and not differing, "vectors": count, "wrong_frames": wrong, "vectors_seed": seed,
               "simulated": "model.onnx in NumPy, its first frames by qonnx's executor"}  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    console.print(f"{count} frames, {wrong} differ from golden; formula: {report['predicted_cycles']} cycles")
    if wrong:
        raise HwgenError(
            f"{folder}/model.onnx differs from golden in {wrong} frames of {count}; generate the design again, and if "
            "it stays so report it with the graph"
        )
    if differing:
        raise HwgenError(f"{folder}/model.onnx: qonnx's executor differs from golden in {differing} of its frames")
    return report


def _run_all(graph: Graph, program: Program, ports: dict[str, Port], given: Arrays, want: Arrays, seed: int | None,
             console: Console) -> tuple[Arrays, int, int]:  # fmt: skip
    """(outputs of the given frames, frames that differ, frames run); with a seed, random frames follow."""
    first = len(next(iter(given.values())))
    total = first if seed is None else max(VECTORS, first)
    parts: list[Arrays] = []
    wrong = done = 0
    until = time.monotonic() + PATIENCE
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        while done < first or (done < total and time.monotonic() < until):
            if done < first:
                ints = {n: x[done : done + BATCH] for n, x in given.items()}
                gold = {n: y[done : done + BATCH] for n, y in want.items()}
            else:
                ints = random_inputs(graph, seed + done, min(BATCH, total - done))
                gold = golden.run(graph, ints)
            made = _run(graph, program, ports, ints)
            wrong += _differing(made, gold)
            if done < first:
                parts.append(made)
            done += len(next(iter(ints.values())))
            progress.update(task, completed=done)
    return {n: np.concatenate([p[n] for p in parts]) for n in graph.outputs}, wrong, done


def _run(graph: Graph, program: Program, ports: dict[str, Port], ints: Arrays) -> Arrays:
    made = program.run({n: ports[n].to_stream(x) for n, x in ints.items()})
    return {n: ports[n].from_stream(made[n]) for n in graph.outputs}


def _standard(graph: Graph, program: Program, ports: dict[str, Port], given: Arrays, want: Arrays) -> int:
    """Frames in which qonnx's executor differs from golden."""
    wrong = 0
    for i in range(min(STANDARD, len(next(iter(given.values()))))):
        made = qonnx_run(program, {n: ports[n].to_stream(x[i : i + 1]) for n, x in given.items()})
        made = {n: ports[n].from_stream(made[n]) for n in graph.outputs}
        wrong += _differing(made, {n: y[i : i + 1] for n, y in want.items()})
    return wrong


def _differing(made: Arrays, gold: Arrays) -> int:
    """Frames with at least one wrong value."""
    return int(np.any([(made[n] != y).reshape(len(y), -1).any(1) for n, y in gold.items()], axis=0).sum())


def _ports(folder: Path, graph: Graph) -> dict[str, Port]:
    manifest = read_object(folder / "manifest.json")
    try:
        ports = {p.name: p for p in map(Port.from_dict, manifest["ports"])}
        if {p.name: p.shape for p in ports.values()} != {
            name: graph.tensors[name].shape for name in (*graph.inputs, *graph.outputs)
        }:
            raise ValueError(f"ports {sorted(ports)}")
        return ports
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder}/manifest.json does not describe graph.onnx ({error!r}); generate it again"
        ) from None
