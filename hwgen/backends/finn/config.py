"""dataflow_build_config.json and the README of a FINN folder."""

from __future__ import annotations

from hwgen.backends.finn.model import Model
from hwgen.backends.finn.ports import Port
from hwgen.boards import Board

VERIFIED = 4
"""Frames of golden in input.npy: FINN runs each through its C++ and RTL simulations, which takes minutes."""
OUTPUTS = ["estimate_reports", "stitched_ip", "rtlsim_performance", "bitfile", "pynq_driver", "deployment_package"]
VERIFY = ["initial_python", "streamlined_python", "folded_hls_cppsim", "stitched_ip_rtlsim"]


def build(board: str, clock_mhz: float, model: Model) -> dict:
    """The configuration: FINN's default steps, all products down to the bitstream, golden frames checked on the way."""
    net = model.net
    single = len(net.inputs) == len(net.outputs) == 1
    return {
        "output_dir": "output",
        "board": board,
        "shell_flow_type": "vivado_zynq",
        "synth_clk_period_ns": round(1000 / clock_mhz, 3),
        "generate_outputs": OUTPUTS,
        "folding_config_file": "folding_config.json",
        "standalone_thresholds": True,
        "minimize_bit_width": net.shrink,
        "auto_fifo_depths": True,
        # FINN's verification feeds one input and reads one output.
        "verify_steps": VERIFY if single else [],
        "verify_input_npy": "input.npy",
        "verify_expected_output_npy": "expected_output.npy",
        "save_intermediate_models": True,
        # The debugger would wait for someone to type.
        "enable_build_pdb_debug": False,
    }


README = """# {name} for FINN v0.10.1 on the {board}

    cd $FINN_ROOT && ./run-docker.sh build_dataflow FOLDER

with FOLDER the full path of this folder. `model.onnx` holds integers only; FINN finds {layers} layers in it.
`dataflow_build_config.json` asks for {outputs}, in `output/`.
`folding_config.json` is hwgen's folding: FINN states {critical} cycles along the critical path for it and one frame
every {interval} cycles.

| port | shape in FINN | order |
|---|---|---|
{ports}

FINN renames ports to `global_in`, `global_in_1`, ..., `global_out`, ... in this order. They carry integers: the
manifest has their scales.

{verification} `report.json` and `golden.npz` are hwgen's: `hwgen simulate` runs model.onnx on all of golden's vectors.
"""
CHECKED = """FINN compares {count} frames of golden (`input.npy`, `expected_output.npy`) after {steps};
the results are in `output/verification_output/` as `..._SUCCESS.npy` or `..._FAIL.npy`."""
UNCHECKED = "FINN's own verification takes one input and one output only, so this folder asks for none."


def readme(name: str, board: Board, ports: dict[str, Port], content: dict, estimate: dict) -> str:
    """README.md of the folder."""
    steps = content["verify_steps"]
    note = CHECKED.format(count=VERIFIED, steps=", ".join(steps)) if steps else UNCHECKED
    return README.format(
        name=name or "A policy", board=board.title, layers=len(estimate["layers"]),
        outputs=", ".join(content["generate_outputs"]), critical=estimate["critical_path_cycles"],
        interval=estimate["max_cycles"], ports="\n".join(_rows(ports)), verification=note,
    )  # fmt: skip


def _rows(ports: dict[str, Port]) -> list[str]:
    return [f"| {p.name} | {p.stream} | {p.order} |" for p in ports.values()]
