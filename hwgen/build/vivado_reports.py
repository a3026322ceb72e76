"""What Vivado 2022.2 to 2024.2 reports of an implemented design, as numbers: DIR/vivado/result."""

from __future__ import annotations

import re
from pathlib import Path

from hwgen.build.reports import finite, read_text
from hwgen.errors import ToolError

ROWS = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "dsp": ("DSPs",),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
    "lutram": ("LUT as Memory",),
}
"""Labels of utilization.rpt, which differ by family."""
TIMING = ("WNS(ns)", "TNS(ns)", "WHS(ns)", "THS(ns)", "WPWS(ns)", "TPWS(ns)")
"""Columns of timing.rpt: worst and total slack of setup, hold and pulse width."""
NUMBER = r"(\d{1,12}(?:\.\d{1,12})?)\s*\|"


def read(result: Path) -> dict:
    """The figures of an implemented design: {`vivado`: {...}, `resources`: {...}} as report.json holds them."""
    again = f"the run did not get that far; look at {result.parent / 'vivado.log'} and run Vivado again"
    summary = _summary(result / "summary.txt", again)
    text = read_text(result / "utilization.rpt", again)
    resources: dict[str, object] = {
        name: _table_value(result / "utilization.rpt", text, labels, again, 0.0 if name == "uram" else None)
        for name, labels in ROWS.items()
    }
    power = result / "power.rpt"
    watts = _table_value(power, read_text(power, again), ("Total On-Chip Power (W)",), again)
    summary |= _timing(result / "timing.rpt", again)
    return {"vivado": summary | {"power_w": watts}, "resources": resources | {"source": "vivado"}}


def _summary(file: Path, again: str) -> dict:
    pairs = dict(line.split("=", 1) for line in read_text(file, again).splitlines() if "=" in line)
    try:
        found: dict[str, object] = {key: finite(pairs[key]) for key in ("clock_mhz", "wns_ns", "whs_ns")}
        found |= {key: pairs[key] for key in ("design_hash", "version", "strategy", "worst_path")}
        return found | {"timing_met": pairs["timing_met"] == "1"}
    except (KeyError, ValueError) as error:
        raise ToolError(f"{file} lacks {error}: {again}") from error


def _timing(file: Path, again: str) -> dict[str, float]:
    """`tns_ns` and `wpws_ns` of the design timing summary: a row of figures below a row of names and one of dashes."""
    lines = read_text(file, again).splitlines()
    heads = [i for i, line in enumerate(lines) if all(name in line for name in TIMING)]
    try:
        names = re.split(r"\s{2,}", lines[heads[0]].strip())
        row = dict(zip(names, lines[heads[0] + 2].split(), strict=True))
        return {"tns_ns": finite(row["TNS(ns)"]), "wpws_ns": finite(row["WPWS(ns)"])}
    except (IndexError, KeyError, ValueError) as error:
        raise ToolError(f"{file} has no design timing summary: {again}") from error


def _table_value(
    file: Path, text: str, labels: tuple[str, ...], again: str, default: float | None = None
) -> int | float:
    """The first number in the row of a table `| label | number | ...` (a label may carry a footnote's star)."""
    for label in labels:
        found = re.search(rf"^\|\s*{re.escape(label)}\*?\s*\|\s*" + NUMBER, text, re.M)
        if found:
            value = float(found[1])
            return int(value) if value.is_integer() and "Power" not in label else value
    if default is not None:
        return int(default)
    raise ToolError(f"{file} has no row '{labels[0]}': {again}")
