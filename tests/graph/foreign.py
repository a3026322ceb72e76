"""QONNX models as other tools write them: a small writer with the habits of Brevitas, QKeras and hand-made exports."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class Style:
    """How the file is written; none of it changes what the model means."""

    opset: int = 13
    domain: str = "qonnx.custom_op.general"
    domain_version: int = 1
    constants_as_nodes: bool = False  # Constant nodes in place of initializers
    vector_params: bool = False  # [1] in place of scalars for scales, zero points and bit widths
    gemm: bool = False  # Gemm with transB in place of MatMul
    passes: bool = False  # Identity, Dropout and Cast strewn in
    dead: bool = False  # nodes that no output needs
    named: bool = True  # node names
    cleanup: bool = False  # through qonnx's own cleanup
    annotated_input: bool = False  # integer input by annotation, no Quant
    batch: int = 1


@dataclass
class Writer:
    """Writes nodes in order; every method returns the name of an edge."""

    style: Style = field(default_factory=Style)
    nodes: list = field(default_factory=list)
    inits: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    annotations: list = field(default_factory=list)
    count: int = 0

    def name(self, base: str) -> str:
        self.count += 1
        return f"{base}_{self.count}"

    def const(self, value, dtype=np.float32) -> str:
        name, array = self.name("const"), np.asarray(value, dtype)
        if self.style.constants_as_nodes:
            self.nodes.append(
                helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name + "_v"))
            )
        else:
            self.inits.append(numpy_helper.from_array(array, name))
        return name

    def label(self, op: str) -> str:
        """Name of the node written next."""
        return f"{op}_{self.count}" if self.style.named else ""

    def op(self, op: str, *inputs: str, outputs: int = 1, domain: str = "", **attrs) -> str:
        outs = [self.name(op.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), outs, name=self.label(op), domain=domain, **attrs))
        return self.strewn(outs[0]) if self.style.passes and op not in ("Identity", "Dropout", "Cast") else outs[0]

    def strewn(self, x: str) -> str:
        if self.count % 3 == 0:
            return self.op("Identity", x)
        if self.count % 5 == 0:
            return self.op("Dropout", x, outputs=2)
        return self.op("Cast", x, to=TensorProto.FLOAT) if self.count % 7 == 0 else x

    def input(self, shape: tuple[int, ...], name: str = "x") -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, (self.style.batch, *shape)))
        return name

    def annotate(self, edge: str, datatype: str) -> None:
        entry = onnx.StringStringEntryProto(key="finn_datatype", value=datatype)
        self.annotations.append(onnx.TensorAnnotation(tensor_name=edge, quant_parameter_tensor_names=[entry]))

    def quant(self, x: str, scale, bits=8, signed=1, narrow=0, zero=0.0, mode="ROUND", **attrs) -> str:
        wrap = np.atleast_1d if self.style.vector_params else np.asarray
        args = [x, self.const(wrap(scale)), self.const(wrap(zero)), self.const(wrap(bits))]
        return self.op(
            "Quant", *args, domain=self.style.domain, signed=signed, narrow=narrow, rounding_mode=mode, **attrs
        )

    def linear(self, x: str, weight: np.ndarray, scale, bits: int, bias: str | None = None, narrow: int = 0) -> str:
        """weight: real [in, out]; scale: scalar or [out]; bias: an edge, added after or inside."""
        scale = np.asarray(scale)
        if self.style.gemm:
            s = scale.reshape(-1, 1) if scale.ndim else scale
            w = self.quant(self.const(weight.T), s, bits, narrow=narrow)
            return self.op("Gemm", x, w, *([bias] if bias else []), transB=1)
        w = self.quant(self.const(weight), scale, bits, narrow=narrow)
        y = self.op("MatMul", x, w)
        return self.op("Add", y, bias) if bias else y

    def graph_inputs(self) -> list:
        return self.inputs

    def model(self, *outputs: str, shapes: list[tuple[int, ...]] | None = None) -> onnx.ModelProto:
        shapes = shapes or [None] * len(outputs)
        outs = []
        for edge, shape in zip(outputs, shapes, strict=True):
            dims = None if shape is None else (self.style.batch, *shape)
            outs.append(helper.make_tensor_value_info(edge, TensorProto.FLOAT, dims))
        if self.style.dead:
            self.op("Relu", self.op("Neg", self.inputs[0].name))
        graph = helper.make_graph(self.nodes, "foreign", self.graph_inputs(), outs, self.inits)
        graph.quantization_annotation.extend(self.annotations)
        opsets = [
            helper.make_opsetid("", self.style.opset),
            helper.make_opsetid(self.style.domain, self.style.domain_version),
        ]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return cleaned(model) if self.style.cleanup else model


def cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """What qonnx's cleanup makes of it."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    return cleanup_model(ModelWrapper(model)).model
