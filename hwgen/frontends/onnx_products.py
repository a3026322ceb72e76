"""Float ONNX: products that say in one operator what others spell out: Einsum, and Attention of opset 23."""

from __future__ import annotations

import numpy as np

from hwgen.frontends.onnx_layers import matmul, softmax
from hwgen.frontends.onnx_values import Const, Reader, Ten, Value
from hwgen.graph.importer.model import OnnxNode


def einsum(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Two factors: axes in both and in the result go in front, those that are summed meet, as a matrix product"""
    terms, arrow, out = node.attrs["equation"].replace(" ", "").partition("->")
    words = terms.split(",")
    whole = (*words, out)
    if not arrow or len(words) != 2 or len(args) != 2 or any(not w.isalpha() or len(set(w)) < len(w) for w in whole):
        node.unsupported(f"its equation {terms}{arrow}{out} is not of two factors, each axis named once; use MatMul")
    a, b = words
    batch, shared = [c for c in a if c in b and c in out], [c for c in a if c in b and c not in out]
    left, right = [c for c in a if c not in b], [c for c in b if c not in a]
    if set(left + right) - set(out) or not shared:
        node.unsupported(f"its equation {terms}->{out} sums an axis of one factor, or none of both; use ReduceSum, Mul")
    sizes = dict(zip(a + b, (*_shape(args[0]), *_shape(args[1])), strict=True))

    def count(axes: list[str]) -> int:
        return int(np.prod([sizes[c] for c in axes], dtype=np.int64))

    leading = tuple(sizes[c] for c in batch)
    x = _arranged(r, node, args[0], a, (*batch, *left, *shared), (*leading, count(left), count(shared)))
    y = _arranged(r, node, args[1], b, (*batch, *shared, *right), (*leading, count(shared), count(right)))
    found = [*batch, *left, *right]
    made = r.reshaped(matmul(r, node, [x, y]), tuple(sizes[c] for c in found), node)
    return r.transposed(made, tuple(found.index(c) for c in out), node)


def _shape(value: Value) -> tuple[int, ...]:
    return tuple(value.array.shape) if isinstance(value, Const) else tuple(value.full)


def _arranged(r: Reader, node: OnnxNode, value: Value, axes: str, order: tuple[str, ...],
              full: tuple[int, ...]) -> Value:  # fmt: skip
    """The value with its axes in this order, some of them joined."""
    perm = tuple(axes.index(c) for c in order)
    if isinstance(value, Const):
        return Const(np.ascontiguousarray(value.array.transpose(perm)).reshape(full))
    return r.reshaped(r.transposed(r.tensor(value, node), perm, node), full, node)


def attention(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Attention of all tokens to all: [1, heads, T, d], or [1, T, heads * d] with the number of heads beside"""
    q, k, v = (r.tensor(a, node) for a in args[:3])
    given = [name for name, a in zip(("a mask", "past keys", "past values"), args[3:6], strict=False) if a is not None]
    given += [name for name in ("is_causal", "softcap", "qk_matmul_output_mode") if node.attrs.get(name)]
    if given or any(node.outputs[1:]):
        node.unsupported(f"it has {', '.join(given) or 'several outputs'}; only attention to all tokens is possible")
    flat = len(q.full) == 3
    if flat:
        heads, others = (int(node.attrs[f"{side}_num_heads"]) for side in ("q", "kv"))
        q, k, v = (_heads(r, node, x, n) for x, n in ((q, heads), (k, others), (v, others)))
    if q.full[1] != k.full[1]:
        node.unsupported(f"it has {q.full[1]} heads of queries and {k.full[1]} of keys; they must be as many")
    scale = float(node.attrs.get("scale", q.full[-1] ** -0.5))
    logits = matmul(r, node, [q, r.transposed(k, (0, 1, 3, 2), node)])
    logits = Ten(r.net.affine(logits.name, scale, 0.0, r.fresh(f"{node.label}.scaled")), logits.full)
    y = matmul(r, node, [softmax(r, OnnxNode("Softmax", "", node.label, [], [], {}, node.opset), [logits]), v])
    if not flat:
        return y
    y = r.transposed(y, (0, 2, 1, 3), node)
    return r.reshaped(y, (y.full[0], y.full[1], y.full[2] * y.full[3]), node)


def _heads(r: Reader, node: OnnxNode, x: Ten, heads: int) -> Ten:
    """[1, T, heads * d] -> [1, heads, T, d]."""
    batch, rows, width = x.full
    return r.transposed(r.reshaped(x, (batch, rows, heads, width // heads), node), (0, 2, 1, 3), node)
