"""Random graphs for tests: of this package, of the references and of the hardware.

    graph = random_graph(seed, Limits(vectors=True, max_width=64))
    x = random_inputs(graph, seed, batch=8)
    model = to_model(graph)                 # QONNX, from qonnx_out

Scales follow a small calibration batch, so that values neither vanish nor saturate everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.builder import GraphBuilder
from hwgen.graph.golden import EVAL
from hwgen.graph.graph import Graph

ACTIVATIONS = tuple(sorted(FUNCTIONS))
ATTEMPTS = 20  # one graph in thousands is drawn again


@dataclass(frozen=True)
class Limits:
    """What random_graph may make.

    vectors: only rank-1 tensors and only Linear, Requantize (residuals too), Lookup and LayerNorm: what the first
    engine has. power_of_two: all scales are powers of two and all parameters lie on grids that float32 holds exactly.
    blocks: at most this many layers. norms: allow LayerNorm and RMSNorm. wide: allow outputs without a quantizer.
    softmax: allow Softmax, which the engine does not have.
    """

    vectors: bool = True
    power_of_two: bool = True
    min_width: int = 1
    max_width: int = 600
    blocks: int = 6
    norms: bool = True
    rms: bool = True
    softmax: bool = False
    lookups: bool = True
    residuals: bool = True
    wide: bool = True
    weight_bits: tuple[int, ...] = (2, 3, 4, 8)
    activation_bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)


def random_graph(seed: int | np.random.Generator, limits: Limits | None = None) -> Graph:
    """A random valid graph. The same seed and limits give the same graph."""
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS - 1):
        try:
            return _Maker(rng, limits or Limits()).make()
        except UnsupportedError:  # a tensor that is almost constant made scales that no lane can bridge: draw again
            continue
    return _Maker(rng, limits or Limits()).make()


def random_inputs(graph: Graph, seed: int | np.random.Generator, batch: int = 8) -> dict[str, np.ndarray]:
    """Random integers for every input, int64 [batch, *shape]: uniform rows, small rows, and rows of extremes."""
    rng = np.random.default_rng(seed)
    return {
        name: _random_tensor(rng, graph.input_range(name), graph.tensors[name].shape, batch) for name in graph.inputs
    }


def _random_tensor(rng, bounds: tuple[int, int], shape, batch: int) -> np.ndarray:
    lo, hi = bounds
    x = rng.integers(lo, hi + 1, (batch, *shape))
    kind = rng.integers(0, 4, (batch,) + (1,) * len(shape))
    small = np.clip(np.round(rng.normal(0, 1.5, x.shape)), lo, hi).astype(np.int64)
    extreme = np.where(rng.integers(0, 2, x.shape) == 1, hi, lo)
    return np.where(kind == 0, small, np.where(kind == 1, extreme, x))


class _Maker:
    """Grows one graph; `values` holds a calibration batch of every tensor."""

    def __init__(self, rng: np.random.Generator, limits: Limits):
        self.rng, self.limits, self.b = rng, limits, GraphBuilder("random")
        self.values: dict[str, np.ndarray] = {}
        self.tensors: list[str] = []

    # -- draws -------------------------------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def width(self) -> int:
        """Small widths are as likely as large ones."""
        lo, hi = self.limits.min_width, self.limits.max_width
        return int(np.clip(round(2 ** self.rng.uniform(np.log2(lo), np.log2(hi + 0.5))), lo, hi))

    def scale(self, real: np.ndarray, bits: int, signed: bool) -> float:
        """A scale at which values of this spread use most of the range, and sometimes saturate."""
        top = 2 ** (bits - signed) - 1
        s = (
            (float(np.percentile(np.abs(real), 99)) or float(np.abs(real).max()) or 1.0)
            / top
            * 2 ** self.rng.uniform(-1, 1)
        )
        return float(2.0 ** np.round(np.log2(s))) if self.limits.power_of_two else float(np.float32(s))

    def out_type(self, real: np.ndarray) -> dict:
        """bits, signed, scale and narrow of a quantizer for these real values."""
        bits = int(self.rng.choice(self.limits.activation_bits)) if self.chance(0.5) else 8
        signed = bool(real.min() < 0) if self.chance(0.8) else not real.min() < 0
        return {"bits": bits, "signed": signed, "scale": self.scale(real, bits, signed), "narrow": self.chance(0.2)}

    def weights(self, shape: tuple[int, ...], channels: int) -> tuple[np.ndarray, np.ndarray | float, int]:
        bits = int(self.rng.choice(self.limits.weight_bits))
        lo = -(1 << (bits - 1)) + self.chance(0.5)
        w = self.rng.integers(lo, 1 << (bits - 1), shape)
        scale = 2.0 ** self.rng.integers(-9, -3)
        if self.chance(0.6):
            spread = 2.0 ** self.rng.integers(-2, 2, channels)
            scale = scale * (spread if self.limits.power_of_two else self.rng.uniform(0.5, 2, channels))
        elif not self.limits.power_of_two:
            scale *= self.rng.uniform(0.5, 2)
        return w, scale, bits

    def bias(self, acc: str, channels: int) -> np.ndarray | None:
        """On the accumulator's grid or up to four times finer (so that float32 stays exact), or anything."""
        if self.chance(0.2):
            return None
        t, spread = self.b.tensor(acc), np.std(self.values[acc]) + 1
        steps = self.rng.normal(0, spread, channels)
        if self.limits.power_of_two:
            steps = np.round(steps * 4) / 4 if self.chance(0.3) else np.round(steps)
        real = steps * np.asarray(t.scale)
        return real.astype(np.float32).astype(np.float64)

    def emit(self, name: str) -> str:
        """Compute the calibration batch of the nodes just made; returns the tensor's name."""
        for node in self.b.graph.nodes:
            if node.output not in self.values:
                ins = [self.b.tensor(i) for i in node.inputs]
                self.values[node.output] = EVAL[node.op](node, [self.values[i] for i in node.inputs], ins)
        return name

    def real(self, name: str) -> np.ndarray:
        return self.values[name] * self.b.tensor(name).scale_array()

    def done(self, name: str) -> str:
        """A finished narrow tensor, which later layers may use again."""
        self.tensors.append(self.emit(name))
        return name

    # -- layers ------------------------------------------------------------------------------------------------

    def make(self) -> Graph:
        x = self.input("x", (self.width(),)) if self.limits.vectors else self.image()
        for _ in range(self.rng.integers(1, self.limits.blocks + 1)):
            x = self.layer(x)
        self.end(x)
        return self.b.build()

    def input(self, name: str, shape: tuple[int, ...]) -> str:
        bits = int(self.rng.choice(self.limits.activation_bits)) if self.chance(0.3) else 8
        signed = self.chance(0.7)
        scale = 2.0 ** self.rng.integers(-8, 1) * (1 if self.limits.power_of_two else self.rng.uniform(0.5, 1.5))
        self.b.input(name, shape, bits, signed, scale, narrow=self.chance(0.2))
        self.values[name] = _random_tensor(self.rng, self.b.graph.input_range(name), shape, 16)
        self.tensors.append(name)
        return name

    def layer(self, x: str) -> str:
        kinds = ["linear"] * 4 + ["lookup"] * self.limits.lookups * 2 + ["norm"] * self.limits.norms + ["requantize"]
        kinds += ["add"] * self.limits.residuals + ["softmax"] * self.limits.softmax * 2
        return getattr(self, str(self.rng.choice(kinds)))(x)

    def linear(self, x: str) -> str:
        fan_in = self.b.tensor(x).shape[-1]
        same = [t for t in self.tensors if len(self.b.tensor(t).shape) == 1]
        residual = str(self.rng.choice(same)) if self.limits.residuals and same and self.chance(0.35) else None
        out = self.b.tensor(residual).shape[0] if residual else self.width()
        w, sw, bits = self.weights((fan_in, out), out)
        acc = self.emit(self.b.linear(x, w, sw, None, bits))
        return self.requantized(acc, out, residual)

    def requantized(self, acc: str, channels: int, residual: str | None = None) -> str:
        bias, relu = self.bias(acc, channels), self.chance(0.4)
        axis = self.b.tensor(acc).channel_axis
        v = self.real(acc) + (0 if bias is None else bias.reshape((-1,) + (1,) * (-1 - axis)))
        v = np.maximum(v, 0) if relu else v
        v = v + self.real(residual) if residual else v
        spec = self.out_type(v)
        self.check_residual(residual, spec)
        return self.done(self.b.requantize(acc, **spec, relu=relu, residual=residual, bias_real=bias))

    def check_residual(self, residual: str | None, spec: dict) -> None:
        """A residual with steps of thousands of output steps leaves a lane no bits for the rest: draw again."""
        if residual and self.b.tensor(residual).scale > 512 * spec["scale"]:
            raise UnsupportedError(f"residual {residual!r} is too steep")

    def lookup(self, x: str) -> str:
        fn = str(self.rng.choice(ACTIVATIONS))
        return self.done(self.b.activation(x, fn, **self.out_type(FUNCTIONS[fn](self.real(x)))))

    def norm(self, x: str) -> str:
        row = self.b.tensor(x).shape[-1]
        gamma, beta = self.rng.normal(1, 0.3, row), self.rng.normal(0, 0.3, row)
        if self.limits.power_of_two:
            gamma, beta = 2.0 ** self.rng.integers(-1, 2, row), np.round(beta * 64) / 64
        spec = self.out_type(np.array([-2.5, 2.5]))
        rms = self.limits.rms and self.chance(0.3)
        gamma, beta = (a.astype(np.float32) for a in (gamma, beta))
        eps = float(self.rng.choice([1e-5, 1e-6, 1e-3]))
        return self.done(self.b.layernorm(x, gamma, beta, eps, rms=rms, **spec))

    def softmax(self, x: str) -> str:
        """At the usual scale of 1/256, or at any scale and with a temperature. A row of one would be a constant."""
        if self.b.tensor(x).shape[-1] == 1:
            return self.requantize(x)
        if self.chance(0.5):
            return self.done(self.b.softmax(x))
        gain = 2.0 ** self.rng.integers(-3, 1) * (1 if self.limits.power_of_two else self.rng.uniform(0.7, 1.4))
        return self.done(self.b.softmax(x, **self.out_type(np.array([0.0, 0.5])), gain=gain))

    def requantize(self, x: str) -> str:
        return self.done(self.b.requantize(x, **self.out_type(self.real(x)), relu=self.chance(0.2)))

    def add(self, x: str) -> str:
        """Two quantized operands."""
        same = [t for t in self.tensors if self.b.tensor(t).shape == self.b.tensor(x).shape and t != x]
        if not same:
            return self.requantize(x)
        other = str(self.rng.choice(same))
        spec = self.out_type(self.real(x) + self.real(other))
        self.check_residual(other, spec)
        return self.done(self.b.requantize(x, **spec, residual=other))

    def end(self, x: str) -> None:
        if self.limits.wide and self.chance(0.3):
            fan_in, out = self.b.tensor(x).shape[-1], self.width()
            w, sw, bits = self.weights((fan_in, out), out)
            acc = self.emit(self.b.linear(x, w, sw, None, bits))
            x = self.emit(self.b.wide(acc, relu=self.chance(0.2), bias_real=self.bias(acc, out)))
        if x in self.b.graph.inputs:
            x = self.requantize(x)
        self.b.output(x, "y")

    # -- images ------------------------------------------------------------------------------------------------

    def image(self) -> str:
        """Convolutions, pooling and FiLM over a small image or sequence; ends as a vector."""
        n = 1 + self.chance(0.7)
        space = tuple(int(v) for v in self.rng.integers(4, 11, n))
        x = self.input("x", (int(self.rng.integers(1, 5)), *space))
        kinds = ["conv", "conv", "pool", "film", "branch", "norm_last"] + ["softmax"] * self.limits.softmax
        for _ in range(self.rng.integers(1, 4)):
            x = getattr(self, str(self.rng.choice(kinds)))(x)
        kind, area = int(self.rng.integers(0, 3)), int(np.prod(self.b.tensor(x).shape[1:]))
        if kind == 0 and len(self.b.tensor(x).shape) > 1 and not (self.limits.power_of_two and area & (area - 1)):
            acc = self.emit(self.b.sumpool(x))
            count = float(np.prod(self.b.graph.nodes[-1].kernel))
            real = self.real(acc) / count
            x = self.done(self.b.requantize(acc, **self.out_type(real), gain=1 / count))
        elif kind == 1:
            perm = self.rng.permutation(len(self.b.tensor(x).shape))
            x = self.done(self.b.transpose(x, tuple(int(p) for p in perm)))
        return self.done(self.b.flatten(x))

    def conv(self, x: str) -> str:
        channels, *space = self.b.tensor(x).shape
        groups = int(self.rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
        out = groups * int(self.rng.integers(1, 4))
        kernel = [int(self.rng.integers(1, min(4, s + 1))) for s in space]
        dilation = [int(self.rng.integers(1, 3)) if (k - 1) * 2 < s else 1 for k, s in zip(kernel, space, strict=True)]
        w, sw, bits = self.weights((out, channels // groups, *kernel), out)
        stride, pads = self.rng.integers(1, 3, len(space)), self.rng.integers(0, 2, 2 * len(space))
        acc = self.emit(self.b.conv(x, w, sw, None, bits, stride, pads, dilation, groups))
        return self.requantized(acc, out)

    def pool(self, x: str) -> str:
        space = self.b.tensor(x).shape[1:]
        kernel = [int(self.rng.integers(1, min(3, s) + 1)) for s in space]
        if self.limits.power_of_two:  # then the mean is exact, too
            kernel = [min(k, 2) for k in kernel]
        if self.chance(0.5):
            return self.done(self.b.maxpool(x, kernel, 1 + self.chance(0.5), [int(k > 1) for k in kernel] * 2))
        acc = self.emit(self.b.sumpool(x, kernel, 1 + self.chance(0.5)))
        gain = 1.0 / float(np.prod(kernel))
        return self.done(self.b.requantize(acc, **self.out_type(self.real(acc) * gain), gain=gain))

    def film(self, x: str) -> str:
        shape = self.b.tensor(x).shape
        per_channel = (shape[0], *(1,) * (len(shape) - 1))
        gamma = self.input(self.b._fresh("gamma"), per_channel)
        v = self.real(x) * self.real(gamma)
        if self.chance(0.4):
            return self.done(self.b.mul(x, gamma, **self.out_type(v)))
        beta = self.input(self.b._fresh("beta"), per_channel)
        return self.done(self.b.film(x, gamma, beta, **self.out_type(v + self.real(beta))))

    def branch(self, x: str) -> str:
        """Slices side by side."""
        n = self.b.tensor(x).shape[-1]
        cut = int(self.rng.integers(1, n)) if n > 1 else 0
        if not cut:
            return self.requantize(x)
        a = self.done(self.b.slice(x, -1, 0, cut))
        c = self.done(self.b.slice(x, -1, cut, n))
        return self.done(self.b.concat([c, a], axis=len(self.b.tensor(x).shape) - 1))

    def norm_last(self, x: str) -> str:
        return self.norm(x) if self.limits.norms else self.requantize(x)
