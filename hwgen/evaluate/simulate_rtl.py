"""The Verilog that Vitis HLS exported of an hls4ml design, in Verilator, bit for bit against golden.

First the core alone under a cocotb bench, which measures its latency and interval; then the whole system around it, as
the driver sees it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hwgen.backends import shell
from hwgen.backends.shell import CorePort, ShellPlan
from hwgen.backends.shell.wiring import match
from hwgen.backends.shell.write import adapter
from hwgen.build import process, toolchain, verilate
from hwgen.errors import HwgenError, InputError, ToolError
from hwgen.evaluate import exported_rtl
from hwgen.evaluate.design_files import read_core, read_object
from hwgen.evaluate.design_sim import PACKAGE, DesignSim, SimResult
from hwgen.evaluate.vectors import Arrays, frames, load_graph, write_real
from hwgen.runtime.package import read_package

SOURCE = "exported RTL simulated"
BENCH = "hwgen.evaluate.rtl_bench"
BENCH_FRAMES = 64  # the bench takes so many at most; the whole system takes all
HOURS = 2.0  # for building and for running the bench, unless HWGEN_TOOL_HOURS says otherwise
SMALL = 1 << 20  # bytes of Verilog: less is simulated sooner than it is optimized
QUIET = 20_000  # clocks in which nothing moves, beyond ten times the estimated latency: the core does not finish
_FAIL = "the exported RTL differs from golden"


@dataclass(frozen=True)
class CoreResult:
    """What the bench measured: integer outputs by pass and tensor, latency of each single frame, interval back to back
    (None for a single frame)."""

    outputs: dict[str, Arrays]
    latency: np.ndarray
    interval: int | None


def simulate(folder: Path, rtl: Path, inputs: Path | None = None, outputs: Path | None = None) -> dict:
    """Simulate the Verilog at `rtl` on `inputs` (npz, real units) or on DIR's golden vectors; returns the report,
    written to DIR.

    outputs: npz to write, by output name, real units. Raises InputError (no such Verilog, other ports than the
    design's, damaged DIR), ToolError (Verilog that does not compile), HwgenError (a core that does not finish, a bit
    that differs).
    """
    console = Console(stderr=True)
    graph = load_graph(folder)
    core = read_core(folder, graph)
    report = read_object(folder / "report.json", ("name", "board"), ("macs", "clock_mhz_assumed"))
    ints, want = frames(folder, graph, inputs)
    export = exported_rtl.find(rtl, core.top)
    work = _work(folder, export, shell.plan(core))
    few = {name: values[:BENCH_FRAMES] for name, values in ints.items()}
    console.print(f"{len(next(iter(few.values())))} frames through module {core.top} of {export.core}")
    bench = run_bench(work, shell.plan(core), few)
    for name, got in bench.outputs.items():
        _compare(f"pass {name!r} of the bench", got, {key: values[:BENCH_FRAMES] for key, values in want.items()})
    system = run_system(folder, work, ints, console)
    if outputs is not None:
        write_real(outputs, graph, system.outputs)
    report = complete(folder, report, bench, system, want)
    show(report, console)
    _compare("the whole system", system.outputs, want)
    return report


def run_bench(work: Path, plan: ShellPlan, ints: Arrays) -> CoreResult:
    """Build and run the cocotb bench in a process of its own. Raises ToolError, HwgenError."""
    job, core = work / "bench", plan.core
    job.mkdir()
    ports = {
        key: [_bench_port(p, kind) for p in getattr(plan, key)] for key, kind in (("inputs", "in"), ("outputs", "out"))
    }
    patience = 10 * core.latency + QUIET
    settings = {"stream": core.io == "stream", "patience": patience, "seed": 1, "files": [str(f) for f in _files(work)]}
    (job / "job.json").write_text(json.dumps(settings | ports))
    stored = {f"in{p.index}": _stored(ints[p.tensor], p) for p in plan.inputs}
    np.savez(job / "frames.npz", **stored)
    env = toolchain.environment({"HWGEN_RTL_JOB": str(job), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    if sum(file.stat().st_size for file in _files(work)) < SMALL:
        env = toolchain.unoptimized(env)
    words, log = [sys.executable, "-m", "hwgen.evaluate.rtl_runner", job], job / "bench.log"
    code = process.stream(words, cwd=job, log=log, limit_hours=process.hours(HOURS), env=env)
    if not (job / "results.npz").is_file():
        raise ToolError(f"{core.top}: the bench did not run (exit code {code}, log {log}): {_complaint(job)}")
    with np.load(job / "results.npz", allow_pickle=False) as data:
        results = {name: data[name] for name in data.files}
    if "problem" in results:
        raise HwgenError(f"{core.top}: {results['problem']}; look at it with HWGEN_WAVES=1 (a waveform in {job})")
    return _measured(results, plan)


def run_system(folder: Path, work: Path, ints: Arrays, console: Console) -> SimResult:
    """The whole system with the exported core in the place of its stand-in: DMA, shell, core, DMA."""
    package = read_package(folder / PACKAGE)
    with DesignSim(package, verilate.build(work, progress=console.print)) as sim:
        return sim.run(ints)


def complete(folder: Path, report: dict, bench: CoreResult, system: SimResult, want: Arrays) -> dict:
    """report.json with what the simulation measured, written back."""
    latency = int(system.latency.max())
    wrong = {
        name: int((system.outputs[name] != values).reshape(len(values), -1).any(1).sum())
        for name, values in want.items()
    }
    report |= {
        "latency_cycles": latency, "latency_source": SOURCE, "latency_cycles_min": int(system.latency.min()),
        "latency_us_assumed": latency / report["clock_mhz_assumed"],
        "core_latency_cycles": int(bench.latency.max()), "core_interval_cycles": bench.interval,
        "compute_cycles": system.counters["compute"],
        "utilization": report["macs"] / report["multipliers"] / latency if report.get("multipliers") else None,
        "bit_exact": not any(wrong.values()), "vectors": len(system.latency), "wrong_frames": wrong,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def show(report: dict, console: Console) -> None:
    """The report as a table."""
    table = Table(title=f"{report['name']} on {report['board']}, hls4ml, {SOURCE}", show_header=False)
    exact = "yes" if report["bit_exact"] else "NO"
    table.add_row("bit for bit equal to golden", f"{exact}, {report['vectors']} frames")
    interval = report["core_interval_cycles"]
    table.add_row(
        "core", f"{report['core_latency_cycles']} clocks" + (f", a frame every {interval}" if interval else "")
    )
    mhz = report["clock_mhz_assumed"]
    table.add_row(
        "from START to DONE, input and output in DDR",
        f"{report['latency_cycles']} clocks, {report['latency_us_assumed']:.2f} us at {mhz:g} MHz (assumed)",
    )
    table.add_row("predicted", f"{report.get('predicted_cycles')} clocks ({report.get('predicted_source', 'formula')})")
    console.print(table)


def _work(folder: Path, export: exported_rtl.Export, plan: ShellPlan) -> Path:
    """DIR/sim/exported: the shell's RTL with an adapter for this export, and the export instead of the stand-in."""
    wiring = match(plan, exported_rtl.ports(export))
    work = folder / "sim" / "exported"
    shutil.rmtree(work, ignore_errors=True)
    (work / "rtl").mkdir(parents=True)
    if not (folder / "rtl" / "hwgen_top.sv").is_file():
        raise InputError(f"{folder}: rtl/hwgen_top.sv is missing; give a folder that `hwgen generate` made")
    for file in (folder / "rtl").glob("*.sv"):
        shutil.copyfile(file, work / "rtl" / file.name)
    (work / "rtl" / "hwgen_core.sv").write_text(adapter(plan, wiring))
    taken = {file.stem for file in (work / "rtl").iterdir()}
    if both := sorted(taken & {file.stem for file in export.files}):
        raise InputError(
            f"{export.core.parent}: {both[0]} is a module of the shell; give the folder of the export alone"
        )
    exported_rtl.copy(export, work / "rtl" / "core")
    return work.resolve()


def _files(work: Path) -> list[Path]:
    """What the core alone is made of."""
    return [
        work / "rtl" / "hwgen_core.sv",
        work / "rtl" / "port_capture.sv",
        *exported_rtl.verilog(work / "rtl" / "core"),
    ]


def _bench_port(p, kind: str) -> dict:
    keys = ("tensor", "elements", "lane", "beats", "bits", "signed")
    return {key: getattr(p, key) for key in keys} | {"name": f"{kind}{p.index}"}


def _stored(values: np.ndarray, port: CorePort) -> np.ndarray:
    """[B, *shape] in the graph's order -> [B, elements] in the core's."""
    return values.transpose(0, *(1 + axis for axis in port.axes)).reshape(len(values), -1)


def _measured(results: dict[str, np.ndarray], plan: ShellPlan) -> CoreResult:
    outputs: dict[str, Arrays] = {}
    for name in dict.fromkeys(key.split(".")[0] for key in results if "." in key):
        outputs[name] = {}
        for p in plan.outputs:
            stored = results[f"{name}.out{p.index}"]
            stored = stored.reshape(len(stored), *p.shape)
            outputs[name][p.tensor] = stored.transpose(0, *(1 + np.argsort(p.axes)))
    steps = np.diff(results["stream:accepted"])
    interval = int(np.ceil(steps[len(steps) // 2 :].mean())) if len(steps) else None
    return CoreResult(outputs, results["single:ended"] - results["single:begun"], interval)


def _compare(what: str, got: Arrays, want: Arrays) -> None:
    """Raise HwgenError naming the first integer that differs."""
    for name, values in want.items():
        if (got[name] != values).any():
            at = tuple(int(i) for i in np.argwhere(got[name] != values)[0])
            raise HwgenError(
                f"{_FAIL} in {_wrong(got[name], values)} of {len(values)} frames ({what}): output {name!r}, frame "
                f"{at[0]}, element {at[1:]} is {got[name][at]}, golden {values[at]}; if the C simulation is right "
                "(`hwgen simulate DIR`), export again from this very project"
            )


def _wrong(got: np.ndarray, want: np.ndarray) -> int:
    """Frames that differ."""
    return int((got != want).reshape(len(want), -1).any(1).sum())


def _complaint(job: Path) -> str:
    """What the build or the simulator said."""
    for name in ("build.log", "bench.log"):
        file = job / name
        lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
        if told := [line.strip() for line in lines if line.startswith("%Error") or ": error" in line.lower()]:
            return " | ".join(told[:3])
    return "it said nothing"
