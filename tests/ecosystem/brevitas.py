"""QONNX as `brevitas.export.export_qonnx` writes it, node for node (compared with Brevitas 0.13.4 on torch 2.13).

    model = MODELS["cnn"](Flavor(traced=True, power_of_two=False), rng)

Brevitas itself needs torch, which hwgen does not. The two exporters of torch differ in names, in opsets and in how they
write LayerNorm and means; both list every parameter among the model's inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx

from tests.graph.foreign import Style, Writer


@dataclass(frozen=True)
class Flavor:
    """How a model was quantized and exported.

    traced: by torch's older exporter (dynamo=False). power_of_two: Brevitas' *FixedPoint quantizers, else its default
    of any scale. per_channel: weight scales. bits: of weights. bias: None (a float), "acc" (Int32Bias: the
    accumulator's scale) or "own" (Int8BiasPerTensorFloatInternalScaling).
    """

    traced: bool = False
    opset: int = 18
    power_of_two: bool = True
    per_channel: bool = False
    bits: int = 4
    bias: str | None = None


@dataclass
class Module(Writer):
    """Layers of brevitas.nn; methods take and return edges. scale: of the quantized edges."""

    flavor: Flavor = field(default_factory=Flavor)
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    scale: dict[str, float] = field(default_factory=dict)

    # -- how torch names things --------------------------------------------------------------------------------

    def name(self, base: str) -> str:
        self.count += 1
        if base == "const":
            return f"{self.count}.export_handler.lifted_tensor_{self.count}"
        return f"/{self.count}/{base.capitalize()}_output_0" if self.flavor.traced else f"_{base}_{self.count}"

    def label(self, op: str) -> str:
        return f"/{self.count}/{op}" if self.flavor.traced else f"node_{op.lower()}_{self.count}"

    def graph_inputs(self) -> list:
        given = [onnx.helper.make_tensor_value_info(i.name, i.data_type, i.dims) for i in self.inits]
        return [*self.inputs, *given]

    def finish(self, y: str, shape: tuple[int, ...]) -> onnx.ModelProto:
        if self.flavor.traced:  # outputs are numbers there
            self.nodes[-1].output[0] = y = str(30 + self.count)
        return self.model(y, shapes=[shape])

    # -- quantizers --------------------------------------------------------------------------------------------

    def step(self, spread: float, bits: int) -> np.float32:
        """A scale at which values of this spread fill `bits` bits."""
        s = spread / 2 ** (bits - 1)
        return np.float32(2.0 ** np.round(np.log2(s)) if self.flavor.power_of_two else s * self.rng.uniform(0.7, 1.4))

    def identity(self, x: str, spread: float = 4.0, bits: int = 8, signed: int = 1) -> str:
        """QuantIdentity, or the quantizer of any other layer"""
        s = self.step(spread, bits)
        y = self.quant(x, s, np.float32(bits), signed=signed, narrow=0)
        self.scale[y] = float(s)
        return y

    def relu(self, x: str, bits: int = 8) -> str:
        """QuantReLU"""
        return self.identity(self.op("Relu", x), 2.0, bits, signed=0)

    def start(self, shape: tuple[int, ...]) -> str:
        """The model's input and a QuantIdentity"""
        return self.identity(self.input(shape, "x.225" if self.flavor.traced else "input"))

    # -- layers ------------------------------------------------------------------------------------------------

    def weight(self, shape: tuple[int, ...], fan_in: int) -> tuple[str, np.ndarray]:
        """A weight behind its Quant node, and its scale as [out, 1, ...] or []"""
        real = self.rng.normal(0, 1.5 / np.sqrt(fan_in), shape).astype(np.float32)
        if self.flavor.per_channel:
            top = np.abs(real).reshape(shape[0], -1).max(1)
            s = np.array([self.step(t, self.flavor.bits) for t in top]).reshape(-1, *(1,) * (len(shape) - 1))
        else:
            s = np.asarray(self.step(np.abs(real).max(), self.flavor.bits))
        return self.quant(self.const(real), s, np.float32(self.flavor.bits), narrow=1), s

    def bias(self, x: str, s: np.ndarray, n: int) -> str:
        real = self.rng.normal(0, 0.3, n).astype(np.float32)
        if self.flavor.power_of_two and self.flavor.bias is None:
            real = np.round(real * 2**12) / np.float32(2**12)  # so that float32 adds it exactly
        if self.flavor.bias == "acc":
            return self.quant(self.const(real), (s * np.float32(self.scale[x])).reshape(-1), np.float32(32))
        if self.flavor.bias == "own":
            return self.quant(self.const(real), self.step(0.6, 8), np.float32(8))
        return self.const(real)

    def linear(self, x: str, n: int, m: int, bias: bool = True) -> str:
        """QuantLinear on [1, n]: Gemm"""
        w, s = self.weight((m, n), n)
        return self.op("Gemm", x, w, *([self.bias(x, s, m)] if bias else []), alpha=1.0, beta=1.0, transB=1)

    def tokens_linear(self, x: str, n: int, m: int, bias: bool = True) -> str:
        """QuantLinear on [1, tokens, n]: Transpose, MatMul, Add"""
        w, s = self.weight((m, n), n)
        y = self.op("MatMul", x, self.op("Transpose", w, perm=[1, 0]))
        if not bias:
            return y
        b = self.bias(x, s, m)
        return self.op("Add", *((b, y) if self.flavor.traced else (y, b)))

    def conv(self, x: str, n: int, m: int, kernel: int = 3, stride: int = 1, groups: int = 1, axes: int = 2,
             bias: bool = False) -> str:  # fmt: skip
        """QuantConv1d, QuantConv2d with padding kernel // 2"""
        w, s = self.weight((m, n // groups, *(kernel,) * axes), n // groups * kernel**axes)
        window = {"kernel_shape": [kernel] * axes, "strides": [stride] * axes, "dilations": [1] * axes}
        pads = {"pads": [kernel // 2] * (2 * axes), "group": groups}
        return self.op("Conv", x, w, *([self.bias(x, s, m)] if bias else []), **window, **pads)

    def batch_norm(self, x: str, n: int) -> str:
        """BatchNorm1d, BatchNorm2d in evaluation mode"""
        gamma, var = self.rng.uniform(0.5, 1.5, n), self.rng.uniform(0.5, 1.5, n)
        params = [self.const(p) for p in (gamma, self.rng.normal(0, 0.3, n), self.rng.normal(0, 0.2, n), var)]
        return self.op("BatchNormalization", x, *params, epsilon=1e-5, momentum=0.9)

    def trunc_pool(self, x: str, kernel: int = 2, mode: str = "round") -> str:
        """TruncAvgPool2d"""
        y = self.op("AveragePool", x, kernel_shape=[kernel] * 2, strides=[kernel] * 2, count_include_pad=1)
        s = np.float32(self.scale[x])
        params = [self.const(v) for v in (s / np.float32(kernel**2), 0.0, 8 + 2 * np.log2(kernel), s, 8.0)]
        out = self.op("Trunc", y, *params, domain=self.style.domain, rounding_mode=mode, signed=0, narrow=0)
        self.scale[out] = float(s)
        return out

    def layer_norm(self, x: str, n: int) -> str:
        """LayerNorm: one node, or spelled out"""
        gamma, beta = (self.const(self.rng.normal(m, 0.2, n)) for m in (1.0, 0.0))
        if not self.flavor.traced:
            return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-5, stash_type=1)
        centered = self.op("Sub", x, self.mean(x, [-1]))
        var = self.mean(self.op("Pow", centered, self.const(2.0)), [-1])
        z = self.op("Div", centered, self.op("Sqrt", self.op("Add", var, self.const(1e-5))))
        return self.op("Add", self.op("Mul", z, gamma), beta)

    def gelu(self, x: str) -> str:
        """GELU, spelled out"""
        half = self.op("Add", self.op("Erf", self.op("Div", x, self.const(np.sqrt(2.0)))), self.const(1.0))
        if self.flavor.traced:
            return self.op("Mul", self.op("Mul", x, half), self.const(0.5))
        return self.op("Mul", x, self.op("Mul", self.const(0.5), half))

    def mean_of_space(self, x: str) -> str:
        """adaptive_avg_pool2d(x, 1)"""
        return self.op("GlobalAveragePool", x) if self.flavor.traced else self.mean(x, [-2, -1])

    def mean(self, x: str, axes: list[int]) -> str:
        if self.flavor.opset < 18:
            return self.op("ReduceMean", x, axes=axes, keepdims=1)
        return self.op("ReduceMean", x, self.const(axes, np.int64), keepdims=1, noop_with_empty_axes=0)

    def flat(self, x: str, n: int) -> str:
        """Flatten, or a view"""
        if self.flavor.traced:
            return self.same_scale(x, self.op("Flatten", x, axis=1))
        shape = {"allowzero": 1} if self.flavor.opset >= 14 else {}
        return self.same_scale(x, self.op("Reshape", x, self.const([1, n], np.int64), **shape))

    def max_pool(self, x: str) -> str:
        """MaxPool2d(2)"""
        window = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0] * 4, "dilations": [1, 1], "ceil_mode": 0}
        return self.same_scale(x, self.op("MaxPool", x, **window))

    def same_scale(self, x: str, y: str) -> str:
        self.scale[y] = self.scale[x]
        return y


Build = Callable[[Flavor, np.random.Generator], onnx.ModelProto]
MODELS: dict[str, Build] = {}
"""Models by name."""


def model(build: Callable[[Module], tuple[str, tuple[int, ...]]]) -> Callable:
    """Register `build`, which writes a model into a Module and returns its output with shape."""

    def made(flavor: Flavor, rng: np.random.Generator) -> onnx.ModelProto:
        m = Module(Style(opset=flavor.opset, domain_version=2), flavor=flavor, rng=rng)
        return m.finish(*build(m))

    MODELS[build.__name__] = made
    return build


@model
def mlp(m: Module):
    x = m.relu(m.linear(m.start((10,)), 10, 16), m.flavor.bits)
    x = m.relu(m.linear(x, 16, 12), m.flavor.bits)
    return m.linear(x, 12, 4), (4,)


@model
def mlp_batch_norm(m: Module):
    x = m.relu(m.batch_norm(m.linear(m.start((10,)), 10, 12, bias=False), 12))
    return m.identity(m.linear(x, 12, 4)), (4,)


@model
def mlp_hard_tanh(m: Module):
    """QuantHardTanh: no Clip is left of it, for the quantizer saturates at the same place"""
    x = m.identity(m.linear(m.start((10,)), 10, 12), 1.0)
    return m.identity(m.linear(x, 12, 4)), (4,)


@model
def mlp_joined(m: Module):
    x = m.start((10,))
    x = m.relu(m.op("Concat", m.op("Relu", m.linear(x, 10, 6)), m.linear(x, 10, 5), axis=1))
    return m.identity(m.linear(x, 11, 3)), (3,)


@model
def cnn(m: Module):
    x = m.relu(m.batch_norm(m.conv(m.start((3, 8, 8)), 3, 8, stride=2, bias=True), 8))
    return m.linear(m.flat(m.max_pool(x), 32), 32, 6), (6,)


@model
def cnn_depthwise(m: Module):
    x = m.relu(m.batch_norm(m.conv(m.start((4, 6, 6)), 4, 4, groups=4), 4))
    x = m.relu(m.batch_norm(m.conv(x, 4, 6, kernel=1), 6))
    return m.identity(m.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 2.0, signed=0), (6, 3, 3)


@model
def cnn_trunc_pool(m: Module):
    x = m.trunc_pool(m.relu(m.conv(m.start((3, 8, 8)), 3, 4)))
    return m.identity(m.conv(x, 4, 3, kernel=1)), (3, 4, 4)


@model
def cnn_residual(m: Module):
    """QuantEltwiseAdd quantizes both sides to one scale"""
    x = m.relu(m.batch_norm(m.conv(m.start((3, 8, 8)), 3, 4), 4))
    y = m.batch_norm(m.conv(x, 4, 4), 4)
    s = m.step(4.0, 8)
    x = m.op("Add", m.quant(x, s, np.float32(8)), m.quant(y, s, np.float32(8)))
    x = m.identity(m.mean_of_space(m.relu(m.identity(x))), 1.0, signed=0)
    return m.identity(m.linear(m.flat(x, 4), 4, 5)), (5,)


@model
def conv1d(m: Module):
    x = m.relu(m.conv(m.start((4, 8)), 4, 6, axes=1, bias=True))
    return m.identity(m.linear(m.flat(x, 48), 48, 3)), (3,)


@model
def tokens(m: Module):
    x = m.identity(m.layer_norm(m.start((4, 8)), 8))
    x = m.identity(m.gelu(m.identity(m.tokens_linear(x, 8, 6))))
    x = m.identity(m.op("Softmax", x, axis=-1), 1.0, signed=0)
    return m.tokens_linear(x, 6, 3, bias=False), (4, 3)
