"""Ways to write a layer, each imported and compared with QONNX's executor (power-of-two scales: equal)."""

import numpy as np
import pytest
from onnx import helper

from hwgen.graph import dequantize_outputs, qonnx_in, qonnx_out, quantize_inputs, run
from tests.graph.executor import execute
from tests.graph.foreign import Style, Writer

RNG = np.random.default_rng(1)
SQUARE = RNG.normal(0, 0.5, (4, 4))
KERNEL = RNG.normal(0, 0.3, (4, 2, 3, 3))
BIAS = np.round(RNG.normal(0, 1, 4) * 64) / 64
ONE = np.ones(4)


class Pattern(Writer):
    """A writer with the few layers that the patterns are made of."""

    def q(self, x, scale=2.0**-4, **spec):
        return self.quant(x, scale, **spec)

    def x(self, name="x", n=4):
        return self.q(self.input((n,), name), 2.0**-5)

    def acc(self, x):
        return self.linear(x, SQUARE, 2.0**-4, 4)

    def img(self):
        return self.q(self.input((2, 6, 6)), 2.0**-5)

    def conv(self, x, weight=KERNEL, **attrs):
        return self.op("Conv", x, self.quant(self.const(weight), 2.0**-4, 4), **attrs)

    def ints(self, *values):
        return self.const(values, np.int64)


def mixed_sum(p):
    """relu(acc) + x + another tensor"""
    x, y = p.x(), p.x("y")
    return p.q(p.op("Add", p.op("Add", p.op("Relu", p.acc(x)), y), x))


def relu_twice(p):
    x = p.x()
    return p.q(p.op("Relu", p.op("Add", p.op("Relu", p.acc(x)), x)), signed=0)


def relu_of_sum_plus_tensor(p):
    x, y = p.x(), p.x("y")
    return p.q(p.op("Add", p.op("Relu", p.op("Add", p.acc(x), x)), y))


def clip_plus_tensor(p):
    x = p.x()
    return p.q(p.op("Add", p.op("Clip", p.acc(x), p.const(-1.0), p.const(1.0)), x))


def relu_bias_tensor(p):
    """relu(acc) + a constant per channel + x"""
    x = p.x()
    return p.q(p.op("Add", p.op("Add", p.op("Relu", p.acc(x)), p.const(BIAS)), x))


def negated(p):
    x = p.x()
    return p.q(p.op("Sub", p.op("Neg", p.op("Relu", p.acc(x))), x))


def constant_minus(p):
    return p.q(p.op("Sub", p.const(BIAS), p.acc(p.x())))


def relu_scaled_per_channel(p):
    y = p.op("Mul", p.op("Relu", p.acc(p.x())), p.const([0.5, 1.0, 2.0, 0.25]))
    return p.q(p.op("Add", y, p.const(BIAS)))


def relu_scaled_by_signs(p):
    return p.q(p.op("Mul", p.op("Relu", p.acc(p.x())), p.const([0.5, -1.0, 2.0, -0.25])))


def doubled(p):
    x = p.x()
    return p.q(p.op("Add", x, x))


def offset_into_a_layer(p):
    """(x / 2 - 1) @ W: the offset becomes a bias"""
    return p.q(p.acc(p.op("Sub", p.op("Div", p.x(), p.const(2.0)), p.const(ONE))))


def minmax(p):
    return p.q(p.op("Min", p.op("Max", p.acc(p.x()), p.const(-0.5)), p.const(1.0)))


def quantized_twice(p):
    x = p.x()
    return p.acc(p.q(p.q(x, 2.0**-5), 2.0**-5))


def weight_transposed(p):
    w = p.op("Transpose", p.quant(p.const(SQUARE), np.array([[0.25], [0.125], [0.25], [0.5]]), 4), perm=[1, 0])
    return p.q(p.op("MatMul", p.x(), w))


def weight_scaled_afterwards(p):
    w = p.op("Mul", p.quant(p.const(SQUARE * 16), 1.0, 4), p.const([0.25, 0.125, 0.25, 0.5]))
    return p.q(p.op("MatMul", p.x(), w))


def flat_accumulator(p):
    """Conv, then Flatten, then the quantizer"""
    return p.q(p.op("Flatten", p.op("Relu", p.conv(p.img())), axis=1), signed=0)


def channels_last_bias(p):
    """Conv, to channels last, bias and batch norm there, and back"""
    y = p.op("Transpose", p.conv(p.img()), perm=[0, 2, 3, 1])
    y = p.op("Mul", p.op("Add", y, p.const(BIAS)), p.const([0.5, 1.0, 2.0, 1.0]))
    return p.op("Transpose", p.q(p.op("Relu", y), signed=0), perm=[0, 3, 1, 2])


def channels_last_residual(p):
    x = p.img()
    y = p.op("Transpose", p.conv(x, KERNEL[:2], pads=[1, 1, 1, 1]), perm=[0, 2, 3, 1])
    return p.q(p.op("Add", y, p.op("Transpose", x, perm=[0, 2, 3, 1])))


def pooled_accumulator(p):
    return p.q(p.op("MaxPool", p.op("Relu", p.conv(p.img())), kernel_shape=[2, 2], strides=[2, 2]), signed=0)


def padded_conv(p):
    return p.q(p.conv(p.op("Pad", p.img(), p.ints(0, 0, 1, 2, 0, 0, 1, 0))))


def same_conv(p):
    return p.q(p.conv(p.img(), auto_pad="SAME_UPPER", strides=[2, 2]))


def same_lower_conv(p):
    return p.q(p.conv(p.img(), auto_pad="SAME_LOWER", strides=[2, 2]))


def sequence_conv(p):
    x = p.q(p.input((2, 9)), 2.0**-5)
    return p.q(p.conv(x, KERNEL[:, :, 0], pads=[2, 0], dilations=[2], kernel_shape=[3]))


def joined_before_quant(p):
    x = p.x()
    return p.q(p.op("Concat", p.acc(x), x, p.op("Tanh", x), axis=-1))


def relu_of_joined(p):
    """One activation for two branches side by side"""
    x = p.x()
    return p.q(p.op("Mul", p.op("Relu", p.op("Concat", p.acc(x), x, axis=1)), p.const(0.5)), signed=0)


def joined_after_quant(p):
    x, y = p.x(), p.x("y", 3)
    return p.q(p.linear(p.op("Concat", x, y, axis=1), RNG.normal(0, 1, (7, 2)), 2.0**-3, 4))


def split(p):
    x = p.q(p.input((6,)), 2.0**-5)
    p.nodes.append(helper.make_node("Split", [x, p.ints(4, 2)], ["left", "right"], axis=1))
    return p.q(p.op("Concat", "right", p.acc("left"), axis=1))


def token(p):
    x = p.q(p.input((3, 4)), 2.0**-5)
    return p.q(p.acc(p.op("Gather", x, p.const(1, np.int64), axis=1)))


def token_mean(p):
    x = p.q(p.input((8, 4)), 2.0**-5)
    return p.q(p.acc(p.q(p.op("ReduceMean", x, axes=[1], keepdims=0))))


def feature_mean(p):
    return p.q(p.op("ReduceMean", p.q(p.input((3, 4)), 2.0**-5), axes=[2], keepdims=1))


def feature_sum(p):
    return p.q(p.op("ReduceSum", p.q(p.input((3, 4)), 2.0**-5), p.ints(2), keepdims=0))


def tokens_linear(p):
    x = p.q(p.input((3, 4)), 2.0**-5)
    return p.q(p.op("Add", p.op("Relu", p.op("Add", p.acc(x), p.const(BIAS))), x))


def average(p):
    return p.q(p.op("AveragePool", p.img(), kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]))


def padded_average(p):
    return p.q(p.op("AveragePool", p.img(), kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1))


def film_image(p):
    x, g, b = p.img(), p.x("g", 2), p.x("b", 2)
    g, b = (p.op("Unsqueeze", v, p.ints(2, 3)) for v in (g, b))
    return p.q(p.op("Relu", p.op("Add", p.op("Mul", x, p.op("Add", g, p.const(1.0))), b)), signed=0)


def gate(p):
    """x * sigmoid(y), the gate quantized"""
    x, y = p.x(), p.x("y")
    return p.q(p.op("Mul", x, p.q(p.op("Sigmoid", y), 2.0**-8, signed=0)))


def square(p):
    x = p.x()
    return p.q(p.op("Mul", x, x))


def unquantized_end(p):
    return p.op("Add", p.acc(p.x()), p.const(BIAS))


def denormalized_end(p):
    """integers, then times and plus a constant per channel"""
    return p.op("Add", p.op("Mul", p.q(p.acc(p.x())), p.const([0.5, 2.0, -1.0, 4.0])), p.const(BIAS))


def flat_end(p):
    return p.op("Flatten", p.conv(p.img()), axis=1)


def relu_end(p):
    x = p.x()
    return p.op("Relu", p.op("Add", p.acc(x), x))


def clipped_end(p):
    return p.op("Clip", p.acc(p.x()), p.const(-1.0), p.const(1.0))


def input_behind_a_factor(p):
    return p.acc(p.q(p.op("Mul", p.input((4,)), p.const(0.5)), 2.0**-5))


def input_reshaped(p):
    return p.q(p.acc(p.q(p.op("Reshape", p.input((2, 2)), p.ints(-1, 4)), 2.0**-5)))


def dynamic_reshape(p):
    """As PyTorch writes x.view(x.size(0), -1)"""
    x = p.q(p.input((2, 2)), 2.0**-5)
    n = p.op("Unsqueeze", p.op("Gather", p.op("Shape", x), p.const(0, np.int64), axis=0), p.ints(0))
    return p.q(p.acc(p.op("Reshape", x, p.op("Concat", n, p.ints(-1), axis=0))))


def half_squeeze(p):
    x = p.op("Squeeze", p.op("Unsqueeze", p.x(), p.ints(1)), p.ints(1))
    return p.q(p.acc(x))


def mean_subtracted_and_pooled(p):
    """A mean over the last axis that is no normalization"""
    x = p.q(p.input((3, 4)), 2.0**-5)
    return p.q(p.op("Mul", p.op("ReduceMean", x, axes=[-1]), p.const(2.0)))


def attention_weights(p):
    """Scores, a mean of them taken off, times a temperature; softmax over the last axis; a factor behind it"""
    x = p.q(p.input((3, 8)), 2.0**-4)
    x = p.op("Sub", p.op("Mul", x, p.const(2.0**-0.5)), p.const(0.3))
    return p.q(p.op("Mul", p.op("Softmax", x, axis=2), p.const(0.7)), 2.0**-8, signed=0)


def attention(p):
    """Scores of each head, softmax, then values; a positional embedding before it, a learned query beside it"""
    x = p.q(p.op("Add", p.q(p.input((3, 8)), 2.0**-4), p.q(p.const(RNG.normal(0, 1, (1, 3, 8))), 2.0**-5)), 2.0**-4)
    q, k, v = (p.q(p.linear(x, RNG.normal(0, 0.5, (8, 8)), 2.0**-4, 4), 2.0**-4) for _ in range(3))
    q, v = (p.op("Transpose", p.op("Reshape", t, p.ints(0, 3, 2, 4)), perm=[0, 2, 1, 3]) for t in (q, v))
    k = p.op("Transpose", p.op("Reshape", k, p.ints(0, 3, 2, 4)), perm=[0, 2, 3, 1])
    scores = p.q(p.op("Mul", p.op("MatMul", q, k), p.const(0.5)), 2.0**-4)
    y = p.q(p.op("MatMul", p.q(p.op("Softmax", scores, axis=-1), 2.0**-8, signed=0), v), 2.0**-5)
    y = p.op("Reshape", p.op("Transpose", y, perm=[0, 2, 1, 3]), p.ints(0, 3, 8))
    return p.q(p.op("MatMul", p.q(p.const(RNG.normal(0, 1, (2, 3))), 2.0**-6), y), 2.0**-4)


def class_token(p):
    """A learned row in front of the others, as wide as the batch"""
    x = p.q(p.input((3, 4)), 2.0**-4)
    token = p.op("Expand", p.q(p.const(RNG.normal(0, 1, (1, 1, 4))), 2.0**-4), p.ints(p.style.batch, 1, 4))
    return p.q(p.acc(p.op("Concat", token, x, axis=1)))


def group_norm_of_pytorch(p):
    """Instance normalization over [groups, rest] between two Reshapes, then a scale and a bias per channel"""
    x = p.op("Reshape", p.q(p.input((4, 3, 2)), 2.0**-4), p.ints(0, 2, -1))
    y = p.op("InstanceNormalization", x, p.const(np.ones(2)), p.const(np.zeros(2)), epsilon=1e-3)
    y = p.op("Mul", p.op("Reshape", y, p.ints(0, 4, 3, 2)), p.const([[[0.5]], [[2.0]], [[1.0]], [[1.0]]]))
    return p.q(p.op("Relu", p.op("Add", y, p.const(BIAS.reshape(4, 1, 1)))), 2.0**-5)


def instance_norm(p):
    return p.q(p.op("InstanceNormalization", p.img(), p.const([0.5, 2.0]), p.const(BIAS[:2]), epsilon=1e-3), 2.0**-5)


def upsampled(p):
    """Transposed convolution in groups, with a bias inside and a scale per output channel"""
    weight, scale = RNG.normal(0, 0.3, (4, 2, 4)), 2.0 ** np.array([-4, -5, -3, -4]).reshape(2, 2, 1).repeat(2, 0)
    w, x = p.quant(p.const(weight), scale, 4), p.q(p.input((4, 5)), 2.0**-5)
    return p.q(p.op("ConvTranspose", x, w, p.const(BIAS), strides=[2], pads=[1, 2], output_padding=[1], group=2))


def constant_factor(p):
    """A constant as large as the activation that it multiplies"""
    x = p.q(p.input((3, 4)), 2.0**-4)
    return p.q(p.op("Mul", p.q(p.const(RNG.normal(0, 1, (1, 3, 4))), 2.0**-5), x))


def softmax_of_a_vector(p):
    x = p.x()
    return p.q(p.op("Clip", p.op("Softmax", x, axis=-1), p.const(0.0), p.const(0.5)), 0.011, bits=7)


def unused_branch(p):
    x = p.x()
    p.op("LogSoftmax", x)
    return p.q(p.acc(x))


PATTERNS = {
    f.__name__: f
    for f in list(globals().values())
    if callable(f) and getattr(f, "__module__", "") == __name__ and not isinstance(f, type)
}


ROUNDED = (
    "gate",
    "joined_before_quant",
    "relu_of_joined",
    "attention_weights",
    "softmax_of_a_vector",
    "attention",
    "group_norm_of_pytorch",
    "instance_norm",
)
"""Where float32 rounds on its way, so that one step is allowed."""


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_equals_the_executor(name, batch, rng):
    p = Pattern(Style(opset=15, batch=batch))
    model = p.model(PATTERNS[name](p))
    check(model, rng, batch, name in ROUNDED)


def check(model, rng, batch: int, rounded: bool = False) -> None:
    graph = qonnx_in.load(model)
    real = {n: rng.normal(0, 2, (batch, *graph.tensors[n].shape)).astype(np.float32) for n in graph.inputs}
    edges = execute(model, real)
    ints = run(graph, quantize_inputs(graph, real))
    again = qonnx_in.load(qonnx_out.to_model(graph))
    assert all(np.array_equal(v, ints[n]) for n, v in run(again, quantize_inputs(graph, real)).items())
    for n, y in dequantize_outputs(graph, ints).items():
        step = np.max(graph.tensors[n].scale)
        assert y.shape == edges[n].shape
        assert np.abs(y - edges[n]).max() <= (1.01 * step if rounded else step * 1e-3)


def test_several_outputs_and_an_output_inside(rng):
    p = Pattern(Style(opset=15))
    x = p.x()
    h = p.q(p.acc(x))
    y = p.q(p.op("Relu", p.acc(h)), signed=0)
    again = p.q(h, 2.0**-4)  # changes nothing: the same tensor under another name
    check(p.model(h, y, again, x), rng, 1)


def test_symbolic_batch(rng):
    p = Pattern(Style(opset=15))
    model = p.model(dynamic_reshape(p))
    graph = qonnx_in.load(model)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    again = qonnx_in.load(model)
    x = {"x": rng.integers(-128, 128, (5, 2, 2))}
    assert all(np.array_equal(a, b) for a, b in zip(run(graph, x).values(), run(again, x).values(), strict=True))
