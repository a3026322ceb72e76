"""A graph with random weights whose activations look like those of a trained network.

It computes while it grows: every layer is run on a small batch of random inputs, and its scales are set from what comes
out, so that values neither vanish nor saturate. All scales are powers of two. The same name gives the same graph.

    net = Net("head", bits=4)
    x = net.input("x", (64,))
    x = net.dense(x, 128, "fc0", "relu")
    net.output(net.dense(x, 7, "fc1"), "y")
    graph = net.build()

Attention, residual blocks and the like are in `blocks.py`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import prod

import numpy as np

from hwgen.errors import GraphError
from hwgen.graph import Graph, GraphBuilder, ops
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.blocks import NORM_STEP, Blocks
from hwgen.graph.golden import evaluate
from hwgen.graph.types import along_axis

NUMBERS, OBSERVATIONS = 1 << 18, (2, 384)
"""Scales are set from about as many numbers of the first input, in so many observations."""
LARGEST = 1 << 27
"""Numbers in a layer's weights, or in a tensor of all observations: they lie in memory as float64 for a moment."""
RIDGE = 0.01
"""Of the mean square of the inputs, in `Net.predict`."""
FEW = 8
"""With fewer values of each channel, all channels get one scale and are not centred."""
TAIL = 99.9
"""Percentile of the magnitudes that must fit into a tensor's type; three times their root mean square must, too."""


@dataclass
class Layer:
    """A layer's parameters, kept under its name for the next time that it is used (steps of a loop share weights).

    weight: int8. scale: of the weights, one per output channel. bias: real, one per output channel.
    """

    weight: np.ndarray
    scale: np.ndarray
    bias: np.ndarray


class Net(Blocks):
    """Grows a graph layer by layer; every method takes and returns tensor names, shapes leave out the batch.

    bits: of all weights. samples: observations that scales are set from (default: as many as take little time).

    `key` names a layer, and what is used again under the same key (in another step of a loop) has the same weights,
    biases and scales. `step` goes before the names of the nodes.
    """

    def __init__(self, name: str, bits: int = 8, samples: int | None = None):
        super().__init__(GraphBuilder(name))
        self.bits, self.samples = bits, samples
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.values: dict[str, np.ndarray] = {}
        self.layers: dict[str, Layer] = {}
        self.formats: dict[str, dict] = {}
        self.tables: dict[str, np.ndarray] = {}
        self._ran = 0

    def build(self) -> Graph:
        """The finished graph, validated."""
        return self.b.build()

    # -- edges -------------------------------------------------------------------------------------------------

    def input(self, name: str, shape: tuple[int, ...], scale: float = 2.0**-6, signed: bool = True) -> str:
        """An 8-bit input; uniformly random integers while scales are set."""
        self.b.input(name, shape, signed=signed, scale=scale)
        self.samples = self.samples or int(np.clip(NUMBERS // np.prod(shape), *OBSERVATIONS))
        self._check_size(name, self.samples * prod(shape))
        lo, hi = self.b.graph.input_range(name)
        self.values[name] = self.rng.integers(lo, hi + 1, (self.samples, *shape))
        return name

    def image(self, name: str, channels: int, size: int) -> str:
        """A camera's picture as it comes: uint8 [channels, size, size], real values within 0 and 1."""
        return self.input(name, (channels, size, size), 2.0**-8, signed=False)

    def output(self, x: str, name: str) -> str:
        """Mark an output."""
        self.values[name] = self.values.pop(x)
        return self.b.output(x, name)

    def shape(self, x: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return self.b.tensor(x).shape

    def real(self, x: str) -> np.ndarray:
        """The batch of real values that a tensor has."""
        return self.values[x] * self.b.tensor(x).scale_array()

    # -- layers ------------------------------------------------------------------------------------------------

    def linear(self, x: str, out: int, key: str, gain: float = 1.0) -> str:
        """x[..., in] -> accumulator[..., out], centred, with a standard deviation near `gain`."""
        return self._weighted(ops.Linear, x, (self.shape(x)[-1], out), key, gain, axis=-1)

    def conv(self, x: str, out: int, kernel: int, key: str, stride: int = 1, pad: int = 0, groups: int = 1,
             gain: float = 1.0) -> str:  # fmt: skip
        """x[C, *space] -> accumulator[out, *space]; square kernels."""
        channels, n = self.shape(x)[0], len(self.shape(x)) - 1
        how = {"stride": (stride,) * n, "pads": (pad,) * 2 * n, "groups": groups}
        shape = (out, channels // groups, *(kernel,) * n)
        return self._weighted(ops.Conv2D if n == 2 else ops.Conv1D, x, shape, key, gain, axis=1, **how)

    def conv_transpose(self, x: str, out: int, kernel: int, key: str, stride: int = 1, pad: int = 0,
                       gain: float = 1.0) -> str:  # fmt: skip
        """x[C, T] -> accumulator[out, T'], `stride` times as long."""
        how = {"stride": stride, "pads": (pad, pad)}
        return self._weighted(ops.ConvTranspose1D, x, (self.shape(x)[0], out, kernel), key, gain, axis=1, **how)

    def predict(self, x: str, target: str, key: str) -> str:
        """x[in] -> accumulator[out] that comes close to target[out] by ridge regression: the last layer of a diffusion
        model, whose loop runs away where it does not recognize the noise."""
        if key not in self.layers:
            inputs, wanted = self.real(x) - self.real(x).mean(0), self.real(target)
            moments = inputs.T @ inputs
            moments += np.eye(len(moments)) * np.trace(moments) * RIDGE / len(moments)
            found = np.linalg.solve(moments, inputs.T @ wanted)
            found *= (wanted**2).sum(0) / (wanted * (inputs @ found)).sum(0)  # a ridge shrinks what it finds
            top = 2 ** (self.bits - 1) - 1
            scale = 2.0 ** np.ceil(np.log2(np.abs(found).max(0) / top))
            self.layers[key] = Layer(np.round(found / scale).astype(np.int8), scale, np.zeros(len(scale)))
        return self.linear(x, self.shape(target)[0], key)

    def quantize(self, x: str, key: str, relu: bool = False, residual: str | None = None, gain: float = 1.0,
                 residual_gain: float = 1.0, bias: np.ndarray | None = None,
                 positive: bool = False) -> str:  # fmt: skip
        """x * gain + bias [relu] [+ residual * residual_gain] as 8-bit integers, unsigned where nothing is negative.

        bias: real, per channel. positive: negative sums become 0 (ReLU behind the residual).
        """
        v = self.real(x) * gain + self._along(x, self.b._full_bias(x, bias, gain))
        v = np.maximum(v, 0) if relu else v
        v = v + self.real(residual) * residual_gain if residual else v
        form = self.format(key, np.maximum(v, 0) if positive else v)
        how = {"relu": relu, "residual": residual, "gain": gain, "residual_gain": residual_gain, "bias_real": bias}
        return self.emit(self.b.requantize(x, **form, **how, name=self.name(key)))

    def dense(self, x: str, out: int, key: str, fn: str = "", residual: str | None = None, gain: float = 1.0) -> str:
        """A linear layer with an activation: "", "relu" or a name of `activations.FUNCTIONS`."""
        return self.activated(self.linear(x, out, key, gain), key, fn, residual)

    def activated(self, acc: str, key: str, fn: str = "", residual: str | None = None) -> str:
        """An accumulator (or any tensor) rounded to 8 bits, with an activation."""
        if fn in ("", "relu"):
            return self.quantize(acc, f"{key}.q", fn == "relu", residual)
        return self.activation(self.quantize(acc, f"{key}.q", residual=residual), fn, f"{key}.{fn}")

    def activation(self, x: str, fn: str, key: str) -> str:
        """A function as a table."""
        y = self.b.activation(x, fn, **self.format(key, FUNCTIONS[fn](self.real(x))), name=self.name(key))
        return self.emit(y)

    def layernorm(self, x: str, key: str, eps: float = 1e-5, relu: bool = False, rms: bool = False) -> str:
        """LayerNorm over the last axis with random gamma and beta; relu: negative results become 0; rms: RMSNorm."""
        gamma, beta = self.affine(key, self.shape(x)[-1])
        y = self.b.layernorm(x, gamma, beta, eps, signed=not relu, scale=NORM_STEP, rms=rms, name=self.name(key))
        return self.emit(y)

    def maxpool(self, x: str, kernel: int, stride: int, pad: int, key: str) -> str:
        """The largest value of each window."""
        return self.emit(self.b.maxpool(x, kernel, stride, pad, name=self.name(key)))

    # -- moves -------------------------------------------------------------------------------------------------

    def flatten(self, x: str, key: str) -> str:
        """All axes into one."""
        return self.emit(self.b.flatten(x, name=self.name(key)))

    def reshape(self, x: str, shape: tuple[int, ...], key: str) -> str:
        """The same integers in row-major order."""
        return self.emit(self.b.reshape(x, shape, name=self.name(key)))

    def transpose(self, x: str, perm: tuple[int, ...], key: str) -> str:
        """Reorder the axes."""
        return self.emit(self.b.transpose(x, perm, name=self.name(key)))

    def slice(self, x: str, axis: int, start: int, stop: int, key: str) -> str:
        """x[start:stop] along an axis."""
        return self.emit(self.b.slice(x, axis, start, stop, name=self.name(key)))

    def concat(self, xs: list[str], axis: int, key: str) -> str:
        """One after the other."""
        return self.emit(self.b.concat(xs, axis, name=self.name(key)))

    # -- what layers are made of ---------------------------------------------------------------------------------

    def emit(self, x: str) -> str:
        """Run the nodes that were made since the last time; returns x."""
        for node in self.b.graph.nodes[self._ran :]:
            if node.output not in self.values:
                self.values[node.output] = self._run(node)
        self._ran = len(self.b.graph.nodes)
        return x

    def format(self, key: str, real: np.ndarray) -> dict:
        """Signedness and scale of an 8-bit tensor for these values; the first use of a key decides."""
        if key not in self.formats:
            signed = bool(real.min() < 0)
            top = max(float(np.percentile(np.abs(real), TAIL)), 3 * float(np.sqrt(np.mean(real**2)))) or 1.0
            self.formats[key] = {"signed": signed, "scale": 2.0 ** np.ceil(np.log2(top / (127 if signed else 255)))}
        return self.formats[key]

    def affine(self, key: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """gamma near 1 and beta near 0."""
        return 1 + self.table(f"{key}.gamma", (channels,), 0.2), self.table(f"{key}.beta", (channels,), 0.2)

    def table(self, key: str, shape: tuple[int, ...], spread: float) -> np.ndarray:
        """Random real numbers, the same for the same key, on a grid that float32 holds."""
        if key not in self.tables:
            self.tables[key] = np.round(self.rng.normal(0, spread, shape) * 2.0**12) / 2.0**12
        return self.tables[key]

    def name(self, key: str) -> str:
        """The name of a node: its layer's key, behind the step of the loop that it is in."""
        return f"{self.step}.{key}" if self.step else key

    # -- inside ------------------------------------------------------------------------------------------------

    def _weighted(self, cls: type, x: str, shape: tuple[int, ...], key: str, gain: float, axis: int, **how) -> str:
        """A layer with weights of this shape -> accumulator; axis: of its channels, batch included."""
        self._check_size(key, prod(shape))
        known = self.layers.get(key)
        weight = random_weights(self.rng, shape, self.bits) if known is None else known.weight
        acc = self._run(cls(name=key, inputs=(x,), output=key, weight=weight, **how))
        if known is None:
            known = self.layers[key] = Layer(weight, *self._calibrated(acc, self.b.tensor(x).scale, gain, axis))
        make = {"Linear": self.b.linear, "ConvTranspose1D": self.b.conv_transpose1d}.get(cls.__name__, self.b.conv)
        y = make(x, weight, known.scale, known.bias, self.bits, **how, name=self.name(key))
        self.values[y] = acc
        return y

    def _calibrated(self, acc: np.ndarray, step: float, gain: float, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Weight scales and biases of a layer with these accumulators, whose inputs have this scale."""
        others = tuple(i for i in range(acc.ndim) if i != axis % acc.ndim)
        mean, spread = acc.mean(others), acc.std(others)
        if acc.size < FEW * mean.size:  # they tell nothing of one channel
            mean, spread = np.zeros_like(mean), np.full_like(spread, acc.std())
        typical = float(np.median(spread)) or 1.0
        scale = power_of_two(gain / (step * np.maximum(spread, typical / 4)))
        # On the accumulator's grid, as integer biases are. It takes the mean away, as a trained layer's does.
        return scale, np.round(self.rng.normal(0, typical / 4, mean.shape) - mean) * step * scale

    def _check_size(self, name: str, numbers: int) -> None:
        if numbers > LARGEST:
            raise GraphError(f"node {name!r} has {numbers:,} numbers; a net is built from at most {LARGEST:,}, so take "
                             "smaller sizes")  # fmt: skip

    def _along(self, x: str, values: np.ndarray) -> np.ndarray:
        """Values per channel of a tensor, shaped like the batch."""
        t = self.b.tensor(x)
        return along_axis(values, len(t.shape), t.channel_axis)

    def _run(self, node: ops.Node) -> np.ndarray:
        try:
            shape = node.out_shape(self.b.graph.in_shapes(node))
        except ValueError as e:
            raise GraphError(f"node {node.name!r} ({node.op}): {e}") from None
        self._check_size(node.name, self.samples * prod(shape))
        return evaluate(node, self.values, self.b.graph.tensors)


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """int8, normally distributed: the largest integer of the type lies at three standard deviations."""
    top = 2 ** (bits - 1) - 1
    weight = rng.standard_normal(shape, np.float32)
    weight *= top / 3
    return np.clip(np.round(weight, out=weight), -top, top, out=weight).astype(np.int8)


def power_of_two(x: np.ndarray) -> np.ndarray:
    """The nearest powers of two."""
    return 2.0 ** np.round(np.log2(x))
