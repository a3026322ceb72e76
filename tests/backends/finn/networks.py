"""Three networks through real FINN: an MLP, a CNN with padding and stride, a residual head.

    python -m tests.backends.finn.networks FINN_CHECKOUT FINN_PYTHON

builds each with FINN up to step_hw_codegen (scripts/finn_check/check.py) and writes networks.json beside this file:
the layers as FINN had them, and what it reports of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.backends.finn.generate import Plan, plan, write
from hwgen.backends.options import Options
from hwgen.graph import Graph, GraphBuilder
from hwgen.policies import shipped
from hwgen.policies.demo import load_demo
from tests.support import ROOT

EXPECTATIONS = Path(__file__).with_name("networks.json")
MULTIPLIERS = {"mlp": 64, "cnn": 96, "head": 512}


def mlp() -> Graph:
    rng, b = np.random.default_rng(1), GraphBuilder("mlp")
    x = b.input("x", (48,), bits=8, signed=True, scale=2**-4)
    for outputs in (32, 24):
        weight = rng.integers(-7, 8, (b.tensor(x).shape[0], outputs))
        x = b.requantize(b.linear(x, weight, 2**-3, weight_bits=4), bits=8, signed=False, scale=0.5, relu=True)
    b.output(b.requantize(b.linear(x, rng.integers(-127, 128, (24, 10)), 2**-7), bits=8, scale=1.0), "y")
    return b.build()


def cnn() -> Graph:
    rng, b = np.random.default_rng(3), GraphBuilder("cnn")

    def weight(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape)

    x = b.input("image", (4, 12, 12), bits=8, signed=True, scale=2**-4)
    to = {"bits": 8, "signed": False, "scale": 0.25, "relu": True}
    x = b.requantize(b.conv(x, weight(8, 4, 3, 3), 2**-7, stride=2, pads=(0, 0, 1, 1)), **to)
    x = b.requantize(b.conv(x, weight(8, 1, 3, 3), 2**-7, pads=1, groups=8), **to)
    x = b.requantize(b.conv(x, weight(12, 8, 1, 1), 2**-7), bits=8, scale=0.25)
    x = b.linear(b.flatten(x), weight(432, 6), 2**-7)
    b.output(b.requantize(x, bits=8, scale=2.0), "y")
    return b.build()


def head() -> Graph:
    """The demo's head without LayerNorm: four matrices, two residual sums."""
    return load_demo(shipped.checkpoint_file("demo-nonorm")).head


NETWORKS = {"mlp": mlp, "cnn": cnn, "head": head}


def folded(name: str) -> Plan:
    return plan(NETWORKS[name](), boards.load("zcu104"), Options(multipliers=MULTIPLIERS[name]))


def ask_finn(name: str, checkout: Path, python: str) -> dict:
    """{"layers": [{"name", "op", "attrs", "inputs"}], "cycles", "performance"}, the last two as FINN reports them."""
    p = folded(name)
    with tempfile.TemporaryDirectory() as scratch:
        write(p, Path(scratch) / "dir")
        words = [python, ROOT / "scripts/finn_check/check.py", Path(scratch) / "dir", "--finn", checkout]
        done = subprocess.run([*words, "-o", Path(scratch) / "r.json"], capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        found = json.loads((Path(scratch) / "r.json").read_text())
    layers = [
        {
            "name": x.name, "op": x.op, "inputs": list(x.inputs),
            "attrs": {k: v for k, v in found["layers"][x.name].items() if k in x.attrs},
        }
        for x in p.layers
    ]  # fmt: skip
    return {"layers": layers, "cycles": found["cycles"], "performance": found["performance"]}


if __name__ == "__main__":
    answers = {name: ask_finn(name, Path(sys.argv[1]), sys.argv[2]) for name in NETWORKS}
    EXPECTATIONS.write_text(json.dumps(answers, indent=1) + "\n")
