"""The integer graph: types, operators, their exact meaning (the golden model), QONNX in and out."""

from hwgen.graph.builder import GraphBuilder
from hwgen.graph.golden import dequantize_outputs, quantize_inputs, run
from hwgen.graph.graph import Graph
from hwgen.graph.types import ACC, IntType, Tensor

__all__ = ["ACC", "Graph", "GraphBuilder", "IntType", "Tensor", "dequantize_outputs", "quantize_inputs", "run"]
