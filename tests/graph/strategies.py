"""Hypothesis strategies: random integer graphs, and random models as other tools write them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hwgen.graph.random_graphs import Limits, random_graph
from tests.graph.foreign import Style, Writer

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def graphs(draw, **fixed):
    """(graph, seed): a random integer graph; keyword arguments fix fields of Limits."""
    seed = draw(SEEDS)
    free = {
        "vectors": st.booleans(),
        "power_of_two": st.booleans(),
        "softmax": st.booleans(),
        "max_width": st.sampled_from([3, 16, 64, 600]),
        "blocks": st.integers(1, 6),
    }
    limits = Limits(**{**{k: draw(v) for k, v in free.items() if k not in fixed}, **fixed})
    return random_graph(seed, limits), seed


styles = st.builds(
    Style,
    opset=st.integers(13, 20),
    domain=st.sampled_from(["qonnx.custom_op.general", "onnx.brevitas"]),
    constants_as_nodes=st.booleans(),
    vector_params=st.just(False),
    gemm=st.booleans(),
    passes=st.booleans(),
    dead=st.booleans(),
    named=st.booleans(),
    cleanup=st.booleans(),
    annotated_input=st.booleans(),
)


@st.composite
def foreign_mlps(draw, power_of_two: bool = True):
    """(model, input shape): dense layers with biases, batch norm, activations and residuals in many spellings."""
    style, rng = draw(styles), np.random.default_rng(draw(SEEDS))
    m = _Mlp(Writer(style), rng, power_of_two)
    width = draw(st.integers(1, 40))
    x = m.start(width)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["plain", "plain", "norm", "residual", "activation", "film"]))
        x, width = getattr(m, kind)(x, width, draw)
    if draw(st.booleans()):
        x, width = m.dense(x, width, draw(st.integers(1, 12)))
    return m.w.model(x, shapes=[(width,)]), m.shape


@st.composite
def foreign_cnns(draw, power_of_two: bool = True):
    """(model, input shape): convolutions, batch norm, pooling, then a dense layer."""
    style, rng = draw(styles), np.random.default_rng(draw(SEEDS))
    m = _Mlp(Writer(style), rng, power_of_two)
    channels, size = draw(st.integers(1, 4)), draw(st.sampled_from([4, 6, 8]))
    x = m.start((channels, size, size))
    for _ in range(draw(st.integers(1, 3))):
        x, channels, size = m.conv(x, channels, size, draw)
    pool = draw(st.sampled_from(["none", "max", "global"]))
    if pool == "max" and size >= 2:
        x, size = m.w.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), size // 2
    if pool == "global" and size & (size - 1) == 0:
        x, size = m.quant(m.w.op("GlobalAveragePool", x), np.array([-1.0, 1.0])), 1
    x = m.flat(x, channels * size * size, draw)
    x, width = m.dense(x, channels * size * size, draw(st.integers(1, 8)))
    x = m.quant(x, np.array([-4.0, 4.0]))
    return m.w.model(x, shapes=[(width,)]), m.shape


class _Mlp:
    """Layers over a Writer; scales by rule of thumb, so that values neither vanish nor all saturate."""

    def __init__(self, writer: Writer, rng: np.random.Generator, power_of_two: bool):
        self.w, self.rng, self.po2 = writer, rng, power_of_two
        self.shape: tuple[int, ...] = ()
        self.scales: dict[str, float] = {}

    def start(self, shape) -> str:
        self.shape = (shape,) if isinstance(shape, int) else shape
        x = self.w.input(self.shape)
        if self.w.style.annotated_input:
            self.w.annotate(x, "INT8")
            return self.quant(x, np.array([-128.0, 127.0]))
        return self.quant(x, np.array([-2.0, 2.0]), signed=1)

    def real_scale(self, spread: float, bits: int) -> float:
        s = spread / 2 ** (bits - 1) * 2 ** self.rng.uniform(-1, 0.5)
        return float(2.0 ** np.round(np.log2(s))) if self.po2 else float(np.float32(s))

    def quant(self, x: str, span: np.ndarray, signed: int | None = None) -> str:
        bits = int(self.rng.choice([2, 3, 4, 8, 8, 8]))
        signed = int(span[0] < 0) if signed is None else signed
        narrow = int(self.rng.integers(0, 2))
        scale = self.real_scale(float(np.max(np.abs(span))), bits)
        y = self.w.quant(x, scale, bits, signed, narrow)
        self.scales[y] = scale
        return y

    def weights(self, shape: tuple[int, ...], axis: int, fan_in: int):
        """(real weights, scale, bits), not on the grid: the Quant node has to round them."""
        bits = int(self.rng.choice([2, 3, 4, 8]))
        spread = 1.5 / np.sqrt(fan_in)
        scale = self.real_scale(spread, bits)
        if self.rng.integers(0, 2):
            wide = 2.0 ** self.rng.integers(-1, 2, shape[axis])
            scale = (scale * wide).astype(np.float32)
        return self.rng.normal(0, spread, shape), scale, bits

    def bias(self, n: int) -> str | None:
        kind = int(self.rng.integers(0, 3))
        values = np.round(self.rng.normal(0, 0.5, n) * 2**10) / 2**10
        if kind == 0:
            return None
        c = self.w.const(values if self.po2 else self.rng.normal(0, 0.5, n))
        return c if kind == 1 else self.w.quant(c, 2.0**-10 if self.po2 else 0.0013, 16)

    def dense(self, x: str, n: int, out: int) -> tuple[str, int]:
        real, scale, bits = self.weights((n, out), 1, n)
        return self.w.linear(x, real, scale, bits, self.bias(out), narrow=int(self.rng.integers(0, 2))), out

    def norm_params(self, n: int) -> list[str]:
        if self.po2:
            factor, var = 2.0 ** self.rng.integers(-1, 2, n), 4.0 ** self.rng.integers(-1, 2, n)
            shift, mean = (np.round(self.rng.normal(0, 0.3, n) * 64) / 64 for _ in range(2))
        else:
            factor, var = self.rng.uniform(0.5, 2, n), self.rng.uniform(0.3, 2, n)
            shift, mean = self.rng.normal(0, 0.3, n), self.rng.normal(0, 0.3, n)
        return [self.w.const(p) for p in (factor, shift, mean, var)]

    def plain(self, x: str, n: int, draw) -> tuple[str, int]:
        y, n = self.dense(x, n, draw(st.integers(1, 40)))
        if draw(st.booleans()):
            y = self.w.op("BatchNormalization", y, *self.norm_params(n), epsilon=0.0 if self.po2 else 1e-5)
        return self.rectified(y, draw), n

    def rectified(self, y: str, draw) -> str:
        kind = draw(st.sampled_from(["none", "relu", "clip", "scaled"]))
        if kind == "none":
            return self.quant(y, np.array([-2.0, 2.0]))
        if kind == "scaled":  # a factor and an offset around a relu
            y = self.w.op("Mul", self.w.op("Relu", y), self.w.const(0.5))
            return self.quant(self.w.op("Add", y, self.w.const(0.25)), np.array([0.0, 2.0]))
        y = self.w.op("Relu", y) if kind == "relu" else self.w.op("Clip", y, self.w.const(0.0), self.w.const(1.5))
        return self.quant(y, np.array([0.0, 2.0]))

    def norm(self, x: str, n: int, draw) -> tuple[str, int]:
        gamma = 2.0 ** self.rng.integers(-1, 2, n) if self.po2 else self.rng.uniform(0.5, 1.5, n)
        beta = np.round(self.rng.normal(0, 0.3, n) * 64) / 64
        kind = draw(st.sampled_from(["op", "spelled", "rms"]))
        # One step squared: in short rows a smaller epsilon would be rounded (docs/numerics.md, LayerNorm).
        eps = self.scales[x] ** 2
        g, b = self.w.const(gamma), self.w.const(beta)
        if kind == "op" and self.w.style.opset >= 17:
            y = self.w.op("LayerNormalization", x, g, b, axis=-1, epsilon=eps)
            return self.quant(y, np.array([-3.0, 3.0])), n
        c = x if kind == "rms" else self.w.op("Sub", x, self.mean(x))
        # qonnx's cleanup breaks a node that reads one edge twice (it renames only the first).
        twice = draw(st.booleans()) and not self.w.style.cleanup
        square = self.w.op("Mul", c, c) if twice else self.w.op("Pow", c, self.w.const(2.0))
        std = self.w.op("Sqrt", self.w.op("Add", self.mean(square), self.w.const(eps)))
        z = self.w.op("Div", c, std) if draw(st.booleans()) else self.w.op("Mul", c, self.w.op("Reciprocal", std))
        y = self.w.op("Add", self.w.op("Mul", z, g), b)
        return self.quant(y, np.array([-3.0, 3.0])), n

    def mean(self, x: str) -> str:
        if self.w.style.opset >= 18:
            return self.w.op("ReduceMean", x, self.w.const([-1], np.int64), keepdims=1)
        return self.w.op("ReduceMean", x, axes=[-1], keepdims=1)

    def residual(self, x: str, n: int, draw) -> tuple[str, int]:
        y, _ = self.dense(x, n, n)
        form = draw(st.sampled_from(["sum", "relu", "two", "after"]))
        if form == "relu":
            y = self.w.op("Relu", y)
        if form == "two":
            y = self.quant(y, np.array([-2.0, 2.0]))
        y = self.w.op("Add", x, y) if draw(st.booleans()) else self.w.op("Add", y, x)
        if form == "after":
            return self.quant(self.w.op("Relu", y), np.array([0.0, 3.0])), n
        return self.quant(y, np.array([-3.0, 3.0])), n

    def activation(self, x: str, n: int, draw) -> tuple[str, int]:
        names = ["Sigmoid", "Tanh", "silu", "gelu", "gelu_tanh", "mish", "HardSwish", "LeakyRelu", "Elu", "Softplus"]
        names += ["Gelu"] * (self.w.style.opset >= 20) + ["Mish"] * (self.w.style.opset >= 18)
        kind, w = draw(st.sampled_from(names)), self.w
        if kind == "HardSwish" and w.style.opset < 14:
            kind = "Sigmoid"
        if kind == "silu":
            y = w.op("Mul", x, w.op("Sigmoid", x))
        elif kind == "mish":
            y = w.op("Mul", x, w.op("Tanh", w.op("Softplus", x)))
        elif kind == "gelu":
            e = w.op("Add", w.op("Erf", w.op("Div", x, w.const(np.sqrt(2)))), w.const(1.0))
            y = w.op("Mul", w.op("Mul", x, e), w.const(0.5))
        elif kind == "gelu_tanh":
            cube = w.op("Mul", w.op("Pow", x, w.const(3.0)), w.const(0.044715))
            t = w.op("Tanh", w.op("Mul", w.op("Add", x, cube), w.const(np.sqrt(2 / np.pi))))
            y = w.op("Mul", w.op("Mul", w.const(0.5), x), w.op("Add", t, w.const(1.0)))
        else:
            y = w.op(kind, x)
        return self.quant(y, np.array([-1.0, 1.0])), n

    def film(self, x: str, n: int, draw) -> tuple[str, int]:
        """x * (1 + gamma) + beta with gamma and beta from a dense layer."""
        gamma = self.quant(self.dense(x, n, n)[0], np.array([-1.0, 1.0]))
        if draw(st.booleans()):
            gamma = self.w.op("Add", gamma, self.w.const(1.0))
        y = self.w.op("Mul", x, gamma)
        if draw(st.booleans()):
            y = self.w.op("Add", y, self.quant(self.dense(x, n, n)[0], np.array([-1.0, 1.0])))
        return self.quant(y, np.array([-3.0, 3.0])), n

    def conv(self, x: str, channels: int, size: int, draw) -> tuple[str, int, int]:
        out, k, stride = draw(st.integers(1, 6)), draw(st.sampled_from([1, 3])), draw(st.integers(1, 2))
        if k > size:
            k = 1
        groups = channels if draw(st.booleans()) else 1
        out *= groups
        real, scale, bits = self.weights((out, channels // groups, k, k), 0, channels // groups * k * k)
        scale = scale.reshape(-1, 1, 1, 1) if np.ndim(scale) else scale
        w, pad = self.w.quant(self.w.const(real), scale, bits), draw(st.integers(0, k // 2))
        inside = [self.w.const(np.round(self.rng.normal(0, 0.5, out) * 64) / 64)] if draw(st.booleans()) else []
        y = self.w.op("Conv", x, w, *inside, kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, group=groups)
        size = (size + 2 * pad - k) // stride + 1
        if draw(st.booleans()):
            y = self.w.op("BatchNormalization", y, *self.norm_params(out), epsilon=0.0 if self.po2 else 1e-5)
        return self.rectified(y, draw), out, size

    def flat(self, x: str, n: int, draw) -> str:
        kind = draw(st.sampled_from(["Flatten", "reshape", "zero"]))
        if kind == "Flatten":
            return self.w.op("Flatten", x, axis=1)
        return self.w.op("Reshape", x, self.w.const([1 if kind == "reshape" else 0, -1], np.int64))
