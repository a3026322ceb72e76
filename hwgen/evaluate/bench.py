"""`hwgen bench`: how much of the array networks use, simulated in RTL.

Utilization = multiplications / multipliers / clocks from START to DONE, for one observation: input and output move
between DDR and the chip within these clocks. The multiplications are `Graph.macs()`: those that must happen, so none
with padding or to fill up the array, and what no step of a loop changes once. Where weights stream from DDR, no engine
is faster than its ports bring them: `bound_cycles` is the larger of that and of multiplications / multipliers.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Column, Table

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.evaluate.simulate_engine import complete_report, run_with_progress
from hwgen.evaluate.vectors import read_golden
from hwgen.graph import qonnx_in
from hwgen.schedule import compile_graph, fit

FRAMES = 2  # every frame takes the same clocks
EXTREMES = 2  # the first golden vectors are constant
BEAT = 16  # bytes that a port brings a clock
WIDTH = 150  # where there is no terminal

ARRAYS = {
    "zoo:octo-smallstem-128": (32, 64),
    "zoo:resnet18-84,bits=4": (32, 64),
    "zoo:resnet18-84": (32, 64),
    "zoo:vit-tiny": (32, 32),
    "zoo:deit-tiny-224,bits=4": (32, 64),
    "zoo:octo-small-diffusion-head": (32, 64),
    "zoo:oft-l1-head,width=1024": (32, 32),
}
"""The networks of the table in docs/zoo.md, and on which array."""
OTHERS = (32, 64)
"""The array of another network."""

Opener = Callable[[str], AbstractContextManager[Path]]


def bench(
    networks: Sequence[str] | None, board_name: str, array: tuple[int, int] | None, out: Path | None, opener: Opener
) -> bool:
    """Measure networks, or those of the table, and print the table; True when all are exact.

    opener: gives the QONNX file of a network's name. out: where to keep the designs and bench.json. Raises HwgenError.
    """
    board, console, rows = boards.load(board_name), Console(stderr=True), []
    with tempfile.TemporaryDirectory(prefix="hwgen-bench-") as scratch:
        folder = out or Path(scratch)
        try:
            for i, network in enumerate(networks or ARRAYS):
                with opener(network) as file:
                    console.print(f"[{i + 1}/{len(networks or ARRAYS)}] {network}", markup=False)
                    where = folder / f"{i}-{file.stem}"
                    rows.append(measure(file, network, array or ARRAYS.get(network, OTHERS), board, where, console))
                if out is not None:
                    (out / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
        finally:  # an error in one network leaves the others' figures
            if rows:
                show(rows, board)
    return all(map(exact, rows))


def measure(file: Path, network: str, array: tuple[int, int], board: Board, folder: Path, console: Console) -> dict:
    """Compile a QONNX file for an array, write the design to `folder` and simulate it; returns its facts.

    Weights come from DDR where the board has no room for them. An array that the board does not hold even so is
    measured, too, with all weights on the chip; `over` says what is too much. Raises HwgenError.
    """
    graph = qonnx_in.load(file)
    try:
        design = generate.choose(graph, board, array)
    except FitError:
        design = compile_graph(graph, *array)
    console.print(f"compiled for {_by(array)}: {design.timing.latency:,} clocks")
    generate.write(design, board, folder, file)
    inputs, want = ({k: v[EXTREMES:][:FRAMES] for k, v in d.items()} for d in read_golden(folder, design.graph))
    begin = time.process_time()
    result = run_with_progress(folder, inputs, console)
    seconds = time.process_time() - begin  # building is the work of other processes
    report = complete_report(folder, want, result)
    keys = ("array", "macs", "multipliers", "predicted_cycles", "latency_cycles", "latency_cycles_min", "utilization",
            "bit_exact", "vectors", "cycles", "resources", "streamed_bytes", "ddr_ports", "layers")  # fmt: skip
    return {
        "network": network, "weight_bits": design.config.ww, **{key: report[key] for key in keys},
        "bound_cycles": bound(report), "share_of_bound": bound(report) / report["latency_cycles"],
        "over": fit.over(design.config, board), "clocks_per_second": round(int(result.latency.sum()) / seconds),
    }  # fmt: skip


def bound(report: dict) -> int:
    """Clocks that no engine with these multipliers and memory ports can do without; the first port streams nothing."""
    ports = max(report["ddr_ports"] - 1, 1)
    return max(report["ideal_cycles"], math.ceil(report["streamed_bytes"] / (BEAT * ports)))


def exact(facts: dict) -> bool:
    """True when every bit was golden's and every frame took the predicted clocks."""
    return facts["bit_exact"] and facts["latency_cycles_min"] == facts["latency_cycles"] == facts["predicted_cycles"]


def show(rows: Iterable[dict], board: Board) -> None:
    """Print the table to stdout."""
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    heads = ("array", "weights", "from DDR", "clocks", "array at work", "utilization", "of what is possible", "exact")
    table = Table(
        Column("network", no_wrap=True),
        *(Column(head, justify="right", no_wrap=head in heads[:4]) for head in heads),
        Column(f"too much for {board.name}"),
        box=box.SIMPLE_HEAD,
        title="Multiplications / multipliers / clocks, one observation, RTL simulated, DDR included",
        title_justify="left",
    )
    for facts in rows:
        table.add_row(
            facts["network"], _by(facts["array"]), f"{facts['weight_bits']} bit",
            f"{facts['streamed_bytes'] / 1e6:.1f} MB", f"{facts['latency_cycles']:,}",
            f"{facts['cycles']['array_busy'] / facts['latency_cycles']:.1%}", f"{facts['utilization']:.1%}",
            f"{facts['share_of_bound']:.1%}", "yes" if exact(facts) else "NO", ", ".join(facts["over"]) or "-",
        )  # fmt: skip
    console.print(table)


def _by(array: Iterable[int]) -> str:
    return "x".join(map(str, array))
