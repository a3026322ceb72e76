"""model.onnx in NumPy, whole batches at once: the few node types that the exporter writes, FINN's own among them.

qonnx executes MatMul, Im2Col and MultiThreshold too, one frame at a time; FINN's own nodes run nowhere without FINN.
Read from the file, not from the network in memory, so what is compared is what FINN gets. Integers in float64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from hwgen.backends.finn.model import FINN, OPSET
from hwgen.errors import InputError

Arrays = dict[str, np.ndarray]


class Program:
    """A model.onnx, ready to run. Raises InputError when it is damaged or holds a node that we never write."""

    def __init__(self, file: Path):
        try:
            self.model = onnx.load(str(file))
            self.params = {i.name: numpy_helper.to_array(i).astype(np.float64) for i in self.model.graph.initializer}
        except Exception as error:  # noqa: BLE001 - protobuf raises its own for every kind of damage
            raise InputError(f"{file} cannot be read as ONNX ({error}); generate the design again") from None
        unknown = [n.op_type for n in self.model.graph.node if n.op_type not in NODES]
        if unknown or not self.model.graph.node:
            raise InputError(f"{file} holds {unknown or 'no nodes'}, which hwgen never writes; generate it again")

    def run(self, inputs: Arrays) -> Arrays:
        """inputs: [B, *stream] by name -> outputs likewise."""
        values = {n: np.asarray(x, np.float64) for n, x in inputs.items()} | self.params
        for node in self.model.graph.node:
            attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            made = NODES[node.op_type](attrs, *(values[i] for i in node.input))
            outputs = made if isinstance(made, list) else [made]
            values |= dict(zip(node.output, outputs, strict=True))
        return {o.name: values[o.name] for o in self.model.graph.output}


def _multithreshold(attrs: dict, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """out_bias + how many thresholds of its channel a value reaches; the channel is the last axis."""
    rows = x.reshape(-1, x.shape[-1])
    if len(steps) == 1:
        count = np.searchsorted(steps[0], rows.reshape(-1), side="right").reshape(rows.shape)
    else:
        count = np.stack([np.searchsorted(t, v, side="right") for t, v in zip(steps, rows.T, strict=True)], axis=-1)
    return count.reshape(x.shape) + attrs["out_bias"]


def _im2col(attrs: dict, x: np.ndarray) -> np.ndarray:
    """[B, OH, OW, kh * kw * C]"""
    (kh, kw), (sh, sw), (dh, dw) = attrs["kernel_size"], attrs["stride"], attrs["dilations"]
    windows = np.lib.stride_tricks.sliding_window_view(x, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    windows = windows[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)
    return windows.reshape(*windows.shape[:3], -1)


def _taps(x: np.ndarray, taps: int) -> np.ndarray:
    return x.reshape(*x.shape[:-1], taps, x.shape[-1] // taps)


def _vvau(attrs: dict, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    flat = weight.reshape(len(weight), -1).T
    return (_taps(x, len(flat)) * flat).sum(-2)


def _pool(attrs: dict, x: np.ndarray) -> np.ndarray:
    return _taps(x, int(np.prod(attrs["KernelSize"]))).max(-2)


def _maxpool(attrs: dict, x: np.ndarray) -> np.ndarray:
    kh, kw = attrs["kernel_shape"]
    b, h, w, c = x.shape
    return x.reshape(b, h // kh, kh, w // kw, kw, c).max((2, 4))


def _padding(attrs: dict, x: np.ndarray) -> np.ndarray:
    top, left, bottom, right = attrs["Padding"]
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


def _channelwise(attrs: dict, x: np.ndarray, param: np.ndarray) -> np.ndarray:
    return x * param if attrs["Func"] == b"mul" else x + param


def _upsample(attrs: dict, x: np.ndarray) -> np.ndarray:
    side = attrs["OFMDim"]
    return np.broadcast_to(x, (len(x), side, side, x.shape[-1]))


NODES = {
    "MatMul": lambda a, x, w: x @ w,
    "MultiThreshold": _multithreshold,
    "Im2Col": _im2col,
    "MaxPoolNHWC": _maxpool,
    "VVAU": _vvau,
    "Pool": _pool,
    "FMPadding": _padding,
    "ChannelwiseOp": _channelwise,
    "StreamingEltwise": lambda a, x, y: x - y,
    "AddStreams": lambda a, x, y: x + y,
    "DuplicateStreams": lambda a, x: [x] * a["NumOutputStreams"],
    "StreamingConcat": lambda a, *xs: np.concatenate(xs, axis=-1),
    "UpsampleNearestNeighbour": _upsample,
    "GlobalAccPool": lambda a, x: x.sum((1, 2), keepdims=True),
}
"""What each node type computes: attributes, inputs -> output, or a list of outputs."""


def qonnx_run(program: Program, inputs: Arrays) -> Arrays:
    """One frame by qonnx's executor, FINN's own nodes by ours. inputs: [1, *stream] by name -> outputs likewise."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_node

    wrapper = ModelWrapper(program.model, make_deepcopy=True)
    values = wrapper.make_empty_exec_context()
    values |= {n: np.asarray(x, np.float32) for n, x in inputs.items()}
    graph = wrapper.graph
    for node in graph.node:
        if node.domain == FINN:
            attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            made = NODES[node.op_type](attrs, *(values[i] for i in node.input))
            outputs = made if isinstance(made, list) else [made]
            values |= {n: np.asarray(y, np.float32) for n, y in zip(node.output, outputs, strict=True)}
        else:
            execute_node(node, values, graph, opset_version=OPSET)
    return {o.name: values[o.name] for o in graph.output}
