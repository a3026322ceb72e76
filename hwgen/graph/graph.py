"""The graph: tensors and nodes in the order in which they run, and the checks that make it trustworthy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import GraphError
from hwgen.graph import ops
from hwgen.graph.node import Node
from hwgen.graph.ranges import Range, node_range
from hwgen.graph.types import ACC_BITS, Tensor

MULT_LIMITS = (1 << 17, 1 << 26)
"""|multiplier| of the first and the second input of Requantize stay below these."""
BIAS_LIMIT = 1 << 47
SUM_LIMIT = 1 << 51
EPS_LIMIT = 1 << 40
MAX_SHIFT = 63
MAX_SOFTMAX_SHIFT = 47
MAX_ROW = 65535
"""Longest row of LayerNorm and Softmax, largest group of GroupNorm."""
EXP_ONE = 1 << 23
"""exp(0) in Softmax's table."""


@dataclass(repr=False)
class Graph:
    """A whole model as integers. ``nodes`` are in topological order; ``tensors`` holds every edge by name."""

    name: str = "graph"
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.nodes)} nodes, {self.inputs} -> {self.outputs})"

    def producer(self, tensor: str) -> Node | None:
        """The node that makes a tensor; None for a graph input."""
        return next((n for n in self.nodes if n.output == tensor), None)

    def consumers(self, tensor: str) -> list[Node]:
        """The nodes that read a tensor, in order."""
        return [n for n in self.nodes if tensor in n.inputs]

    def input_range(self, name: str) -> tuple[int, int]:
        """Smallest and largest integer that a graph input's quantizer gives."""
        t = self.tensors[name]
        return t.dtype.bounds(t.narrow)

    def in_shapes(self, node: Node) -> list[tuple[int, ...]]:
        """Shapes of a node's inputs, without batch."""
        return [self.tensors[name].shape for name in node.inputs]

    def macs(self) -> int:
        """Multiplications that must happen for one observation (no padding, nothing twice)."""
        return sum(n.macs(self.in_shapes(n)) for n in self.nodes)

    def ranges(self) -> dict[str, Range]:
        """Smallest and largest value that each tensor can take, per channel where that is known."""
        return dict(self._walk_ranges())

    def _walk_ranges(self) -> Iterator[tuple[str, Range]]:
        known: dict[str, Range] = {}
        for name in self.inputs:
            # The whole type, for golden and hardware accept any value of it.
            t = self.tensors[name].dtype
            known[name] = Range(t.lo, t.hi)
            yield name, known[name]
        for node in self.nodes:
            r = node_range(node, [known[i] for i in node.inputs], [self.tensors[i] for i in node.inputs])
            known[node.output] = r
            yield node.output, r

    def validate(self) -> Graph:
        """Check everything that golden and hardware rely on; returns self. Raises GraphError naming the node."""
        self._check_names()
        for node in self.nodes:
            self._check_node(node)
        self._check_ranges()
        return self

    def _check_names(self) -> None:
        if not self.inputs or not self.outputs:
            raise GraphError(f"graph {self.name!r} has no {'outputs' if self.inputs else 'inputs'}; mark at least one")
        seen, names = set(self.inputs), set()
        for node in self.nodes:
            if node.name in names:
                raise GraphError(f"two nodes are named {node.name!r}; names must be unique")
            names.add(node.name)
            for i in node.inputs:
                if i not in seen:
                    raise GraphError(
                        f"node {node.name!r} reads {i!r}, which no earlier node makes; order the nodes so that each "
                        "tensor is made before it is read (a cycle cannot be ordered)"
                    )
            if node.output in seen:
                raise GraphError(f"node {node.name!r} makes {node.output!r}, which exists already; rename its output")
            seen.add(node.output)
        for name in [*seen, *self.outputs]:
            if name not in seen:
                raise GraphError(f"output {name!r} of {self.name!r} is made by no node")
            if name not in self.tensors:
                raise GraphError(f"tensor {name!r} has no entry in tensors; add its shape, dtype and scale")
        for name in self.inputs:
            check_shape(f"input {name!r}", self.tensors[name].shape)

    def _check_node(self, node: Node) -> None:
        def fail(why: str) -> None:
            raise GraphError(f"node {node.name!r} ({node.op}): {why}")

        ins, out = [self.tensors[i] for i in node.inputs], self.tensors[node.output]
        check_shape(f"node {node.name!r} ({node.op}): its result", out.shape)
        if len(ins) not in ARITY.get(node.op, (1,)) and not (node.op == "Concat" and ins):
            fail(f"it has {len(ins)} inputs; {node.op} takes {ARITY.get(node.op, (1,))}")
        try:
            shape = node.out_shape([t.shape for t in ins])
        except ValueError as e:
            raise GraphError(f"node {node.name!r} ({node.op}): {e}") from None
        if shape != out.shape:
            fail(f"it makes shape {shape}, but tensor {out.name!r} says {out.shape}")
        for t in ins[: 2 if node.op != "Requantize" else 0] + (ins[1:] if node.op == "Requantize" else []):
            if t.dtype.is_wide and node.op not in MOVES:
                fail(f"it cannot read the {t.dtype} tensor {t.name!r}; put a Requantize to 8 bits or less between")
        scale = np.asarray(out.scale)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            fail(f"the scale of {out.name!r} must be positive and finite, not {out.scale}")
        if out.per_channel and not out.dtype.is_wide:
            fail(f"{out.name!r} is {out.dtype} and has a scale per channel; only 32-bit tensors may")
        if isinstance(node, ops.ACCUMULATING) and out.dtype.bits != ACC_BITS:
            fail(f"{out.name!r} must be int{ACC_BITS}, not {out.dtype}")
        self._check_params(node, ins, out, fail)

    def _check_params(self, node: Node, ins: list[Tensor], out: Tensor, fail) -> None:
        if isinstance(node, ops.WEIGHTED):
            if node.weight_bits not in range(2, 9):
                fail(f"weights of {node.weight_bits} bits; 2 to 8 are possible")
            lo, hi = -(1 << (node.weight_bits - 1)), (1 << (node.weight_bits - 1)) - 1
            if node.weight.dtype != np.int8 or not node.weight.size or node.weight.min() < lo or node.weight.max() > hi:
                fail(f"its weights must be int8 within {node.weight_bits} bits ({lo} to {hi})")
        if isinstance(node, (ops.LayerNorm, ops.Softmax)) and (not ins[0].shape or ins[0].shape[-1] > MAX_ROW):
            fail(f"its input has shape {ins[0].shape}; rows of at most {MAX_ROW} elements are possible")
        if isinstance(node, ops.GroupNorm) and node.row(ins[0].shape) > MAX_ROW:
            fail(f"its {node.groups} groups of {ins[0].shape} have {node.row(ins[0].shape)} elements each; at most "
                 f"{MAX_ROW} are possible: use more groups")  # fmt: skip
        if isinstance(node, ops.Constant):
            check_constant(node, out, fail)
        if isinstance(node, (ops.LayerNorm, ops.GroupNorm)) and not 1 <= node.eps_int < EPS_LIMIT:
            fail(f"eps_int {node.eps_int} is not within 1 and 2**40")
        if isinstance(node, (ops.Lookup, ops.Softmax)) and np.shape(node.table) != (256,):
            fail(f"its table has shape {np.shape(node.table)}; it needs 256 entries")
        if isinstance(node, ops.Softmax):
            check_softmax(node, fail)
        if isinstance(node, ops.Lookup):
            if out.dtype.is_wide or np.min(node.table) < out.dtype.lo or np.max(node.table) > out.dtype.hi:
                fail(f"its table leaves the range of {out.dtype}")
        if isinstance(node, (ops.Requantize, ops.LayerNorm, ops.GroupNorm, ops.Softmax, ops.Mul)):
            if node.lo < out.dtype.lo or node.hi > out.dtype.hi or node.lo > node.hi:
                fail(f"its clamp {node.lo} to {node.hi} is not within {out.dtype}")
        if isinstance(node, (ops.Requantize, ops.LayerNorm, ops.GroupNorm, ops.Mul)):
            check_lane(node, out.shape, fail)
        if isinstance(node, MOVES_T) and any(t.dtype != out.dtype for t in ins):
            other = next(t.dtype for t in ins if t.dtype != out.dtype)
            fail(f"it cannot change {other} to {out.dtype}; requantize to one type first")
        if isinstance(node, ops.Concat) and any(not np.array_equal(t.scale, out.scale) for t in ins):
            fail("its inputs have different scales; requantize them to one scale first")

    def _check_ranges(self) -> None:
        by_output = {n.output: n for n in self.nodes}
        for name, r in self._walk_ranges():
            if (node := by_output.get(name)) is None:
                continue
            t = self.tensors[name].dtype
            if np.min(r.lo) < t.lo or np.max(r.hi) > t.hi:
                raise GraphError(
                    f"node {node.name!r} ({node.op}): its sums can reach {int(np.min(r.lo))} to {int(np.max(r.hi))}, "
                    f"beyond {t}; use fewer weight or activation bits, or split the layer"
                )
            if r.peak >= SUM_LIMIT:
                raise GraphError(f"node {node.name!r} ({node.op}): its sum can reach 2**{np.log2(r.peak):.1f}, "
                                 "beyond the 2**51 of the requantize lane; use a smaller shift")  # fmt: skip


def check_shape(who: str, shape: ops.Shape) -> None:
    """Raise GraphError when a tensor has an axis without elements."""
    if min(shape, default=1) < 1:
        raise GraphError(f"{who} has shape {shape}; each axis needs one element at least")


def check_softmax(node: ops.Softmax, fail) -> None:
    """Check a Softmax's table and reciprocal parameters against their widths."""
    table = np.asarray(node.table)
    falls = np.issubdtype(table.dtype, np.integer) and table[0] == EXP_ONE and (np.diff(table) <= 0).all()
    if not falls or table[-1] < 0:
        fail(f"its table must fall from 2**23 to 0 or more; it begins with {table[:2].tolist()}")
    if not 1 << 16 <= node.mult < 1 << 17:
        fail(f"its multiplier is {node.mult}; it must be within 2**16 and 2**17")
    if not 1 <= node.shift <= MAX_SOFTMAX_SHIFT:
        fail(f"its shift is {node.shift}; it must be within 1 and {MAX_SOFTMAX_SHIFT}")
    if not (np.isfinite(node.step) and node.step > 0):
        fail(f"its step is {node.step}; it must be positive and finite")


def check_constant(node: ops.Constant, out: Tensor, fail) -> None:
    """Check a Constant's integers against its tensor's type."""
    if out.dtype.is_wide:
        fail(f"it is {out.dtype}; constants of 2 to 8 bits are possible")
    value = node.value
    if not np.issubdtype(value.dtype, np.integer) or not value.size:
        fail(f"its value is {value.dtype} {value.shape}; it must be integers, at least one")
    if value.min() < out.dtype.lo or value.max() > out.dtype.hi:
        fail(f"its values reach from {value.min()} to {value.max()}, beyond {out.dtype}")


def check_lane(node: Node, shape: tuple[int, ...], fail) -> None:
    """Check multipliers, bias and shift of a node against the widths of the requantize lane."""
    mults = [node.gamma_mult] if hasattr(node, "gamma_mult") else node.mult if node.op == "Requantize" else [node.mult]
    if len(mults) != (len(node.inputs) if node.op == "Requantize" else 1):
        fail(f"it has {len(mults)} multipliers for {len(node.inputs)} inputs")
    bias = getattr(node, "bias", np.int64(0))
    axis = getattr(node, "channel_axis", -1)
    if shape and not -len(shape) <= axis < len(shape):
        fail(f"its channels run along axis {axis}; shape {shape} has none")
    channels = shape[axis] if shape else 1
    for what, a in (*((f"multiplier {i}", m) for i, m in enumerate(mults)), ("bias", bias), ("shift", node.shift)):
        a = np.asarray(a)
        if not np.issubdtype(a.dtype, np.integer) or a.size not in (1, channels) or a.ndim > 1:
            fail(f"its {what} must be integers, one or {channels} (one per channel), not {a.dtype} {a.shape}")
    for i, m in enumerate(mults):
        if np.abs(m).max() >= MULT_LIMITS[i]:
            fail(f"multiplier {i} reaches {np.abs(m).max()}; it must stay below {MULT_LIMITS[i]}")
    if np.abs(bias).max() >= BIAS_LIMIT:
        fail(f"its bias reaches {np.abs(bias).max()}; it must stay below 2**47")
    if np.min(node.shift) < 0 or np.max(node.shift) > MAX_SHIFT:
        fail(f"its shift must be within 0 and {MAX_SHIFT}")


ARITY = {"Requantize": (1, 2), "Mul": (2,), "MatMul": (2,), "Constant": (0,), "Concat": ()}
"""Numbers of inputs that an operator takes, where not (1,). Concat takes any."""
MOVES_T = (ops.Reshape, ops.Flatten, ops.Transpose, ops.Concat, ops.Slice, ops.MaxPool)
MOVES = ("Reshape", "Flatten", "Transpose", "Concat", "Slice")
"""Operators that only move integers, so they take wide tensors too."""
