"""The integer graph as FINN layers: `lower(graph, board)`; what FINN cannot hold is an error that names the node.

Every operator is exact: thresholds and tables come from golden's integers, residuals and products are integer streams.
"""

from __future__ import annotations

from hwgen.backends.finn import kinds
from hwgen.backends.finn.matrices import Matrices
from hwgen.backends.finn.net import Net
from hwgen.backends.finn.rounding import Rounding
from hwgen.backends.finn.space import Space
from hwgen.backends.finn.value import Value, kind_of, lay_out
from hwgen.boards import Board
from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops

BOARDS = {"zcu104": "ZCU104", "kv260": "KV260_SOM", "ultra96v2": "Ultra96-V2", "pynq-z2": "Pynq-Z2"}
"""Our boards as FINN v0.10.1 spells them (finn.util.basic.pynq_part_map)."""
IMPOSSIBLE = {
    "LayerNorm": "FINN has no LayerNorm for this board",
    "GroupNorm": "FINN has no GroupNorm",
    "MatMul": "FINN multiplies streams with weights only, not with another stream",
    "ConvTranspose1D": "FINN has no transposed convolution",
    "Constant": "FINN has no constant streams",
    "Softmax": "FINN has no softmax",
    "Transpose": "FINN's streams keep their order, it has no transpose",
    "Slice": "FINN has no slice of a stream",
}


def board_name(board: Board) -> str:
    """FINN's name of a board. Raises UnsupportedError where FINN has none."""
    if board.name not in BOARDS:
        raise UnsupportedError(
            f"FINN v0.10.1 does not know the board {board.name}; it takes {', '.join(BOARDS)}, and every board takes "
            "the backend engine"
        )
    return BOARDS[board.name]


def lower(graph: Graph, board: Board) -> Net:
    """The network of a graph for a board. Raises UnsupportedError naming node, reason and way out."""
    board_name(board)
    return _Lowering(graph, board).run()


class _Lowering(Matrices, Rounding, Space):
    def __init__(self, graph: Graph, board: Board):
        self.graph = graph
        flat = all(len(t.shape) == 1 for t in graph.tensors.values()) and not _has(graph, ops.Mul)
        weights = [n.weight for n in graph.nodes if isinstance(n, (ops.Linear, ops.Conv))]
        sums = any(isinstance(n, ops.SumPool) and not self.is_global(n) for n in graph.nodes)  # weights of 1
        shrink = not sums and all(kinds.shrinkable(w) for w in weights)
        names = (*graph.inputs, *graph.outputs)
        self.net = Net(2 if flat else 4, shrink, narrow_weights=board.family == "zynq7", taken=names)
        self.values: dict[str, Value] = {}
        self.done: set[str] = set()

    def run(self) -> Net:
        """Inputs, nodes, outputs."""
        for name in self.graph.inputs:
            t = self.graph.tensors[name]
            shape, axis = self.layout(name)
            self.values[name] = Value(self.net.input(name, shape, kind_of(t)), axis)
            self.net.ports[name] = (shape, axis, ())
        for node in self.graph.nodes:
            if node.name not in self.done:
                self.net.source = node.name
                self.lower(node)
        for name in self.graph.outputs:
            x = self.values[name]
            self.net.output(x.stream, name)
            self.net.ports[name] = (x.stream.shape, x.axis, x.flat)
        return self.net

    def layout(self, name: str) -> tuple[tuple[int, ...], int]:
        """Stream shape and channel axis of a tensor."""
        shape = self.graph.tensors[name].shape
        return (self.net.vector_shape(shape[0]), -1) if len(shape) == 1 else lay_out(self.graph, name)

    def lower(self, node: ops.Node) -> None:
        """Add one node's layers."""
        if node.op in IMPOSSIBLE:
            self.fail(node, IMPOSSIBLE[node.op])
        getattr(self, "_" + node.op.lower())(node)


def _has(graph: Graph, op: type) -> bool:
    return any(isinstance(n, op) for n in graph.nodes)
