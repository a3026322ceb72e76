"""What every builder of graphs needs: the graph, its tensors and names, its edges; builder.py adds the operators."""

from __future__ import annotations

import numpy as np

from hwgen.errors import GraphError, UnsupportedError
from hwgen.graph import ops
from hwgen.graph.graph import Graph, check_shape
from hwgen.graph.ranges import Range, node_range
from hwgen.graph.types import IntType, Tensor


class Edges:
    """Inputs, constants, outputs and names of a graph that grows."""

    def __init__(self, name: str = "graph"):
        self.graph = Graph(name)
        self.ranges: dict[str, Range] = {}
        self._bias: dict[str, np.ndarray] = {}
        self._names: set[str] = set()
        self._weights: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def build(self) -> Graph:
        """The finished graph, validated (raises GraphError)."""
        return self.graph.validate()

    def tensor(self, name: str) -> Tensor:
        """A tensor by name."""
        return self.graph.tensors[name]

    def input(self, name: str, shape: tuple[int, ...], bits: int = 8, signed: bool = True, scale: float = 1.0,
              narrow: bool = False) -> str:  # fmt: skip
        """A graph input that holds integers of `bits` bits with a scale."""
        self._check_type(name, bits, scale)
        check_shape(f"input {name!r}", tuple(shape))
        dtype = IntType(bits, signed)
        self.graph.tensors[name] = Tensor(name, tuple(shape), dtype, real_scale(scale), narrow=narrow)
        self.graph.inputs.append(name)
        self.ranges[name] = Range(dtype.lo, dtype.hi)
        self._names.add(name)
        return name

    def constant(self, value: np.ndarray, scale: float, bits: int = 8, signed: bool = True,
                 name: str | None = None) -> str:  # fmt: skip
        """Integers of `bits` bits that every observation shares, with a scale; value has the tensor's shape."""
        self._check_type(name or "constant", bits, scale)
        value, dtype = np.asarray(value), IntType(bits, signed)
        if not np.issubdtype(value.dtype, np.integer) or not value.size:
            raise GraphError(f"constant {name or ''!r} is {value.dtype} {value.shape}; give integers, quantized first")
        if value.min() < dtype.lo or value.max() > dtype.hi:
            raise GraphError(f"constant {name or ''!r} reaches from {value.min()} to {value.max()}, beyond {dtype}; "
                             "quantize it with a larger scale")  # fmt: skip
        node = ops.Constant(**self._ids("constant", name), value=value.astype(dtype.numpy))
        return self._add(node, dtype, real_scale(scale))

    def output(self, x: str, name: str | None = None) -> str:
        """Mark a tensor as graph output, renaming it if a name is given."""
        if name and name != x:
            self.rename(x, name)
        self.graph.outputs.append(name or x)
        return name or x

    def output_copy(self, x: str, name: str) -> str:
        """Mark a tensor as the graph output `name`: renamed where possible, else copied by a Requantize."""
        t = self.tensor(x)
        if x not in self.graph.inputs and x not in self.graph.outputs:
            return self.output(x, name)
        copy = {"lo": t.dtype.lo, "hi": t.dtype.hi, "channel_axis": t.channel_axis}
        one, zero = np.ones(1, np.int64), np.zeros(1, np.int64)
        node = ops.Requantize(**self._ids("copy", name, x), mult=[one], bias=zero, shift=zero, **copy)
        return self.output(self._add(node, t.dtype, t.scale, t.channel_axis))

    def reserve(self, names: list[str]) -> None:
        """Keep names that this builder makes up away from these."""
        self._names.update(names)

    def rename(self, old: str, new: str) -> None:
        """Give a tensor (neither input nor output) another name, and its node with it."""
        if new in self.graph.tensors:
            raise GraphError(f"cannot rename {old!r} to {new!r}: that tensor exists already")
        if old in self.graph.inputs or old in self.graph.outputs:
            raise GraphError(f"cannot rename {old!r}: it is a graph input or output")
        self.graph.tensors[new] = self.graph.tensors.pop(old)
        self.graph.tensors[new].name = new
        self.ranges[new] = self.ranges.pop(old)
        for n in self.graph.nodes:
            if n.output == old:
                n.output, n.name = new, new if n.name == old else n.name
            n.inputs = tuple(new if i == old else i for i in n.inputs)

    # -- inside ------------------------------------------------------------------------------------------------

    def _keep(self, node: ops.Node) -> str:
        t = self.tensor(node.inputs[0]) if node.inputs else None
        if t is None:
            raise GraphError(f"node {node.name!r} ({node.op}): it has no inputs; give it one")
        if t.per_channel:
            raise UnsupportedError(
                f"node {node.name!r} ({node.op}) would move {t.name!r}, whose scale differs between channels; "
                "requantize it to one scale first"
            )
        return self._add(node, t.dtype, t.scale)

    def _add(self, node: ops.Node, dtype: IntType, scale, axis: int = -1) -> str:
        if node.output in self.graph.tensors:
            raise GraphError(f"node {node.name!r} ({node.op}): a tensor of this name exists already; give another name")
        try:
            shape = node.out_shape(self.graph.in_shapes(node))
        except ValueError as e:
            raise GraphError(f"node {node.name!r} ({node.op}): {e}") from None
        check_shape(f"node {node.name!r} ({node.op}): its result", shape)
        self.graph.nodes.append(node)
        self.graph.tensors[node.output] = Tensor(node.output, shape, dtype, scale, axis)
        tensors = [self.tensor(i) for i in node.inputs]
        self.ranges[node.output] = node_range(node, [self.ranges[i] for i in node.inputs], tensors)
        return node.output

    def _ids(self, kind: str, name: str | None, *inputs: str) -> dict:
        for i in inputs:
            if i not in self.graph.tensors:
                raise GraphError(f"{kind} {name or ''!r} reads {i!r}, which does not exist; make it first")
        name = self._fresh(kind) if name is None else name
        self._names.add(name)
        return {"name": name, "inputs": tuple(inputs), "output": name}

    def _fresh(self, base: str) -> str:
        name, k = base, 0
        while name in self._names or name in self.graph.tensors:
            k += 1
            name = f"{base}_{k}"
        return name

    def _check_narrow(self, where: str, *names: str) -> None:
        for name in names:
            if self.tensor(name).dtype.is_wide:
                raise UnsupportedError(f"{where} reads the sums {name!r}; requantize them to 8 bits or less first")

    def _weight(self, weight: np.ndarray, name: str) -> np.ndarray:
        """As int8; layers that are given one array (steps of a loop) hold one array, so that it is stored once."""
        if id(weight) in self._weights:
            return self._weights[id(weight)][1]
        w = np.asarray(weight)
        if not w.size:
            raise GraphError(f"{name!r}: weights of shape {w.shape} hold no number; each axis needs one at least")
        if not np.issubdtype(w.dtype, np.integer) or w.min() < -128 or w.max() > 127:
            raise GraphError(f"{name!r}: weights must be integers within -128 and 127; quantize them first")
        self._weights[id(weight)] = weight, w.astype(np.int8, copy=False)  # with the source, so that its id stays
        return self._weights[id(weight)][1]

    @staticmethod
    def _check_type(name: str, bits: int, scale: float) -> None:
        if not 2 <= bits <= 8:
            raise UnsupportedError(f"{name!r}: activations of {bits} bits; 2 to 8 are possible")
        if np.ndim(scale) or not (np.isfinite(real_scale(scale)) and real_scale(scale) > 0):
            raise UnsupportedError(f"{name!r}: the scale of an activation must be one positive number, not {scale}")


def as_tuple(value: int | tuple[int, ...], n: int) -> tuple[int, ...]:
    """One number for all n axes, or a tuple as it is."""
    return (int(value),) * n if np.ndim(value) == 0 else tuple(int(v) for v in value)


def real_scale(scale: float) -> float:
    """Scales are float32 numbers (as ONNX stores them), held in double precision."""
    return float(np.float32(scale))


def scalar_if_one(scale: float | np.ndarray) -> float | np.ndarray:
    """A scale as one number where all channels have the same."""
    scale = np.asarray(scale, np.float64)
    return float(scale.flat[0]) if (scale == scale.flat[0]).all() else scale
