"""What Vitis HLS 2022.2 to 2024.2 reports of a core, as numbers: DIR/<project>_prj/solution1."""

from __future__ import annotations

import re
from pathlib import Path

from hwgen.build.reports import LARGEST, finite, read_text, read_xml
from hwgen.errors import ToolError


def read(solution: Path, top: str, log: Path) -> dict:
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
            return finite(text(path))
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
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


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
    rows = re.findall(r"^\s*transaction\s+\d+:\s+(\d{1,15})\s+(\d{1,15}|x)\s*$", file.read_text(errors="replace"), re.M)
    if not rows:
        return {}
    latencies = [int(latency) for latency, _ in rows]
    intervals = [int(interval) for _, interval in rows if interval != "x"]
    found = {"latency_cycles_min": min(latencies), "latency_cycles_max": max(latencies), "transactions": len(rows)}
    return found | ({"interval_min": min(intervals), "interval_max": max(intervals)} if intervals else {})
