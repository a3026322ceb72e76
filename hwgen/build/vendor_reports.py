"""What the vendors' tools report, read back as numbers. A file that is missing, cut off or strange is a ToolError.

Formats: Vivado 2022.2 to 2024.2, Vitis HLS 2022.2 to 2024.2, FINN 0.10.1. Files from outside are data: bounded in size,
and XML without a document type, so that no entity is ever expanded.
"""

from __future__ import annotations

import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

from hwgen.errors import HwgenError, ToolError

LARGEST = 64 << 20  # bytes of a report


def read_text(file: Path, way_out: str) -> str:
    """The text of a report. Raises ToolError, which ends with `way_out`."""
    if not file.is_file():
        raise ToolError(f"{file} is missing: {way_out}")
    size = file.stat().st_size
    if not 0 < size <= LARGEST:
        raise ToolError(f"{file} is {'empty' if size == 0 else f'{size >> 20} MiB long'}: {way_out}")
    return file.read_text(errors="replace")


def read_json(file: Path, way_out: str) -> dict:
    """The object in a JSON report. Raises ToolError, which ends with `way_out`."""
    try:
        content = json.loads(read_text(file, way_out))
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{file} is no whole JSON file ({error}): {way_out}") from error
    if not isinstance(content, dict):
        raise ToolError(f"{file} holds no JSON object: {way_out}")
    return content


def read_xml(file: Path, way_out: str) -> ElementTree.Element:
    """The root of an XML report. Raises ToolError, which ends with `way_out`."""
    text = read_text(file, way_out)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ToolError(f"{file} declares a document type, which no report does: {way_out}")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ToolError(f"{file} is no whole XML file ({error}): {way_out}") from error


def update(folder: Path, changes: dict) -> dict:
    """Merge `changes` into DIR/report.json and return the whole. Raises ToolError when that file is spoilt."""
    file = folder / "report.json"
    report = read_json(file, "generate the design again") | changes
    part = file.with_name(f".report.json.{os.getpid()}")
    part.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(part, file)
    return report


def command_line(read: Callable[[Path], object]) -> int:
    """`python -m MODULE DIR`: read what a tool left in DIR into DIR/report.json; returns the exit code."""
    if len(sys.argv) != 2:
        print(f"usage: python -m {read.__module__} DIR", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    try:
        read(folder)
    except (HwgenError, OSError) as error:
        print(f"hwgen: {error}", file=sys.stderr)
        return 2
    print(f"{folder / 'report.json'} has the figures")
    return 0


# ---- Vivado: DIR/vivado/result ----------------------------------------------------------------------------------

_VIVADO_ROWS = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "dsp": ("DSPs",),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
}


def vivado(result: Path) -> dict:
    """The figures of an implemented design: {`vivado`: {...}, `resources`: {...}} as report.json holds them."""
    again = f"the run did not get that far; look at {result.parent / 'vivado.log'} and run Vivado again"
    summary = _summary(result / "summary.txt", again)
    text = read_text(result / "utilization.rpt", again)
    resources: dict[str, object] = {
        name: _table_value(result / "utilization.rpt", text, labels, again, 0.0 if name == "uram" else None)
        for name, labels in _VIVADO_ROWS.items()
    }
    power = result / "power.rpt"
    watts = _table_value(power, read_text(power, again), ("Total On-Chip Power (W)",), again)
    return {"vivado": summary | {"power_w": watts}, "resources": resources | {"source": "vivado"}}


def _summary(file: Path, again: str) -> dict:
    pairs = dict(line.split("=", 1) for line in read_text(file, again).splitlines() if "=" in line)
    try:
        found: dict[str, object] = {key: float(pairs[key]) for key in ("clock_mhz", "wns_ns", "whs_ns")}
        found |= {key: pairs[key] for key in ("design_hash", "version", "strategy", "worst_path")}
        return found | {"timing_met": pairs["timing_met"] == "1"}
    except (KeyError, ValueError) as error:
        raise ToolError(f"{file} lacks {error}: {again}") from error


def _table_value(
    file: Path, text: str, labels: tuple[str, ...], again: str, default: float | None = None
) -> int | float:
    """The first number in the row of a table `| label | number | ...` (a label may carry a footnote's star)."""
    for label in labels:
        found = re.search(rf"^\|\s*{re.escape(label)}\*?\s*\|\s*<?(\d+(?:\.\d+)?)\s*\|", text, re.M)
        if found:
            value = float(found[1])
            return int(value) if value.is_integer() and "Power" not in label else value
    if default is not None:
        return int(default)
    raise ToolError(f"{file} has no row '{labels[0]}': {again}")


# ---- Vitis HLS: DIR/<project>_prj/solution1 ----------------------------------------------------------------------


def hls(solution: Path, top: str, log: Path) -> dict:
    """The figures of the synthesized core: latency and interval in clocks, clock in ns, resources (the core alone)."""
    again = f"look at {log} and run Vitis HLS again"
    file = solution / "syn" / "report" / f"{top}_csynth.xml"
    root = read_xml(file, again)

    def text(path: str) -> str:
        found = root.findtext(path)
        if found is None:
            raise ToolError(f"{file} has no {path}: {again}")
        return found.strip()

    def number(path: str) -> float:
        try:
            return float(text(path))
        except ValueError as error:
            raise ToolError(f"{file}: {path} is '{text(path)}', not a number: {again}") from error

    latency, area = "PerformanceEstimates/SummaryOfOverallLatency/", "AreaEstimates/Resources/"
    dsp = "DSP" if root.find(area + "DSP") is not None else "DSP48E"
    return {
        "version": (root.findtext("ReportVersion/Version") or "").strip() or None,
        "clock_ns_target": number("UserAssignments/TargetClockPeriod"),
        "clock_ns_estimated": number("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
        "latency_cycles_min": _clocks(text(latency + "Best-caseLatency")),
        "latency_cycles_max": _clocks(text(latency + "Worst-caseLatency")),
        "interval_min": _clocks(text(latency + "Interval-min")),
        "interval_max": _clocks(text(latency + "Interval-max")),
        "resources": {
            "lut": int(number(area + "LUT")), "ff": int(number(area + "FF")), "dsp": int(number(area + dsp)),
            "bram36": number(area + "BRAM_18K") / 2,
            "uram": int(number(area + "URAM")) if root.find(area + "URAM") is not None else 0,
            "source": "vitis hls estimate",
        },
        "cosim": cosim(solution, top, again),
    }  # fmt: skip


def _clocks(text: str) -> int | None:
    """A number of clocks, None for what Vitis HLS cannot state ('undef', '?', '-': a loop without a fixed end)."""
    return int(text) if text.isdecimal() else None


def cosim(solution: Path, top: str, again: str) -> dict | None:
    """What C/RTL co-simulation measured, in clocks; None where it has not run."""
    file = solution / "sim" / "report" / f"{top}_cosim.rpt"
    if not file.is_file():
        return None
    # | RTL | Status | latency min, avg, max | interval min, avg, max | ...
    for line in read_text(file, again).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 8 and cells[0] in ("Verilog", "VHDL") and cells[1] != "NA":
            found = {"status": cells[1].lower(), "rtl": cells[0]}
            found |= {"latency_cycles_min": _clocks(cells[2]), "latency_cycles_max": _clocks(cells[4])}
            found |= {"interval_min": _clocks(cells[5]), "interval_max": _clocks(cells[7])}
            return found | _transactions(
                solution / "sim" / cells[0].lower() / f"{top}.performance.result.transaction.xml"
            )
    raise ToolError(f"{file} has no row of a simulated RTL: {again}")


def _transactions(file: Path) -> dict:
    """Latency and interval by transaction, which co-simulation writes apart: `transaction 0: LATENCY INTERVAL|x`."""
    if not file.is_file() or file.stat().st_size > LARGEST:
        return {}
    rows = re.findall(r"^\s*transaction\s+\d+:\s+(\d+)\s+(\d+|x)\s*$", file.read_text(errors="replace"), re.M)
    if not rows:
        return {}
    latencies = [int(latency) for latency, _ in rows]
    intervals = [int(interval) for _, interval in rows if interval != "x"]
    found = {"latency_cycles_min": min(latencies), "latency_cycles_max": max(latencies), "transactions": len(rows)}
    return found | ({"interval_min": min(intervals), "interval_max": max(intervals)} if intervals else {})
