"""The engine's RTL in Verilator: every bit compared with golden, every clock with the prediction; completes the
report."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hwgen.errors import HwgenError
from hwgen.evaluate.design_files import read_object
from hwgen.evaluate.design_sim import DesignSim, SimResult
from hwgen.evaluate.vectors import frames, load_graph, write_real

WAVE_FRAMES = 2  # frames recorded with --waves


def simulate(folder: Path, inputs: Path | None = None, outputs: Path | None = None, waves: bool = False) -> dict:
    """Simulate DIR on `inputs` (real units) or on its golden vectors; returns and writes the report.

    inputs: npz of arrays by input name, batch first. outputs: npz to write, by output name, real units. waves: record
    the first frames into
    DIR/waves.vcd instead of running all. Raises HwgenError for bad input, and when a bit or a clock differs.
    """
    console = Console(stderr=True)
    graph = load_graph(folder)
    ints, want = frames(folder, graph, inputs)
    waves_file = folder / "waves.vcd" if waves else None
    if waves:
        ints, want = ({k: v[:WAVE_FRAMES] for k, v in d.items()} for d in (ints, want))
    result = run_with_progress(folder, ints, console, waves_file)
    if outputs is not None:
        write_real(outputs, graph, result.outputs)
    report = complete_report(folder, want, result, keep=waves_file is None)
    show(report, console)
    if waves_file:
        console.print(f"waveform of {len(result.latency)} frames: {waves_file} (open it with gtkwave)")
    judge(report)
    return report


def run_with_progress(
    folder: Path, ints: dict[str, np.ndarray], console: Console, waves: Path | None = None
) -> SimResult:
    """Build (cached) and run, with a progress bar."""
    count = len(next(iter(ints.values())))
    with DesignSim.of(folder, progress=console.print, waves=waves) as sim:
        columns = (
            TextColumn("simulating"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=count)
            return sim.run(ints, lambda done: bar.update(task, completed=done))


def complete_report(folder: Path, want: dict[str, np.ndarray], result: SimResult, keep: bool = True) -> dict:
    """report.json with what the simulation measured, written back when `keep`. Raises InputError when it is damaged."""
    file = folder / "report.json"
    report = read_object(file, ("name", "board"), ("macs", "multipliers", "clock_mhz_assumed", "predicted_cycles"))
    macs, multipliers, mhz = report["macs"], report["multipliers"], report["clock_mhz_assumed"]
    wrong = {
        name: int((result.outputs[name] != values).any(axis=tuple(range(1, values.ndim))).sum())
        for name, values in want.items()
    }
    latency, counters = int(result.latency.max()), result.counters
    report |= {
        "latency_cycles": latency, "latency_cycles_min": int(result.latency.min()), "latency_us_assumed": latency / mhz,
        "compute_cycles": counters["compute"], "utilization": macs / multipliers / latency,
        "bit_exact": not any(wrong.values()), "vectors": len(result.latency), "wrong_frames": wrong,
        "cycles": {
            "array_busy": counters["issued"], "wait_input": counters["wait_din"], "wait_array": counters["wait_mm"],
            "wait_norms": counters["wait_row"], "tail": counters["tail"],
        },
        "ideal_cycles": math.ceil(macs / multipliers),
    }  # fmt: skip
    if keep:
        file.write_text(json.dumps(report, indent=1) + "\n")
    return report


def show(report: dict, console: Console) -> None:
    """The report as a table."""
    table = Table(
        title=f"{report['name']} on {report['board']}, array {report['array'][0]}x{report['array'][1]}",
        show_header=False,
    )
    table.add_row(
        "bit for bit equal to golden", f"{'yes' if report['bit_exact'] else 'NO'}, {report['vectors']} frames"
    )
    table.add_row(
        "latency",
        f"{report['latency_cycles']} clocks, {report['latency_us_assumed']:.2f} us at "
        f"{report['clock_mhz_assumed']:g} MHz (assumed)",
    )
    table.add_row("predicted", f"{report['predicted_cycles']} clocks")
    table.add_row(
        "ideal (multiplications / multipliers)",
        f"{report['ideal_cycles']} clocks; utilization {report['utilization']:.1%}",
    )
    words = {
        "array_busy": "array at work", "wait_input": "waiting for input and weights from DDR",
        "wait_array": "waiting for its own results", "wait_norms": "waiting for norms, softmax, products, maxima",
        "tail": "last results, output to DDR",
    }  # fmt: skip
    clocks = [(report["cycles"][key], text) for key, text in words.items()]
    clocks.append((report["latency_cycles"] - sum(count for count, _ in clocks), "start"))
    table.add_row("where the clocks went", "\n".join(f"{count:>6} {text}" for count, text in clocks))
    console.print(table)


def judge(report: dict) -> None:
    """Raise HwgenError when a bit or a clock differs."""
    if not report["bit_exact"]:
        raise HwgenError(
            f"the RTL differs from golden in {report['wrong_frames']} frames of {report['vectors']}; "
            f"DIR/report.json has the figures"
        )
    if not report["latency_cycles_min"] == report["latency_cycles"] == report["predicted_cycles"]:
        raise HwgenError(
            f"the RTL took {report['latency_cycles_min']} to {report['latency_cycles']} clocks, predicted were "
            f"{report['predicted_cycles']}; "
            "please report this design"
        )
