"""`hwgen quantize`: a model that has its own quantizers, or a float one and calibration data, to a QONNX graph."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from hwgen.errors import InputError
from hwgen.frontends import checkpoints, keras_file
from hwgen.graph import qonnx_in, qonnx_out
from hwgen.quantize import calibration
from hwgen.quantize.accuracy import EXACT, Layer
from hwgen.quantize.floats import FloatGraph
from hwgen.quantize.post import Options, Progress, Result, quantize
from hwgen.quantize.simplify import simplify
from hwgen.quiet import STDERR, quiet

WIDTH = 110  # where there is no terminal


def main(model: Path, out: Path, data: Path | None, options: Options, limit: int | None, report: Path | None) -> None:
    """Quantize a model's file and write the graph; print what became of every tensor.

    limit: observations of the calibration data that are used at most. report: a JSON file with the table. Raises
    InputError, GraphError, UnsupportedError.
    """
    options.check()
    for file in (out, *([report] if report else [])):
        if not file.absolute().parent.is_dir() or file.is_dir():
            raise InputError(
                f"{file} cannot be written: it is a folder, or its folder does not exist; give another path"
            )
    network = float_network(model, data)
    if network is None:
        graph = _quantized(model)
        qonnx_out.save(graph, out)
    else:
        if data is None:
            raise InputError(f"{model} is a float model: give recorded inputs with --calibration data.npz, arrays by "
                             f"input name: {', '.join(network.inputs)}")  # fmt: skip
        with _bars() as say:
            result = quantize(network, calibration.load(data, network, limit), options, say)
        graph = result.graph
        qonnx_out.save(graph, out)
        _tell(result)
        if report:
            report.write_text(json.dumps(as_dict(result), indent=1) + "\n")
        if checkpoints.is_checkpoint(model):
            _describe(model, network, out)
    print(f"{out}: {len(graph.nodes)} nodes, {graph.macs():,} multiplications")


def float_network(model: Path, data: Path | None = None) -> FloatGraph | None:
    """The float network in a file; None where the file has quantizers of its own. data: calibration data, whose shapes
    say what a checkpoint does not."""
    if checkpoints.is_checkpoint(model):
        return simplify(checkpoints.load_float(model, calibration.shapes(data) if data else {}))
    if model.suffix == ".onnx":
        from hwgen.frontends import onnx_float

        return onnx_float.load(model) if onnx_float.is_float(model) else None
    if model.suffix == ".keras" and not keras_file.is_quantized(model):
        with quiet(STDERR):  # TensorFlow greets with ten lines
            from hwgen.frontends import keras_float

            return keras_float.load(model)
    return None


def _quantized(model: Path):
    """The integer graph of a model that carries its own quantizers."""
    if model.suffix == ".keras":
        with quiet(STDERR):
            from hwgen.frontends.keras_qkeras import load_keras

            return load_keras(model)
    if model.suffix == ".onnx":
        return qonnx_in.load(model)
    raise InputError(f"{model} is neither .keras nor .onnx, nor a checkpoint ({', '.join(checkpoints.SUFFIXES)}): give "
                     "a file of one of these")  # fmt: skip


def _describe(model: Path, network: FloatGraph, out: Path) -> None:
    """Write what the numbers of a whole policy mean beside its graph, for `hwgen package`."""
    try:
        text = checkpoints.description(model, network)
    except InputError as error:
        print(f"note: states and actions stay normalized: {error}")
        return
    if text:
        file = out.with_suffix(".toml")
        file.write_text(text)
        print(f"{file}: what states and actions mean, for `hwgen package DIR --policy {file} --rate-hz HZ`")


def as_dict(result: Result) -> dict:
    """Plain numbers for a JSON report."""
    return {
        "seconds": round(result.seconds, 1),
        "outputs": [dataclasses.asdict(layer) for layer in result.outputs],
        "layers": [dataclasses.asdict(layer) for layer in result.layers],
    }


def _tell(result: Result) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    table = Table("tensor", "made by", "bits", "SQNR dB", "worst channel", "its dB", box=None)
    for row in (*result.layers, *result.outputs):
        table.add_row(*_row(row))
    console.print(table)
    print(f"quantized in {result.seconds:.1f} s; " + ", ".join(
        f"output {row.name}: {_decibels(row.sqnr)} dB" for row in result.outputs))  # fmt: skip


def _row(row: Layer) -> tuple[str, ...]:
    bits = str(row.bits) if row.bits else ""
    return row.name, row.op, bits, _decibels(row.sqnr), str(row.worst), _decibels(row.worst_sqnr)


def _decibels(value: float) -> str:
    return "exact" if value >= EXACT else f"{value:.1f}"


@contextmanager
def _bars() -> Iterator[Progress]:
    """Progress bars on stderr where that is a terminal, else a line for each tenth."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bars(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield _shower(bars, console)


def _shower(bars: Bars, console: Console) -> Callable[[str, int, int], None]:
    tasks, told = {}, {}

    def show(stage: str, done: int, total: int) -> None:
        if console.is_terminal:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)
        elif done * 10 // max(total, 1) > told.get(stage, 0):
            told[stage] = done * 10 // total
            console.print(f"{stage} {done}/{total}", highlight=False)

    return show
