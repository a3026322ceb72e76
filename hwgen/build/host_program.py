"""A graph as a host program: the description and arrays that `hwgen.runtime.host` runs on the robot's processor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import numpy as np

from hwgen.errors import FitError, UnsupportedError
from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.policies.checkpoint import narrow
from hwgen.runtime.host import HostProgram
from hwgen.runtime.host.program import FORMAT

Arrays = dict[str, np.ndarray]


def serialise(graph: Graph) -> tuple[dict, Arrays]:
    """(description, arrays) of a valid graph, for HostProgram.parse, which has accepted them.

    The description is JSON (one object a node), the arrays are of the narrowest integer type. Scales and names of nodes
    are left out: integers need neither. Raises FitError for a graph that is too large for a robot's processor, and
    UnsupportedError naming a node that host programs lack.
    """
    description, arrays = _describe(graph)

    def complain(where: str, reason: str) -> FitError:
        return FitError(f"graph {graph.name!r} cannot run on the robot's processor: {where} {reason}; "
                        "give it to the accelerator, or make it smaller")  # fmt: skip

    HostProgram.parse(description, arrays, "host program", complain)
    return description, arrays


def _describe(graph: Graph) -> tuple[dict, Arrays]:
    arrays: Arrays = {}
    nodes = [_Node(graph, i, arrays).description() for i in range(len(graph.nodes))]
    inputs = [{"name": t.name, "shape": list(t.shape), "lo": t.dtype.lo, "hi": t.dtype.hi}
              for t in (graph.tensors[name] for name in graph.inputs)]  # fmt: skip
    return {"format": FORMAT, "inputs": inputs, "nodes": nodes, "outputs": list(graph.outputs)}, arrays


def digest(graph: Graph) -> str:
    """A hash of what a graph computes on integers: equal for graphs whose nodes are the same, whatever they and their
    tensors are called and in whatever order they stand."""
    description, arrays = _describe(graph)
    known = {t["name"]: _sha([i, t["shape"], t["lo"], t["hi"]]) for i, t in enumerate(description["inputs"])}
    for node in description["nodes"]:
        entries = {k: _by_value(v, arrays) for k, v in node.items() if k not in ("op", "inputs", "output")}
        known[node["output"]] = _sha([node["op"], [known[name] for name in node["inputs"]], entries])
    return _sha([known[name] for name in description["outputs"]])


def _by_value(entry: object, arrays: Arrays) -> object:
    if isinstance(entry, list):
        return [_by_value(e, arrays) for e in entry]
    return [arrays[entry].shape, arrays[entry].tolist()] if isinstance(entry, str) else entry


def _sha(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class _Node:
    """One node on its way into the description."""

    def __init__(self, graph: Graph, index: int, arrays: Arrays) -> None:
        self.node, self.index, self.arrays = graph.nodes[index], index, arrays
        self.ins = [graph.tensors[name] for name in self.node.inputs]
        self.out = graph.tensors[self.node.output]

    def description(self) -> dict:
        if self.node.op not in WRITE:
            raise UnsupportedError(
                f"node {self.node.name!r} ({self.node.op}): robots' processors run no such operator; give "
                "this part of the policy to the accelerator"
            )
        head = {"op": self.node.op, "inputs": list(self.node.inputs), "output": self.node.output}
        return head | WRITE[self.node.op](self, self.node)

    def array(self, field: str, values: np.ndarray) -> str:
        """Store an array; returns its name."""
        name = f"{self.index}.{field}"
        self.arrays[name] = narrow(np.asarray(values))
        return name

    def parameter(self, field: str, values: np.ndarray) -> int | str:
        """A number where all channels have the same, else the name of an array."""
        values = np.asarray(values)
        return int(values.flat[0]) if (values == values.flat[0]).all() else self.array(field, values)

    def clamp(self, node: ops.Node) -> dict:
        return {"lo": int(node.lo), "hi": int(node.hi)}

    def along_channels(self, node: ops.Node, entries: dict) -> dict:
        """The entries, and the channel axis where one of them is an array."""
        flat = [v for entry in entries.values() for v in (entry if isinstance(entry, list) else [entry])]
        if any(isinstance(v, str) for v in flat):
            entries["channel_axis"] = node.channel_axis % len(self.out.shape)
        return entries

    def linear(self, node: ops.Linear) -> dict:
        return {"weight": self.array("weight", node.weight)}

    def conv(self, node: ops.Conv2D | ops.Conv1D) -> dict:
        window = {"stride": _ints(node.stride), "pads": _ints(node.pads), "dilation": _ints(node.dilation)}
        return {"weight": self.array("weight", node.weight), **window, "groups": int(node.groups)}

    def conv_transpose(self, node: ops.ConvTranspose1D) -> dict:
        window = {"stride": int(node.stride), "pads": _ints(node.pads), "output_padding": int(node.output_padding)}
        return {"weight": self.array("weight", node.weight), **window, "groups": int(node.groups)}

    def constant(self, node: ops.Constant) -> dict:
        return {"value": self.array("value", node.value)}

    def requantize(self, node: ops.Requantize) -> dict:
        entries = {
            "mult": [self.parameter(f"mult{i}", m) for i, m in enumerate(node.mult)],
            "bias": self.parameter("bias", node.bias),
            "shift": self.parameter("shift", node.shift),
        }
        return self.along_channels(node, entries) | {"relu": bool(node.relu)} | self.clamp(node)

    def mul(self, node: ops.Mul) -> dict:
        entries = {"mult": self.parameter("mult", node.mult), "shift": self.parameter("shift", node.shift)}
        return self.along_channels(node, entries) | self.clamp(node)

    def lookup(self, node: ops.Lookup) -> dict:
        return {"offset": 128 if self.ins[0].dtype.signed else 0, "table": self.array("table", node.table)}

    def layernorm(self, node: ops.LayerNorm) -> dict:
        lane = {field: self.parameter(field, getattr(node, field)) for field in ("gamma_mult", "bias", "shift")}
        return lane | {"eps_int": int(node.eps_int), "rms": bool(node.rms)} | self.clamp(node)

    def groupnorm(self, node: ops.GroupNorm) -> dict:
        lane = {field: self.parameter(field, getattr(node, field)) for field in ("gamma_mult", "bias", "shift")}
        return lane | {"groups": int(node.groups), "eps_int": int(node.eps_int)} | self.clamp(node)

    def softmax(self, node: ops.Softmax) -> dict:
        scale = {"mult": int(node.mult), "shift": int(node.shift)}
        return {"table": self.array("table", node.table)} | scale | self.clamp(node)

    def sumpool(self, node: ops.SumPool) -> dict:
        return {"kernel": _ints(node.kernel), "stride": _ints(node.stride), "pads": _ints(node.pads)}

    def maxpool(self, node: ops.MaxPool) -> dict:
        return self.sumpool(node) | {"fill": self.ins[0].dtype.lo}

    def reshape(self, node: ops.Reshape) -> dict:
        return {"shape": _ints(node.shape)}

    def nothing(self, node: ops.Flatten | ops.MatMul) -> dict:
        return {}

    def transpose(self, node: ops.Transpose) -> dict:
        return {"perm": _ints(node.perm)}

    def concat(self, node: ops.Concat) -> dict:
        return {"axis": node.axis % len(self.out.shape)}

    def slice(self, node: ops.Slice) -> dict:
        axis = node.axis % len(self.out.shape)
        start, stop, step = slice(node.start, node.stop, node.step).indices(self.ins[0].shape[axis])
        return {"axis": axis, "start": start, "stop": stop, "step": min(step, self.ins[0].shape[axis])}


def _ints(values) -> list[int]:
    return [int(v) for v in values]


WRITE: dict[str, Callable[[_Node, ops.Node], dict]] = {
    "Linear": _Node.linear, "Conv1D": _Node.conv, "Conv2D": _Node.conv, "Requantize": _Node.requantize,
    "ConvTranspose1D": _Node.conv_transpose, "MatMul": _Node.nothing, "Constant": _Node.constant,
    "GroupNorm": _Node.groupnorm, "Mul": _Node.mul, "Lookup": _Node.lookup, "LayerNorm": _Node.layernorm,
    "Softmax": _Node.softmax, "MaxPool": _Node.maxpool, "SumPool": _Node.sumpool, "Reshape": _Node.reshape,
    "Flatten": _Node.nothing, "Transpose": _Node.transpose, "Concat": _Node.concat, "Slice": _Node.slice,
}  # fmt: skip
"""The operators that a host program has: their entries in the description."""
