"""Several engines: the RTL of each stage in Verilator, fed by what the stage before it answered.

The stages are simulated one after the other, each in a simulator of its own; the latency of the chain is the sum of
what they measured, with what the driver is assumed to take between two of them, and the interval is that of the slowest
stage over its copies. Copies of an engine are equal, so one of them is simulated.
"""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwgen.errors import HwgenError, InputError
from hwgen.evaluate import simulate_engine
from hwgen.evaluate.design_files import AGAIN, read_object, read_stages
from hwgen.evaluate.vectors import Arrays, frames, load_graph, write_real
from hwgen.graph import Graph, golden
from hwgen.graph.split import chain


def simulate(folder: Path, inputs: Path | None = None, outputs: Path | None = None) -> dict:
    """Simulate DIR on `inputs` (npz, real units) or on its golden vectors; returns the report, written to DIR.

    outputs: npz to write, by output name, real units. Each DIR/stageK/report.json is completed, too. Raises HwgenError
    for bad input, and when a bit of a stage or of the whole, or a clock, differs.
    """
    console = Console(stderr=True)
    graph, stages = load_graph(folder), read_stages(folder)
    parts = [load_graph(folder / stage["folder"]) for stage in stages]
    _check_joined(folder, graph, parts)
    ints, want = frames(folder, graph, inputs)
    measured: list[dict] = []

    def run(part: Graph, given: Arrays) -> Arrays:
        where = folder / stages[len(measured)]["folder"]
        result = simulate_engine.run_with_progress(where, given, console)
        report = simulate_engine.complete_report(where, golden.run(part, given), result)
        simulate_engine.show(report, console)
        simulate_engine.judge(report)
        measured.append(report)
        return result.outputs

    got = chain(parts, ints, run)
    if outputs is not None:
        write_real(outputs, graph, {name: got[name] for name in want})
    report = _complete(folder, stages, measured, want, got)
    _show(report, console)
    if not report["bit_exact"]:
        raise HwgenError(f"{folder}: the chain differs from golden in {report['wrong_frames']} frames of "
                         f"{report['vectors']}, though each stage is right: please report this design")  # fmt: skip
    return report


def _check_joined(folder: Path, graph: Graph, parts: list[Graph]) -> None:
    """Raise InputError where a stage reads, or the whole gives out, what nobody makes."""
    made = {name: _kind(graph, name) for name in graph.inputs}
    for number, part in enumerate(parts):
        for name in part.inputs:
            if made.get(name) != _kind(part, name):
                raise InputError(f"{folder}/stage{number}/graph.onnx reads {name!r}, which neither the inputs of "
                                 f"{folder}/graph.onnx nor an earlier stage gives like this; {AGAIN}")  # fmt: skip
        made |= {name: _kind(part, name) for name in part.outputs}
    for name in graph.outputs:
        if made.get(name) != _kind(graph, name):
            raise InputError(f"{folder}: no stage makes the output {name!r} of graph.onnx; {AGAIN}")


def _kind(graph: Graph, name: str) -> tuple:
    tensor = graph.tensors[name]
    return tensor.shape, tensor.dtype


def _complete(folder: Path, stages: list[dict], measured: list[dict], want: Arrays, got: Arrays) -> dict:
    """report.json with what the simulation measured, written back."""
    file = folder / "report.json"
    numbers = (
        "clock_mhz_assumed",
        "handover_cycles",
        "predicted_cycles",
        "macs",
        "multipliers",
        "ddr_bytes",
        "engines",
    )
    report = read_object(file, ("name", "board"), numbers)
    if min(report["clock_mhz_assumed"], report["multipliers"]) <= 0:
        raise InputError(f"{file}: clock_mhz_assumed or multipliers is not above 0; {AGAIN}")
    clocks = [one["latency_cycles"] for one in measured]
    latency = sum(clocks) + int(report["handover_cycles"])
    interval = max(ceil(c / stage["copies"]) for c, stage in zip(clocks, stages, strict=True))
    rate, ideal = report["clock_mhz_assumed"] * 1e6 / interval, report["macs"] / report["multipliers"]
    wrong = {name: int((got[name] != values).reshape(len(values), -1).any(1).sum()) for name, values in want.items()}
    report |= {
        "latency_cycles": latency, "latency_us_assumed": latency / report["clock_mhz_assumed"],
        "stage_latency_cycles": clocks, "latency_source": "each stage simulated, the hand-overs assumed",
        "interval_cycles": interval, "compute_cycles": sum(one["compute_cycles"] for one in measured),
        "utilization": ideal / latency, "interval_utilization": ideal / interval,
        "answers_a_second": rate, "ddr_bytes_a_second": report["ddr_bytes"] * rate,
        "bit_exact": not any(wrong.values()), "vectors": len(next(iter(want.values()))), "wrong_frames": wrong,
    }  # fmt: skip
    file.write_text(json.dumps(report, indent=1) + "\n")
    return report


def _show(report: dict, console: Console) -> None:
    """The report of the whole as a table."""
    mhz, told = report["clock_mhz_assumed"], " + ".join(f"{c:,}" for c in report["stage_latency_cycles"])
    table = Table(title=f"{report['name']} on {report['engines']} engines of {report['board']}", show_header=False)
    exact = "yes" if report["bit_exact"] else "NO"
    table.add_row("bit for bit equal to golden", f"{exact}, {report['vectors']} frames through the chain")
    table.add_row("an answer", f"{told} clocks simulated, {report['handover_cycles']:,} assumed for the driver between "
                  f"stages: {report['latency_us_assumed']:,.1f} us at {mhz:g} MHz (assumed)")  # fmt: skip
    table.add_row("answers a second", f"{report['answers_a_second']:,.0f}: one in {report['interval_cycles']:,} clocks "
                  "when all engines work")  # fmt: skip
    table.add_row("DDR", f"{report['ddr_bytes']:,} bytes an answer, {report['ddr_bytes_a_second'] / 1e6:,.0f} MB a "
                  "second for all engines; that they wait for each other there is not simulated")  # fmt: skip
    console.print(table)
