"""The network as model.onnx in the dialect that FINN's standard steps take, and as the layers that they will make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx import save as save_onnx

from hwgen.backends.finn import kinds
from hwgen.backends.finn.kinds import Kind
from hwgen.backends.finn.layers import FinnLayer
from hwgen.backends.finn.net import Net
from hwgen.backends.finn.streams import Op

FINN, QONNX = "finn.custom_op.fpgadataflow", "qonnx.custom_op.general"
OPSET, IR = 13, 8
"""What FINN v0.10.1's onnx 1.13 reads."""


@dataclass
class Model:
    """layers: as they stand when FINN applies the folding, in its order, types as minimize_bit_width leaves them."""

    net: Net
    ops: list[Op]
    layers: list[FinnLayer]

    @classmethod
    def of(cls, net: Net) -> Model:
        """Name the layers of a finished network."""
        done = _sorted(net.finish())
        return cls(net, done, _named(net, done))


def _sorted(ops: list[Op]) -> list[Op]:
    """By distance from the inputs, as FINN sorts a graph after each of its steps (SortGraph): names depend on it."""
    depth: dict[str, int] = {}
    level = {}
    for op in ops:
        level[id(op)] = max((depth[i] + 1 for i in op.inputs if i in depth), default=0)
        depth |= dict.fromkeys(op.outputs, level[id(op)])
    return sorted(ops, key=lambda op: level[id(op)])


def _named(net: Net, done: list[Op]) -> list[FinnLayer]:
    """FINN numbers the nodes of each type in the order of the graph (GiveUniqueNodeNames)."""
    counts: dict[str, int] = {}
    makers = {name: name for name in net.inputs}
    layers = []
    for op in done:
        kind = f"{op.op}_{op.style}"
        name = f"{kind}_{counts.get(kind, 0)}"
        counts[kind] = counts.get(kind, 0) + 1
        makers |= dict.fromkeys(op.outputs, name)
        attrs = dict(op.attrs)
        if net.shrink and op.op in ("MVAU", "VVAU") and op.outputs[0] in net.outputs:
            attrs["outputDataType"] = attrs["accDataType"] = _whole_bytes(attrs["outputDataType"])
        layers.append(FinnLayer(name, kind, attrs, tuple(makers[i] for i in op.inputs), op.source, op.fixed))
    return layers


def _whole_bytes(name: str) -> str:
    """FINN widens the accumulator of a last layer to whole bytes."""
    letters = name.rstrip("0123456789")
    return f"{letters}{-(-int(name[len(letters) :]) // 8) * 8}"


def save(model: Model, path: Path) -> None:
    """Write model.onnx."""
    writer = _Writer(model.net)
    for op in model.ops:
        writer.node(op)
    save_onnx(writer.model(), str(path))


class _Writer:
    def __init__(self, net: Net):
        self.net = net
        self.nodes: list = []
        self.initializers: list = []
        self.types: dict[str, Kind] = {}

    def node(self, op: Op) -> None:
        """One FINN layer as the node from which FINN makes it."""
        params = [self.param(f"{self.net.stem}_{op.outputs[0]}_param{i}", *p) for i, p in enumerate(op.params)]
        for name in op.outputs:
            self.types[name] = op.shrunk.get("kind", self.net.streams[name].kind)
        kind, domain, attrs = FORMS.get(op.op, _own)(op, self.net)
        self.nodes.append(helper.make_node(kind, [*op.inputs, *params], op.outputs, name=op.outputs[0], domain=domain,
                                           **attrs))  # fmt: skip

    def param(self, name: str, values: np.ndarray, kind: Kind) -> str:
        """An integer parameter in float32, its type beside it."""
        if np.abs(values).max() > kinds.EXACT:
            raise AssertionError(f"{name} leaves float32's integers")
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        self.types[name] = kind
        return name

    def model(self):
        """The ONNX model: shapes of all tensors, FINN's types and layouts as QONNX annotates them."""
        info = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, s.shape) for n, s in self.net.streams.items()}
        made = {o for n in self.nodes for o in n.output}
        inner = [info[n] for n in info if n in made and n not in self.net.outputs]
        graph = helper.make_graph(
            self.nodes, "hwgen", [info[n] for n in self.net.inputs], [info[n] for n in self.net.outputs],
            self.initializers, value_info=inner,
        )  # fmt: skip
        for name in self.net.inputs:
            self.types[name] = self.net.streams[name].kind
        for name, kind in self.types.items():
            graph.quantization_annotation.append(self.annotation(name, kind))
        opsets = [helper.make_opsetid(d, v) for d, v in (("", OPSET), (FINN, 1), (QONNX, 1))]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="hwgen")

    def annotation(self, name: str, kind: Kind):
        """finn_datatype, and the layout of images."""
        from onnx import StringStringEntryProto, TensorAnnotation

        entries = [StringStringEntryProto(key="finn_datatype", value=kind.name)]
        stream = self.net.streams.get(name)
        if stream is not None:
            layout = ["N", "H", "W", "C"] if len(stream.shape) == 4 else ["N", "C"]
            entries.append(StringStringEntryProto(key="tensor_layout", value=str(layout)))
        return TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=entries)


def _own(op: Op, net: Net) -> tuple[str, str, dict]:
    """FINN's own node."""
    attrs = dict(op.attrs)
    if "kind" in op.shrunk:
        attrs |= {"outputDataType": op.shrunk["kind"].name, "accDataType": op.shrunk["kind"].name,
                  "weightDataType": op.params[0][1].name}  # fmt: skip
    return op.op, FINN, attrs | {"backend": "fpgadataflow"}


def _matmul(op: Op, net: Net) -> tuple[str, str, dict]:
    return "MatMul", "", {}


def _multithreshold(op: Op, net: Net) -> tuple[str, str, dict]:
    a = op.attrs
    layout = "NHWC" if len(net.streams[op.outputs[0]].shape) == 4 else "NCHW"  # qonnx: the latter for [N, C] too
    attrs = {"out_dtype": a["outputDataType"], "out_bias": float(a["ActVal"]), "out_scale": 1.0, "data_layout": layout}
    return "MultiThreshold", QONNX, attrs


def _im2col(op: Op, net: Net) -> tuple[str, str, dict]:
    shape = net.streams[op.inputs[0]].shape
    a = op.attrs
    attrs = {
        "kernel_size": a.get("ConvKernelDim", [1, 1]), "dilations": a.get("Dilation", [1, 1]),
        "stride": a["Stride"] if isinstance(a["Stride"], list) else _strides(a),
        "input_shape": str(shape), "pad_amount": [0, 0, 0, 0], "pad_value": 0, "depthwise": a.get("depthwise", 0),
    }  # fmt: skip
    return "Im2Col", QONNX, attrs


def _strides(attrs: dict) -> list[int]:
    """A DownSampler's stride along its image's axes."""
    s = attrs["Stride"]
    if not attrs["is1D"]:
        return [s, s]
    return [s, 1] if attrs["is1D_unitx"] else [1, s]


def _maxpool(op: Op, net: Net) -> tuple[str, str, dict]:
    kernel = op.attrs["PoolDim"]
    return "MaxPoolNHWC", QONNX, {"kernel_shape": kernel, "strides": kernel, "pads": [0, 0, 0, 0], "ceil_mode": 0}


FORMS = {
    "MVAU": _matmul, "Thresholding": _multithreshold, "ConvolutionInputGenerator": _im2col, "DownSampler": _im2col,
    "StreamingMaxPool": _maxpool,
}  # fmt: skip
"""What FINN's automatic conversion makes a layer from; every other layer is FINN's own node."""
