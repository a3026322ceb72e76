"""What FINN itself estimates for given layers: reads JSON on stdin, writes JSON on stdout.

    PYTHONPATH=FINN/src FINN_PYTHON scripts/finn_check/estimates.py < layers.json > estimates.json

Runs in FINN's Python environment (3.10, qonnx at FINN's commit), without docker or Vivado. Input: {"part": FPGA part,
"layers": [{"op": "MVAU_rtl", "attrs": {...}}, ...]}. Output: per layer {"cycles", "BRAM_18K", "LUT", "URAM", "DSP",
...}, from the node's own get_exp_cycles and node_res_estimation.
"""

import json
import sys
from unittest.mock import MagicMock

for absent in ("pyverilator", "pyverilator.util", "pyverilator.util.axi_utils"):  # for simulation, never called here
    sys.modules.setdefault(absent, MagicMock())

from onnx import helper  # noqa: E402
from qonnx.custom_op.registry import getCustomOp  # noqa: E402


def estimate(op: str, attrs: dict, part: str) -> dict:
    """One layer's figures."""
    domain = "finn.custom_op.fpgadataflow." + op.rsplit("_", 1)[1]
    known = attrs | {"name": "node"}
    node = helper.make_node(op, ["in", "weights"], ["out"], domain=domain, **known)
    inst = getCustomOp(node)
    return {"cycles": int(inst.get_exp_cycles())} | {k: float(v) for k, v in inst.node_res_estimation(part).items()}


def main() -> None:
    """Read, estimate, write."""
    request = json.load(sys.stdin)
    json.dump([estimate(layer["op"], layer["attrs"], request["part"]) for layer in request["layers"]], sys.stdout)


if __name__ == "__main__":
    main()
