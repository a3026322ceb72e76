"""QONNX -> DIR: RTL, program, golden vectors, package and the report with the predicted clocks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from hwgen import boards
from hwgen.backends.design import input_entry, output_entry, write_common
from hwgen.backends.engine import rtl, serial_fit
from hwgen.backends.engine.like import PACKAGE, engine_of
from hwgen.backends.options import Options
from hwgen.codesign import progress
from hwgen.codesign.search import Found, Say, Wish, search
from hwgen.errors import FitError, InputError
from hwgen.graph import Graph
from hwgen.runtime import abi
from hwgen.runtime.package import write_package
from hwgen.schedule import Design, compile_graph, compile_onto, fit, memory
from hwgen.schedule.budget import fitted
from hwgen.schedule.config import SIZES
from hwgen.schedule.image import image
from hwgen.schedule.layers import Work, layers, work


def generate(graph_file: Path, board_name: str, options: Options, out: Path) -> Path:
    """Write DIR for a QONNX file. Raises HwgenError (file, node, board, array or fit), PackageError of options.like."""
    board, searched = boards.load(board_name), None
    from hwgen.graph import qonnx_in  # onnx takes a second to import

    graph = qonnx_in.load(graph_file)
    if options.engines != "1":
        from hwgen.backends.engine import engines  # which writes each of them by `write`

        return engines.generate(graph_file, graph, board, options, out)
    if options.like is not None:
        design = compile_onto(graph, engine_of(options.like, board))
    elif options.array is not None:
        design = choose(graph, board, options.array, options.weights, options.stream_ports)
    else:
        with progress.shown() as say:
            searched = find(graph, board, options, say)
        design = searched.design
    _check_limit(design, board, options)
    serial_fit.check(design, board)
    write(design, board, out, graph_file, searched)
    return out


def choose(
    graph: Graph,
    board: boards.Board,
    array: tuple[int, int] | None,
    weights: str = "auto",
    stream_ports: int | None = None,
) -> Design:
    """Compile for the array asked for, or for the one with the lowest predicted latency that fits. weights,
    stream_ports: see `Options`. Raises FitError, InputError."""
    if array is None:
        return find(graph, board, Options(weights=weights, stream_ports=stream_ports)).design
    ports = _stream_ports(board, weights, stream_ports)
    fit.check_weights(graph, board, ports)
    n, m = array
    if n not in SIZES or m not in SIZES:
        raise InputError(f"array {n}x{m} cannot be built: N and M must each be one of {', '.join(map(str, SIZES))}")
    return fitted(compile_graph(graph, n, m), board, ports, weights == "ddr")


def find(graph: Graph, board: boards.Board, options: Options, say: Say | None = None) -> Found:
    """The engine with the lowest latency that fits the board, or the cheapest within the deadline or at the rate of the
    options. say: told of progress. Raises FitError, InputError."""
    return search(graph, board, wish(board, options, options.limit(board.clock_mhz)), say)


def wish(board: boards.Board, options: Options, limit: int | None) -> Wish:
    """What the options want of an engine. limit: clocks it may take. Raises InputError."""
    ports = _stream_ports(board, options.weights, options.stream_ports)
    return Wish(limit, ports, options.weights == "ddr", options.multipliers)


def _check_limit(design: Design, board: boards.Board, options: Options) -> None:
    """Raise FitError when the design is later than the options allow; one that was searched for never is."""
    limit, clocks = options.limit(board.clock_mhz), design.timing.latency
    if limit is not None and clocks > limit:
        raise FitError(
            f"the {design.config.n}x{design.config.m} array takes {clocks:,} clocks, the deadline allows {limit:,} at "
            f"the assumed {board.clock_mhz:g} MHz: leave --array and --like away, and hwgen looks for an engine that "
            "meets it"
        )


def _stream_ports(board: boards.Board, weights: str, asked: int | None) -> int:
    """Memory ports that may bring weights. Raises InputError when the board has fewer than are asked for."""
    most = fit.stream_ports(board)
    if asked is not None and asked > most or weights == "ddr" and not most:
        raise InputError(
            f"{board.name} has {most} memory ports for weights, beside the one of inputs and outputs: "
            + (f"give --stream-ports {most} or fewer" if most else "leave --weights ddr and --stream-ports away")
        )
    return 0 if weights == "chip" else most if asked is None else asked


def write(
    design: Design, board: boards.Board, out: Path, graph_file: Path | None = None, searched: Found | None = None
) -> dict:
    """Write DIR; returns the manifest. searched: how the design was found, for the report."""
    out.mkdir(parents=True, exist_ok=True)
    code = rtl.write(design.config, board, design.graph.name, out)
    manifest = describe(design, board, code)
    facts = report(design, board, code) | ({} if searched is None else {"search": searched.as_dict()})
    vectors = write_common(out, design.graph, graph_file, manifest, facts)
    write_package(out / PACKAGE, manifest, image(design.program, design.config, code), vectors, stream=design.stream)
    return manifest


def describe(design: Design, board: boards.Board, code: int) -> dict:
    """The package's manifest (docs/package.md)."""
    graph, plan, config = design.graph, design.plan, design.config

    inputs = [
        input_entry(graph, name) | {"offset": plan.input_offsets[name]} | _axes(plan.input_axes.get(name))
        for name in graph.inputs
    ]
    outputs = [
        output_entry(graph, o.name)
        | {"offset": o.offset, "layout": {"planar": config.m} if o.wide else "linear"}
        | _axes(o.axes)
        for o in plan.outputs
    ]
    return {
        "name": graph.name or "policy", "board": board.name, "backend": "engine", "abi": abi.ABI_VERSION,
        "design_hash": f"{code:016x}",
        "clock_mhz_assumed": board.clock_mhz, "array": [config.n, config.m], "engine": config.as_dict(),
        "inputs": inputs, "outputs": outputs,
        "in_bytes": plan.in_bytes, "out_bytes": plan.out_bytes, "predicted_cycles": design.timing.latency,
        "watchdog_cycles": 64 * design.timing.latency + 100_000,
    } | _stream(design)  # fmt: skip


def report(design: Design, board: boards.Board, code: int) -> dict:
    """report.json before simulation: what is measured later is null."""
    t = design.timing
    return {
        "name": design.graph.name, "board": board.name, "backend": "engine", "design_hash": f"{code:016x}",
        "array": [design.config.n, design.config.m], "latency_cycles": None, "predicted_cycles": t.latency,
        "compute_cycles": t.compute,
        "macs": design.graph.macs(), "multipliers": design.config.multipliers, "utilization": design.utilization,
        "bit_exact": None, "vectors": 0, "clock_mhz_assumed": board.clock_mhz,
        "latency_us_assumed": t.latency / board.clock_mhz,
        "resources": fit.resources(design.config, board), "ddr_ports": 1 + design.config.stream_ports,
        "streamed_bytes": design.streamed_bytes, "stream_share": design.stream_share,
        "cycles": {
            "array_busy": t.issued, "wait_input": t.waits["DIN"], "wait_array": t.waits["MM"],
            "wait_norms": t.waits["ROW"],
            "tail": t.tail,
        },
        "layers": _layers(design),
        "units": {unit: account.as_dict() for unit, account in t.units.items()},
        "activation_bytes": memory.footprint(design.plan, design.config.v),
        "spans": [{"unit": s.unit, "name": s.name, "first": s.first, "last": s.last, "work": s.work} for s in t.spans],
    }  # fmt: skip


def _layers(design: Design) -> list[dict[str, object]]:
    """The array's operations: their clocks, and what they do in them."""
    done = work(design)
    return [layer.as_dict() | asdict(done.get(layer.name, Work())) for layer in layers(design.timing)]


def _stream(design: Design) -> dict[str, int]:
    """The bytes of the weights that stay in DDR, where some do."""
    return {"stream_bytes": len(design.stream)} if design.stream else {}


def _axes(order: tuple[int, ...] | None) -> dict[str, list[int]]:
    """The order of a tensor's axes in memory as a field of its entry, where it is not the graph's."""
    return {} if order is None else {"axes": list(order)}
