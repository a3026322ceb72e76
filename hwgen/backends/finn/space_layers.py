"""Layers that move pixels and channels: padding, windows, pools, repetition, concatenation."""

from __future__ import annotations

from math import prod

from hwgen.backends.finn.kinds import holding
from hwgen.backends.finn.streams import Stream
from hwgen.errors import UnsupportedError

MAX_STREAM_BITS = 8191
"""Vitis HLS: widest ap_int, so the widest stream of the layers that cannot be folded."""


class SpaceLayers:
    """Part of Net, whose `_add` and `_elementwise` it uses. A method adds one layer and returns its stream."""

    source: str

    def pad(self, x: Stream, pads: tuple[int, int, int, int]) -> Stream:
        """Zeros around an image (top, left, bottom, right) -> FMPadding."""
        if not any(pads):
            return x
        _, h, w, c = x.shape
        attrs = {"ImgDim": [h, w], "Padding": list(pads), "NumChannels": c, "SIMD": 1, "inputDataType": x.kind.name}
        shape = (1, h + pads[0] + pads[2], w + pads[1] + pads[3], c)
        return self._add("FMPadding", [x], shape, x.kind, min(x.lo, 0), max(x.hi, 0), attrs, style="rtl")

    def windows(self, x: Stream, kernel, stride, dilation=(1, 1), depthwise: bool = False) -> Stream:
        """[1, OH, OW, kh * kw * C] -> ConvolutionInputGenerator (DownSampler for a kernel of one pixel)."""
        _, h, w, c = x.shape
        out = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip((h, w), kernel, stride, dilation, strict=True)]
        shape = (1, *out, prod(kernel) * c)
        if tuple(kernel) == (1, 1):
            return self._downsampler(x, stride, shape)
        if out == [1, 1] and prod(kernel) == 2:
            raise UnsupportedError(
                f"node {self.source!r}: FINN's window generator cannot count a single window of two pixels; use the "
                "backend engine or hls4ml"
            )
        attrs = {
            "ConvKernelDim": list(kernel), "IFMChannels": c, "IFMDim": [h, w], "OFMDim": out, "SIMD": c,
            "Stride": list(stride), "Dilation": list(dilation), "inputDataType": x.kind.name,
            "outputDataType": x.kind.name, "depthwise": int(depthwise), "is1D": int(h == 1 or w == 1),
        }  # fmt: skip
        return self._add("ConvolutionInputGenerator", [x], shape, x.kind, x.lo, x.hi, attrs, style="rtl")

    def _downsampler(self, x: Stream, stride, shape) -> Stream:
        _, h, w, c = x.shape
        if tuple(stride) == (1, 1):
            return x
        line = h == 1 or w == 1
        if not line and (h != w or stride[0] != stride[1]):
            raise UnsupportedError(
                f"node {self.source!r}: FINN takes every n-th pixel only of square images with equal strides, not "
                f"{h} x {w} with {tuple(stride)}; use the backend engine or hls4ml"
            )
        attrs = {
            "ImgDim": max(h, w), "NumChannels": c, "SIMD": c, "Stride": max(stride), "inputDataType": x.kind.name,
            "is1D": int(line), "is1D_unitx": int(w == 1),
        }  # fmt: skip
        return self._add("DownSampler", [x], shape, x.kind, x.lo, x.hi, attrs)

    def maxpool(self, x: Stream, kernel: tuple[int, int]) -> Stream:
        """The largest of each tile -> StreamingMaxPool."""
        _, h, w, c = x.shape
        attrs = {"ImgDim": [h, w], "PoolDim": list(kernel), "NumChannels": c, "PE": 1, "CeilMode": 0,
                 "dataType": x.kind.name}  # fmt: skip
        shape = (1, h // kernel[0], w // kernel[1], c)
        return self._add("StreamingMaxPool", [x], shape, x.kind, x.lo, x.hi, attrs)

    def window_max(self, x: Stream, kernel: tuple[int, int]) -> Stream:
        """The largest of each window of x[1, OH, OW, kh * kw * C] -> Pool."""
        channels = x.channels // prod(kernel)
        attrs = {
            "Channels": channels, "PE": channels, "KernelSize": list(kernel), "Function": "MaxPool",
            "OutImgDims": list(x.shape[1:3]), "InputDataType": x.kind.name, "OutputDataType": x.kind.name,
            "BatchSize": 1,
        }  # fmt: skip
        return self._add("Pool", [x], (*x.shape[:-1], channels), x.kind, x.lo, x.hi, attrs)

    def total(self, x: Stream) -> Stream:
        """Sum over all pixels -> GlobalAccPool."""
        pixels = prod(x.shape[1:3])
        kind = holding(pixels * x.kind.lo, 0) if x.kind.signed else holding(0, pixels * x.kind.hi)
        shape = (1, 1, 1, x.channels)
        return self._add("GlobalAccPool", [x], shape, kind, pixels * x.lo, pixels * x.hi, self._elementwise(x))

    def upsample(self, x: Stream, side: tuple[int, int]) -> Stream:
        """One pixel repeated over an image -> UpsampleNearestNeighbour."""
        h, w = side
        if side == (1, 1):
            return x
        if h != w:  # over time FINN has it, but its own execution mistakes one pixel for a square image
            raise UnsupportedError(
                f"node {self.source!r}: FINN repeats a vector over square images only, not over {h} x {w}; use the "
                "backend engine or hls4ml"
            )
        self._check_width(x.channels * x.kind.bits)
        attrs = {"OFMDim": h, "IFMDim": 1, "NumChannels": x.channels, "inputDataType": x.kind.name,
                 "numInputVectors": 1, "DimMode": 0}  # fmt: skip
        return self._add("UpsampleNearestNeighbour", [x], (1, h, w, x.channels), x.kind, x.lo, x.hi, attrs)

    def concat(self, xs: list[Stream]) -> Stream:
        """Channels one after the other -> StreamingConcat."""
        if len({x.kind for x in xs}) != 1:
            raise UnsupportedError(f"node {self.source!r}: FINN concatenates one type only; requantize to one type")
        channels, kind = sum(x.channels for x in xs), xs[0].kind
        self._check_width(channels * kind.bits)
        attrs = {"ElemsPerStream": [x.channels for x in xs], "inputDataType": kind.name,
                 "numInputVectors": list(xs[0].shape[:-1])}  # fmt: skip
        shape = (*xs[0].shape[:-1], channels)
        return self._add("StreamingConcat", xs, shape, kind, min(x.lo for x in xs), max(x.hi for x in xs), attrs)

    def _check_width(self, bits: int) -> None:
        if bits > MAX_STREAM_BITS:
            raise UnsupportedError(
                f"node {self.source!r}: FINN would need a stream of {bits} bits here and Vitis HLS ends at "
                f"{MAX_STREAM_BITS}; use fewer channels, or the backend engine or hls4ml"
            )
