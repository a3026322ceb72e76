"""Run real FINN v0.10.1 on a generated folder, in plain Python 3.10: no docker, no Vivado.

    FINN_PYTHON scripts/finn_check/check.py DIR --finn FINN_CHECKOUT [--hlslib DIR --headers DIR] [-o RESULT.json]

DIR is built by FINN's own build_dataflow_directory, from its own dataflow_build_config.json, up to step_hw_codegen
(in a copy: only the last step is set, and the C++ verification left out, see --hlslib). Then it is checked:
every step passed; one StreamingDataflowPartition and nothing else on the host; every layer specialised and named as in
folding_config.json; golden's outputs without a mismatch after streamlining and after the conversion to hardware
layers. With --hlslib (finn-hlslib) and HLS headers (--headers, hls4ml's ap_types do) every HLS layer is compiled by
g++ too, and the folded network must equal golden.

FINN_PYTHON: Python 3.10 with qonnx at FINN's commit and the packages of FINN's requirements.txt; pyverilator, torch and
brevitas are stood in for by stubs/, which simulate nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAST = "step_hw_codegen"
SKIPPED = ("folded_hls_cppsim", "stitched_ip_rtlsim")


def main() -> int:
    """Returns 1 if anything is not as it must be."""
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="finn_check_", dir=args.work) as scratch:
        work = Path(args.keep or scratch).resolve()
        prepare(args, work)
        result = check(args, work)
    print(json.dumps({k: v for k, v in result.items() if k not in ("cycles", "layers")}, indent=1))
    if args.output:
        args.output.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if result["faults"] else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir", type=Path)
    parser.add_argument("--finn", type=Path, required=True, help="FINN v0.10.1's checkout")
    parser.add_argument("--hlslib", type=Path, help="finn-hlslib's checkout: compile and run the HLS layers too")
    parser.add_argument("--headers", type=Path, help="folder with ap_int.h and hls_stream.h, for --hlslib")
    parser.add_argument("--vectors", type=int, default=4, help="of golden.npz, per stage (FINN's Python is slow)")
    parser.add_argument("-o", "--output", type=Path, help="result as JSON")
    parser.add_argument("--keep", type=Path, help="work here and keep what FINN generates")
    parser.add_argument("--work", type=Path, help="where to make the scratch folder")
    return parser.parse_args()


def prepare(args: argparse.Namespace, work: Path) -> None:
    """A copy of DIR, the environment that FINN's docker would set, and FINN's modules."""
    shutil.copytree(args.dir, work / "dir", dirs_exist_ok=True)
    (work / "build").mkdir(exist_ok=True)
    config_file = work / "dir" / "dataflow_build_config.json"
    config = json.loads(config_file.read_text())
    config["stop_step"] = LAST
    config["verify_steps"] = [s for s in config["verify_steps"] if s not in SKIPPED]
    config_file.write_text(json.dumps(config))
    root = args.finn.resolve()
    if args.hlslib:
        root = with_hlslib(args, work)
    os.environ |= {"FINN_ROOT": str(root), "FINN_BUILD_DIR": str(work / "build"), "HLS_PATH": str(work / "hls"),
                   "LIVENESS_THRESHOLD": "10000"}  # fmt: skip
    sys.path[:0] = [str(HERE / "stubs"), str(args.finn.resolve() / "src")]


def with_hlslib(args: argparse.Namespace, work: Path) -> Path:
    """FINN's root with its dependencies where FINN looks for them; cnpy is our stand-in."""
    root = work / "finn"
    (root / "deps").mkdir(parents=True)
    for entry in args.finn.resolve().iterdir():
        if entry.name != "deps":
            (root / entry.name).symlink_to(entry)
    (root / "deps" / "finn-hlslib").symlink_to(args.hlslib.resolve())
    (root / "deps" / "cnpy").symlink_to(HERE / "stubs" / "cnpy")
    include = work / "hls" / "include"
    include.mkdir(parents=True)
    for entry in (*args.headers.resolve().iterdir(), *(HERE / "stubs" / "hls").iterdir()):
        if not (include / entry.name).exists():
            (include / entry.name).symlink_to(entry)
    return root


def check(args: argparse.Namespace, work: Path) -> dict:
    """Build, then look at everything that the build left."""
    folder = work / "dir"
    faults = build(folder)
    result = {"faults": faults}
    if not faults:
        models = folder / "output" / "intermediate_models"
        faults += host_and_layers(models, folder, result)
        faults += verification(folder)
        frames = Frames(folder, args.vectors)
        for step in ("step_streamline", "step_convert_to_hw"):
            faults += frames.compare(models / f"{step}.onnx", step, result)
        if args.hlslib:
            faults += frames.compare_compiled(models, result)
    return result


def build(folder: Path) -> list[str]:
    """FINN's own entry point, as its docker calls it."""
    from finn.builder.build_dataflow import build_dataflow_directory

    if build_dataflow_directory(str(folder)) != 0:
        log = (folder / "output" / "build_dataflow.log").read_text().splitlines()
        return ["the build failed: " + " / ".join(log[-3:])]
    return []


def host_and_layers(models: Path, folder: Path, result: dict) -> list[str]:
    """One partition and nothing beside it; its layers are the ones that hwgen named and folded."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp

    faults = []
    host = [n.op_type for n in ModelWrapper(str(models / "dataflow_parent.onnx")).graph.node]
    if host != ["StreamingDataflowPartition"]:
        faults.append(f"on the host: {host}")
    model = ModelWrapper(str(models / f"{LAST}.onnx"))
    plain = [n.name for n in model.graph.node if not n.domain.endswith((".hls", ".rtl"))]
    if plain:
        faults.append(f"not specialised: {plain}")
    result["layers"] = {n.name: attributes(getCustomOp(n)) for n in model.graph.node}
    result["cycles"] = json.loads((folder / "output/report/estimate_layer_cycles.json").read_text())
    result["performance"] = json.loads((folder / "output/report/estimate_network_performance.json").read_text())
    expected = json.loads((folder / "report.json").read_text())["layers"]
    names = [n.name for n in model.graph.node]
    if [e["name"] for e in expected] != names:
        faults.append(f"report.json names {[e['name'] for e in expected]}, FINN {names}")
    elif {e["name"]: e["cycles"] for e in expected} != result["cycles"]:
        wrong = [e["name"] for e in expected if e["cycles"] != result["cycles"].get(e["name"])]
        faults.append(f"cycles differ: {wrong}")
    folding = json.loads((folder / "folding_config.json").read_text())
    for name in folding.keys() - {"Defaults"}:
        for key, value in folding[name].items():
            if result["layers"].get(name, {}).get(key) != value:
                faults.append(f"folding_config.json: {name}.{key} = {value} did not arrive")
    result["count"] = len(names)
    return faults


def attributes(inst) -> dict:
    """A node's attributes that are plain values."""
    import numpy as np

    found = {}
    for key in inst.get_nodeattr_types():
        try:
            value = inst.get_nodeattr(key)
        except Exception:  # noqa: BLE001 - FINN raises Exception for a required attribute that is absent
            continue
        found[key] = value.tolist() if isinstance(value, np.ndarray) else value
    return found


def verification(folder: Path) -> list[str]:
    """What FINN's own verification wrote."""
    made = sorted((folder / "output").glob("verification_output/*"))
    return [f"FINN's verification: {f.name}" for f in made if "FAIL" in f.name]


class Frames:
    """Golden's vectors in the layout of FINN's streams."""

    def __init__(self, folder: Path, count: int):
        import numpy as np

        golden = np.load(folder / "golden.npz", allow_pickle=False)
        manifest = json.loads((folder / "manifest.json").read_text())
        ports = {p["name"]: p for p in manifest["ports"]}
        self.inputs = [to_stream(golden[e["name"]][:count], ports[e["name"]]) for e in manifest["inputs"]]
        self.outputs = [to_stream(golden[e["name"]][:count], ports[e["name"]]) for e in manifest["outputs"]]

    def compare(self, file: Path, stage: str, result: dict) -> list[str]:
        """Execute a model frame by frame; FINN renames ports but keeps their order."""
        from qonnx.core.modelwrapper import ModelWrapper

        model = ModelWrapper(str(file))
        return self._run(model, stage, result)

    def compare_compiled(self, models: Path, result: dict) -> list[str]:
        """Compile every HLS layer of the folded network with g++ and execute it (RTL layers: FINN's Python)."""
        from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
        from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
        from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
        from qonnx.core.modelwrapper import ModelWrapper

        model = ModelWrapper(str(models / "step_minimize_bit_width.onnx"))
        for step in (PrepareCppSim(), CompileCppSim(), SetExecMode("cppsim")):
            model = model.transform(step)
        # The partition keeps the names of its inputs and outputs, not their order.
        whole = ModelWrapper(str(models / "step_convert_to_hw.onnx"))
        return self._run(model, "folded_cppsim", result, whole.graph)

    def _run(self, model, stage: str, result: dict, ports=None) -> list[str]:
        import numpy as np
        from finn.core.onnx_exec import execute_onnx

        ports = ports or model.graph
        names_in, names_out = [p.name for p in ports.input], [p.name for p in ports.output]
        wrong = 0
        for i in range(len(self.inputs[0])):
            made = execute_onnx(model, {n: x[i : i + 1] for n, x in zip(names_in, self.inputs, strict=True)})
            for name, want in zip(names_out, self.outputs, strict=True):
                wrong += int((np.asarray(made[name]).reshape(want[i].shape) != want[i]).sum())
        values = sum(y.size for y in self.outputs)
        result[stage] = {"vectors": len(self.inputs[0]), "values": values, "mismatches": wrong}
        return [f"{stage}: {wrong} of {values} values differ from golden"] if wrong else []


def to_stream(x, port: dict):
    """As hwgen.backends.finn.ports.Port.to_stream."""
    import numpy as np

    x = x.reshape(len(x), *port["split"]).transpose(0, *(a + 1 for a in port["axes"]))
    return np.ascontiguousarray(x.reshape(len(x), *port["stream"][1:]), np.float32)


if __name__ == "__main__":
    sys.exit(main())
