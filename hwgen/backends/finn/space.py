"""Pools and shapes -> window layers; what only renames a stream adds nothing."""

from __future__ import annotations

import numpy as np

from hwgen.backends.finn.kinds import Kind
from hwgen.backends.finn.streams import Stream
from hwgen.backends.finn.thresholds import identity
from hwgen.backends.finn.value import Part, Value, lay_out
from hwgen.graph import ops


class Space(Part):
    """MaxPool, SumPool, Flatten, Reshape, Concat."""

    def _window(self, node) -> tuple[Stream, tuple, tuple, tuple]:
        x = self.values[node.inputs[0]].stream
        if len(node.kernel) == 1:
            return x, (*node.kernel, 1), (*node.stride, 1), (node.pads[0], 0, node.pads[1], 0)
        return x, tuple(node.kernel), tuple(node.stride), tuple(node.pads)

    def _maxpool(self, node: ops.MaxPool) -> None:
        x, kernel, stride, pads = self._window(node)
        like = self.values[node.inputs[0]]
        tiles = kernel == stride and not any(pads) and not (x.shape[1] % kernel[0] or x.shape[2] % kernel[1])
        square = x.shape[1] == x.shape[2] and kernel[0] == kernel[1]
        if tiles and (square or x.shape[2] == kernel[1] == 1) and kernel != (1, 1):
            self.put(node, like, self.net.maxpool(x, kernel))
            return
        kind, shift = x.kind, 0
        if any(pads) and kind.signed:  # FINN pads with 0, which must not win
            shift = -kind.lo
            x = self.net.affine(x, "add", np.array([shift]))
        x = self.net.pad(x, pads)
        self.check_window(node, x, kernel)
        if kernel != (1, 1):
            x = self.net.window_max(self.net.windows(x, kernel, stride, depthwise=True), kernel)
        else:
            x = self.net.windows(x, kernel, stride)
        if shift:
            x = self.net.threshold(x, identity(0, Kind(kind.bits, False)), kind)
        self.put(node, like, x)

    def is_global(self, node: ops.SumPool) -> bool:
        """Whether one window covers all pixels."""
        space = self.graph.tensors[node.inputs[0]].shape[1:]
        return tuple(node.kernel) == tuple(space) and not any(node.pads) and np.prod(space) > 1

    def _sumpool(self, node: ops.SumPool) -> None:
        x, kernel, stride, pads = self._window(node)
        like = self.values[node.inputs[0]]
        if self.is_global(node):
            self.put(node, like, self.net.total(x))
            return
        x = self.net.pad(x, pads)
        self.check_window(node, x, kernel)
        if kernel == (1, 1):
            self.put(node, like, self.net.windows(x, kernel, stride))
            return
        ones = np.ones((x.channels, 1, *kernel), np.int64)
        self.put(node, like, self.net.depthwise(self.net.windows(x, kernel, stride, depthwise=True), ones, 2))

    def _flatten(self, node) -> None:
        x = self.values[node.inputs[0]]
        shape = self.graph.tensors[node.output].shape
        single = x.stream.shape[:-1] == (1,) * (len(x.stream.shape) - 1)
        if len(shape) == 1:
            image = len(self.graph.tensors[node.inputs[0]].shape) + x.axis == 0  # channels first; rows have them last
            order = x.flat or ((2, 0, 1) if image else (0, 1, 2))
            self.values[node.output] = Value(x.stream, -1, flat=() if single else order)
        elif single and np.prod(shape) == max(shape):
            axis = lay_out(self.graph, node.output)[1]
            if shape[axis] != x.stream.channels:
                self.fail(node, "only a vector that becomes the channels of one pixel keeps its order in FINN")
            self.values[node.output] = Value(x.stream, axis)
        else:
            self.fail(node, f"FINN's streams keep their shape; {self.graph.tensors[node.inputs[0]].shape} cannot "
                            f"become {shape}")  # fmt: skip

    _reshape = _flatten

    def _concat(self, node: ops.Concat) -> None:
        xs = [self.values[i] for i in node.inputs]
        rank = len(self.graph.tensors[node.output].shape)
        if any(x.flat for x in xs) or any(node.axis % rank != x.axis % rank for x in xs):
            self.fail(node, "FINN concatenates channels only")
        self.values[node.output] = Value(self.net.concat([x.stream for x in xs]), xs[0].axis)
