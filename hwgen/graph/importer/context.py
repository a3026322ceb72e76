"""What every converter of an ONNX operator works with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwgen.graph.builder import GraphBuilder
from hwgen.graph.importer.materialize import emit_moves
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.values import Affine, Const, Move, Shape, Value, collapse, tensor_value
from hwgen.graph.types import Tensor


@dataclass
class Context:
    """The graph under construction, the batch size of the ONNX model, who quantized which input, and which constants
    have become tensors (by id, with the constant, which so stays alive)."""

    builder: GraphBuilder
    batch: int
    input_quant: dict[str, tuple[object, OnnxNode]] = field(default_factory=dict)
    input_shapes: dict[str, Shape] = field(default_factory=dict)
    constants: dict[int, tuple[Const, str]] = field(default_factory=dict)

    def tensor(self, name: str) -> Tensor:
        return self.builder.tensor(name)

    def value_of(self, name: str) -> Affine:
        """The expression that is just this tensor."""
        return tensor_value(name, self.tensor(name).shape)

    def fresh(self, base: str) -> str:
        return self.builder._fresh(base)

    def const_for(self, node: OnnxNode, array: np.ndarray, value: Affine) -> np.ndarray:
        """A constant operand as a float64 array in the layout of value.inner (rank 0 if one number).

        Raises UnsupportedError when it would change the value's shape or meets a move that cannot be undone.
        """
        a, shape = np.asarray(array, np.float64), value.shape
        if not np.isfinite(a).all():
            node.unsupported("a constant operand holds NaN or infinity; check the model's parameters")
        if a.size == 1:
            return a.reshape(())
        rank = len(shape) + 1
        if a.ndim > rank:
            node.unsupported(f"a constant of shape {a.shape} would add axes to {shape}; reshape the constant")
        a = a.reshape((1,) * (rank - a.ndim) + a.shape)
        if a.shape[0] != 1 and (a != a[:1]).any():
            node.unsupported("a constant differs between the elements of the batch; use the same for all")
        a = a[0]
        try:
            fits = np.broadcast_shapes(a.shape, shape) == tuple(shape)
        except ValueError:
            fits = False
        if not fits:
            node.unsupported(f"a constant of shape {a.shape} does not broadcast to {shape} (without batch)")
        a = collapse(a)
        if a.ndim == 0 or not value.moves:
            return a
        if not value.movable_consts:
            node.unsupported("a factor or bias per channel comes after pooling or slicing; insert a Quant node before")
        a = np.broadcast_to(a, shape)
        for m in reversed(value.moves):
            a = m.undo(a)
        return collapse(a)

    def moved(self, value: Affine, move: Move) -> Affine:
        """The value after a move: done at once on a tensor of 8 bits or less, else kept until it is quantized."""
        if move.before == move.after and move.kind == "reshape":
            return value
        if value.only(str) and not value.moves and not self.tensor(value.terms[0][0]).dtype.is_wide:
            gain, bias = value.terms[0][1], value.bias
            if collapse(gain).ndim == 0 and collapse(bias).ndim == 0 and (move.kind != "maxpool" or gain > 0):
                x = emit_moves(self.builder, value.terms[0][0], (move,))
                terms = ((x, collapse(gain)),)
                return Affine(terms, move.after, collapse(bias), value.lo, value.hi)
        return Affine(value.terms, value.inner, value.bias, value.lo, value.hi, (*value.moves, move))


def constant(value: Value | None) -> np.ndarray | None:
    """The array of a constant, or None."""
    return value.array if isinstance(value, Const) else None
