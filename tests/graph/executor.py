"""QONNX's own executor, as the judge of what a model means."""

import warnings
from collections import Counter
from math import prod

import numpy as np
import onnx
import onnxruntime

from hwgen.graph import Graph, ops
from hwgen.graph.golden import evaluate

onnxruntime.set_default_logger_severity(3)

FLOAT_FUNCTIONS = (ops.LayerNorm, ops.GroupNorm, ops.Softmax, ops.Lookup)
"""What the executor computes in float32 with rounding errors of its own, so that a near tie may fall the other way."""


def shaped(model: onnx.ModelProto):
    """The model as a ModelWrapper with the shapes that the executor needs; the given model stays as it is."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ModelWrapper(copy).transform(InferShapes())


def execute(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every edge of the model by name, as the executor computes it (float32)."""
    from qonnx.core.onnx_exec import execute_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return execute_onnx(shaped(model), inputs, return_full_exec_context=True)


def compare(graph: Graph, model: onnx.ModelProto, ints: dict[str, np.ndarray], exact: bool, edges=None) -> Counter:
    """Compare every tensor of the graph with the executor's edge of the same name, layer by layer.

    Each layer starts from the executor's integers, so that one difference is counted once. exact: only normalizations
    and functions may differ, by one step; else any layer may, by one step.
    """
    real = {k: (v * graph.tensors[k].scale).astype(np.float32) for k, v in ints.items()}
    edges = edges or execute(model, real)
    values, count, ranges = dict(ints), Counter(), graph.ranges()
    for node in graph.nodes:
        t = graph.tensors[node.output]
        y = values[t.name] = evaluate(node, values, graph.tensors)
        if t.name not in edges or isinstance(node, ops.SumPool):
            continue
        got = edges[t.name] / t.scale_array()
        if t.dtype.is_wide:
            assert_wide(node, y, got, 0 if exact else 2.0**-20 * ranges[t.name].bound)
            continue
        step = np.abs(np.round(got) - y)
        assert np.abs(got - np.round(got)).max() < 1e-3, f"{node.name}: the executor's values are not on the grid"
        allowed = 1 if not exact or isinstance(node, FLOAT_FUNCTIONS) or is_odd_mean(graph, node) else 0
        if isinstance(node, ops.Requantize) and not exact:
            allowed += int(rounded_multipliers(node, values))
        assert step.max() <= allowed, f"{node.op} {node.name} differs by {step.max()} steps"
        count["values"] += y.size
        count[node.op] += int((step > 0).sum())
        values[t.name] = np.round(got).astype(np.int64)
    return count


def is_odd_mean(graph: Graph, node: ops.Node) -> bool:
    """A mean of numbers that are no power of two: a tie falls to one side (docs/numerics.md)."""
    sums = graph.producer(node.inputs[0]) if isinstance(node, ops.Requantize) else None
    return isinstance(sums, ops.SumPool) and bool(prod(sums.kernel) & (prod(sums.kernel) - 1))


def rounded_multipliers(node: ops.Requantize, values: dict[str, np.ndarray]) -> float:
    """Steps that a lane may be off because its multipliers are whole numbers: less than one, unless a bias takes away
    most of sums that hardly vary (docs/numerics.md)."""
    largest = sum(float(np.abs(values[i]).max()) for i in node.inputs)
    return 0.5 * (largest + 1) * 2.0 ** -float(np.min(node.shift))


def assert_wide(node, y: np.ndarray, got: np.ndarray, bound: float) -> None:
    """32-bit tensors: bound is what float32 may lose of the largest sum; wide outputs may round half a step."""
    slack = 1e-3 + bound + 0.5 * isinstance(node, ops.Requantize)
    assert np.abs(y - got).max() <= slack, f"{node.op} {node.name} differs"
