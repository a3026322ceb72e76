"""Small graphs that the tests of the hls4ml backend share."""

import numpy as np

from hwgen.graph import Graph, GraphBuilder


def mlp(widths=(6, 5, 4), scale: float = 2.0**-3, seed: int = 0) -> Graph:
    """Linear layers with a requantization (and relu) after each."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("mlp")
    x = b.input("x", widths[:1], bits=8, signed=True, scale=scale)
    for i, (n_in, n_out) in enumerate(zip(widths, widths[1:], strict=False)):
        acc = b.linear(x, rng.integers(-8, 8, (n_in, n_out)), 2.0**-3, None, 4, name=f"fc{i}")
        x = b.requantize(acc, bits=8, signed=i + 2 == len(widths), scale=scale, relu=i + 2 < len(widths))
    b.output(x, "y")
    return b.build()


def cnn(space=(6, 5), channels: int = 2, filters: int = 3, outs: int = 4, **conv) -> Graph:
    """A convolution, flattened into a linear layer."""
    rng = np.random.default_rng(1)
    b = GraphBuilder("cnn")
    x = b.input("image", (channels, *space), bits=8, signed=True, scale=2.0**-3)
    acc = b.conv(x, rng.integers(-8, 8, (filters, channels, *(3,) * len(space))), 2.0**-4, None, 4, **conv)
    x = b.flatten(b.requantize(acc, bits=8, signed=False, scale=2.0**-2, relu=True))
    acc = b.linear(x, rng.integers(-8, 8, (b.tensor(x).shape[0], outs)), 2.0**-4, None, 4)
    b.output(b.requantize(acc, bits=8, scale=0.25), "y")
    return b.build()
