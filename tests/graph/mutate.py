"""Models of networks with one thing changed, as a user's export may have it: an attribute, a shape, an edge, a node."""

from __future__ import annotations

import random

import numpy as np
import onnx
from onnx import AttributeProto, numpy_helper

INTEGERS = (-1, 0, 1, 2, 3, 7, 255, 65_536, 1 << 20, -(1 << 40))
OPERATORS = ("Conv", "MatMul", "Softmax", "MaxPool", "Relu", "Sigmoid", "Add", "Mul", "Transpose", "LogSoftmax", "Loop",
             "Concat", "ConvTranspose", "GlobalAveragePool", "Flatten", "LayerNormalization", "Split")  # fmt: skip


def mutated(model: onnx.ModelProto, rng: random.Random) -> tuple[onnx.ModelProto, str]:
    """(a copy with one thing changed, what was changed)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change = rng.choice([_attribute] * 6 + [_initializer] * 4 + [_edge, _operator, _input])
    return copy, change(copy.graph, rng)


def _integer(value: int, rng: random.Random) -> int:
    return rng.choice([value - 1, value + 1, 2 * value, -value, *INTEGERS])


def _attribute(graph: onnx.GraphProto, rng: random.Random) -> str:
    nodes = [node for node in graph.node if node.attribute]
    if not nodes:
        return _edge(graph, rng)
    node = rng.choice(nodes)
    attribute = rng.choice(node.attribute)
    before = str(onnx.helper.get_attribute_value(attribute))
    if rng.random() < 0.1:
        node.attribute.remove(attribute)
        return f"{node.name}: no {attribute.name}"
    if attribute.type == AttributeProto.INT:
        attribute.i = _integer(attribute.i, rng)
    elif attribute.type == AttributeProto.INTS and attribute.ints:
        at, how = rng.randrange(len(attribute.ints)), rng.random()
        if how < 0.7:
            attribute.ints[at] = _integer(attribute.ints[at], rng)
        elif how < 0.85:
            del attribute.ints[at]
        else:
            attribute.ints.append(attribute.ints[at])
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = rng.choice([0.0, -1.0, float("nan"), float("inf"), 1e30, 1e-30, 2 * attribute.f])
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice([b"", b"FLOOR", b"SAME_UPPER", b"VALID", b"\xff"])
    return f"{node.name}: {attribute.name} {before} -> {onnx.helper.get_attribute_value(attribute)}"


def _initializer(graph: onnx.GraphProto, rng: random.Random) -> str:
    stored = rng.choice(graph.initializer)
    array = np.array(numpy_helper.to_array(stored))
    before = f"{array.dtype} {array.shape}"
    how = rng.random()
    if how < 0.5 and array.size:
        at = rng.randrange(array.size)
        if array.dtype.kind == "f":
            array.flat[at] = rng.choice([0.0, -1.0, np.nan, np.inf, 1e30, 1e-30, 2 * array.flat[at], 0.3])
        else:
            array.flat[at] = _integer(int(array.flat[at]), rng)
    else:
        array = rng.choice([array[:-1] if array.ndim else array, array.ravel(), array[None], array.T,
                            np.concatenate([array, array]) if array.ndim else array])  # fmt: skip
    stored.CopyFrom(numpy_helper.from_array(array, stored.name))
    return f"{stored.name}: {before} -> {array.dtype} {array.shape} {array.ravel()[:6]}"


def _edge(graph: onnx.GraphProto, rng: random.Random) -> str:
    """Another tensor read, an input less, or one more."""
    node = rng.choice([node for node in graph.node if node.input])
    names = [i.name for i in graph.initializer] + [o for other in graph.node for o in other.output]
    at, how = rng.randrange(len(node.input)), rng.random()
    if how < 0.6:
        node.input[at] = rng.choice(names)
    elif how < 0.8:
        del node.input[at]
    else:
        node.input.append(rng.choice(names))
    return f"{node.name}: reads {list(node.input)}"


def _operator(graph: onnx.GraphProto, rng: random.Random) -> str:
    node = rng.choice([node for node in graph.node if node.op_type != "Quant"] or list(graph.node))
    before, node.op_type = node.op_type, rng.choice(OPERATORS)
    return f"{node.name}: {before} -> {node.op_type}"


def _input(graph: onnx.GraphProto, rng: random.Random) -> str:
    """Another shape of an input, or a dynamic one."""
    given = rng.choice(graph.input)
    dims = given.type.tensor_type.shape.dim
    dim = rng.choice(dims)
    if rng.random() < 0.3:
        dim.dim_param = "n"
    else:
        dim.dim_value = abs(_integer(dim.dim_value, rng))
    return f"{given.name}: {[d.dim_param or d.dim_value for d in dims]}"
