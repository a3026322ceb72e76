"""QONNX -> DIR: an hls4ml project whose C simulation is golden bit for bit, and the shell that makes a system of it."""

from __future__ import annotations

import re
from pathlib import Path

from hwgen import boards
from hwgen.backends import shell
from hwgen.backends.design import write_common
from hwgen.backends.hls4ml import csim, project, testbench, tuning
from hwgen.backends.hls4ml.cost import KINDS
from hwgen.backends.hls4ml.layers import map_graph
from hwgen.backends.hls4ml.mapped import Mapped, Place
from hwgen.backends.hls4ml.project import Port, Setting
from hwgen.backends.hls4ml.tuning import Folding
from hwgen.backends.options import Options
from hwgen.backends.shell import CoreDescription, CorePort
from hwgen.build.vivado import write_vivado
from hwgen.errors import FitError
from hwgen.graph import Graph
from hwgen.runtime import abi
from hwgen.runtime.package import write_package

SOURCE = "formula: loops of hls4ml's templates and clocks that ours state, plus the shell; `make hls` measures"
RESOURCES = "formula: hwgen/backends/hls4ml/cost.py, the core alone"
PACKAGE = "policy.hwpkg"


def generate(graph_file: Path, board_name: str, options: Options, out: Path) -> Path:
    """Write DIR for a QONNX file. Raises HwgenError: file, node, board, option, or what does not fit."""
    board = boards.load(board_name)
    from hwgen.graph import qonnx_in  # onnx takes a second to import

    graph = qonnx_in.load(graph_file)
    mapped, foldings = plan(graph, board, options)
    write(mapped, foldings, board, out, graph_file)
    return out


def plan(graph: Graph, board: boards.Board, options: Options) -> tuple[Mapped, list[Folding]]:
    """The layers and how each is folded; pure. Raises UnsupportedError, FitError."""
    mapped = map_graph(graph, f"io_{options.io}")
    limit = None
    if options.deadline_us is not None:
        around = shell.plan(describe(mapped, "core", 1)).predicted_cycles
        limit = int(options.deadline_us * board.clock_mhz) - around
        if limit <= 0:
            raise FitError(
                f"a deadline of {options.deadline_us:g} us is over before the first layer starts: moving the frame in "
                f"and out of DDR takes {around / board.clock_mhz:.2f} us; allow more, or use the backend engine"
            )
    return mapped, tuning.tune(mapped, board, options.multipliers, limit)


def write(mapped: Mapped, foldings: list[Folding], board: boards.Board, out: Path, graph_file: Path | None) -> dict:
    """Write DIR; returns the manifest."""
    graph, settings = mapped.graph, {f.layer.name: f.setting for f in foldings}
    core = write_core(mapped, settings, board, out, tuning.latency(mapped, foldings))
    code = shell.write(graph.name, board, core, out)
    manifest = manifest_of(graph, board, core, code)
    vectors = write_common(out, graph, graph_file, manifest, report_of(mapped, foldings, board, core, code))
    testbench.write(out, mapped, vectors)
    write_package(out / PACKAGE, manifest, shell.image(code), vectors)
    if board.board_part:  # without, Vivado cannot set the processor up; the core itself is complete
        write_vivado(out, board, "hls4ml")
    return manifest


def write_core(
    mapped: Mapped, settings: dict[str, Setting], board: boards.Board, out: Path, latency: int
) -> CoreDescription:
    """Write the hls4ml project and the bridge of its C simulation; returns what a shell has to know of the core."""
    out.mkdir(parents=True, exist_ok=True)
    top = top_name(mapped.graph)
    inputs, outputs = project.write(mapped, settings, out, top, board.part, board.clock_mhz)
    csim.write_bridge(out, top, inputs, outputs)
    return describe(mapped, top, max(1, latency), inputs, outputs)


def settings_of(report: dict) -> dict[str, Setting]:
    """The folding of each layer, from report.json."""
    return {
        e["name"]: Setting(e.get("strategy", "Latency"), e["reuse_factor"], e.get("parallelization", 1))
        for e in report["layers"]
        if "reuse_factor" in e
    }


def top_name(graph: Graph) -> str:
    """The project's name and top function: no C++ or Verilog word, nothing of the standard library."""
    return "hwgen_" + (re.sub(r"\W+", "_", graph.name, flags=re.ASCII).strip("_").lower() or "policy")


def describe(
    mapped: Mapped, top: str, latency: int, inputs: list[Port] = (), outputs: list[Port] = ()
) -> CoreDescription:
    """The core as the shell around it sees it. inputs, outputs: ports that hls4ml made (empty: by layer)."""
    names = {p.tensor: p.name for p in (*inputs, *outputs)}
    ports = [
        tuple(_port(mapped, tensor, place, names.get(tensor, place.layer)) for tensor, place in places.items())
        for places in (mapped.inputs, mapped.outputs)
    ]
    return CoreDescription(top, mapped.io.removeprefix("io_"), *ports, latency)


def _port(mapped: Mapped, tensor: str, place: Place, name: str) -> CorePort:
    kind, shape = mapped.types[tensor], place.layout.hls_shape
    elements = shape[-1] if mapped.io == "io_stream" else mapped.graph.tensors[tensor].size
    return CorePort(tensor, name, kind.bits, kind.signed, shape, place.layout.order, elements)


def manifest_of(graph: Graph, board: boards.Board, core: CoreDescription, code: int) -> dict:
    """The package's manifest (docs/package.md)."""
    cycles = shell.plan(core).predicted_cycles
    return {
        "name": graph.name or "policy", "board": board.name, "backend": "hls4ml", "abi": abi.ABI_VERSION,
        "design_hash": f"{code:016x}", "clock_mhz_assumed": board.clock_mhz, "core": core.as_dict(),
        **shell.manifest_ports(graph, core), "predicted_cycles": cycles, "watchdog_cycles": 64 * cycles + 100_000,
    }  # fmt: skip


def report_of(mapped: Mapped, foldings: list[Folding], board: boards.Board, core: CoreDescription, code: int) -> dict:
    """report.json before anything is measured."""
    cycles = shell.plan(core).predicted_cycles
    total = dict(zip(KINDS, map(sum, zip(*(f.cost.kinds for f in foldings), strict=True)), strict=True))
    return {
        "name": mapped.graph.name, "board": board.name, "backend": "hls4ml", "design_hash": f"{code:016x}",
        "io": core.io, "latency_cycles": None, "predicted_cycles": cycles, "predicted_source": SOURCE,
        "core_cycles": core.latency, "latency_us_assumed": cycles / board.clock_mhz,
        "macs": mapped.graph.macs(), "multipliers": total["multipliers"],
        "utilization": mapped.graph.macs() / max(1, total["multipliers"]) / cycles,
        "bit_exact": None, "vectors": 0, "clock_mhz_assumed": board.clock_mhz,
        "resources": {
            "lut": total["LUT"], "ff": None, "dsp": total["DSP"], "bram36": total["BRAM36"], "uram": 0,
            "source": RESOURCES,
        },
        "ddr_ports": 1, "streamed_bytes": 0, "notes": tuning.notes(mapped),
        "layers": [layer_entry(f) for f in foldings],
    }  # fmt: skip


def layer_entry(folding: Folding) -> dict:
    """A layer in report.json."""
    layer, setting, cost = folding.layer, folding.setting, folding.cost
    entry = {
        "name": layer.name, "op": layer.node.op if layer.node else layer.kind, "kind": layer.kind,
        "cycles": cost.cycles, "multipliers": cost.multipliers, "dsp": cost.dsp, "lut": cost.lut,
        "bram36": cost.bram36, "types": {k: str(t) for k, t in layer.types.items()},
    }  # fmt: skip
    if layer.positions:
        entry |= {"strategy": setting.strategy, "parallelization": setting.parallel}
    return entry | ({"reuse_factor": setting.reuse} if layer.positions or layer.is_ours else {})
