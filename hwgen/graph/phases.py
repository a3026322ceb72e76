"""Transposed convolutions as ordinary ones: outputs that are `stride` apart see the same taps, so they form a phase.

    graph = without_transposed(graph)

Each phase is a Conv1D with the taps that meet in it, and no multiplication by a zero between inputs is left. The
Requantize (or Requantizes) behind the accumulator are done for each phase; the rounded phases are then interleaved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.graph.types import Tensor

NAMES = ("name", "inputs", "output")


def without_transposed(graph: Graph) -> Graph:
    """The same integers without ConvTranspose1D: Conv1D for each phase, then Reshape, Concat and Slice.

    Raises UnsupportedError, naming the node, where something else than a Requantize reads its accumulator.
    """
    if not any(isinstance(n, ops.ConvTranspose1D) for n in graph.nodes):
        return graph
    done = Graph(graph.name, list(graph.inputs), list(graph.outputs), dict(graph.tensors))
    sums = {n.output: n for n in graph.nodes if isinstance(n, ops.ConvTranspose1D)}
    taps: dict[tuple, np.ndarray] = {}  # of phases: those of shared weights are shared, too
    for node in graph.nodes:
        if isinstance(node, ops.ConvTranspose1D):
            readers = graph.consumers(node.output)
            if node.output in graph.outputs or not all(isinstance(r, ops.Requantize) for r in readers):
                raise UnsupportedError(f"node {node.name!r} (ConvTranspose1D): its sums are moved or leave the graph "
                                       "before they are rounded; put a Quant node behind it")  # fmt: skip
            del done.tensors[node.output]
        elif node.inputs and node.inputs[0] in sums:
            _Phases(done, graph, sums[node.inputs[0]], node, taps).run()
        else:
            done.nodes.append(node)
    return done.validate()


class _Phases:
    """One transposed convolution and one Requantize of its sums."""

    def __init__(self, done: Graph, graph: Graph, conv: ops.ConvTranspose1D, lane: ops.Requantize, taps: dict):
        self.done, self.conv, self.lane, self.taps = done, conv, lane, taps
        self.x, self.sums, self.out = (graph.tensors[n] for n in (conv.inputs[0], conv.output, lane.output))
        self.count = -(-self.out.shape[1] // conv.stride)  # outputs of each phase; the last of some are cut off

    def run(self) -> None:
        """Phases side by side in a new last axis, which the Reshape then interleaves."""
        name, channels, stride = self.out.name, self.out.shape[0], self.conv.stride
        cut = self.count * stride - self.out.shape[1]
        parts = [self.phase(p) for p in range(stride)]
        columns = [self.add(ops.Reshape, [p], f"{p}.column", self.out, shape=(channels, self.count, 1)) for p in parts]
        y = self.add(ops.Concat, columns, f"{name}.phases", self.out, axis=2)
        y = self.add(ops.Reshape, [y], f"{name}.all" if cut else name, self.out, shape=(channels, self.count * stride))
        if cut:
            self.add(ops.Slice, [y], name, self.out, axis=1, start=0, stop=self.out.shape[1])

    def phase(self, p: int) -> str:
        """Outputs p, p + stride, ...: output n*stride + p sums x[n + q - j] * w[first + j*stride] over j."""
        conv, taps = self.conv, self.conv.by_output()
        first, q = (p + conv.pads[0]) % conv.stride, (p + conv.pads[0]) // conv.stride
        weight = taps[:, :, first :: conv.stride][:, :, ::-1]
        if weight.shape[2] == 0:  # fewer taps than phases: only the bias is left
            weight, q = np.zeros((*taps.shape[:2], 1), np.int8), 0
        begin = weight.shape[2] - 1 - q
        end = self.count - 1 + q - (self.x.shape[1] - 1)
        # Below 0, inputs at that end are not used: taps of zero pass over them.
        weight = np.pad(weight, ((0, 0), (0, 0), (max(0, -begin), max(0, -end))))
        weight = self.taps.setdefault((id(conv.weight), conv.stride, conv.groups, first, begin, end), weight)
        window = {"weight": weight, "weight_bits": conv.weight_bits, "pads": (max(0, begin), max(0, end))}
        name = f"{self.out.name}.phase{p}"
        acc = self.add(ops.Conv1D, conv.inputs, f"{name}.sum", self.sums, groups=conv.groups, **window)
        residual = [self.every(r, p) for r in self.lane.inputs[1:]]
        lane = {f.name: getattr(self.lane, f.name) for f in fields(self.lane) if f.name not in NAMES}
        return self.add(ops.Requantize, [acc, *residual], name, self.out, **lane)

    def every(self, residual: str, p: int) -> str:
        """Positions p, p + stride, ... of a residual; the whole one where it broadcasts along the positions."""
        t, stride, name = self.done.tensors[residual], self.conv.stride, f"{self.out.name}.residual{p}"
        if t.shape[1] == 1 or stride == 1:
            return residual
        if cut := self.count * stride - t.shape[1]:
            # Outputs that are cut off later have a residual, too: the last position, whatever it is.
            last = self.add(ops.Slice, [residual], f"{name}.last", t, axis=1, start=t.shape[1] - 1, stop=t.shape[1])
            residual = self.add(ops.Concat, [residual, *[last] * cut], f"{name}.whole", t, axis=1)
        return self.add(ops.Slice, [residual], name, t, axis=1, start=p, stop=self.count * stride, step=stride)

    def add(self, cls: type, inputs: Iterable[str], name: str, like: Tensor, **parameters) -> str:
        """A node and its tensor, of the type and scale of `like`."""
        node = cls(name=name, inputs=tuple(inputs), output=name, **parameters)
        self.done.nodes.append(node)
        self.done.tensors[name] = replace(like, name=name, shape=node.out_shape(self.done.in_shapes(node)))
        return name
