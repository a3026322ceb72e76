"""How many clocks FINN v0.10.1 says that a layer takes, and the whole network: its `estimate_layer_cycles` report.

Each formula restates `get_exp_cycles` of the node's class in FINN (`finn.custom_op.fpgadataflow`), and is compared with
it node by node, number by number (tests/backends/finn/test_cycles.py). They count clocks without stalls, from the
first input of a frame to its last output, pipeline depth left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from hwgen.errors import UnsupportedError

Attrs = Mapping[str, object]


def layer_cycles(op: str, attrs: Attrs) -> int:
    """Clocks per frame of one layer.

    op: FINN's node type, with or without `_hls` or `_rtl`. attrs: its attributes as FINN names them; those that FINN
    gives a default may be left out. Raises UnsupportedError for a type that we never emit.
    """
    base = op.removesuffix("_rtl").removesuffix("_hls")
    if base not in FORMULAS:
        raise UnsupportedError(f"no cycle formula for FINN's {op}: known are {', '.join(FORMULAS)}")
    return FORMULAS[base](attrs)


def critical_path(cycles: Mapping[str, int], inputs: Mapping[str, Sequence[str]]) -> int:
    """FINN's `critical_path_cycles`: the longest sum of layer cycles from an input to an output, as if no layer
    overlapped with the next.

    cycles: by layer name, every layer after those it reads. inputs: what a layer reads; names that are no layers are
    the graph's inputs.
    """
    done: dict[str, int] = {}
    for name, count in cycles.items():
        done[name] = count + max((done[i] for i in inputs.get(name, ()) if i in done), default=0)
    return max(done.values(), default=0)


def max_cycles(cycles: Mapping[str, int]) -> int:
    """FINN's `max_cycles`: the slowest layer, which sets the clocks between two frames."""
    return max(cycles.values(), default=0)


def _mvau(a: Attrs) -> int:
    return (a["MH"] // a["PE"]) * (a["MW"] // a["SIMD"]) * _vectors(a)


def _vvau(a: Attrs) -> int:
    return a["Channels"] * prod(a["Kernel"]) * prod(a["Dim"]) // a["PE"] // a.get("SIMD", 1)


def _elementwise(a: Attrs) -> int:
    return _vectors(a) * (a["NumChannels"] // a["PE"])


def _vectors(a: Attrs) -> int:
    return prod(a.get("numInputVectors", [1]))


def _global_acc_pool(a: Attrs) -> int:
    return _elementwise(a) + a["NumChannels"] // a["PE"]  # the sums leave after the last pixel


def _pool(a: Attrs) -> int:
    return a["Channels"] * prod(_ints(a["KernelSize"])) // a["PE"] * prod(a["OutImgDims"]) * a.get("BatchSize", 1)


def _ints(value: object) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


def _max_pool(a: Attrs) -> int:
    (height, width), (k_height, k_width) = a["ImgDim"], a["PoolDim"]
    if width == 1:
        height, width, k_height, k_width = width, height, k_width, k_height
    if height == k_height == 1:
        windows = -(-width // k_width) if a.get("CeilMode", 0) else width // k_width
        return windows * (a["NumChannels"] // a["PE"]) * (k_width + 1)
    return int(width * width * (1 + 1 / (k_width * k_width)))  # FINN takes height for width, and calls it inaccurate


def _padding(a: Attrs) -> int:
    (height, width), (top, left, bottom, right) = a["ImgDim"], a["Padding"]
    return (
        a["NumChannels"] * a.get("numInputVectors", 1) * (height + top + bottom) * (width + left + right) // a["SIMD"]
    )


def _upsample(a: Attrs) -> int:
    flat = a.get("DimMode", 0) != 0
    return a["OFMDim"] if flat else a["OFMDim"] ** 2 * a.get("numInputVectors", 1)


def _window(a: Attrs) -> int:
    """The RTL sliding window generator (the variant that FINN picks unless told otherwise)."""
    fold = a["IFMChannels"] // a["SIMD"]
    height, width = a["IFMDim"]
    if tuple(a["ConvKernelDim"]) == (1, 1) or a.get("parallel_window", 0):
        return height * width * fold + 2  # a whole window leaves for every pixel that comes
    if 1 in (height, width):
        return _window_1d(a, fold)
    (k_height, k_width), (out_height, out_width) = a["ConvKernelDim"], a["OFMDim"]
    (down, right), (reach, across) = a["Stride"], a.get("Dilation", (1, 1))
    first = ((k_height - 1) * reach * width + (k_width - 1) * across + 1) * fold
    row = max(out_width * k_height * k_width * fold, right * width * fold)
    if not a.get("depthwise", 0):
        return first + out_height * row
    row += out_width * (right - 1) * (fold - 1)
    return first + out_height * row + (down - 1) * width * fold


def _window_1d(a: Attrs, fold: int) -> int:
    along = 0 if a["IFMDim"][1] == 1 else 1
    kernel, out, stride = a["ConvKernelDim"][along], a["OFMDim"][along], a["Stride"][along]
    cycles = out * kernel * fold + 2
    if a.get("depthwise", 0):
        cycles += fold * (kernel - 1) * (stride - 1) - (kernel - 1)
    return cycles


def _free(a: Attrs) -> int:
    return 0  # FINN counts no clocks for what only passes a stream on


FORMULAS: dict[str, Callable[[Attrs], int]] = {
    "MVAU": _mvau,
    "VVAU": _vvau,
    "Thresholding": _elementwise,
    "ChannelwiseOp": _elementwise,
    "AddStreams": _elementwise,
    "DuplicateStreams": _elementwise,
    "StreamingEltwise": _elementwise,
    "GlobalAccPool": _global_acc_pool,
    "Pool": _pool,
    "StreamingMaxPool": _max_pool,
    "ConvolutionInputGenerator": _window,
    "FMPadding": _padding,
    "UpsampleNearestNeighbour": _upsample,
    "DownSampler": lambda a: (
        a["NumChannels"] // a["SIMD"] * a.get("numInputVectors", 1) * a["ImgDim"] ** (1 if a.get("is1D", 0) else 2)
    ),
    "StreamingConcat": lambda a: _vectors(a),
    "Lookup": lambda a: prod(a.get("InputShape", [1])),
    "LabelSelect": lambda a: a["Labels"] // a["PE"],
    "StreamingFIFO": _free,
    "StreamingDataWidthConverter": _free,
}
