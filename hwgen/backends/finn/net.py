"""The network that FINN is given, layer by layer: streams, their types as FINN will choose them, parameters.

Images lie channels last, [1, H, W, C]; a vector is [1, 1, 1, D] beside images and [1, D] where there are none. A method
adds one FINN layer and returns the stream that it makes. What is not in FINN's automatic conversion (it makes MVAU,
Thresholding, windows and 2-D pools from MatMul, MultiThreshold, Im2Col and MaxPoolNHWC) is added as FINN's own node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hwgen.backends.finn import kinds
from hwgen.backends.finn.kinds import Kind, holding
from hwgen.backends.finn.space_layers import SpaceLayers
from hwgen.backends.finn.streams import Op, Stream
from hwgen.backends.finn.thresholds import fitted
from hwgen.errors import UnsupportedError


class Net(SpaceLayers):
    """Collects layers; `shrink`: whether FINN's minimize_bit_width may run (see kinds.shrinkable)."""

    def __init__(self, vector_rank: int, shrink: bool, narrow_weights: bool, taken: Iterable[str] = ()):
        """taken: names of the graph's inputs and outputs, which no other stream or parameter may bear."""
        self.vector_rank, self.shrink, self.narrow_weights = vector_rank, shrink, narrow_weights
        self.ops: list[Op] = []
        self.streams: dict[str, Stream] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.ports: dict[str, tuple[tuple[int, ...], int, tuple[int, ...]]] = {}
        """Of graph inputs and outputs: the stream's shape, the tensor's channel axis, the order of a flat one."""
        self.source = ""
        self.stem = "t"
        while any(name.startswith(self.stem) for name in taken):
            self.stem += "_"
        self._count = 0

    # -- edges ---------------------------------------------------------------------------------------------------

    def vector_shape(self, length: int) -> tuple[int, ...]:
        """The shape of a vector's stream."""
        return (1,) * (self.vector_rank - 1) + (length,)

    def input(self, name: str, shape: tuple[int, ...], kind: Kind) -> Stream:
        """A graph input."""
        self.inputs.append(name)
        return self._keep(Stream(name, shape, kind, kind.lo, kind.hi))

    def _keep(self, stream: Stream) -> Stream:
        self.streams[stream.name] = stream
        return stream

    def _fresh(self) -> str:
        self._count += 1
        return f"{self.stem}{self._count}"

    def _add(self, op: str, inputs: list[Stream], shape, kind: Kind, lo: int, hi: int, attrs: dict, params=(), **more):
        if max(abs(lo), abs(hi)) >= kinds.EXACT:
            raise UnsupportedError(
                f"node {self.source!r}: its sums reach {max(abs(lo), abs(hi))}; FINN passes integers as float32, exact "
                "below 2**24: use fewer bits or power-of-two scales, or the backend engine or hls4ml"
            )
        out = Stream(self._fresh(), tuple(shape), kind, int(lo), int(hi))
        self.ops.append(Op(op, [s.name for s in inputs], [out.name], attrs, list(params), self.source, **more))
        return self._keep(out)

    # -- matrices ------------------------------------------------------------------------------------------------

    def matmul(self, x: Stream, weight: np.ndarray, bits: int) -> Stream:
        """x[..., MW] times weight[MW, MH] -> MVAU without activation."""
        declared, stored = self._weights(weight, bits)
        lo, hi = kinds.product_range(weight, x.kind)
        kind, before = self._accumulator(x, declared, lo, hi)
        style = "rtl" if self._on_dsp(x, weight, declared) else "hls"
        attrs = {
            "MW": weight.shape[0], "MH": weight.shape[1], "SIMD": 1, "PE": 1, "inputDataType": x.kind.name,
            "weightDataType": stored.name, "outputDataType": kind.name, "numInputVectors": list(x.shape[:-1]),
            "noActivation": 1, "accDataType": kind.name,
        }  # fmt: skip
        return self._add("MVAU", [x], (*x.shape[:-1], weight.shape[1]), kind, *_real_range(weight, x), attrs,
                         [(weight, declared)], style=style, shrunk={"kind": before})  # fmt: skip

    def depthwise(self, x: Stream, weight: np.ndarray, bits: int, pe: int | None = None) -> Stream:
        """Windows x[1, H, W, taps * C] with weight[C, 1, kh, kw] -> VVAU. pe: channels that a word of x holds, where
        no window generator makes x."""
        channels, _, kh, kw = weight.shape
        flat = weight.reshape(channels, -1).T
        declared, stored = self._weights(weight, bits)
        kind, before = self._accumulator(x, declared, *kinds.product_range(flat, x.kind))
        attrs = {
            "Channels": channels, "Kernel": [kh, kw], "Dim": list(x.shape[1:3]), "PE": pe or 1, "SIMD": 1,
            "inputDataType": x.kind.name, "weightDataType": stored.name, "outputDataType": kind.name,
            "accDataType": kind.name, "noActivation": 1,
        }  # fmt: skip
        return self._add("VVAU", [x], (*x.shape[:-1], channels), kind, *_real_range(flat, x), attrs,
                         [(weight, declared)], fixed=("PE",) if pe else (), shrunk={"kind": before})  # fmt: skip

    def _weights(self, weight: np.ndarray, bits: int) -> tuple[Kind, Kind]:
        declared = kinds.weight_kind(weight, bits)
        return declared, kinds.shrunk_weight(weight) if self.shrink else declared

    def _accumulator(self, x: Stream, weight: Kind, lo: int, hi: int) -> tuple[Kind, Kind]:
        before = kinds.INT32 if x.kind.signed or weight.signed else kinds.UINT32
        return (holding(lo, hi) if self.shrink else before), before

    def _on_dsp(self, x: Stream, weight: np.ndarray, kind: Kind) -> bool:
        """FINN's choice of the RTL matrix unit over the HLS one (specialize_layers)."""
        wide = x.kind.bits > 8 and not (x.kind.bits == 9 and x.kind.signed)
        if not kind.signed or x.kind.bits < 4 or kind.bits < 4 or wide:
            return False
        return not self.narrow_weights or int(weight.min()) > kind.lo

    # -- elementwise ---------------------------------------------------------------------------------------------

    def threshold(self, x: Stream, thresholds: np.ndarray, kind: Kind) -> Stream:
        """kind.lo + the number of thresholds[C or 1, 2**bits - 1] that x reaches."""
        steps = fitted(thresholds, x.lo, x.hi)
        if (steps == steps[:1]).all():
            steps = steps[:1]
        declared = kinds.threshold_kind(steps, x.kind)
        lo = kind.lo + int((steps <= x.lo).sum(1).min())
        hi = kind.lo + int((steps <= x.hi).sum(1).max())
        attrs = {
            "NumChannels": x.channels, "PE": 1, "numSteps": steps.shape[1], "inputDataType": x.kind.name,
            "weightDataType": declared.name, "outputDataType": kind.name, "numInputVectors": list(x.shape[:-1]),
            "ActVal": kind.lo,
        }  # fmt: skip
        return self._add("Thresholding", [x], x.shape, kind, lo, hi, attrs, [(steps, declared)], style="rtl")

    def affine(self, x: Stream, func: str, values: np.ndarray) -> Stream:
        """x times ("mul") or plus ("add") one integer per channel -> ChannelwiseOp; x itself if it can be."""
        values = np.broadcast_to(np.asarray(values, np.int64).reshape(-1), (x.channels,))
        if (values == (1 if func == "mul" else 0)).all():
            return x
        outer = _affine_range(func, values, x.kind.lo, x.kind.hi)
        kind = holding(*outer)
        lo, hi = _affine_range(func, values, x.lo, x.hi)
        param = holding(int(values.min()), int(values.max()))
        attrs = self._elementwise(x) | {"Func": func, "paramDataType": param.name, "outputDataType": kind.name}
        return self._add("ChannelwiseOp", [x], x.shape, kind, lo, hi, attrs, [(values, param)])

    def subtract(self, a: Stream, b: Stream) -> Stream:
        """a - b -> StreamingEltwise; both signed or both unsigned."""
        size = max(abs(a.kind.lo - b.kind.hi), abs(a.kind.hi - b.kind.lo), abs(a.kind.lo - b.kind.lo),
                   abs(a.kind.hi - b.kind.hi))  # fmt: skip
        attrs = self._elementwise(a) | {
            "inputDataType0": a.kind.name, "inputDataType1": b.kind.name, "eltwiseOp": "Sub", "inFIFODepths": [2, 2],
        }  # fmt: skip
        del attrs["inputDataType"]
        kind = holding(-size, 0) if size > 1 else Kind(2, True)
        return self._add("StreamingEltwise", [a, b], a.shape, kind, a.lo - b.hi, a.hi - b.lo, attrs)

    def add(self, a: Stream, b: Stream) -> Stream:
        """a + b of one type -> AddStreams."""
        kind = holding(2 * a.kind.lo, 2 * a.kind.hi) if a.kind.signed else holding(0, 2 * a.kind.hi)
        attrs = self._elementwise(a) | {"inFIFODepths": [2, 2]}
        return self._add("AddStreams", [a, b], a.shape, kind, a.lo + b.lo, a.hi + b.hi, attrs)

    @staticmethod
    def _elementwise(x: Stream) -> dict:
        vectors = list(x.shape[:-1])
        return {"NumChannels": x.channels, "PE": 1, "inputDataType": x.kind.name, "numInputVectors": vectors}

    # -- the end -------------------------------------------------------------------------------------------------

    def output(self, x: Stream, name: str) -> None:
        """Make a stream a graph output of that name."""
        self.outputs.append(name)
        self.ops.append(Op("output", [x.name], [name], {}, source=name))

    def finish(self) -> list[Op]:
        """The layers with a DuplicateStreams wherever a stream has several readers, outputs named."""
        readers: dict[str, int] = {}
        for op in self.ops:
            for name in op.inputs:
                readers[name] = readers.get(name, 0) + 1
        copies: dict[str, list[str]] = {}
        done: list[Op] = []
        for name in self.inputs:
            self._duplicate(name, readers, copies, done)
        for op in self.ops:
            inputs = [copies[i].pop(0) if i in copies else i for i in op.inputs]
            if op.op == "output":
                self._name_output(inputs[0], op.outputs[0], done)
                continue
            done.append(replace(op, inputs=inputs))
            for name in op.outputs:
                self._duplicate(name, readers, copies, done)
        return done

    def _duplicate(self, name: str, readers: dict[str, int], copies: dict[str, list[str]], done: list[Op]) -> None:
        count = readers.get(name, 0)
        if count < 2:
            return
        x = self.streams[name]
        copies[name] = [f"{self.stem}_{name}_{i}" for i in range(count)]
        for copy in copies[name]:
            self._keep(replace(x, name=copy))
        attrs = self._elementwise(x) | {"NumOutputStreams": count}
        source = done[-1].source if done else name
        done.append(Op("DuplicateStreams", [name], list(copies[name]), attrs, source=source))

    def _name_output(self, old: str, new: str, done: list[Op]) -> None:
        maker = next((op for op in done if old in op.outputs), None)
        if maker is None:
            raise UnsupportedError(f"output {new!r} is a graph input as it came; FINN needs a layer between")
        maker.outputs[maker.outputs.index(old)] = new
        self._keep(replace(self.streams[old], name=new))


def _real_range(weight: np.ndarray, x: Stream) -> tuple[int, int]:
    w = weight.astype(np.int64)
    up, down = np.where(w > 0, w, 0).sum(0), np.where(w < 0, w, 0).sum(0)
    return int((up * x.lo + down * x.hi).min()), int((up * x.hi + down * x.lo).max())


def _affine_range(func: str, values: np.ndarray, lo: int, hi: int) -> tuple[int, int]:
    ends = np.array([values * lo, values * hi]) if func == "mul" else np.array([values + lo, values + hi])
    return int(ends.min()), int(ends.max())
