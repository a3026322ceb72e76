"""A float ONNX file, as PyTorch's exporters write it, as a float network.

graph = load("policy.onnx")          # hwgen.quantize.floats.FloatGraph
graph.run({"obs": batch})

Everything is computed for a batch of one; what the file computes from shapes and constants is folded. All that cannot
be read is reported at once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from hwgen.errors import DAMAGE, HwgenError
from hwgen.frontends import onnx_elementwise as elementwise
from hwgen.frontends import onnx_layers as layers
from hwgen.frontends import onnx_layout as layout
from hwgen.frontends import onnx_products as products
from hwgen.frontends.onnx_values import Broken, Const, Reader, Ten, Value
from hwgen.graph.importer.model import OnnxModel, OnnxNode, parse, read
from hwgen.graph.qonnx_in import SKIPPED, constant_value, fold
from hwgen.quantize.floats import FloatGraph, FloatNet
from hwgen.quantize.problems import complain
from hwgen.quantize.simplify import simplify

OPSETS = range(13, 24)
"""ONNX versions whose operators mean what is read here."""
QUANTIZERS = {"Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "FloatQuant", "QuantizeLinear",
              "DequantizeLinear"}  # fmt: skip
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


def is_float(source: str | Path | bytes | onnx.ModelProto) -> bool:
    """True of a model without quantizers whose inputs, or weights, are float."""
    graph = read(source).graph
    if graph.quantization_annotation or any(n.op_type in QUANTIZERS for n in graph.node):
        return False
    inputs = all(v.type.tensor_type.elem_type in FLOATS for v in graph.input)
    return inputs or any(i.data_type in FLOATS for i in graph.initializer)


def load(source: str | Path | bytes | onnx.ModelProto) -> FloatGraph:
    """Read a float model (path, bytes or ModelProto), simplified: names of inputs and outputs stay.

    Raises InputError for what is no ONNX model, UnsupportedError that lists every node and input that cannot be mapped.
    """
    proto = read(source)
    complain(_version(proto) + _shapes(proto), "model")
    model = parse(proto)
    reader = Reader(FloatNet(model.name))
    reader.names.update([*(i.name for i in model.inputs), *model.outputs])
    values: dict[str, Value] = {name: Const(array) for name, array in model.constants.items()}
    for i in model.inputs:
        values[i.name] = Ten(reader.net.input(i.name, i.shape), (1, *i.shape))
    problems = []
    for node in model.nodes:
        args = [values.get(i, Broken()) if i else None for i in node.inputs]
        results: list[Value] = [Broken()] * len(node.outputs)
        if not any(isinstance(a, Broken) for a in args):
            try:
                results = _convert(reader, node, args)
            except HwgenError as error:
                problems.append(str(error))
            except DAMAGE as error:
                problems.append(str(node.damaged(error)))
        values.update(zip(node.outputs, results, strict=False))
    complain(problems + _outputs(reader, model, values, bool(problems)), "model")
    return simplify(reader.net.build())


def _version(proto: onnx.ModelProto) -> list[str]:
    opset = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), None)
    if opset is None or opset in OPSETS:
        return []
    advice = f"export it with an opset from {OPSETS[0]} to {OPSETS[-1]}, such as 18"
    return [f"the model has opset {opset}, which is not known here; {advice}"]


def _shapes(proto: onnx.ModelProto) -> list[str]:
    """What is wrong with the inputs."""
    held, problems = {i.name for i in proto.graph.initializer}, []
    for v in proto.graph.input:
        if v.name in held:
            continue
        dims = v.type.tensor_type.shape.dim
        for axis, d in enumerate(dims):
            if axis and d.dim_value <= 0:
                problems.append(f"input {v.name!r} has a dynamic axis {axis} ({d.dim_param or '?'}); export the model "
                                "with static shapes (only the batch axis may be dynamic)")  # fmt: skip
        if len(dims) < 2:
            problems.append(f"input {v.name!r} has {len(dims)} axes; it needs a batch axis and at least one more")
        elif dims[0].dim_value > 1:
            problems.append(f"input {v.name!r} has a batch of {dims[0].dim_value}; export the model with a batch of 1, "
                            "or a dynamic one")  # fmt: skip
        if v.type.tensor_type.elem_type not in FLOATS:
            kind = onnx.TensorProto.DataType.Name(v.type.tensor_type.elem_type)
            problems.append(f"input {v.name!r} is {kind}; float networks take float inputs")
    return problems


def _convert(reader: Reader, node: OnnxNode, args: list[Value | None]) -> list[Value]:
    """The values of a node's outputs."""
    if node.domain not in ("", "ai.onnx"):
        node.unsupported(f"operators of domain {node.domain!r} are unknown; export with ONNX's own")
    if node.op in SKIPPED and not isinstance(args[0], Const):
        return [args[0]]
    if node.op == "Constant":
        return [Const(constant_value(node))]
    if node.op == "Shape" and not isinstance(args[0], Const):
        full = np.array(args[0].full, np.int64)
        return [Const(full[node.attrs.get("start", 0) : node.attrs.get("end", len(full))])]
    if args and all(a is None or isinstance(a, Const) for a in args):
        return [Const(a) for a in fold(node, args)]
    handler = HANDLERS.get(node.op)
    if handler is None:
        node.unsupported("this operator cannot be mapped; leave that part to the host, or write it with others")
    result = handler(reader, node, args)
    return result if isinstance(result, list) else [result]


def _outputs(reader: Reader, model: OnnxModel, values: dict[str, Value], broken: bool) -> list[str]:
    problems = []
    for name in model.outputs:
        value = values.get(name, Broken())
        if isinstance(value, Broken):
            if not broken:
                problems.append(f"output {name!r} is made by an output of a node that is not computed; remove it")
        elif isinstance(value, Const) or name in reader.net.graph.inputs:
            problems.append(f"output {name!r} is an input or a constant of the model; remove it")
        else:
            node = OnnxNode("Output", "", name, [], [name], {}, 0)
            try:
                reader.net.output(reader.tensor(value, node).name, name)
            except HwgenError as error:
                problems.append(str(error))
    return problems


HANDLERS = {
    "Einsum": products.einsum, "Attention": products.attention,
    "MatMul": layers.matmul, "Gemm": layers.gemm, "Conv": layers.conv, "ConvTranspose": layers.conv_transpose,
    "BatchNormalization": layers.batch_norm, "LayerNormalization": layers.layer_norm,
    "RMSNormalization": layers.layer_norm, "SimplifiedLayerNormalization": layers.layer_norm,
    "GroupNormalization": layers.group_norm, "InstanceNormalization": layers.group_norm, "Softmax": layers.softmax,
    "MaxPool": layers.pool, "AveragePool": layers.pool, "GlobalAveragePool": layers.global_pool,
    "GlobalMaxPool": layers.global_pool, "ReduceMean": layers.reduce, "ReduceSum": layers.reduce,
    "ReduceMax": layers.reduce,
    "Add": elementwise.binary, "Sub": elementwise.binary, "Mul": elementwise.binary, "Div": elementwise.binary,
    **dict.fromkeys(elementwise.COMPARISONS, elementwise.compare), "Where": elementwise.where,
    "PRelu": elementwise.prelu, "Pow": elementwise.power,
    **dict.fromkeys(("Relu", "Clip", "Min", "Max"), elementwise.clip),
    **dict.fromkeys((*elementwise.PLAIN, *elementwise.WITH_ATTRS, "Gelu"), elementwise.unary),
    "Reshape": layout.reshape, "Flatten": layout.reshape, "Squeeze": layout.reshape, "Unsqueeze": layout.reshape,
    "Transpose": layout.transpose, "Expand": layout.expand, "Tile": layout.tile, "Concat": layout.concat,
    "Slice": layout.slice_, "Split": layout.split, "Gather": layout.gather, "Pad": layout.pad,
}  # fmt: skip
"""Reader of each operator: function(reader, node, values) -> value, or a list of them."""
