"""What no engine of any size can hold, told before or after compiling, with the node that asks for the most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.errors import FitError, UnsupportedError
from hwgen.graph import Graph, ops
from hwgen.runtime import abi
from hwgen.schedule.config import MAX_GROUP_WORDS, MAX_KV_DEPTH, MAX_ROW_WORDS, EngineConfig
from hwgen.schedule.plan import MatOp, Plan, RowOp
from hwgen.schedule.vector import VecOp
from hwgen.schedule.views import MOVES

_WAY_OUT = "use a larger --array, or split the graph"
_LARGE = 1 << 16
"""Numbers of a tensor that is worth a look before compiling."""
MAX_PROGRAM = 4096
MAX_PARTS = 8
"""Banks that an image would fill, at most."""


def bank_bytes(n: int, m: int) -> int:
    """Bytes of a bank of activations that instructions can reach."""
    return (1 << abi.ADDR_BITS) * min(n, m, 16)


def check_sizes(graph: Graph, channels_first: Callable[[str], bool], n: int, m: int, v: int) -> None:
    """Raise FitError naming the first tensor that no bank can hold, or the first node that no program can, before
    anything is made for each of their numbers; UnsupportedError naming a tensor without axes. Sums are never stored,
    what is moved is where it was, images come in parts."""
    _check_axes(graph)
    _check_length(graph)
    limit = bank_bytes(n, m)

    def check(who: str, name: str, takes: int, most: int) -> None:
        if takes > most:
            raise FitError(f"{who} of shape {graph.tensors[name].shape} takes {takes:,} bytes; a memory bank of the "
                           f"engine holds {limit:,} on a {n}x{m} array: {_WAY_OUT}")  # fmt: skip

    for name in graph.inputs:
        tensor = graph.tensors[name]
        check(f"input {name!r}", name, tensor.size, limit * (MAX_PARTS if len(tensor.shape) == 3 else 1))
    for node in graph.nodes:
        tensor = graph.tensors[node.output]
        if tensor.size >= _LARGE and not isinstance(node, (*ops.ACCUMULATING, *MOVES)):
            channels = tensor.shape[0 if channels_first(node.output) else -1]
            takes = tensor.size // channels * (-(-channels // v) * v)  # channels fill whole words
            check(f"node {node.name!r} ({node.op}): its result", node.output, takes, limit)


def _check_axes(graph: Graph) -> None:
    for name in (*graph.inputs, *(node.output for node in graph.nodes)):
        if not graph.tensors[name].shape:
            raise UnsupportedError(f"tensor {name!r} has no axes; give it one of size 1, by a Reshape to [batch, 1]")


def _check_length(graph: Graph) -> None:
    """Each Requantize takes an instruction of the array at least, but those of products."""
    products = {node.output for node in graph.nodes if isinstance(node, ops.Mul)}
    array = [node for node in graph.nodes if isinstance(node, ops.Requantize) and node.inputs[0] not in products]
    if len(array) > MAX_PROGRAM:
        raise FitError(
            f"node {array[MAX_PROGRAM].name!r}: with it the array needs {len(array):,} instructions or more; an engine "
            f"holds {MAX_PROGRAM:,}: take fewer layers or steps, or split the graph"
        )


def check_reach(config: EngineConfig, plan: Plan) -> None:
    """Raise FitError naming a memory that is larger than instructions can address, and what takes most of it."""
    limits = {
        "weight_depth": 1 << abi.ADDR_BITS,
        "param_depth": 1 << abi.PADDR_BITS,
        "row_param_depth": 1 << abi.PADDR_BITS,
        "row_words": MAX_ROW_WORDS,
        "group_words": MAX_GROUP_WORDS,
        "vec_param_depth": 1 << abi.PADDR_BITS,
        "kv_depth": MAX_KV_DEPTH,
        "act_depth": bank_bytes(config.n, config.m) // config.v,
        "prog_depth": MAX_PROGRAM,
        "unit_prog_depth": MAX_PROGRAM,
    }
    for what, limit in limits.items():
        if (need := getattr(config, what)) > limit:
            raise FitError(
                f"node {_largest(plan, what)!r}: with it the program needs {what} = {need} on a "
                f"{config.n}x{config.m} array; instructions reach {limit}: {_WAY_OUT}"
            )


def _largest(plan: Plan, what: str) -> str:
    """The operation that takes most of a memory."""
    if what == "act_depth":
        largest = max(plan.buffers.values(), key=lambda buffer: buffer.bytes)
        return next((op.name for op in plan.ops if op.out.buffer == largest.name), largest.name)
    return max(plan.ops, key=lambda op: _take(op, what, plan)).name


def _take(op: MatOp | RowOp | VecOp, what: str, plan: Plan) -> int:
    """About how much of a memory an operation takes."""
    kinds = {
        "weight_depth": MatOp, "param_depth": MatOp, "kv_depth": MatOp, "prog_depth": MatOp,
        "unit_prog_depth": RowOp | VecOp, "row_param_depth": RowOp, "row_words": RowOp, "group_words": RowOp,
        "vec_param_depth": VecOp,
    }  # fmt: skip
    if not isinstance(op, kinds[what]):
        return -1
    if what == "weight_depth":
        return sum(part.words.size for part in op.parts if part.words is not None)
    if what == "kv_depth":
        return plan.buffers[op.out.buffer].kv
    if what == "prog_depth":
        return len(op.parts)
    return int(np.size(op.lane.mult)) if what.endswith("param_depth") else op.out.channels
