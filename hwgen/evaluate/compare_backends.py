"""`hwgen compare-backends`: one graph through engine, hls4ml and FINN, one table, and which to take.

The engine is generated and simulated in Verilator: its clocks are what the hardware takes, DDR included. hls4ml and
FINN need their vendor's tools for that; until a report of those lies in DIR, their figures are formulas, and each row
says whose.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwgen import backends, boards
from hwgen.backends.options import Options
from hwgen.build import reports
from hwgen.errors import FitError, HwgenError, InputError, ToolError
from hwgen.evaluate import simulate_engine
from hwgen.evaluate.vectors import frames, load_graph
from hwgen.schedule.timing import DDR_READ, DDR_WRITE

FRAMES = 8  # of golden.npz, simulated on the engine; every frame takes the same clocks
DDR = DDR_READ + DDR_WRITE  # FINN's DMA, which its formula leaves out, by the standard DDR model (docs/engine.md)
KEEP = ("hls", "finn")  # what the vendors' tools left in a report, by `make hls` and `make finn`


@dataclass
class Row:
    """A backend's line. latency: clocks of one frame, from DDR to DDR; core: those of the layers alone. interval:
    clocks between two frames. how: simulated | measured | synthesis report | formula. source: whose figure the latency
    is. bram36: in blocks of 36 kbit."""

    backend: str
    latency: int | None = None
    core: int | None = None
    interval: int | None = None
    how: str = ""
    source: str = ""
    multipliers: int | None = None
    dsp: int | None = None
    bram36: float | None = None
    lut: int | None = None
    setting: str = ""
    refused: str = ""


def compare(graph_file: Path, board: str, options: Options, out: Path | None = None) -> dict:
    """Compare the backends on a QONNX graph; prints the table and returns what comparison.json holds.

    options: `array` is the engine's, `multipliers` caps all three. out: where to keep the designs (`out`/engine, ...)
    and comparison.json; reports of Vitis HLS or FINN that lie there are used when they are of the same design. A
    backend that cannot take the graph says why in its row. Raises InputError for a bad file, board or option.
    """
    target = boards.load(board)
    engine = _engine_options(options)
    with tempfile.TemporaryDirectory(prefix="hwgen-compare-") as scratch:
        folder = out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        makers: dict[str, Callable[[Path], Row]] = {
            "engine": lambda to: _engine(graph_file, board, engine, to),
            "hls4ml": lambda to: _hls4ml(graph_file, board, options, to),
            "finn": lambda to: _finn(graph_file, board, options, to),
        }
        rows = [_row(name, make, folder / name) for name, make in makers.items()]
    result = {
        "graph": graph_file.name, "board": board, "clock_mhz_assumed": target.clock_mhz,
        "multipliers": options.multipliers, "backends": [_entry(row, target.clock_mhz) for row in rows],
    }  # fmt: skip
    result |= recommend(rows)
    if out is not None:
        (out / "comparison.json").write_text(json.dumps(result, indent=1) + "\n")
    show(result, Console())
    return result


def recommend(rows: list[Row]) -> dict:
    """{"recommended", "reason"}: the lowest latency wins; a simulated figure beats a formula that is within a tenth."""
    able = [row for row in rows if not row.refused]
    if not able:
        return {"recommended": None, "reason": "no backend can; each says why"}
    known = [row for row in able if row.how != "formula"]
    best = min(able, key=lambda row: row.latency)
    sure = min(known, key=lambda row: row.latency, default=best)
    near = sure is not best and sure.latency <= 1.1 * best.latency
    best = sure if near else best
    others = [row for row in able if row is not best]
    factors = [f"{row.latency / best.latency:.2f} times lower than {row.backend} ({row.how})" for row in others]
    reason = f"one frame in {best.latency} clocks ({best.how})" + "".join(f", {text}" for text in factors)
    if near:
        reason = f"{reason}; a {best.how} figure goes before a formula within a tenth of it"
    reason += "".join(f"; {row.backend} cannot" for row in rows if row.refused)
    pace = min(able, key=lambda row: row.interval)
    if (more := best.interval / pace.interval) >= 1.05:
        reason += f"; where frames a second count, not the latency of one, {pace.backend} takes {more:.2f} times more"
    return {"recommended": best.backend, "reason": reason}


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


LINES: tuple[tuple[str, str, Callable], ...] = (
    ("latency, clocks", "latency_cycles", _number),
    ("latency, us", "latency_us", "{:.2f}".format),
    ("known by", "known_by", str),
    ("layers alone, clocks", "core_cycles", _number),
    ("frames/s at most", "frames_per_second", _number),
    ("multipliers", "multipliers", _number),
    ("DSP", "dsp", _number),
    ("BRAM36", "bram36", _number),
    ("LUT", "lut", _number),
)  # a line of the table: words, key of a backend's entry, how to print it


def show(result: dict, console: Console) -> None:
    """The table."""
    cap = f", at most {result['multipliers']} multipliers" if result["multipliers"] else ""
    table = Table(title=f"{result['graph']} on {result['board']}, {result['clock_mhz_assumed']:g} MHz assumed{cap}")
    table.add_column("")
    for row in result["backends"]:
        table.add_column(f"{row['backend']} {row['setting']}".strip(), justify="right")
    for words, key, form in LINES:
        blank = "cannot" if key == "latency_cycles" else "-"
        able = (blank if row["refused"] else form(row[key]) for row in result["backends"])
        table.add_row(words, *able)
    console.print(table)
    for row in result["backends"]:
        text = f"cannot: {row['refused']}" if row["refused"] else row["source"]
        console.print(f"[bold]{row['backend']}[/bold]: ", end="")
        console.print(text, markup=False, highlight=False)
    console.print(f"[bold]take {result['recommended'] or 'none'}[/bold]: {result['reason']}", highlight=False)


def _row(name: str, make: Callable[[Path], Row], to: Path) -> Row:
    """A backend's row, or why it has none. A bad file or option is an error of the whole comparison."""
    try:
        return make(to)
    except InputError:
        raise
    except HwgenError as error:
        return Row(name, refused=str(error))


def _engine_options(options: Options) -> Options:
    """The engine's: the array asked for, or the fastest within the multipliers."""
    if options.array is None:
        return Options(multipliers=options.multipliers)
    n, m = options.array
    if n * m > (options.multipliers or n * m):
        raise InputError(
            f"--array {n}x{m} has {n * m} multipliers, --multipliers allows {options.multipliers}: change one"
        )
    return Options(array=options.array)


def _engine(graph_file: Path, board: str, options: Options, to: Path) -> Row:
    backends.generate(graph_file, board, "engine", options, to)
    ints, want = frames(to, load_graph(to), None)
    ints, want = ({name: v[:FRAMES] for name, v in d.items()} for d in (ints, want))
    result = simulate_engine.run_with_progress(to, ints, Console(stderr=True))
    report = simulate_engine.complete_report(to, want, result)
    simulate_engine.judge(report)
    row = _common(report, "simulated", f"its RTL in Verilator, {report['vectors']} frames equal to golden, from the "
                  "start register to done, input and output in DDR; resources are formulas")  # fmt: skip
    n, m = report["array"]
    latency, core = report["latency_cycles"], report["compute_cycles"]
    return replace(row, latency=latency, core=core, interval=latency, setting=f"{n}x{m}")


def _fastest_array(graph_file: Path, board: str, arrays: list[Options]) -> Options:
    """The array with the lowest predicted latency that fits."""
    from hwgen.backends.engine.generate import choose
    from hwgen.graph import qonnx_in  # onnx takes a second to import

    graph, target = qonnx_in.load(graph_file), boards.load(board)
    found, why = [], None
    for options in arrays:
        try:
            found.append((choose(graph, target, options.array).timing.latency, options))
        except FitError as error:
            why = why or error
    if not found:
        raise why or FitError("no array of the engine has so few multipliers: the smallest is 8x8, allow 64")
    return min(found, key=lambda pair: pair[0])[1]


def _hls4ml(graph_file: Path, board: str, options: Options, to: Path) -> Row:
    from hwgen.backends.hls4ml.generate import plan
    from hwgen.backends.hls4ml.tuning import latency
    from hwgen.graph import qonnx_in

    graph, target = qonnx_in.load(graph_file), boards.load(board)
    found, why = [], None
    for io in ("parallel", "stream"):
        asked = Options(io=io, multipliers=options.multipliers)
        try:
            found.append((latency(*plan(graph, target, asked)), asked))
        except HwgenError as error:
            why = why or error
    if not found:
        raise why
    asked = min(found, key=lambda pair: pair[0])[1]
    report = _generate(graph_file, board, "hls4ml", asked, to)
    around = report["predicted_cycles"] - report["core_cycles"]
    row = _common(report, "formula", report["predicted_source"])
    row = replace(row, core=report["core_cycles"], setting=f"io_{asked.io}")
    row = _read(_vitis, row, report, to)
    return replace(row, latency=row.core + around)


def _vitis(row: Row, report: dict) -> Row:
    """The row with what Vitis HLS found, if it ran."""
    hls = report.get("hls") or {}
    cosim = hls.get("cosim") or {}
    if hls.get("latency_cycles_max") is not None:
        area = {kind: hls["resources"][kind] for kind in ("dsp", "bram36", "lut")}
        row = replace(row, core=int(hls["latency_cycles_max"]), how="synthesis report", **area)
        row = replace(row, source="Vitis HLS's synthesis report, and a formula for the system around the core")
        row = replace(row, interval=hls.get("interval_max") or row.interval)
    if cosim.get("latency_cycles_max") is not None:
        row = replace(row, core=int(cosim["latency_cycles_max"]), how="measured")
        row = replace(row, source="co-simulation by Vitis HLS, and a formula for the system around the core")
    return row


def _finn(graph_file: Path, board: str, options: Options, to: Path) -> Row:
    report = _generate(graph_file, board, "finn", Options(multipliers=options.multipliers), to)
    row = _common(report, "formula", f"{report['predicted_source']}, which lets no layer overlap; {DDR} clocks for DDR")
    row = _read(_rtlsim, replace(row, core=report["predicted_cycles"]), report, to)
    return replace(row, latency=row.core + DDR)


def _rtlsim(row: Row, report: dict) -> Row:
    """The row with what FINN's own simulation found, if it ran."""
    measured = (report.get("finn") or {}).get("rtlsim") or {}
    if measured.get("latency_cycles") is None:
        return row
    row = replace(row, core=int(measured["latency_cycles"]), how="measured")
    return replace(row, source=f"FINN's simulation of its stitched RTL; a formula's {DDR} clocks for DDR")


def _read(reader: Callable[[Row, dict], Row], row: Row, report: dict, to: Path) -> Row:
    """A vendor's part of report.json. Raises ToolError when it is damaged."""
    try:
        return reader(row, report)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ToolError(
            f"{to / 'report.json'} holds figures of a vendor's tool that cannot be used ({error!r}): remove {to} and "
            "compare again"
        ) from None


def _generate(graph_file: Path, board: str, backend: str, options: Options, to: Path) -> dict:
    """Generate; a vendor's report that lay in the folder stays where the design is the same. Returns report.json."""
    before = _report(to)
    backends.generate(graph_file, board, backend, options, to)
    report = _report(to)
    same = all(before.get(key) == report.get(key) for key in ("design_hash", "layers", "board"))
    kept = {key: before[key] for key in KEEP if key in before and same}
    return reports.update(to, kept) if kept else report


def _report(folder: Path) -> dict:
    file = folder / "report.json"
    return reports.read_json(file, f"remove {folder} and compare again") if file.exists() else {}


def _common(report: dict, how: str, source: str) -> Row:
    """A row with what every backend's report holds. A pipeline takes the next frame when its slowest layer is done."""
    area = report["resources"]
    slowest = max(
        (layer["cycles"] for layer in report["layers"] if "cycles" in layer), default=report["predicted_cycles"]
    )
    return Row(
        report["backend"], interval=slowest, how=how, source=source, multipliers=report["multipliers"],
        dsp=area.get("dsp"), bram36=area.get("bram36"), lut=area.get("lut"),
    )  # fmt: skip


def _entry(row: Row, mhz: float) -> dict:
    """A row as comparison.json holds it."""
    return {
        "backend": row.backend, "setting": row.setting, "refused": row.refused or None,
        "latency_cycles": row.latency, "core_cycles": row.core,
        "latency_us": row.latency / mhz if row.latency else None,
        "interval_cycles": row.interval, "frames_per_second": mhz * 1e6 / row.interval if row.interval else None,
        "known_by": row.how, "source": row.source, "multipliers": row.multipliers, "dsp": row.dsp,
        "bram36": row.bram36, "lut": row.lut,
    }  # fmt: skip
