"""Random graphs whose inputs are images of few channels, and vectors beside them."""

import numpy as np

from hwgen.graph import Graph, GraphBuilder


def camera_graph(seed, pixels: int = 400) -> Graph:
    """One to three images or sequences of at most so many pixels, each under a convolution or two of one shape, and
    perhaps a vector under a layer."""
    rng, b = np.random.default_rng(seed), GraphBuilder("cameras")
    for i in range(int(rng.integers(1, 4))):
        _image(rng, b, f"image{i}", pixels)
        if rng.random() < 0.3:
            x = b.input(f"state{i}", (int(rng.integers(1, 40)),), bits=8, signed=True, scale=2.0**-5)
            _requantize(rng, b, b.linear(x, rng.integers(-128, 128, (b.tensor(x).shape[0], 7)), 2.0**-6), f"z{i}")
    return b.build()


def _image(rng, b: GraphBuilder, name: str, pixels: int) -> None:
    flat = rng.random() < 0.3
    kernel = [int(k) for k in rng.integers(1, 8, 1 if flat else 2)]
    stride = [int(rng.integers(1, k + 2)) for k in kernel] if rng.random() < 0.7 else kernel  # or patches
    most = pixels if flat else int(pixels**0.5)
    size = [int(rng.integers(k, max(most, k) + 1)) for k in kernel]
    pads = [int(rng.integers(0, k)) for k in kernel * 2]
    channels = int(rng.choice((1, 2, 3, 6, 9)))
    x = b.input(name, (channels, *size), bits=8, signed=bool(rng.integers(2)), scale=2.0**-7)
    for twin in range(int(rng.integers(1, 3))):
        weight = rng.integers(-128, 128, (int(rng.integers(1, 40)), channels, *kernel))
        conv = (b.conv1d if flat else b.conv2d)(
            x, weight, 2.0**-8, weight_bits=8, stride=tuple(stride), pads=tuple(pads)
        )
        _requantize(rng, b, conv, f"{name}_{twin}")


def _requantize(rng, b: GraphBuilder, x: str, name: str) -> None:
    relu = bool(rng.integers(2))
    b.output(b.requantize(x, bits=8, signed=not relu, scale=2.0**-2, relu=relu), name)
