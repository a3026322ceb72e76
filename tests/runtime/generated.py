"""Makes a small real design and its simulator library in the flow environment: python -m tests.runtime.generated DIR
[SEED [PORTS]].

An action head on an 8x8 array: two inputs, a residual, LayerNorm, GELU, a narrow and a wide output; with ports, one of
several layers more, most of whose weights stay in DDR. The runtime's tests call it in a process of its own, because the
pynq environment cannot generate.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.backends.design import golden_vectors
from hwgen.backends.engine import generate
from hwgen.build.verilate import build
from hwgen.graph import Graph, GraphBuilder
from hwgen.schedule import compile_graph
from hwgen.schedule.compile import with_streams
from tests.support import cases


def head(seed: int, width: int = 24, layers: int = 0) -> Graph:
    """The graph, with weights of this seed, and so many layers more in the middle."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("head")
    state = b.input("state", (44,), bits=8, signed=True, scale=2**-5)
    prior = b.input("prior", (width,), bits=6, signed=False, scale=2**-4)
    acc = b.linear(state, rng.integers(-7, 8, (44, width)), 2**-4, rng.normal(0, 1, width), weight_bits=4)
    hidden = b.requantize(acc, bits=8, signed=True, scale=2**-2, residual=prior)
    for _ in range(layers):
        hidden = b.requantize(
            b.linear(hidden, rng.integers(-7, 8, (width, width)), 2**-7, weight_bits=4),
            bits=8,
            signed=True,
            scale=2**-2,
        )
    hidden = b.layernorm(hidden, rng.uniform(0.5, 1.5, width), rng.normal(0, 0.2, width), bits=8, scale=2**-5)
    hidden = b.activation(hidden, "gelu", bits=8, scale=2**-5)
    b.output(
        b.requantize(b.linear(hidden, rng.integers(-7, 8, (width, 7)), 2**-5, weight_bits=4), bits=8, scale=2**-3),
        "grip",
    )
    scales = rng.uniform(0.01, 0.1, 11)
    b.output(
        b.wide(b.linear(hidden, rng.integers(-7, 8, (width, 11)), scales, rng.normal(0, 1, 11), weight_bits=4)),
        "motion",
    )
    return b.build()


def make(folder: Path, seed: int, ports: int = 0) -> None:
    """DIR/policy.hwpkg, DIR/rtl, DIR/sim, and DIR/frames.npz: more inputs with golden's outputs."""
    design = (
        with_streams(compile_graph(head(seed, 64, 3), 8, 8), 160, ports) if ports else compile_graph(head(seed), 8, 8)
    )
    graph = design.graph
    generate.write(design, boards.load("zcu104"), folder)
    np.savez(folder / "frames.npz", **golden_vectors(graph, cases(200, 1000), seed=secrets.randbits(32)))
    build(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:] or ["1"]))
