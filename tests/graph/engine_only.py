"""Small graphs of the operators that only the engine has; the node is named "it"."""

from __future__ import annotations

import numpy as np

from hwgen.graph import Graph, GraphBuilder

ENGINE_ONLY = ("MatMul", "GroupNorm", "ConvTranspose1D", "Constant")


def engine_only(kind: str) -> Graph:
    """x[4, 4] through one node of this kind."""
    b = GraphBuilder("one")
    x = b.input("x", (4, 4), scale=2.0**-5)
    if kind == "MatMul":
        y = b.requantize(b.matmul(x, x, name="it"), scale=2.0**-3)
    elif kind == "GroupNorm":
        y = b.requantize(b.groupnorm(x, 2, 1.0, scale=2.0**-5, name="it"), scale=2.0**-4)
    elif kind == "ConvTranspose1D":
        y = b.requantize(
            b.conv_transpose1d(x, np.ones((4, 2, 3), np.int8), 2.0**-5, stride=2, name="it"), scale=2.0**-3
        )
    else:
        y = b.requantize(x, scale=2.0**-4, residual=b.constant(np.arange(16).reshape(4, 4), 2.0**-5, name="it"))
    b.output(y, "y")
    return b.build()
