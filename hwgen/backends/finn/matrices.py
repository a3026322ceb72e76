"""Linear and convolutions -> MVAU and VVAU, with the windows before them."""

from __future__ import annotations

import numpy as np

from hwgen.backends.finn.streams import Stream
from hwgen.backends.finn.thresholds import per_channel
from hwgen.backends.finn.value import Part, Value, lay_out
from hwgen.graph import ops


class Matrices(Part):
    """Linear, Conv1D, Conv2D."""

    def _linear(self, node: ops.Linear) -> None:
        x = self.values[node.inputs[0]]
        weight, stream = node.weight.astype(np.int64), x.stream
        if x.flat:
            _, h, w, c = stream.shape
            weight = weight.reshape(*(stream.shape[1 + i] for i in x.flat), -1)
            weight = weight.transpose(*(x.flat.index(i) for i in range(3)), 3).reshape(h * w * c, -1)
            stream = self.net.windows(stream, (h, w), (1, 1))
        elif x.axis != -1:
            self.fail(node, "FINN multiplies along the channels of a stream, and this axis is none")
        self._multiply(node, stream, weight, -1)

    def _conv2d(self, node: ops.Conv2D) -> None:
        x = self.values[node.inputs[0]].stream
        kernel, pads = node.weight.shape[2:], tuple(node.pads)
        self._conv(node, x, kernel, node.stride, pads, node.dilation)

    def _conv1d(self, node: ops.Conv1D) -> None:
        x = self.values[node.inputs[0]].stream
        self._conv(node, x, (*node.weight.shape[2:], 1), (*node.stride, 1), (node.pads[0], 0, node.pads[1], 0),
                   (*node.dilation, 1))  # fmt: skip

    def _conv(self, node, x: Stream, kernel, stride, pads, dilation) -> None:
        axis = lay_out(self.graph, node.output)[1]
        weight = node.weight.astype(np.int64).reshape(*node.weight.shape[:2], *kernel)
        x = self.net.pad(x, pads)
        self.check_window(node, x, kernel)
        if node.groups == x.channels == weight.shape[0] and node.groups > 1 and tuple(kernel) != (1, 1):
            x = self.net.windows(x, kernel, stride, dilation, depthwise=True)
            weight, flip = self._flipped(node, weight, axis=0)
            out = self.net.depthwise(x, weight, node.weight_bits)
            self.values[node.output] = Value(out, axis, flip)
            return
        x = self.net.windows(x, kernel, stride, dilation)
        weight = _dense(weight, node.groups).transpose(2, 3, 1, 0)
        self._multiply(node, x, weight.reshape(-1, weight.shape[-1]), axis)

    def _multiply(self, node, x: Stream, weight: np.ndarray, axis: int) -> None:
        weight, flip = self._flipped(node, weight, axis=1)
        self.values[node.output] = Value(self.net.matmul(x, weight, node.weight_bits), axis, flip)

    def _flipped(self, node, weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray | int]:
        """Weights with the sign turned in the channels whose Requantize has a negative multiplier."""
        reader = self.sole(node.output)
        if not isinstance(reader, ops.Requantize) or len(reader.inputs) != 1 or reader.is_wide:
            return weight, 1
        flip = np.where(per_channel(reader.mult[0], weight.shape[axis]) < 0, -1, 1)
        turned = weight * np.expand_dims(flip, tuple(i for i in range(weight.ndim) if i != axis))
        if turned.max() >= 1 << (node.weight_bits - 1):
            return weight, 1
        return turned, flip


def _dense(weight: np.ndarray, groups: int) -> np.ndarray:
    """A grouped convolution's weight with the zeros between groups written out."""
    if groups == 1:
        return weight
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    full = np.zeros((weight.shape[0], ins * groups, *weight.shape[2:]), weight.dtype)
    for g in range(groups):
        full[g * outs : (g + 1) * outs, g * ins : (g + 1) * ins] = weight[g * outs : (g + 1) * outs]
    return full
