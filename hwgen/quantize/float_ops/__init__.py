"""Operators of a float network and what they compute, in NumPy.

Arrays are float32, batch first; shapes leave out the batch. Axis order is that of the integer graph: images [C, H, W],
sequences of convolutions [C, T], tokens [T, C].
"""

from hwgen.quantize.float_ops.elementwise import Add, Affine, Clip, Constant, Mul, Table, function_name
from hwgen.quantize.float_ops.layers import Conv, ConvTranspose, Linear, MatMul, Weighted
from hwgen.quantize.float_ops.moves import Concat, Reshape, Slice, Transpose
from hwgen.quantize.float_ops.node import Float
from hwgen.quantize.float_ops.rows import GroupNorm, LayerNorm, Pool, Softmax

__all__ = [
    "Add", "Affine", "Clip", "Concat", "Constant", "Conv", "ConvTranspose", "Float", "GroupNorm", "LayerNorm",
    "Linear", "MatMul", "Mul", "Pool", "Reshape", "Slice", "Softmax", "Table", "Transpose", "Weighted", "function_name",
]  # fmt: skip
