"""Collecting the nodes of a QONNX file."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwgen.graph.graph import Graph
from hwgen.graph.types import IntType, Tensor

QONNX = "qonnx.custom_op.general"
OPSET = {"Gelu": 20, "Mish": 18, "ReduceMean": 18, "GroupNormalization": 21}
"""The opset that an operator needs, where it is above 17."""


class Writer:
    """Collects ONNX nodes. edge: the ONNX name of each tensor's real value; factor: real value / value on that edge."""

    def __init__(self, graph: Graph, batch: int):
        self.graph, self.batch = graph, batch
        self.nodes: list[onnx.NodeProto] = []
        self.inits: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.edge: dict[str, str] = {}
        self.factor: dict[str, float] = {}
        self.names = set(graph.tensors)
        self.ranges = graph.ranges()
        self.weights: dict[tuple, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def fresh(self, base: str) -> str:
        """A name that nothing has yet: this, or this and a number."""
        name, k = base, 0
        while name in self.names:
            k += 1
            name = f"{base}_{k}"
        self.names.add(name)
        return name

    def const(self, base: str, array, dtype=np.float32) -> str:
        """An initializer; returns its name."""
        name = self.fresh(base)
        self.inits.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def node(self, op: str, inputs: list[str], out: str, domain: str = "", **attrs) -> str:
        """A node with one output; returns that."""
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{out}_{op}", domain=domain, **attrs))
        return out

    def quant(self, x: str, out: str, dtype: IntType, scale, narrow: bool = False, base: str | None = None) -> str:
        """A Quant node with its scale and bits; returns its output."""
        base = base or out
        args = [
            x,
            self.const(f"{base}_scale", scale),
            self.const(f"{base}_zero", 0.0),
            self.const(f"{base}_bits", dtype.bits),
        ]
        return self.node("Quant", args, out, QONNX, signed=int(dtype.signed), narrow=int(narrow), rounding_mode="ROUND")

    def input(self, t: Tensor) -> None:
        """An input of the model, real numbers, and its quantizer."""
        self.inputs.append(helper.make_tensor_value_info(t.name, TensorProto.FLOAT, (self.batch, *t.shape)))
        self.edge[t.name] = self.quant(t.name, self.fresh(f"{t.name}_quant"), t.dtype, t.scale, t.narrow)

    def tensor(self, name: str) -> Tensor:
        """A tensor of the graph."""
        return self.graph.tensors[name]

    def finish(self) -> onnx.ModelProto:
        """The model of all that was collected, with shapes."""
        outputs = []
        for name in self.graph.outputs:
            if self.edge[name] != name:
                self.node("Identity", [self.edge[name]], name)
            shape = (self.batch, *self.tensor(name).shape)
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        g = helper.make_graph(self.nodes, self.graph.name, self.inputs, outputs, self.inits)
        opset = max([17, *(OPSET.get(n.op_type, 17) for n in self.nodes)])
        imports = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        model = helper.make_model(g, opset_imports=imports, producer_name="hwgen", ir_version=9)
        return onnx.shape_inference.infer_shapes(_with_shapes(model, self))


def _with_shapes(model: onnx.ModelProto, w: Writer) -> onnx.ModelProto:
    """Shapes of tensors of the graph, of quantized constants (shape inference does not see through Quant), and of what
    the writer noted in `shapes`."""
    for edge, shape in {**{edge: w.tensor(name).shape for name, edge in w.edge.items()}, **w.shapes}.items():
        if edge not in w.graph.outputs:
            shape = (w.batch, *shape)
            model.graph.value_info.append(helper.make_tensor_value_info(edge, TensorProto.FLOAT, shape))
    known = {v.name for v in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
    dims = {i.name: tuple(i.dims) for i in model.graph.initializer}
    for n in model.graph.node:
        if n.op_type == "Quant" and n.output[0] not in known and n.input[0] in dims:
            info = helper.make_tensor_value_info(n.output[0], TensorProto.FLOAT, dims[n.input[0]])
            model.graph.value_info.append(info)
    return model
