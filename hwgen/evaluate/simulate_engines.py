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

from hwgen.errors import HwgenError
from hwgen.evaluate import simulate_engine
from hwgen.evaluate.design_files import read_object, read_stages
from hwgen.evaluate.vectors import Arrays, frames, load_graph, write_real
from hwgen.graph import golden
from hwgen.graph.split import chain


def simulate(folder: Path, inputs: Path | None = None, outputs: Path | None = None) -> dict:
    """Simulate DIR on `inputs` (npz, real units) or on its golden vectors; returns the report, written to DIR.

    outputs: npz to write, by output name, real units. Each DIR/stageK/report.json is completed, too. Raises HwgenError
    for bad input, and when a bit of a stage or of the whole, or a clock, differs.
    """
    console = Console(stderr=True)
    graph, stages = load_graph(folder), read_stages(folder)
    ints, want = frames(folder, graph, inputs)
    measured: list[dict] = []

    def run(part, given: Arrays) -> Arrays:
        where = folder / stages[len(measured)]["folder"]
        result = simulate_engine.run_with_progress(where, given, console)
        report = simulate_engine.complete_report(where, golden.run(part, given), result)
        simulate_engine.show(report, console)
        simulate_engine.judge(report)
        measured.append(report)
        return result.outputs

    got = chain([load_graph(folder / stage["folder"]) for stage in stages], ints, run)
    if outputs is not None:
        write_real(outputs, graph, {name: got[name] for name in want})
    report = _complete(folder, stages, measured, want, got)
    _show(report, console)
    if not report["bit_exact"]:
        raise HwgenError(f"{folder}: the chain differs from golden in {report['wrong_frames']} frames of "
                         f"{report['vectors']}, though each stage is right: please report this design")  # fmt: skip
    return report


def _complete(folder: Path, stages: list[dict], measured: list[dict], want: Arrays, got: Arrays) -> dict:
    """report.json with what the simulation measured, written back."""
    file = folder / "report.json"
    report = read_object(file, ("name", "board"), ("clock_mhz_assumed", "handover_cycles", "predicted_cycles"))
    clocks = [one["latency_cycles"] for one in measured]
    latency = sum(clocks) + int(report["handover_cycles"])
    wrong = {name: int((got[name] != values).reshape(len(values), -1).any(1).sum()) for name, values in want.items()}
    report |= {
        "latency_cycles": latency, "latency_us_assumed": latency / report["clock_mhz_assumed"],
        "stage_latency_cycles": clocks, "latency_source": "each stage simulated, the hand-overs assumed",
        "interval_cycles": max(ceil(c / stage["copies"]) for c, stage in zip(clocks, stages, strict=True)),
        "bit_exact": not any(wrong.values()), "vectors": len(next(iter(want.values()))), "wrong_frames": wrong,
    }  # fmt: skip
    report["answers_a_second"] = report["clock_mhz_assumed"] * 1e6 / report["interval_cycles"]
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
    console.print(table)
