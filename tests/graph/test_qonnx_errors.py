"""Models that cannot be mapped: the error names the node, the reason and the way out."""

import numpy as np
import pytest

from hwgen.errors import GraphError, InputError, UnsupportedError
from hwgen.graph import qonnx_in
from tests.graph.foreign import Style, Writer

W = np.ones((4, 3)) * 0.5


def load(build, **style):
    """Import what `build(writer, x)` writes, x being a quantized input [1, 4]."""
    w = Writer(Style(opset=style.pop("opset", 17), **style))
    out = build(w, w.quant(w.input((4,)), 0.125))
    return qonnx_in.load(w.model(out))


def linear(w: Writer, x: str, **weight) -> str:
    spec = {"scale": 0.25, "bits": 4, **weight}
    return w.op("MatMul", x, w.quant(w.const(spec.pop("real", W)), **spec))


def trunc(w: Writer, x: str, *params, **attrs) -> str:
    return w.op("Trunc", x, *(w.const(v) for v in params), domain="qonnx.custom_op.general", **attrs)


def image(w: Writer, _: str) -> str:
    return w.quant(w.input((2, 4, 4), "img"), 0.5)


def rows(w: Writer) -> str:
    return w.quant(w.input((2, 4), "rows"), 0.5)


def then_quant(w: Writer, y: str, **spec) -> str:
    return w.quant(y, **{"scale": 0.25, **spec})


CASES = {
    "NaN weights": (lambda w, x: linear(w, x, real=W * np.nan), "Quant.*weights hold NaN.*check"),
    "infinite weights": (lambda w, x: linear(w, x, real=W * np.inf), "Quant.*weights hold NaN"),
    "no scale": (lambda w, x: then_quant(w, x, scale=[]), "Quant.*scale is empty.*export"),
    "zero scale": (lambda w, x: then_quant(w, x, scale=0.0), "Quant.*its scale is 0.*positive"),
    "negative scale": (lambda w, x: linear(w, x, scale=-0.25), "Quant.*its scale is -0.25"),
    "NaN scale": (lambda w, x: then_quant(w, x, scale=np.nan), "Quant.*its scale is nan"),
    "zero point": (lambda w, x: then_quant(w, x, zero=3.0), "Quant.*zero point is not 0.*symmetric"),
    "16-bit activation": (lambda w, x: then_quant(w, x, bits=16), "Quant.*16 bits; 2 to 8"),
    "1-bit activation": (lambda w, x: then_quant(w, x, bits=1), "Quant.*1 bits; 2 to 8"),
    "NaN bits": (lambda w, x: then_quant(w, x, bits=np.nan), "Quant.*bit width is nan.*whole"),
    "infinite bits": (lambda w, x: then_quant(w, x, bits=np.inf), "Quant.*bit width is inf.*whole"),
    "no bits": (lambda w, x: then_quant(w, x, bits=[]), "Quant.*bit width is empty.*export"),
    "fractional bits": (lambda w, x: then_quant(w, x, bits=4.5), "Quant.*bit width is 4.5.*whole"),
    "1-bit weights": (lambda w, x: linear(w, x, bits=1), "Quant.*1 bits"),
    "wide weights": (lambda w, x: linear(w, x, bits=16, scale=0.001), "MatMul.*weights need 10 bits.*2 to 8"),
    "unsigned 8-bit weights": (lambda w, x: linear(w, x, bits=8, signed=0, scale=0.002), "MatMul.*weights need 9 bits"),
    "rounding": (lambda w, x: then_quant(w, x, mode="FLOOR"), "Quant.*FLOOR.*only ROUND"),
    "unknown rounding": (lambda w, x: then_quant(w, x, mode="DICE"), "Quant.*DICE is unknown"),
    "activation scale per channel": (
        lambda w, x: then_quant(w, x, scale=[0.5, 1, 1, 1]),
        "Quant.*one scale per tensor",
    ),
    "run-time scale": (
        lambda w, x: w.op("Quant", x, x, w.const(0.0), w.const(8.0), domain="qonnx.custom_op.general"),
        "Quant.*its scale is computed at run time",
    ),
    "missing inputs": (
        lambda w, x: w.op("Quant", x, w.const(1.0), domain="qonnx.custom_op.general"),
        "Quant.*2 inputs",
    ),
    "weight scale per input": (
        lambda w, x: linear(w, x, scale=np.array([[0.25], [0.5], [0.25], [0.25]])),
        "MatMul.*scale varies along the inputs.*per output channel",
    ),
    "float weights": (lambda w, x: w.op("MatMul", x, w.const(W)), "MatMul.*not quantized; put a Quant"),
    "NaN plain weights": (lambda w, x: w.op("MatMul", x, w.const(W * np.nan)), "MatMul.*NaN"),
    "NaN bias": (lambda w, x: w.op("Add", linear(w, x), w.const([np.nan, 0, 0])), "Add.*NaN"),
    "unquantized input of a layer": (
        lambda w, x: linear(w, linear(w, x), real=np.ones((3, 3))),
        "MatMul.*its input is not quantized: insert a Quant",
    ),
    "raw input": (lambda w, x: linear(w, w.input((4,), "raw")), "MatMul.*graph input.*without a Quant.*INT8"),
    "raw input in a sum": (lambda w, x: then_quant(w, w.op("Add", x, w.input((4,), "raw"))), "Quant.*'raw'.*without"),
    "two quantizers on an input": (
        lambda w, x: w.op("Add", x, w.quant("x", 0.5)),
        "Quant.*input 'x' is quantized here to int8, scale 0.5 but by node 'Quant.*scale 0.125.*once",
    ),
    "weight on the left": (
        lambda w, x: w.op("MatMul", w.quant(w.const(np.ones((1, 1))), 1.0), x),
        r"MatMul.*multiplies \(1,\) by \(4,\).*leading axes",
    ),
    "attention": (lambda w, x: w.op("MatMul", x, x), "MatMul.*leading axes must be equal"),
    "wrong rows": (lambda w, x: linear(w, x, real=np.ones((5, 3))), "MatMul.*weight has 5 rows"),
    "transA": (lambda w, x: w.op("Gemm", x, w.quant(w.const(W), 0.25), transA=1), "Gemm.*transA = 0"),
    "activation without quantizer": (
        lambda w, x: then_quant(w, w.op("Sigmoid", linear(w, x))),
        "Sigmoid.*not quantized: insert a Quant node before",
    ),
    "activation at the end": (lambda w, x: w.op("Tanh", x), "Tanh.*without a Quant node; insert one"),
    "activation plus another tensor": (
        lambda w, x: w.op("Add", w.op("Tanh", x), w.quant(linear(w, x, real=np.ones((4, 4))), 1.0)),
        "Add.*combines an activation function with another tensor; insert a Quant",
    ),
    "two accumulators": (
        lambda w, x: then_quant(w, w.op("Add", linear(w, x), linear(w, x))),
        "Quant.*adds 2 values that are not quantized; insert a Quant",
    ),
    "unsupported operator": (lambda w, x: w.op("LogSoftmax", x, axis=-1), "LogSoftmax.*no lower bound.*use Softmax"),
    "softmax without a quantizer": (lambda w, x: w.op("Softmax", x, axis=-1), "Softmax.*ends here.*insert a Quant"),
    "softmax of sums": (lambda w, x: w.op("Softmax", linear(w, x), axis=-1), "Softmax.*not quantized.*insert a Quant"),
    "softmax of negated values": (
        lambda w, x: then_quant(w, w.op("Softmax", w.op("Neg", x), axis=-1)),
        "Softmax.*negated.*insert a Quant",
    ),
    "softmax over another axis": (
        lambda w, x: then_quant(w, w.op("Softmax", w.op("Reshape", x, w.const([1, 2, 2], np.int64)), axis=1)),
        "Softmax.*axis 1 of 3.*transpose",
    ),
    "softmax plus a tensor": (
        lambda w, x: then_quant(w, w.op("Add", w.op("Softmax", x, axis=-1), x)),
        "Quant.*adds to a softmax.*after the softmax",
    ),
    "softmax times a negative number": (
        lambda w, x: then_quant(w, w.op("Mul", w.op("Softmax", x, axis=-1), w.const(-1.0))),
        "Quant.*negated.*after it",
    ),
    "softmax on too coarse a grid": (
        lambda w, x: w.quant(w.op("Softmax", x, axis=-1), 2.0**9),
        "Softmax.*scale is 512.*2\\*\\*-8",
    ),
    "unknown operator": (lambda w, x: w.op("Hardmax", x), "Hardmax.*cannot be mapped; replace"),
    "foreign domain": (lambda w, x: w.op("Magic", x, domain="com.acme"), "Magic.*'com.acme'"),
    "bipolar": (
        lambda w, x: w.op("BipolarQuant", x, w.const(1.0), domain="qonnx.custom_op.general"),
        "BipolarQuant.*1-bit.*use Quant",
    ),
    "trunc off its grid": (lambda w, x: trunc(w, x, 1.0, 0.0, 8.0, 4.0), "Trunc.*not a multiple.*put a Quant"),
    "trunc inputs": (lambda w, x: trunc(w, x, 0.125, 0.0, 8.0), "Trunc.*4 inputs; Trunc takes 5"),
    "trunc zero point": (lambda w, x: trunc(w, x, 0.125, 1.0, 8.0, 4.0), "Trunc.*zero point is not 0"),
    "trunc scales": (lambda w, x: trunc(w, x, [0.125] * 4, 0.0, 8.0, 4.0), "Trunc.*its scale differs between channels"),
    "trunc bits": (lambda w, x: trunc(w, x, 0.125, 0.0, 8.0, 1.0), "Trunc.*drops 7 bits and leaves 1; 0 to 24 and 2"),
    "trunc output scale": (lambda w, x: trunc(w, x, 0.125, 0.0, 8.0, 0.0, 4.0), "Trunc.*output scale is 0.0"),
    "trunc rounding": (
        lambda w, x: trunc(w, x, 0.125, 0.0, 8.0, 4.0, rounding_mode="ROUND_TO_ZERO"),
        "Trunc.*rounding mode ROUND_TO_ZERO; only ROUND",
    ),
    "trunc of a function": (lambda w, x: trunc(w, w.op("Tanh", x), 0.125, 0.0, 8.0, 4.0), "Trunc.*insert a Quant"),
    "trunc of a norm": (
        lambda w, x: trunc(w, w.op("LayerNormalization", x, w.const(np.ones(4))), 0.125, 0.0, 8.0, 4.0),
        "Trunc.*not a sum of quantized values with one scale.*insert a Quant",
    ),
    "QCDQ": (lambda w, x: w.op("QuantizeLinear", x, w.const(1.0)), "QuantizeLinear.*QCDQ.*convert"),
    "norm of an accumulator": (
        lambda w, x: w.op("LayerNormalization", linear(w, x), w.const(np.ones(3))),
        "LayerNormalization.*its input is not quantized",
    ),
    "norm at the end": (lambda w, x: w.op("LayerNormalization", x, w.const(np.ones(4))), "LayerNorm.*insert a Quant"),
    "norm over two axes": (
        lambda w, x: w.op("LayerNormalization", image(w, x), w.const(np.ones((4, 4))), axis=2),
        "LayerNormalization.*only the last axis",
    ),
    "norm plus residual": (
        lambda w, x: then_quant(w, w.op("Add", x, w.op("LayerNormalization", x, w.const(np.ones(4))))),
        "Quant.*normalization that is not quantized; insert a Quant node after",
    ),
    "half a norm": (
        lambda w, x: then_quant(w, w.op("Sub", x, w.op("ReduceMean", x, axes=[-1]))),
        "Quant.*normalization is incomplete",
    ),
    "product of sums": (lambda w, x: w.op("MatMul", linear(w, x), x), "MatMul.*operand is not quantized.*insert"),
    "product with a float constant": (
        lambda w, x: w.op("MatMul", w.const(np.ones((1, 2, 2, 4))), image(w, x)),
        "MatMul.*constant operand is not quantized; put a Quant",
    ),
    "constant with scales": (
        lambda w, x: w.op("Concat", image(w, x), w.quant(w.const(np.ones((1, 2, 4, 4))), [[[[1]], [[2]]]]), axis=1),
        "Concat.*8 bits or several scales; use 2 to 8 bits and one scale",
    ),
    "group norm ends the model": (
        lambda w, x: w.op("InstanceNormalization", image(w, x), w.const([1, 1]), w.const([0, 0])),
        "InstanceNorm.*normalization ends here without a Quant",
    ),
    "group norm of sums": (
        lambda w, x: w.op("InstanceNormalization", linear(w, x), w.const([1, 1]), w.const([0, 0])),
        "InstanceNorm.*not quantized: insert a Quant",
    ),
    "groups": (
        lambda w, x: w.op("GroupNormalization", image(w, x), w.const([1] * 3), w.const([0] * 3), num_groups=3),
        "GroupNorm.*3 groups do not divide its 2 channels",
    ),
    "transposed image convolution": (
        lambda w, x: w.op("ConvTranspose", image(w, x), w.quant(w.const(np.ones((2, 1, 2, 2))), 1.0)),
        "ConvTranspose.*2 spatial axes; 1 is possible",
    ),
    "dilated transposed convolution": (
        lambda w, x: w.op("ConvTranspose", rows(w), w.quant(w.const(np.ones((2, 1, 2))), 1.0), dilations=[2]),
        "ConvTranspose.*dilation.*not possible",
    ),
    "transposed weight scale per input": (
        lambda w, x: w.op("ConvTranspose", rows(w), w.quant(w.const(np.ones((2, 1, 2))), [[[1.0]], [[2.0]]])),
        "ConvTranspose.*scale varies along the inputs",
    ),
    "batch norm in training": (
        lambda w, x: w.op("BatchNormalization", x, *(w.const(np.ones(4)) for _ in range(4)), training_mode=1),
        "BatchNormalization.*evaluation mode",
    ),
    "divide by zero": (lambda w, x: w.op("Div", x, w.const(0.0)), "Div.*divides by 0"),
    "divide activations": (
        lambda w, x: w.op("Div", x, w.quant(linear(w, x, real=np.ones((4, 4))), 1.0)),
        "Div.*constant",
    ),
    "shapes": (lambda w, x: w.op("Add", x, w.quant(linear(w, x), 1.0)), "Add.*do not broadcast"),
    "constant shape": (lambda w, x: w.op("Add", x, w.const(np.ones(3))), "Add.*does not broadcast"),
    "constant per batch": (lambda w, x: w.op("Mul", x, w.const(np.arange(8).reshape(2, 4))), "Mul.*batch"),
    "positional table": (
        lambda w, x: then_quant(w, w.op("Add", image(w, x), w.const(np.arange(32).reshape(2, 4, 4)))),
        "Quant.*only one channel axis",
    ),
    "batch reshape": (lambda w, x: w.op("Reshape", x, w.const([4, 1], np.int64)), "Reshape.*keep the batch axis"),
    "reshape size": (lambda w, x: w.op("Reshape", x, w.const([1, 5], np.int64)), "Reshape.*elements"),
    "batch transpose": (lambda w, x: w.op("Transpose", x, perm=[1, 0]), "Transpose.*batch"),
    "batch concat": (lambda w, x: w.op("Concat", x, x, axis=0), "Concat.*batch axis"),
    "concat constant": (lambda w, x: w.op("Concat", x, w.const(np.ones((1, 2))), axis=1), "Concat.*constant"),
    "concat then layer": (
        lambda w, x: w.op(
            "MatMul", w.op("Concat", x, w.quant(w.input((4,), "z"), 1.0), axis=1), w.const(np.ones((8, 1)))
        ),
        "MatMul.*not quantized",
    ),
    "backward slice": (
        lambda w, x: w.op("Slice", x, *(w.const([v], np.int64) for v in (3, 0, 1, -1))),
        "Slice.*backwards",
    ),
    "slice of no step": (
        lambda w, x: w.op("Slice", x, *(w.const([v], np.int64) for v in (0, 3, 1, 0))),
        "Slice.*of step 0",
    ),
    "slice of no end": (
        lambda w, x: w.op("Slice", x, *(w.const(v, np.int64) for v in ([0, 1], [3], [1]))),
        "Slice.*not one each",
    ),
    "axis too many": (
        lambda w, x: w.op("Slice", x, *(w.const([v], np.int64) for v in (0, 3, 7))),
        "Slice.*axis 7 of a tensor of 2 axes",
    ),
    "gather of nothing": (lambda w, x: w.op("Gather", x, w.const([], np.int64), axis=1), r"Gather.*indices \[\] are"),
    "gather behind": (lambda w, x: w.op("Gather", x, w.const([99], np.int64), axis=1), r"Gather.*indices \[99\] are"),
    "gather": (lambda w, x: w.op("Gather", x, w.const([2, 0], np.int64), axis=1), "Gather.*single index or a run"),
    "embedding": (lambda w, x: w.op("Gather", w.const(np.ones((256, 8))), x, axis=0), "Gather.*embedding.*host"),
    "border average": (
        lambda w, x: w.op("AveragePool", image(w, x), kernel_shape=[3, 3], pads=[1] * 4),
        "AveragePool.*count_include_pad",
    ),
    "average of sums": (
        lambda w, x: w.op("GlobalAveragePool", w.op("Conv", image(w, x), w.const(np.ones((1, 2, 1, 1))))),
        "GlobalAveragePool.*not quantized",
    ),
    "ceil mode": (
        lambda w, x: w.op("MaxPool", image(w, x), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        "MaxPool.*ceil_mode",
    ),
    "kernel": (lambda w, x: w.op("MaxPool", image(w, x), kernel_shape=[5, 5]), "MaxPool.*does not fit"),
    "conv channels": (lambda w, x: w.op("Conv", image(w, x), w.const(np.ones((1, 3, 1, 1)))), "conv.*channels"),
    "3-D conv": (lambda w, x: w.op("Conv", image(w, x), w.const(np.ones((1, 2, 1, 1, 1)))), "Conv.*3 spatial"),
    "reflect pad": (lambda w, x: w.op("Pad", x, w.const([0, 1, 0, 1], np.int64), mode="reflect"), "Pad.*zeros"),
    "mask": (lambda w, x: [w.op("Dropout", x, outputs=2), w.nodes[-1].output[1]][1], "Dropout.*mask.*do without"),
    "prelu": (lambda w, x: w.op("PRelu", x, w.const([0.1, 0.2, 0.3, 0.4])), "PRelu.*one constant number"),
    "clip bounds": (lambda w, x: w.op("Clip", x, x), "Clip.*constant numbers"),
    "coarse to fine": (
        lambda w, x: then_quant(
            w, w.op("Add", w.op("Mul", x, w.const(1e9)), w.quant(linear(w, x, real=np.ones((4, 4))), 1.0))
        ),
        "too large for the requantize lane.*coarser output scale",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_names_the_node_and_the_way_out(case):
    build, words = CASES[case]
    with pytest.raises(GraphError, match=f"(?s).*{words}") as caught:
        load(build)
    assert "node" in str(caught.value) and "\n" not in str(caught.value)


def test_input_types_stand_in_for_a_missing_quantizer():
    w = Writer(Style())
    model = w.model(linear(w, w.op("Sub", w.op("Mul", w.input((4,)), w.const(2.0)), w.const(1.0))))
    with pytest.raises(UnsupportedError, match="MatMul.*graph input.*input_types"):
        qonnx_in.load(model)
    with pytest.raises(InputError, match="'z'.*the inputs are.*'x'"):
        qonnx_in.load(model, {"z": (8, False, 1 / 255)})
    graph = qonnx_in.load(model, {"x": (8, False, 1 / 255)})
    assert str(graph.tensors["x"].dtype) == "uint8" and graph.tensors["x"].scale == np.float32(1 / 255)
