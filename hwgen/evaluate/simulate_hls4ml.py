"""hls4ml's C simulation, compiled by g++: every integer compared with golden; completes the report."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hwgen import boards
from hwgen.backends.hls4ml import csim
from hwgen.backends.shell import CoreDescription
from hwgen.errors import HwgenError
from hwgen.evaluate.design_files import read_core, read_object
from hwgen.evaluate.vectors import Arrays, frames, load_graph, write_real
from hwgen.graph import Graph, golden
from hwgen.graph.random_graphs import random_inputs

TEXTS = ("name", "board", "io")
NUMBERS = ("predicted_cycles", "latency_us_assumed", "clock_mhz_assumed", "core_cycles", "multipliers")
"""Keys of report.json that this module reads."""

VECTORS = 1000
"""Compared at least, when no inputs are given: the golden ones, then random ones."""


def simulate(folder: Path, inputs: Path | None = None, outputs: Path | None = None) -> dict:
    """Run DIR's C simulation on `inputs` (real units), or on golden.npz and random vectors; returns and writes the
    report.

    inputs: npz of arrays by input name, batch first. outputs: npz to write, by output name, real units. Raises
    InputError, ToolError, and HwgenError when an integer differs from golden, naming the first layer that does.
    """
    console = Console(stderr=True)
    graph = load_graph(folder)
    report = read_object(folder / "report.json", TEXTS, NUMBERS)
    core = read_core(folder, graph)
    ints, want = frames(folder, graph, inputs)
    seed = None
    if inputs is None:
        seed = int(np.random.SeedSequence().entropy % 2**32)
        ints, want = more(graph, ints, want, seed)
        console.print(f"golden vectors, and random ones with seed {seed}")
    csim.library(folder, console.print)
    got = run_with_progress(folder, core, ints, console)
    if outputs is not None:
        write_real(outputs, graph, got)
    report = complete(folder, report, want, got, seed)
    show(report, console)
    if not report["bit_exact"]:
        where = first_difference(folder, graph, report, ints, want, got)
        raise HwgenError(
            f"the C simulation differs from golden in {report['wrong_frames']} frames of {report['vectors']}; {where}"
        )
    return report


def more(graph: Graph, ints: Arrays, want: Arrays, seed: int) -> tuple[Arrays, Arrays]:
    """The vectors, and random ones up to VECTORS with golden's outputs."""
    count = VECTORS - len(next(iter(ints.values())))
    if count <= 0:
        return ints, want
    extra = random_inputs(graph, seed, count)
    outs = golden.run(graph, extra)
    return (
        {name: np.concatenate([ints[name], extra[name]]) for name in ints},
        {name: np.concatenate([want[name], outs[name]]) for name in want},
    )


def run_with_progress(folder: Path, core: CoreDescription, ints: Arrays, console: Console) -> Arrays:
    """The C simulation, with a progress bar."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(next(iter(ints.values()))))
        return csim.simulate(folder, core, ints, lambda done: bar.update(task, completed=done))


def complete(folder: Path, report: dict, want: Arrays, got: Arrays, seed: int | None) -> dict:
    """report.json with what the comparison found, written back."""
    wrong = {name: int(differs(want[name], got[name]).sum()) for name in want}
    report |= {
        "bit_exact": not any(wrong.values()), "vectors": len(next(iter(want.values()))), "wrong_frames": wrong,
        "seed": seed,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """bool [frames]."""
    return (a != b).reshape(len(a), -1).any(axis=1)


def first_difference(folder: Path, graph: Graph, report: dict, ints: Arrays, want: Arrays, got: Arrays) -> str:
    """Which node's output is the first that differs, found by a project in which every tensor is an output."""
    from hwgen.backends.hls4ml import generate
    from hwgen.backends.hls4ml.layers import map_graph

    try:
        bad = np.flatnonzero(np.any([differs(want[n], got[n]) for n in want], axis=0))[:8]
        names = [n.output for n in graph.nodes]
        whole = Graph(graph.name, graph.inputs, names, graph.tensors, graph.nodes)
        mapped = map_graph(whole, f"io_{report['io']}")
        with tempfile.TemporaryDirectory(prefix="hwgen-trace-") as work:
            core = generate.write_core(
                mapped, generate.settings_of(report), boards.load(report["board"]), Path(work), 1
            )
            csim.compile_core(Path(work))
            some = {n: v[bad] for n, v in ints.items()}
            have, right = csim.simulate(Path(work), core, some), golden.run(whole, some)
        for node in graph.nodes:
            if differs(have[node.output], right[node.output]).any():
                return f"the first layer that differs is node {node.name!r} ({node.op})"
        return f"no layer of {folder} differs when each is an output of its own: was the project changed by hand?"
    except (HwgenError, KeyError, TypeError) as error:  # the last two: layers in report.json that someone damaged
        return f"which layer is the first could not be found ({error!r:.200})"


def show(report: dict, console: Console) -> None:
    """The report as a table."""
    title = f"{report['name']} on {report['board']}, hls4ml io_{report['io']}"
    table = Table(title=title, show_header=False)
    exact = "yes" if report["bit_exact"] else "NO"
    table.add_row("C simulation equal to golden", f"{exact}, {report['vectors']} frames")
    table.add_row(
        "latency (formula)",
        f"{report['predicted_cycles']} clocks, {report['latency_us_assumed']:.2f} us at "
        f"{report['clock_mhz_assumed']:g} MHz (assumed)",
    )
    table.add_row("of which the core", f"{report['core_cycles']} clocks")
    table.add_row("multipliers", str(report["multipliers"]))
    console.print(table)
