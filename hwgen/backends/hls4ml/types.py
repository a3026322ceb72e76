"""hls4ml's types: how many bits, and where the binary point lies, for every tensor, weight and accumulator.

Nothing is guessed and no default is left to hls4ml. A tensor whose scale is one power of two becomes
`ap_fixed<bits, bits - fraction>` with `fraction = -log2(scale)`, so hls4ml's users see real units; any other scale
leaves integers (`fraction` 0) and stands in the manifest. What counts are the raw bits: they are golden's integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwgen.backends.hls4ml.extension.spec import bits_of
from hwgen.graph import Graph, ops
from hwgen.graph.ranges import Range, node_range
from hwgen.graph.types import Tensor

BEYOND_A_BYTE = -129
"""The shell stores tensors of up to 8 bits as bytes, and a wide one must not be taken for such."""


@dataclass(frozen=True)
class HlsType:
    """`ap_fixed<bits, bits - fraction>` or `ap_ufixed`, which truncates and wraps; its raw bits are an integer."""

    bits: int
    signed: bool = True
    fraction: int = 0

    def __str__(self) -> str:
        return f"ap_{'' if self.signed else 'u'}fixed<{self.bits},{self.bits - self.fraction}>"


def holding(lo: int, hi: int, fraction: int = 0) -> HlsType:
    """The smallest type whose raw integers hold lo to hi."""
    return HlsType(*bits_of(lo, max(hi, 0)), fraction)


def fraction_of(tensor: Tensor) -> int:
    """-log2 of the tensor's scale when that is one power of two, else 0."""
    scale = np.unique(np.asarray(tensor.scale, np.float64))
    mantissa, exponent = math.frexp(float(scale[0]))
    return 1 - exponent if len(scale) == 1 and mantissa == 0.5 else 0


def tensor_types(graph: Graph) -> dict[str, HlsType]:
    """The type of every tensor by name: its own width where it is quantized; as many bits as its range needs where it
    is an accumulator or a wide output. Those are signed and longer than a byte, as the driver takes them (int32), also
    where no value is negative or large."""
    ranges = graph.ranges()
    types = {name: _tensor_type(graph.tensors[name], ranges[name]) for name in graph.inputs}
    for node in graph.nodes:
        r = ranges[node.output]
        if isinstance(node, (ops.Requantize, ops.Mul)):  # our templates know one range a tensor, not one a channel
            r = node_range(node, [ranges[i].flat() for i in node.inputs], [graph.tensors[i] for i in node.inputs])
        types[node.output] = _tensor_type(graph.tensors[node.output], r)
    return types


def _tensor_type(t: Tensor, r: Range) -> HlsType:
    if not t.dtype.is_wide:
        return HlsType(t.dtype.bits, t.dtype.signed, fraction_of(t))
    return holding(min(int(np.min(r.lo)), BEYOND_A_BYTE), int(np.max(r.hi)), fraction_of(t))


def weight_type(node: ops.Linear | ops.Conv, x: HlsType, acc: HlsType) -> HlsType:
    """Signed, weight_bits wide, with the fraction at which x * weight has the fraction of the accumulator."""
    return HlsType(node.weight_bits, True, acc.fraction - x.fraction)
