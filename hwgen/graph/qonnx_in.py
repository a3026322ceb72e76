"""QONNX -> integer graph. Takes models from anyone; see importer/ for how.

graph = load("policy.onnx")
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from hwgen.errors import DAMAGE, InputError, UnsupportedError
from hwgen.graph.builder import GraphBuilder
from hwgen.graph.graph import Graph
from hwgen.graph.importer import elementwise, layers, layout, norm, quant, schema, trunc
from hwgen.graph.importer.context import Context
from hwgen.graph.importer.materialize import finish
from hwgen.graph.importer.model import OnnxInput, OnnxModel, OnnxNode, parse, read
from hwgen.graph.importer.values import Affine, Const, QConst, Raw, Stat, Value, collapse, tensor_value

InputType = tuple[int, bool, float]


def load(source: str | Path | bytes | onnx.ModelProto, input_types: dict[str, InputType] | None = None) -> Graph:
    """Read a QONNX model (path, bytes or ModelProto) as an integer graph.

    input_types: (bits, signed, scale) of inputs that the model itself does not quantize, by name; for pixels, e.g.,
    (8, False, 1/255). Input and output names stay; shapes lose the batch axis. Raises InputError for what is no ONNX
    model, GraphError for a damaged one, UnsupportedError (naming the node) for what cannot be mapped.
    """
    model = parse(read(source))
    ctx = Context(GraphBuilder(model.name), model.batch)
    values: dict[str, Value] = {name: Const(array) for name, array in model.constants.items()}
    ctx.builder.reserve([*model.constants, *(o for n in model.nodes for o in n.outputs)])
    input_types = dict(input_types or {})
    for i in model.inputs:
        values[i.name] = _input(ctx, i, input_types.pop(i.name, None))
    if input_types:
        raise InputError(f"{sorted(input_types)} in input_types: the inputs are {[i.name for i in model.inputs]}")
    for node in model.nodes:
        args = [_value(values, i, node) for i in node.inputs]
        try:
            results = convert(ctx, node, args)
        except DAMAGE as error:
            raise node.damaged(error) from error
        for name, value in zip(node.outputs, results, strict=False):
            values[name] = value
    _outputs(ctx, model, values)
    _input_order(ctx, model)
    return ctx.builder.build()


def _value(values: dict[str, Value], name: str, node: OnnxNode) -> Value | None:
    if name and name not in values:
        node.unsupported(f"it reads {name!r}, an output that hwgen does not compute (such as a mask); do without it")
    return values[name] if name else None


def _input(ctx: Context, i: OnnxInput, given: InputType | None) -> Value:
    ctx.input_shapes[i.name] = i.shape
    if i.int_type is None and given is None:
        return Affine(((Raw(i.name), np.ones(())),), i.shape)
    ctx.builder.input(i.name, i.shape, *(given or (*i.int_type, 1.0)))
    return tensor_value(i.name, i.shape)


def convert(ctx: Context, node: OnnxNode, args: list[Value]) -> list[Value]:
    """The values of a node's outputs."""
    if node.op in ("Quant", "IntQuant") and node.domain in quant.DOMAINS:
        return [quant.quant(ctx, node, [_settled(ctx, node, a) for a in args])]
    if node.op == "Trunc" and node.domain in quant.DOMAINS:
        return [trunc.trunc(ctx, node, [_settled(ctx, node, a) for a in args])]
    if node.domain not in ("", "ai.onnx"):
        node.unsupported(ADVICE.get(node.op, f"operators of domain {node.domain!r} cannot be mapped; {WAY_OUT}"))
    schema.check(node)
    if node.op in SKIPPED and (not isinstance(args[0], Const) or isinstance(args[0], QConst) or node.op == "Dropout"):
        return [args[0]]
    if node.op == "Constant":
        return [Const(constant_value(node))]
    if node.op == "Shape" and not isinstance(args[0], Const):
        full = np.array([ctx.batch, *args[0].shape], np.int64)
        return [Const(full[node.attrs.get("start", 0) : node.attrs.get("end", len(full))])]
    if node.op in RESHAPING and args and isinstance(args[0], QConst):
        return [_reshaped_weight(node, args)]
    if node.op in ("Mul", "Div") and any(isinstance(a, QConst) for a in args) and _constant_args(args):
        return [_scaled_weight(node, args)]
    if _constant_args(args):
        return [Const(a) for a in fold(node, args)]
    if node.op in ("Add", "Sub", "Mul", "Concat"):
        args = [_as_tensor(ctx, node, a, args) for a in args]
    handler = HANDLERS.get(node.op)
    if handler is None:
        node.unsupported(ADVICE.get(node.op, f"this operator cannot be mapped; {WAY_OUT}"))
    args = [_settled(ctx, node, a) for a in args]
    result = handler(ctx, node, args)
    return result if isinstance(result, list) else [result]


def _as_tensor(ctx: Context, node: OnnxNode, a: Value, args: list[Value]) -> Value:
    """A quantized constant as large as the value that it meets (a positional embedding), or of several axes, such as
    all heads share (a rotary one), or beside it (a class token), is a tensor; others are factors and biases."""
    shape = next(tuple(v.shape) for v in args if not isinstance(v, Const))
    rank = len(shape)
    full = isinstance(a, QConst) and rank > 1 and _is_large(a.ints.shape, shape)
    narrow = full and a.bits - (not a.signed) <= 8 and collapse(a.scale).ndim == 0
    if narrow or (node.op == "Concat" and isinstance(a, QConst)):
        return layers.constant_tensor(ctx, node, a, rank)
    return a


def _is_large(constant: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a constant is as large as a value of `shape`, or differs along several of its axes; both without batch,
    the constant with or without an axis for it."""
    inner = constant[1:] if len(constant) == len(shape) + 1 else constant
    fits = len(inner) <= len(shape) and all(n in (1, m) for n, m in zip(inner[::-1], shape[::-1], strict=False))
    return fits and (inner == shape or sum(n > 1 for n in inner) > 1)


def _settled(ctx: Context, node: OnnxNode, a: Value | None) -> Value | None:
    """A mean that no normalization uses is a pooling."""
    if isinstance(a, Stat) and a.kind == "mean" and node.op not in ("Sub",):
        mean = OnnxNode("ReduceMean", "", node.label, [], [f"{node.outputs[0]}_mean"], {}, node.opset)
        return layout.pooled_reduce(ctx, mean, a.x, [len(a.x.shape) - 1], True)
    return a


def _constant_args(args: list[Value | None]) -> bool:
    return bool(args) and all(a is None or isinstance(a, Const) for a in args)


def constant_value(node: OnnxNode) -> np.ndarray:
    for key, dtype in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                       ("value_int", np.int64), ("value_ints", np.int64)):  # fmt: skip
        if key in node.attrs:
            return np.asarray(node.attrs[key], dtype)
    node.unsupported("a constant of this kind cannot be read; store it as a dense tensor")


def _reshaped_weight(node: OnnxNode, args: list[Value]) -> QConst:
    """Layout changes of a quantized weight keep it one."""
    w = args[0]
    scale = np.broadcast_to(w.scale, w.ints.shape) if w.scale.ndim else w.scale

    def apply(a: np.ndarray) -> np.ndarray:
        return fold(node, [Const(a), *args[1:]])[0]

    return QConst(apply(w.array), apply(w.ints), apply(np.array(scale)) if w.scale.ndim else scale, w.bits, w.signed)


def _scaled_weight(node: OnnxNode, args: list[Value]) -> Value:
    """A quantized weight times a positive constant is the same integers with another scale."""
    w, c = (args[1], args[0]) if isinstance(args[1], QConst) and node.op == "Mul" else (args[0], args[1])
    real = fold(node, args)[0]
    factor = np.asarray(c.array, np.float64)
    positive = np.isfinite(factor).all() and (factor > 0).all()
    if not isinstance(w, QConst) or real.shape != w.ints.shape or not positive:
        return Const(real)
    factor = 1 / factor if node.op == "Div" else factor
    factor = factor.reshape((1,) * (w.ints.ndim - factor.ndim) + factor.shape if factor.size > 1 else ())
    return QConst(real, w.ints, w.scale * factor, w.bits, w.signed)


def fold(node: OnnxNode, args: list[Const]) -> list[np.ndarray]:
    """Compute a node whose inputs are all constant, with ONNX's reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    names = [f"i{k}" if a is not None else "" for k, a in enumerate(args)]
    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    del proto.input[:]
    proto.input.extend(names)
    outs = [o or f"unused{k}" for k, o in enumerate(node.outputs)]
    del proto.output[:]
    proto.output.extend(outs)
    ins = [onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.array.dtype), a.array.shape)
           for n, a in zip(names, args, strict=True) if n]  # fmt: skip
    infos = [onnx.helper.make_value_info(o, onnx.TypeProto()) for o in outs]
    model = onnx.helper.make_model(onnx.helper.make_graph([proto], "fold", ins, infos),
                                   opset_imports=[onnx.helper.make_opsetid("", node.opset)])  # fmt: skip
    try:
        with np.errstate(all="ignore"):
            got = ReferenceEvaluator(model).run(None, {n: a.array for n, a in zip(names, args, strict=True) if n})
    except Exception as e:
        node.unsupported(
            f"its inputs are constant but it cannot be computed ({type(e).__name__}); fold it before export"
        )
    return [np.asarray(a) for a in got]


def _outputs(ctx: Context, model: OnnxModel, values: dict[str, Value]) -> None:
    """Mark the outputs. Several may be one tensor: the one that has its name keeps it, the others are copies."""
    makers = {o: n for n in model.nodes for o in n.outputs}
    made = {name: _output(ctx, name, makers.get(name), values) for name in model.outputs}
    now: dict[str, str] = {}  # what a tensor is called after it became an output
    for name in sorted(made, key=lambda name: made[name] != name):
        x = made[name]
        now[x] = ctx.builder.output(x) if x == name else ctx.builder.output_copy(now.get(x, x), name)
    ctx.builder.graph.outputs.sort(key=model.outputs.index)


def _output(ctx: Context, name: str, node: OnnxNode | None, values: dict[str, Value]) -> str:
    """The tensor of an output."""
    if node is None:
        raise UnsupportedError(f"output {name!r} is an input or a constant of the model; remove it")
    value = _value(values, name, node)
    if isinstance(value, Stat) and value.kind == "mean":
        value = _settled(ctx, OnnxNode("Output", "", node.label, [], [name], {}, node.opset), value)
    return finish(ctx.builder, value, name, node)


def _input_order(ctx: Context, model: OnnxModel) -> None:
    for i in model.inputs:
        if i.name not in ctx.builder.graph.inputs:
            raise UnsupportedError(
                f"input {i.name!r} is used by no output, or only its shape is; remove it from the model"
            )
    ctx.builder.graph.inputs[:] = [i.name for i in model.inputs]


WAY_OUT = "replace it by operators of docs/numerics.md, or keep that part of the model on the host"
RESHAPING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Expand")
"""Operators that leave a quantized constant what it is."""
SKIPPED = ("Identity", "Dropout", "Cast", "CastLike")
ADVICE = {
    "BipolarQuant": "1-bit quantizers cannot be mapped; use Quant with 2 to 8 bits",
    "FloatQuant": "floating-point quantizers cannot be mapped; use Quant (integers)",
    "MultiThreshold": "thresholds cannot be mapped; give the model as it was before streamlining, with Quant nodes",
    "QuantizeLinear": "QCDQ models cannot be read directly; convert with qonnx's QCDQToQuant first",
    "DequantizeLinear": "QCDQ models cannot be read directly; convert with qonnx's QCDQToQuant first",
    "LogSoftmax": "its results have no lower bound; use Softmax, or send the values before it to the host",
}
HANDLERS = {
    "MatMul": layers.matmul, "Gemm": layers.gemm, "Conv": layers.conv, "ConvTranspose": layers.conv_transpose,
    "GroupNormalization": norm.group_norm, "InstanceNormalization": norm.group_norm,
    "BatchNormalization": layers.batch_norm, "Pad": layers.pad, "Add": elementwise.add, "Sub": elementwise.sub,
    "Mul": elementwise.mul, "Div": elementwise.div, "Pow": elementwise.power, "Neg": elementwise.negate,
    "Relu": elementwise.relu, "Clip": elementwise.clip,
    "Min": elementwise.extremum, "Max": elementwise.extremum, "PRelu": elementwise.prelu,
    "LayerNormalization": norm.layer_norm, "RMSNormalization": norm.layer_norm,
    "SimplifiedLayerNormalization": norm.layer_norm, "Softmax": norm.softmax,
    "ReduceMean": layout.reduce, "ReduceSum": layout.reduce, "Reshape": layout.reshape, "Flatten": layout.flatten,
    "Squeeze": layout.squeeze, "Unsqueeze": layout.unsqueeze, "Transpose": layout.transpose, "Concat": layout.concat,
    "Slice": layout.slice_, "Split": layout.split, "Gather": layout.gather, "MaxPool": layout.max_pool,
    "AveragePool": layout.average_pool, "GlobalAveragePool": layout.global_average_pool,
    "GlobalMaxPool": layout.global_max_pool,
    **{op: elementwise.activation for op in (*elementwise.PLAIN, *elementwise.WITH_ATTRS)},
}  # fmt: skip
"""Converter of each ONNX operator: function(context, node, input values) -> value, or a list of them."""
