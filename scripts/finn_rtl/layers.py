"""The RTL layers of a network that FINN has generated, each with the integers that go in and must come out.

    FINN_PYTHON scripts/finn_rtl/layers.py WORK --finn FINN_CHECKOUT -o LAYERS [--vectors N]

WORK is what `scripts/finn_check/check.py DIR --keep WORK` leaves: DIR built by FINN up to step_hw_codegen. The network
is executed in FINN's Python on golden's vectors, and for every layer LAYERS/NAME gets layer.json, in.hex and out.hex
(one beat of the stream a line), weights.hex where weights are streamed, and the files that FINN generated. Layers of
HLS C++ get a layer.json that says so. Runs in FINN's environment; `run.py` then needs neither.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

CHECK = Path(__file__).resolve().parent.parent / "finn_check"


def main() -> None:
    """Read the network, execute it, write a folder a layer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--finn", type=Path, required=True, help="FINN v0.10.1's checkout")
    parser.add_argument("--vectors", type=int, default=4)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    os.environ |= {"FINN_ROOT": str(args.finn.resolve()), "FINN_BUILD_DIR": str(args.work / "build")}
    sys.path[:0] = [str(CHECK), str(CHECK / "stubs"), str(args.finn.resolve() / "src")]
    from check import Frames
    from qonnx.core.modelwrapper import ModelWrapper

    folder = args.work / "dir"
    model = ModelWrapper(str(folder / "output/intermediate_models/step_hw_codegen.onnx"))
    frames = Frames(folder, args.vectors)
    tensors = execute(model, frames)
    cycles = json.loads((folder / "output/report/estimate_layer_cycles.json").read_text())
    for node in model.graph.node:
        write(node, tensors, cycles[node.name], args.output / node.name)


def execute(model, frames) -> list[dict]:
    """All tensors of the network, frame by frame, integers; checked against golden at the end."""
    import numpy as np
    from finn.core.onnx_exec import execute_onnx
    from qonnx.core.modelwrapper import ModelWrapper

    abstract = ModelWrapper(model.model.__class__.FromString(model.model.SerializeToString()))
    for node in abstract.graph.node:  # the unspecialised layer of the same name computes in NumPy
        node.op_type = node.op_type.rsplit("_", 1)[0]
        node.domain = "finn.custom_op.fpgadataflow"
    names_in, names_out = ([p.name for p in ports] for ports in (model.graph.input, model.graph.output))
    found = []
    for i in range(len(frames.inputs[0])):
        given = {name: x[i : i + 1] for name, x in zip(names_in, frames.inputs, strict=True)}
        context = execute_onnx(abstract, given, True)
        for name, want in zip(names_out, frames.outputs, strict=True):
            if not np.array_equal(context[name].reshape(want[i].shape), want[i]):
                sys.exit(f"frame {i}: FINN's Python differs from golden at {name}; run scripts/finn_check first")
        found.append(context)
    return found


def write(node, tensors: list[dict], cycles: int, to: Path) -> None:
    """A layer's folder."""
    from qonnx.custom_op.registry import getCustomOp

    inst = getCustomOp(node)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    entry = {"name": node.name, "op": node.op_type, "estimate": cycles, "frames": len(tensors)}
    if node.domain.endswith(".rtl"):
        source = Path(inst.get_nodeattr("code_gen_dir_ipgen"))
        for file in source.iterdir():
            if file.suffix in (".v", ".sv", ".dat"):
                shutil.copy(file, to)
        streams = {
            "in": (node.input[0], inst.get_folded_input_shape(), inst.get_input_datatype(), inst.get_instream_width()),
            "out": (node.output[0], inst.get_folded_output_shape(), inst.get_output_datatype(),
                    inst.get_outstream_width()),
        }  # fmt: skip
        for name, (tensor, shape, kind, width) in streams.items():
            lines = [line for t in tensors for line in beats(t[tensor], shape, kind.bitwidth())]
            (to / f"{name}.hex").write_text("\n".join(lines) + "\n")
            entry[name] = {"bits": (width + 7) // 8 * 8, "used": width, "beats": len(lines) // len(tensors)}
        entry["top"] = inst.get_nodeattr("gen_top_module")
        if (to / "memblock.dat").exists():
            (to / "memblock.dat").rename(to / "weights.hex")
            words = len((to / "weights.hex").read_text().split())
            entry["weights"] = {"bits": (inst.get_weightstream_width() + 7) // 8 * 8, "words": words}
    else:
        entry["reason"] = "HLS C++: Vitis HLS has to make RTL of it"
    (to / "layer.json").write_text(json.dumps(entry, indent=1) + "\n")


def beats(values, shape: tuple, bits: int) -> list[str]:
    """One hexadecimal word a beat, the first element in the lowest bits, two's complement."""
    words = []
    for beat in values.reshape(-1, shape[-1]):
        word = 0
        for k, value in enumerate(beat):
            word |= (int(value) & ((1 << bits) - 1)) << (k * bits)
        words.append(f"{word:x}")
    return words


if __name__ == "__main__":
    main()
