"""QONNX -> DIR for `run-docker.sh build_dataflow DIR`: model.onnx in FINN's dialect, its configuration and folding."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.backends.design import input_entry, output_entry, write_common
from hwgen.backends.finn import config, folding
from hwgen.backends.finn.layers import FinnLayer
from hwgen.backends.finn.lower import board_name, lower
from hwgen.backends.finn.model import Model, save
from hwgen.backends.finn.ports import Port
from hwgen.backends.options import Options
from hwgen.boards import Board
from hwgen.graph import Graph

SOURCE = "formula: FINN's estimate_layer_cycles, summed along the critical path as FINN's critical_path_cycles"
RESOURCES = "formula: hwgen/backends/finn/resources.py, layers without FIFOs and DMA"


@dataclass(frozen=True)
class Plan:
    """A graph as folded FINN layers. setting: what folding_config.json holds beside Defaults."""

    graph: Graph
    board: Board
    model: Model
    setting: folding.Setting
    layers: list[FinnLayer]
    estimate: dict


def generate(graph_file: Path, board_name: str, options: Options, out: Path) -> Path:
    """Write DIR for a QONNX file; returns it. Raises HwgenError: file, node, board, option, or what does not fit."""
    board = boards.load(board_name)
    from hwgen.graph import qonnx_in  # onnx takes a second to import

    write(plan(qonnx_in.load(graph_file), board, options), out, graph_file)
    return out


def plan(graph: Graph, board: Board, options: Options) -> Plan:
    """The layers and their folding; writes nothing. Raises UnsupportedError naming the node, FitError."""
    model = Model.of(lower(graph, board))
    setting = folding.fold(model.layers, board, options)
    layers = folding.apply(model.layers, setting)
    return Plan(graph, board, model, setting, layers, folding.estimate(layers))


def write(p: Plan, out: Path, graph_file: Path | None = None) -> dict:
    """Write DIR; returns the manifest. graph_file: the QONNX that the user gave."""
    out.mkdir(parents=True, exist_ok=True)
    ports = {name: _port(p, name) for name in (*p.graph.inputs, *p.graph.outputs)}
    manifest, report = _manifest(p, ports), _report(p)
    save(p.model, out / "model.onnx")
    content = config.build(board_name(p.board), p.board.clock_mhz, p.model)
    (out / "dataflow_build_config.json").write_text(json.dumps(content, indent=1) + "\n")
    (out / "folding_config.json").write_text(json.dumps({"Defaults": {}} | p.setting, indent=1) + "\n")
    vectors = write_common(out, p.graph, graph_file, manifest, report)
    if content["verify_steps"]:
        for file, name in (("input.npy", p.graph.inputs[0]), ("expected_output.npy", p.graph.outputs[0])):
            np.save(out / file, ports[name].to_stream(vectors[name][: config.VERIFIED]))
    (out / "README.md").write_text(config.readme(p.graph.name, p.board, ports, content, p.estimate))
    return manifest


def _port(p: Plan, name: str) -> Port:
    return Port.of(name, p.graph.tensors[name].shape, *p.model.net.ports[name])


def _hash(p: Plan) -> str:
    state = [[x.name, x.attrs, x.inputs] for x in p.layers]
    code = hashlib.sha256(json.dumps([p.board.name, state], sort_keys=True, default=str).encode())
    for op in p.model.ops:
        for values, kind in op.params:
            code.update(kind.name.encode() + np.ascontiguousarray(values, np.int64).tobytes())
    return code.hexdigest()[:16]


def _manifest(p: Plan, ports: dict[str, Port]) -> dict:
    return {
        "name": p.graph.name or "policy", "board": p.board.name, "backend": "finn", "design_hash": _hash(p),
        "clock_mhz_assumed": p.board.clock_mhz,
        "inputs": [input_entry(p.graph, n) for n in p.graph.inputs],
        "outputs": [output_entry(p.graph, n) for n in p.graph.outputs],
        "ports": [port.as_dict() for port in ports.values()],
        "predicted_cycles": p.estimate["critical_path_cycles"],
    }  # fmt: skip


def _report(p: Plan) -> dict:
    cycles, used = p.estimate["critical_path_cycles"], p.estimate["resources"]
    return {
        "name": p.graph.name or "policy", "board": p.board.name, "backend": "finn", "design_hash": _hash(p),
        "latency_cycles": None, "predicted_cycles": cycles, "predicted_source": SOURCE,
        "folding_gap": round(float(p.setting.gap), 3), "interval_cycles": p.estimate["max_cycles"],
        "latency_us_assumed": cycles / p.board.clock_mhz,
        "macs": p.graph.macs(), "multipliers": used.multipliers,
        "utilization": p.graph.macs() / max(1, used.multipliers) / max(1, cycles),
        "bit_exact": None, "vectors": 0, "clock_mhz_assumed": p.board.clock_mhz,
        "resources": {
            "lut": used.lut, "ff": None, "dsp": used.dsp, "bram36": -(-used.bram18 // 2), "uram": used.uram,
            "source": RESOURCES,
        },
        "ddr_ports": len(p.graph.inputs) + len(p.graph.outputs), "streamed_bytes": 0,
        "layers": [_layer(p, x) for x in p.layers],
    }  # fmt: skip


def _layer(p: Plan, layer: FinnLayer) -> dict:
    multipliers = layer.attrs["PE"] * layer.attrs["SIMD"] if layer.op.startswith(("MVAU", "VVAU")) else 0
    cycles = p.estimate["layers"][layer.name]
    return {"name": layer.name, "op": layer.op, "node": layer.source, "cycles": cycles, "multipliers": multipliers}
