"""A net that draws its own shapes and types: what `random_networks` makes its networks of.

Attributes reach their ends: kernels, strides and pads that differ from axis to axis, windows that see padding alone, a
single pixel, token or channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.graph import ops
from hwgen.graph.net import Net

FUNCTIONS = ("relu", "gelu", "silu", "mish", "tanh", "gelu_tanh", "elu", "softplus")
OBSERVATIONS = 48
"""Random inputs that scales are set from: few, for tests draw many networks."""


@dataclass(frozen=True)
class Sizes:
    """Bounds of what is drawn.

    width: channels. image: pixels a side. tokens: rows of transformers and positions of sequences. layers: blocks one
    after the other. steps: of loops. power_of_two: all scales are powers of two. bits: widths of activations to draw
    from. weight_bits: the same for weights, one for each graph.
    """

    width: int = 24
    image: int = 9
    tokens: int = 7
    layers: int = 2
    steps: int = 3
    power_of_two: bool = True
    bits: tuple[int, ...] = (8, 8, 8, 6, 5)
    weight_bits: tuple[int, ...] = (8, 4)


class RandomNet(Net):
    """A Net that draws its shapes, and types of activations."""

    def __init__(self, name: str, draws: np.random.Generator, sizes: Sizes):
        super().__init__(name, int(draws.choice(sizes.weight_bits)))
        self.draws, self.sizes, self.samples = draws, sizes, OBSERVATIONS
        self.rms: dict[str, bool] = {}

    def format(self, key: str, real: np.ndarray) -> dict:
        if key not in self.formats:
            form, bits = super().format(key, real), int(self.draws.choice(self.sizes.bits))
            scale = form["scale"] * 2.0 ** (8 - bits)
            scale *= 1 if self.sizes.power_of_two else self.draws.uniform(0.7, 1.4)
            signed = form["signed"] or bits == 8 and key.endswith((".key.q", ".value.q"))  # the engine has no others
            self.formats[key] = {"bits": bits, "signed": signed, "scale": float(np.float32(scale))}
        return self.formats[key]

    def pick(self, *choices):
        """One of these."""
        return choices[int(self.draws.integers(len(choices)))]

    def upto(self, most: int, least: int = 1) -> int:
        """A number from least to most."""
        return int(self.draws.integers(least, max(most, least) + 1))

    def channels(self, divisor: int = 1) -> int:
        """A width that the divisor divides."""
        return divisor * self.upto(max(self.sizes.width // divisor, 1))

    def groups(self, channels: int) -> int:
        """A number of groups that divides the channels."""
        return self.pick(*(g for g in range(1, channels + 1) if channels % g == 0))

    def fn(self) -> str:
        return self.pick(*FUNCTIONS)

    def layernorm(self, x: str, key: str, eps: float = 1e-5, relu: bool = False, rms: bool | None = None) -> str:
        """LayerNorm or, one in three, RMSNorm."""
        rms = self.rms.setdefault(key, self.pick(True, False, False)) if rms is None else rms
        return super().layernorm(x, key, eps, relu, rms)

    def any_conv(self, x: str, out: int, most: int, key: str, groups: int = 1) -> str:
        """A convolution with a kernel of up to `most` a side, a stride and a dilation of its own along each axis, and
        pads of each end that may exceed the kernel -> accumulator."""
        channels, *space = self.shape(x)
        n = len(space)
        kernel = [self.upto(most) for _ in space]
        pads = [self.upto(self.pick(k // 2, k // 2, k + 1), 0) for k in kernel * 2]
        room = [size + pads[i] + pads[n + i] for i, size in enumerate(space)]
        kernel = [min(k, size) for k, size in zip(kernel, room, strict=True)]
        dilation = [self.upto(min((size - 1) // max(k - 1, 1), 3)) for k, size in zip(kernel, room, strict=True)]
        stride = tuple(self.upto(self.pick(2, 2, 3)) for _ in space)
        how = {"stride": stride, "pads": tuple(pads), "dilation": tuple(dilation), "groups": groups}
        cls, shape = (ops.Conv2D if n == 2 else ops.Conv1D), (out, channels // groups, *kernel)
        return self._weighted(cls, x, shape, key, 1.0, axis=1, **how)

    def any_conv_transpose(self, x: str, key: str) -> str:
        """A transposed convolution of any stride, pads, output padding and groups -> accumulator."""
        channels, length = self.shape(x)
        groups, kernel, stride = self.groups(channels), self.upto(5), self.upto(3)
        cut = max((length - 1) * stride + kernel - 2, 0)  # two positions stay
        pads = (self.upto(min(kernel // 2, cut // 2), 0), self.upto(min(kernel // 2, cut // 2), 0))
        how = {"stride": stride, "pads": pads, "output_padding": self.upto(stride - 1, 0), "groups": groups}
        outs = self.upto(max(self.sizes.width // groups, 1))
        return self._weighted(ops.ConvTranspose1D, x, (channels, outs, kernel), key, 1.0, axis=1, **how)

    def _window(self, x: str, kernel: tuple[int, ...]) -> dict:
        """A stride of each axis, which may leave positions out, and pads of each end, narrower than the kernel."""
        pads = tuple(self.pick(0, self.upto(k - 1, 0)) for k in kernel * 2)
        return {"kernel": kernel, "stride": tuple(self.upto(self.pick(2, 2, 4)) for _ in kernel), "pads": pads}

    def largest(self, x: str, key: str) -> str:
        """The maximum of windows."""
        kernel = tuple(self.upto(min(3, size)) for size in self.shape(x)[1:])
        return self.emit(self.b.maxpool(x, **self._window(x, kernel), name=self.name(key)))

    def average(self, x: str, key: str) -> str:
        """The mean of windows; of one, two or four positions a side where all scales are powers of two."""
        sides = [1, 2, 2, 4] if self.sizes.power_of_two else [1, 2, 3, 4]
        kernel = tuple(self.pick(*(k for k in sides if k <= size)) for size in self.shape(x)[1:])
        acc = self.emit(self.b.sumpool(x, **self._window(x, kernel)))
        return self.quantize(acc, key, gain=1 / float(np.prod(kernel)))

    def ended(self, x: str) -> str:
        """A graph's output is not one of its inputs, nor a move of one; some end without a last quantizer."""
        if self.pick(True, True, False):
            return self.quantize(x, "end")
        image, out = len(self.shape(x)) == 3, self.channels()
        return self.emit(self.b.wide(self.conv(x, out, 1, "end") if image else self.linear(x, out, "end")))

    def look_inside(self) -> None:
        """In one of four graphs, what a layer inside computes is an output, too."""
        inside = [node.output for node in self.b.graph.nodes if isinstance(node, ops.Requantize) and not node.is_wide]
        free = [x for x in inside if x not in self.b.graph.outputs]
        if free and self.pick(True, False, False, False):
            self.output(self.pick(*free), "inside")
